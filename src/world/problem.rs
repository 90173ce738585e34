//! What is wrong with a world, and where: up to twenty problems at once, in the
//! order of the files, each at its line and column.

use std::fmt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Problems shown at once.
pub const SHOWN: usize = 20;

/// Problems whose message may look for a near word; later ones go without, so
/// that a file full of errors takes no longer than one with a few.
const HINTS: usize = 500;

/// Where a cell was written: a source and the byte in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    source: u32,
    offset: Option<u32>,
}

/// A file as it was read, for copying beside results.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path it was read from.
    pub path: PathBuf,
    /// The path inside the worlds folder, with `/` between folders.
    pub inside: String,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl SourceFile {
    /// A file with its hash.
    #[must_use]
    pub fn new(path: PathBuf, inside: String, bytes: Vec<u8>) -> Self {
        Self { path, inside, sha256: sha256(&bytes), bytes }
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    /// Layers below come first: the base has the greatest depth, `--set` the least.
    depth: i32,
    file: Option<SourceFile>,
}

/// Everything that a world was read from, command-line settings included.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a source; problems of deeper sources are shown first.
    pub(crate) fn add(&mut self, name: String, depth: i32, file: Option<SourceFile>) -> Origin {
        self.list.push(Source { name, depth, file });
        Origin { source: (self.list.len() - 1) as u32, offset: None }
    }

    /// The file's text.
    pub(crate) fn text(&self, of: Origin) -> &str {
        let file = self.list[of.source as usize].file.as_ref();
        file.and_then(|f| std::str::from_utf8(&f.bytes).ok()).unwrap_or("")
    }

    /// `file:line:column` of an origin; the file alone where there is no line.
    #[must_use]
    pub fn place(&self, origin: Origin) -> String {
        let source = &self.list[origin.source as usize];
        match (self.position(origin), &source.file) {
            (Some((line, column)), Some(_)) => format!("{}:{line}:{column}", source.name),
            _ => source.name.clone(),
        }
    }

    /// Line and column (in characters), both from 1.
    #[must_use]
    pub fn position(&self, origin: Origin) -> Option<(usize, usize)> {
        let file = self.list[origin.source as usize].file.as_ref()?;
        let before = file.bytes.get(..origin.offset? as usize).unwrap_or(&file.bytes);
        let line = before.split(|b| *b == b'\n').count();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        // Bytes 10xxxxxx continue a character.
        let column = before[start..].iter().filter(|b| **b & 0xc0 != 0x80).count() + 1;
        Some((line, column))
    }

    /// The files read, in the order of reading.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.list.iter().filter_map(|s| s.file.as_ref())
    }

    /// Order of origins: lower layers first, then files, then places in them.
    fn rank(&self, origin: Origin) -> (i32, u32, u32) {
        (self.layer(origin), origin.source, origin.offset.unwrap_or(0))
    }
}

impl Sources {
    /// The layer of an origin: the base is the lowest, `--set` the highest.
    pub(super) fn layer(&self, origin: Origin) -> i32 {
        -self.list[origin.source as usize].depth
    }
}

impl Origin {
    /// The source that is added first: the world itself.
    pub(super) const WORLD: Self = Self { source: 0, offset: None };

    /// The same source at byte `offset`.
    pub(crate) const fn at(self, offset: usize) -> Self {
        Self { source: self.source, offset: Some(offset as u32) }
    }
}

/// Problems as they are found.
#[derive(Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    hints: usize,
}

#[derive(PartialEq)]
struct Problem {
    origin: Origin,
    path: String,
    message: String,
    /// Another place that the message ends with.
    beside: Option<Origin>,
}

impl Problems {
    /// Notes a problem of `path` (may be empty) at `origin`.
    pub fn add(&mut self, origin: Origin, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem {
            origin,
            path: path.into(),
            message: message.into(),
            beside: None,
        });
    }

    /// The same, with a message that ends in another place.
    pub fn add_beside(
        &mut self,
        origin: Origin,
        path: impl Into<String>,
        message: impl Into<String>,
        beside: Origin,
    ) {
        self.add(origin, path, message);
        if let Some(last) = self.found.last_mut() {
            last.beside = Some(beside);
        }
    }

    /// `; did you mean …?` when a candidate is near `word`, else nothing.
    pub fn hint<'a>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> String {
        if self.may_hint() { did_you_mean(word, candidates) } else { String::new() }
    }

    /// Whether another message may look for a near word.
    pub const fn may_hint(&mut self) -> bool {
        self.hints += 1;
        self.hints <= HINTS
    }

    /// The refusal, when there is a problem.
    pub fn into_result(mut self, sources: &Sources) -> Result<(), Refusal> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.sort(sources);
        let total = self.found.len();
        let lines = self.lines(sources, SHOWN);
        Err(Refusal { lines, more: total.saturating_sub(SHOWN) })
    }

    /// In the order of layers, files and places, each once.
    pub fn sort(&mut self, sources: &Sources) {
        self.found.sort_by(|a, b| {
            let by_place = sources.rank(a.origin).cmp(&sources.rank(b.origin));
            by_place.then_with(|| (&a.path, &a.message).cmp(&(&b.path, &b.message)))
        });
        self.found.dedup();
    }

    /// The problems as lines, at most `limit`.
    pub fn lines(&self, sources: &Sources, limit: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for problem in self.found.iter().take(limit) {
            let mut line = sources.place(problem.origin);
            if !problem.path.is_empty() {
                line.push(' ');
                line.push_str(&problem.path);
            }
            line.push_str(": ");
            line.push_str(&problem.message);
            if let Some(beside) = problem.beside {
                line.push(' ');
                line.push_str(&sources.place(beside));
            }
            lines.push(line);
        }
        lines
    }
}

/// Why a world was not taken: the first problems, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first problems, in the order of files and lines.
    pub lines: Vec<String>,
    /// Problems beyond those.
    pub more: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))?;
        if self.more > 0 {
            write!(f, "\n… and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Text from a file as a message may show it: cut at 60 characters, and with
/// characters that a terminal would obey written out.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == 60 {
            out.push('…');
            break;
        }
        if super::text::unwanted(c).is_some() || c == '\n' || c == '\t' {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// `; did you mean …?` when a candidate is near `word`, else nothing.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    near(word, candidates).map_or_else(String::new, |c| format!("; did you mean `{}`?", shown(c)))
}

/// The candidate nearest to `word`: the same but for case and dashes, or begun
/// alike, or at most a third of its characters away.
pub(super) fn near<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = plain(candidate);
        if other.len() > 64 {
            continue;
        }
        let begun_alike = word.len() >= 3
            && other.len() >= 3
            && (other.starts_with(&word) || word.starts_with(&other));
        let longest = word.chars().count().max(other.chars().count());
        let distance = strsim::osa_distance(&word, &other);
        let distance = if begun_alike { distance.min(1) } else { distance };
        let near_enough = distance <= (longest / 3).max(1) && distance < longest;
        if near_enough && best.is_none_or(|b| (distance, candidate) < b) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let columns = ["cash_usd_bn", "debt_usd_bn", "home", "group"];
        assert_eq!(near("cash_usd", columns), Some("cash_usd_bn"));
        assert_eq!(near("hoem", columns), Some("home"));
        assert_eq!(near("Home", columns), Some("home"));
        assert_eq!(near("price", columns), None);
        assert_eq!(near("x", columns), None);
        assert_eq!(near("", columns), None);
        assert_eq!(near("chn", ["che", "chn-2"]), Some("che"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(shown("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let mut sources = Sources::default();
        let bytes = "a\nµµ x".as_bytes().to_vec();
        let file = SourceFile::new(PathBuf::from("f"), "f".to_owned(), bytes);
        let origin = sources.add("f".to_owned(), 0, Some(file));
        assert_eq!(sources.place(origin.at(7)), "f:2:4");
        assert_eq!(sources.place(origin), "f");
    }
}
