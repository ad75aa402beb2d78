//! Zone-file text to entries: words, quotes, parentheses, comments.

use super::Fault;

/// A word as it is written, escapes and all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'t> {
    pub(super) text: &'t [u8],
    /// It stood in quotes, which are left out.
    pub(super) quoted: bool,
    /// Nothing stands between the word before and this one.
    pub(super) joined: bool,
    pub(super) at: At,
}

/// Where something stands, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A line, or several in parentheses.
pub(super) struct Entry<'t> {
    /// The first word starts the line, and so is an owner or a directive.
    pub(super) has_owner: bool,
    /// Never empty.
    pub(super) words: Vec<Word<'t>>,
    pub(super) at: At,
}

pub(super) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            line_start: 0,
        }
    }

    /// The next entry that has a word.
    pub(super) fn entry(&mut self) -> Result<Option<Entry<'t>>, Fault> {
        let mut words: Vec<Word<'t>> = Vec::new();
        let (mut depth, mut open) = (0_u32, self.here());
        let (mut has_owner, mut is_start, mut is_apart) = (false, true, true);
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'\n' if depth == 0 && words.is_empty() => {
                    self.newline();
                    (is_start, is_apart) = (true, true);
                    continue;
                }
                b'\n' if depth == 0 => {
                    self.newline();
                    break;
                }
                b'\n' => {
                    self.newline();
                    is_apart = true;
                }
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    is_apart = true;
                }
                b';' => self.comment(),
                b'(' => {
                    open = self.here();
                    (self.at, depth, is_apart) = (self.at + 1, depth + 1, true);
                }
                b')' => {
                    let Some(less) = depth.checked_sub(1) else {
                        return Err(Fault::new(self.here(), "there is no '(' for this ')'"));
                    };
                    (self.at, depth, is_apart) = (self.at + 1, less, true);
                }
                _ => {
                    has_owner |= words.is_empty() && is_start;
                    let mut word = if byte == b'"' {
                        self.quoted()?
                    } else {
                        self.word()
                    };
                    word.joined = !is_apart;
                    words.push(word);
                    is_apart = false;
                }
            }
            is_start = false;
        }
        if depth > 0 {
            return Err(Fault::new(open, "this '(' is not closed"));
        }
        let first = words.first().map(|word| word.at);
        Ok(first.map(|at| Entry {
            has_owner,
            words,
            at,
        }))
    }

    fn here(&self) -> At {
        let column = self.at - self.line_start + 1;
        At {
            line: self.line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
        self.line_start = self.at;
    }

    fn comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.at += length.unwrap_or(rest.len());
    }

    fn word(&mut self) -> Word<'t> {
        let (at, start) = (self.here(), self.at);
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                // Not past the line: its end ends a word even so.
                b'\\'
                    if self
                        .text
                        .get(self.at + 1)
                        .is_some_and(|next| *next != b'\n') =>
                {
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        Word {
            text: self.text.get(start..self.at).unwrap_or_default(),
            quoted: false,
            joined: false,
            at,
        }
    }

    fn quoted(&mut self) -> Result<Word<'t>, Fault> {
        let at = self.here();
        self.at += 1;
        let start = self.at;
        loop {
            match self.text.get(self.at) {
                None => return Err(Fault::new(at, "this quote is not closed")),
                Some(b'"') => break,
                Some(b'\n') => self.newline(),
                Some(b'\\')
                    if self
                        .text
                        .get(self.at + 1)
                        .is_some_and(|next| *next != b'\n') =>
                {
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Word {
            text,
            quoted: true,
            joined: false,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut scanner = Scanner::new(text.as_bytes());
        let mut told = String::new();
        loop {
            match scanner.entry() {
                Ok(None) => return told,
                Ok(Some(entry)) => {
                    told.push(if entry.has_owner { '|' } else { ' ' });
                    for word in &entry.words {
                        let text = String::from_utf8_lossy(word.text);
                        let quote = if word.quoted { "\"" } else { "" };
                        let joined = if word.joined { "+" } else { "" };
                        let at = word.at;
                        told += &format!("{joined}{quote}{text}{quote}@{}:{} ", at.line, at.column);
                    }
                    told.push('\n');
                }
                Err(fault) => {
                    return told
                        + &format!("{}:{}: {}", fault.at.line, fault.at.column, fault.message);
                }
            }
        }
    }

    #[test]
    fn words_and_where_they_stand() {
        for (text, expected) in [
            ("", ""),
            ("\n\n ; nothing\n", ""),
            ("a b\n c", "|a@1:1 b@1:3 \n c@2:2 \n"),
            ("a ; b c\nd", "|a@1:1 \n|d@2:1 \n"),
            (
                "a (b ; c\n d\n) e\r\nf",
                "|a@1:1 b@1:4 d@2:2 e@3:3 \n|f@4:1 \n",
            ),
            (
                r#"a "b c;(" d"e""#,
                "|a@1:1 \"b c;(\"@1:3 d@1:11 +\"e\"@1:12 \n",
            ),
            (r"a\ b c\;d \(", "|a\\ b@1:1 c\\;d@1:6 \\(@1:11 \n"),
            ("a \"b\nc\" d\ne", "|a@1:1 \"b\nc\"@1:3 d@2:4 \n|e@3:1 \n"),
            ("( a\n)\n b", " a@1:3 \n b@3:2 \n"),
            ("a )", "1:3: there is no '(' for this ')'"),
            ("a (\nb", "1:3: this '(' is not closed"),
            ("a \"b\n", "1:3: this quote is not closed"),
            ("a\\", "|a\\@1:1 \n"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
