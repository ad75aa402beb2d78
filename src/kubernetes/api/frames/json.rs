//! Objects as JSON: a watch has a line for each, a list has them in an array.

use super::{renew, within};
use crate::kubernetes::api::decode::{Head, ListMetadata};
use crate::kubernetes::api::failure::Failure;

/// Lines of a watch.
#[derive(Debug, Default)]
pub(in crate::kubernetes::api) struct Lines {
    line: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Takes from `chunk` what belongs to the next line, and gives the line once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        if std::mem::take(&mut self.ended) {
            renew(&mut self.line);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let (head, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
        self.line.extend_from_slice(head);
        within(self.line.len())?;
        self.ended = end.is_some();
        *chunk = rest.get(1..).unwrap_or_default();
        Ok(self.ended.then_some(&self.line))
    }
}

/// Items of a list: the objects in the array `items` of the outermost object.
#[derive(Debug, Default)]
pub(in crate::kubernetes::api) struct Items {
    item: Vec<u8>,
    ended: bool,
    /// the list without its items
    rest: Vec<u8>,
    depth: usize,
    /// in the array `items`
    within: bool,
    in_text: bool,
    escaped: bool,
}

impl Items {
    /// Takes from `chunk` what belongs to the next item, and gives the item once it is whole. `None`
    /// when all of the chunk is taken.
    pub(super) fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<&[u8]>, Failure> {
        if std::mem::take(&mut self.ended) {
            renew(&mut self.item);
        }
        while let [byte, rest @ ..] = *chunk {
            *chunk = rest;
            self.take(*byte);
            if self.ended {
                return Ok(Some(&self.item));
            }
        }
        within(self.item.len().max(self.rest.len()))?;
        Ok(None)
    }

    /// What the list says beside its items, as far as it came.
    pub(super) fn metadata(&self) -> Result<ListMetadata, Failure> {
        let head: Result<Head, _> = serde_json::from_slice(&self.head());
        let head = head.map_err(|error| Failure::Garbled(error.to_string()))?;
        Ok(head.metadata)
    }

    /// The list without its items, as far as it came: valid JSON if it says all so far.
    fn head(&self) -> Vec<u8> {
        let mut head = self.rest.clone();
        if self.within {
            head.extend_from_slice(b"]}");
        }
        head
    }

    fn take(&mut self, byte: u8) {
        let in_item = self.within && self.depth > 2;
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            self.keep(in_item, byte);
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => {
                if byte == b'[' && self.depth == 1 && is_after_items(&self.rest) {
                    self.within = true;
                    self.rest.push(byte);
                    self.depth = 2;
                    return;
                }
                self.depth += 1;
                self.keep(self.within, byte);
                return;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if in_item {
                    self.item.push(byte);
                    self.ended = self.depth == 2;
                    return;
                }
                self.within = false;
            }
            // Between items.
            _ if self.within && !in_item => return,
            _ => {}
        }
        self.keep(in_item, byte);
    }

    fn keep(&mut self, in_item: bool, byte: u8) {
        match in_item {
            true => self.item.push(byte),
            false => self.rest.push(byte),
        }
    }
}

/// Whether what stands before an array is the key `items`.
fn is_after_items(before: &[u8]) -> bool {
    let key = before.trim_ascii_end().strip_suffix(b":");
    key.is_some_and(|key| key.trim_ascii_end().ends_with(b"\"items\""))
}

#[cfg(test)]
mod tests {
    use super::super::MOST;
    use super::*;

    /// What comes of a body, in whatever pieces it arrives.
    fn items(body: &str, size: usize) -> (Vec<String>, String) {
        let (mut items, mut found) = (Items::default(), Vec::new());
        for mut chunk in body.as_bytes().chunks(size) {
            while let Some(item) = items.next(&mut chunk).unwrap() {
                found.push(String::from_utf8(item.to_vec()).unwrap());
            }
        }
        (found, String::from_utf8(items.head()).unwrap())
    }

    #[test]
    fn the_items_of_a_list_are_found_in_any_pieces() {
        let cases = [
            (
                "none",
                r#"{"kind":"L","items":[]}"#,
                vec![],
                r#"{"kind":"L","items":[]}"#,
            ),
            ("null", r#"{"items":null}"#, vec![], r#"{"items":null}"#),
            (
                "two, with brackets and quotes in texts",
                r#"{"metadata":{"resourceVersion":"7"},"items":[{"a":"}]\"\\"},{"b":[{"c":{}}]}]}"#,
                vec![r#"{"a":"}]\"\\"}"#, r#"{"b":[{"c":{}}]}"#],
                r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#,
            ),
            (
                "spaced, with metadata last",
                "{ \"items\" : [ {\"a\": 1} ,\n {} ] , \"metadata\": {\"items\": [1]} }\n",
                vec![r#"{"a": 1}"#, "{}"],
                "{ \"items\" : [] , \"metadata\": {\"items\": [1]} }\n",
            ),
            (
                "a key of the same name deeper down",
                r#"{"x":{"items":[{"no":1}]},"items":[{"yes":1}]}"#,
                vec![r#"{"yes":1}"#],
                r#"{"x":{"items":[{"no":1}]},"items":[]}"#,
            ),
        ];
        for (name, body, expected, head) in cases {
            for size in 1..=body.len() {
                let (found, rest) = items(body, size);
                assert_eq!(
                    (found, rest.as_str()),
                    (strings(&expected), head),
                    "{name}, {size}"
                );
            }
        }
    }

    #[test]
    fn the_head_is_valid_before_the_first_item() {
        let mut all = Items::default();
        let mut chunk: &[u8] = br#"{"metadata":{"resourceVersion":"7"},"items":[{"#;
        assert_eq!(all.next(&mut chunk).unwrap(), None);
        assert_eq!(
            all.head(),
            br#"{"metadata":{"resourceVersion":"7"},"items":[]}"#
        );
    }

    #[test]
    fn the_lines_of_a_watch_are_found_in_any_pieces() {
        let body = "{\"a\":1}\n\n{\"b\":\"\\n\"}\nhalf";
        for size in 1..=body.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for mut chunk in body.as_bytes().chunks(size) {
                while let Some(line) = lines.next(&mut chunk).unwrap() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["{\"a\":1}", "", "{\"b\":\"\\n\"}"], "{size}");
        }
    }

    #[test]
    fn an_endless_object_is_an_error() {
        let (mut lines, mut items) = (Lines::default(), Items::default());
        let chunk = vec![b'x'; 1 << 20];
        let pieces = || std::iter::repeat_n(&*chunk, (MOST >> 20) + 1);
        assert!(pieces().any(|mut chunk| lines.next(&mut chunk).is_err()));
        assert!(pieces().any(|mut chunk| items.next(&mut chunk).is_err()));
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }
}
