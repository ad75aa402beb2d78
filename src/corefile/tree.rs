//! What a Corefile says: server blocks, their keys, their directives. No plugin is known here.

mod print;

use super::cursor::Cursor;
use super::diagnostic::Diagnostic;
use super::key::{Key, Transport};
use super::lexer::{Gap, Token};
use super::place::Place;

/// Keys, and what is to be done for their zones.
#[derive(Clone, Debug)]
pub struct ServerBlock {
    keys: Vec<Key>,
    directives: Vec<Directive>,
}

/// All that one server block says to one plugin.
///
/// A directive may stand in a block more than once. As caddy does, its occurrences are joined and
/// set up at once; [`Directive::occurrences`] tells them apart.
#[derive(Clone, Debug)]
pub struct Directive {
    name: String,
    tokens: Vec<Token>,
    /// Where in `tokens` each occurrence starts: at its name.
    starts: Vec<usize>,
}

/// One zone of a server block, and how it is served.
#[derive(Clone, Copy, Debug)]
pub struct Zone<'a> {
    /// The key that names it.
    pub key: &'a Key,
    /// The name, in lower case and with the dot at its end.
    pub name: &'a str,
}

impl ServerBlock {
    pub(super) fn new(keys: Vec<Key>, directives: Vec<Directive>) -> Self {
        Self { keys, directives }
    }

    /// The keys, in the order in which they stand. At least one.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The zones of all keys, in order.
    pub fn zones(&self) -> impl Iterator<Item = Zone<'_>> {
        self.keys
            .iter()
            .flat_map(|key| key.zones.iter().map(move |name| Zone { key, name }))
    }

    /// The directives, in the order in which their first occurrences stand.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// The directive `name`, where the block has it.
    #[must_use]
    pub fn directive(&self, name: &str) -> Option<&Directive> {
        self.directives
            .iter()
            .find(|directive| directive.name == name)
    }

    /// The zones that a plugin is for: those of its arguments or else the block's, as CoreDNS's
    /// `OriginsFromArgsOrServerBlock`. Networks are expanded to their reverse zones.
    ///
    /// CoreDNS passes over arguments that name no zone. They are the second list, as warnings.
    #[must_use]
    pub fn origins(&self, arguments: &[&Token]) -> (Vec<String>, Vec<Diagnostic>) {
        if arguments.is_empty() {
            let zones = self.zones().map(|zone| zone.name.to_owned()).collect();
            return (zones, Vec::new());
        }
        let mut origins = (Vec::new(), Vec::new());
        for argument in arguments {
            match argument.zones() {
                Ok(zones) => origins.0.extend(zones),
                Err(error) => origins.1.push(
                    Diagnostic::warning(format!("ignored: {}", error.message()))
                        .at(argument.place()),
                ),
            }
        }
        origins
    }

    /// What the block means, as bytes: the same for two blocks that differ only in white space,
    /// comments, quotes, the way to write a key, and the order of different directives.
    pub(super) fn write_content(&self, content: &mut Vec<u8>) {
        // Each text with its length and each list with its count, so that no two contents
        // are the same bytes.
        let zones: Vec<Zone<'_>> = self.zones().collect();
        write_count(content, zones.len());
        for Zone { key, name } in zones {
            write_text(content, key.transport.scheme());
            write_text(content, name);
            write_text(
                content,
                &key.port.map(|port| port.to_string()).unwrap_or_default(),
            );
        }
        let mut directives: Vec<&Directive> = self.directives.iter().collect();
        directives.sort_by(|one, other| one.name.cmp(&other.name));
        write_count(content, directives.len());
        for directive in directives {
            write_count(content, directive.tokens.len());
            for (gap, text) in directive.words() {
                content.push(match gap {
                    Gap::Space => b' ',
                    Gap::NewLine | Gap::Back => b'\n',
                });
                write_text(content, text);
            }
        }
    }
}

impl Directive {
    /// A directive that stands once: its words from the name on, so at least one.
    pub(super) fn new(name: &str, words: Vec<Token>) -> Self {
        Self {
            name: name.to_owned(),
            tokens: words,
            starts: vec![0],
        }
    }

    /// The same directive once more.
    pub(super) fn repeat(&mut self, words: Vec<Token>) {
        self.starts.push(self.tokens.len());
        self.tokens.extend(words);
    }

    /// The name, with variables replaced.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All words of all occurrences, each from its name on. Never empty.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The words of each occurrence, from its name on.
    pub fn occurrences(&self) -> impl Iterator<Item = &[Token]> {
        let ends = self
            .starts
            .iter()
            .skip(1)
            .copied()
            .chain([self.tokens.len()]);
        self.starts
            .iter()
            .zip(ends)
            .filter_map(|(start, end)| self.tokens.get(*start..end))
    }

    /// The same directive without the line in which the word at `place` stands, and without the
    /// block that opens on it; where that is the line of a name, without that occurrence. `None`
    /// where nothing would be left, or nothing stands there.
    #[must_use]
    pub fn without_line(&self, place: &Place) -> Option<Self> {
        let at = self
            .tokens
            .iter()
            .position(|word| word.place().is_same(place))?;
        let starts_line = |index: &usize| {
            let pair = self.tokens.get(*index - 1).zip(self.tokens.get(*index));
            pair.is_none_or(|(before, word)| word.gap_after(before) != Gap::Space)
        };
        let start = (1..=at).rev().find(starts_line).unwrap_or(0);
        let next_start = self.starts.iter().copied().find(|other| *other > at);
        let occurrence_end = next_start.unwrap_or(self.tokens.len());
        let end = match self.starts.binary_search(&start) {
            Ok(_) => occurrence_end,
            Err(_) => self.end_of_line(start, occurrence_end),
        };
        let removed = end - start;
        let tokens = [self.tokens.get(..start)?, self.tokens.get(end..)?].concat();
        let starts = self
            .starts
            .iter()
            .filter(|other| !(start..end).contains(*other));
        let starts = starts.map(|other| {
            if *other < start {
                *other
            } else {
                other - removed
            }
        });
        (!tokens.is_empty()).then(|| Self {
            name: self.name.clone(),
            tokens,
            starts: starts.collect(),
        })
    }

    /// Where the line that starts at word `start` ends, with the block that opens on it.
    fn end_of_line(&self, start: usize, limit: usize) -> usize {
        let mut open = 0_usize;
        let mut before: Option<&Token> = None;
        for (index, word) in self.tokens.iter().enumerate().take(limit).skip(start) {
            let is_next = before.is_some_and(|before| word.gap_after(before) != Gap::Space);
            match word.text() {
                "}" if open == 0 => return index,
                "}" => open -= 1,
                _ if is_next && open == 0 => return index,
                "{" => open += 1,
                _ => {}
            }
            before = Some(word);
        }
        limit
    }

    /// A reader of the words, before the first one.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.tokens)
    }

    /// The text of each word, and how the word stands to the one before it. A name is what the
    /// variable in its place stands for, though the word itself stays as it is written.
    fn words(&self) -> impl Iterator<Item = (Gap, &str)> {
        let before = std::iter::once(None).chain(self.tokens.iter().map(Some));
        let pairs = self.tokens.iter().zip(before);
        pairs.enumerate().map(|(index, (token, before))| {
            let gap = before.map_or(Gap::NewLine, |before| token.gap_after(before));
            match self.starts.binary_search(&index) {
                Ok(_) => (gap, self.name.as_str()),
                Err(_) => (gap, token.text()),
            }
        })
    }
}

impl Zone<'_> {
    /// How the zone is spoken to.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.key.transport
    }
}

fn write_count(content: &mut Vec<u8>, count: usize) {
    content.extend((count as u64).to_be_bytes());
}

fn write_text(content: &mut Vec<u8>, text: &str) {
    write_count(content, text.len());
    content.extend(text.as_bytes());
}

#[cfg(test)]
mod tests;
