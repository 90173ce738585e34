//! Comma-separated text in memory, one cell at a time.

use super::cell;

/// A table being written: cells, row after row, `\n` at the end of each.
#[derive(Debug)]
pub struct CsvText {
    writer: csv::Writer<Vec<u8>>,
    scratch: String,
    rows: u64,
}

impl CsvText {
    /// A table with this header.
    #[must_use]
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .from_writer(Vec::new());
        let mut table = Self { writer, scratch: String::new(), rows: 0 };
        for name in header {
            table.put(name);
        }
        table.end_line();
        table
    }

    /// # Panics
    /// Never: memory takes what it is given.
    fn put(&mut self, cell: &str) {
        self.writer.write_field(cell).expect("memory takes every cell");
    }

    /// # Panics
    /// When a row has more or fewer cells than the header: a bug of ours.
    fn end_line(&mut self) {
        self.writer.write_record(None::<&[u8]>).expect("a row has as many cells as the header");
    }

    /// A text cell, neutralised.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.put(&cell::text(text));
        self
    }

    /// A number, empty where it is not one.
    pub fn number(&mut self, x: f64) -> &mut Self {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        cell::number(&mut scratch, x);
        self.put(&scratch);
        self.scratch = scratch;
        self
    }

    /// Anything that prints as a word or a whole number, none: empty.
    pub fn word(&mut self, word: Option<impl std::fmt::Display>) -> &mut Self {
        use std::fmt::Write as _;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        if let Some(word) = word {
            let _ = write!(scratch, "{word}");
        }
        self.put(&scratch);
        self.scratch = scratch;
        self
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.end_line();
        self.rows += 1;
    }

    /// Rows so far, without the header.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The bytes of the table.
    ///
    /// # Panics
    /// Never: memory takes what it is given.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.writer.into_inner().expect("memory takes every row")
    }
}
