//! A table as it lies in a folder, Parquet or CSV, whatever its columns.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::record::cell;
use crate::study::{Cells, Column, Kind, Reader};

/// Rows of a table, column by column.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Columns.
    pub columns: Vec<Column>,
    /// Their cells, as many in each.
    pub cells: Vec<Cells>,
}

impl Frame {
    /// No rows of these columns.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Self {
        let cells = columns.iter().map(|column| Cells::none(column.kind)).collect();
        Self { columns, cells }
    }

    /// Reads a table; of a Parquet file only the columns in `only`, if any are named.
    ///
    /// # Errors
    /// When it is no table.
    pub fn read(path: &Path, only: &[&str]) -> io::Result<Self> {
        if path.extension().is_some_and(|ending| ending == "csv") {
            return Self::read_csv(path);
        }
        let (reader, columns) = Reader::discover(path)?;
        let wanted = |column: &Column| only.is_empty() || only.contains(&column.name.as_str());
        let mut frame = Self::default();
        for (at, column) in columns.into_iter().enumerate().filter(|(_, c)| wanted(c)) {
            let mut all = Cells::none(column.kind);
            for batch in 0..reader.batches() {
                append(&mut all, reader.column(batch, at)?);
            }
            frame.columns.push(column);
            frame.cells.push(all);
        }
        Ok(frame)
    }

    fn read_csv(path: &Path) -> io::Result<Self> {
        let mut reader = csv::Reader::from_path(path).map_err(io::Error::from)?;
        let names: Vec<String> =
            reader.headers().map_err(io::Error::from)?.iter().map(str::to_owned).collect();
        let mut texts: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        for record in reader.records() {
            for (column, text) in texts.iter_mut().zip(&record.map_err(io::Error::from)?) {
                column.push(cell::restored(text).to_owned());
            }
        }
        let mut frame = Self::default();
        for (name, texts) in names.iter().zip(texts) {
            let numbers: Option<Vec<f64>> = texts
                .iter()
                .map(|text| if text.is_empty() { Some(f64::NAN) } else { as_number(text) })
                .collect();
            let some = texts.iter().any(|text| !text.is_empty());
            let (kind, cells) = if let Some(numbers) = numbers.filter(|_| some) {
                (Kind::Number, Cells::Number(numbers))
            } else {
                let full = |text: String| (!text.is_empty()).then(|| Arc::from(text));
                (Kind::Text, Cells::Text(texts.into_iter().map(full).collect()))
            };
            frame.columns.push(Column::new(name, "", "", kind));
            frame.cells.push(cells);
        }
        Ok(frame)
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.first().map_or(0, Cells::len)
    }

    /// Where a column is.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The first of `names` that is not a column.
    #[must_use]
    pub fn lacks<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().find(|name| self.find(name).is_none()).copied()
    }

    /// A cell as text; empty where there is none. A number has the fewest digits that read back as the same.
    #[must_use]
    pub fn text(&self, name: &str, row: usize) -> String {
        let Some(at) = self.find(name) else { return String::new() };
        match &self.cells[at] {
            Cells::Text(cells) => cells[row].as_deref().unwrap_or_default().to_owned(),
            cells => {
                let mut text = String::new();
                cell::number(&mut text, cells.at(row));
                text
            }
        }
    }

    /// A cell as a number; not a number where there is none.
    #[must_use]
    pub fn number(&self, name: &str, row: usize) -> f64 {
        self.find(name).map_or(f64::NAN, |at| self.cells[at].at(row))
    }

    /// The different texts of a column, in order of their first row.
    #[must_use]
    pub fn distinct(&self, name: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let Some(at) = self.find(name) else { return seen };
        let mut known = std::collections::BTreeSet::new();
        for row in 0..self.cells[at].len() {
            let text = self.text(name, row);
            if !text.is_empty() && known.insert(text.clone()) {
                seen.push(text);
            }
        }
        seen
    }

    /// These rows and these columns; a column that is not there is left out.
    #[must_use]
    pub fn pick(&self, columns: &[&str], rows: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.rows()).filter(|row| rows(*row)).collect();
        let mut frame = Self::default();
        for at in columns.iter().filter_map(|name| self.find(name)) {
            frame.columns.push(self.columns[at].clone());
            frame.cells.push(match &self.cells[at] {
                Cells::Whole(all) => Cells::Whole(kept.iter().map(|row| all[*row]).collect()),
                Cells::Number(all) => Cells::Number(kept.iter().map(|row| all[*row]).collect()),
                Cells::Short(all) => Cells::Short(kept.iter().map(|row| all[*row]).collect()),
                Cells::Text(all) => Cells::Text(kept.iter().map(|row| all[*row].clone()).collect()),
            });
        }
        frame
    }

    /// Gives a column another name, unless one has it already.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let (Some(at), None) = (self.find(from), self.find(to)) {
            to.clone_into(&mut self.columns[at].name);
        }
    }

    /// Puts a column of one text in front.
    pub fn label(&mut self, name: &str, definition: &str, text: &str) {
        let text: Arc<str> = Arc::from(text);
        let cells = Cells::Text(vec![Some(text); self.rows()]);
        self.columns.insert(0, Column::new(name, "word", definition, Kind::Text));
        self.cells.insert(0, cells);
    }

    /// Adds the rows of a table of the same columns; those that only one has are empty for the other.
    pub fn append(&mut self, mut other: Self) {
        if self.columns.is_empty() {
            *self = other;
            return;
        }
        let (before, more) = (self.rows(), other.rows());
        for (at, column) in self.columns.iter().enumerate() {
            match other.find(&column.name) {
                Some(from) if other.columns[from].kind == column.kind => {
                    let cells = std::mem::replace(&mut other.cells[from], Cells::none(column.kind));
                    append(&mut self.cells[at], cells);
                }
                _ => append(&mut self.cells[at], empty(column.kind, more)),
            }
        }
        for (column, cells) in other.columns.into_iter().zip(other.cells) {
            if self.find(&column.name).is_none() {
                let mut all = empty(column.kind, before);
                append(&mut all, cells);
                self.columns.push(column);
                self.cells.push(all);
            }
        }
    }

    /// The table as the page carries it: numbers to the last bit, texts by their place in a list.
    #[must_use]
    pub fn json(&self) -> Json {
        let column = |(column, cells): (&Column, &Cells)| {
            let mut json = json!({
                "name": column.name,
                "unit": column.unit,
                "definition": column.definition,
            });
            if let Cells::Text(cells) = cells {
                let mut places: BTreeMap<&str, usize> = BTreeMap::new();
                let mut texts: Vec<&str> = Vec::new();
                let codes: Vec<Option<usize>> = cells
                    .iter()
                    .map(|text| {
                        let text = text.as_deref()?;
                        Some(*places.entry(text).or_insert_with(|| {
                            texts.push(text);
                            texts.len() - 1
                        }))
                    })
                    .collect();
                json["texts"] = json!(texts);
                json["codes"] = json!(codes);
            } else {
                json["numbers"] = (0..cells.len()).map(|row| number(cells.at(row))).collect();
            }
            json
        };
        self.columns.iter().zip(&self.cells).map(column).collect()
    }
}

/// Digits of a cell beyond which it is a hash and no number.
const LONGEST: usize = 32;

/// What a cell of a CSV file is as a number.
fn as_number(text: &str) -> Option<f64> {
    if text.len() > LONGEST { None } else { text.parse().ok() }
}

/// Whole numbers below this are exact, and written without a point, as CSV files have them.
const EXACT_BELOW: f64 = 9e15;

/// A number as JSON, to the last bit; nothing for what is none.
fn number(x: f64) -> Json {
    if x.trunc() == x && x.abs() < EXACT_BELOW { json!(x as i64) } else { json!(x) }
}

fn append(cells: &mut Cells, more: Cells) {
    match (cells, more) {
        (Cells::Whole(a), Cells::Whole(b)) => a.extend(b),
        (Cells::Number(a), Cells::Number(b)) => a.extend(b),
        (Cells::Short(a), Cells::Short(b)) => a.extend(b),
        (Cells::Text(a), Cells::Text(b)) => a.extend(b),
        _ => {}
    }
}

fn empty(kind: Kind, rows: usize) -> Cells {
    match kind {
        Kind::Whole => Cells::Whole(vec![None; rows]),
        Kind::Number => Cells::Number(vec![f64::NAN; rows]),
        Kind::Short => Cells::Short(vec![f32::NAN; rows]),
        Kind::Text => Cells::Text(vec![None; rows]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_table_is_read_picked_and_carried_without_loss() {
        let path = std::env::temp_dir().join(format!("frugality-frame-{}.csv", std::process::id()));
        std::fs::write(&path, "arm,x,y\na,0.1,\n'=b,3,\na,-2e-7,\n").unwrap();
        let frame = Frame::read(&path, &[]).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((frame.rows(), frame.text("arm", 1).as_str()), (3, "=b"));
        assert_eq!(frame.number("x", 2), -2e-7);
        assert_eq!(frame.lacks(&["arm", "z"]), Some("z"));
        assert_eq!(frame.distinct("arm"), ["a", "=b"]);
        let picked = frame.pick(&["x", "none", "arm"], |row| frame.text("arm", row) == "a");
        assert_eq!((picked.rows(), picked.columns.len()), (2, 2));
        let json = frame.json().to_string();
        assert!(json.contains(r#""numbers":[0.1,3,-2e-7]"#), "{json}");
        // A number that a careless parser gets wrong by one bit.
        assert_eq!(number(0.431_937_603_652_477_24).to_string(), "0.43193760365247724");
        assert_eq!(number(f64::NAN), Json::Null);
        assert!(json.contains(r#""texts":["a","=b"],"codes":[0,1,0]"#), "{json}");
        assert!(json.contains(r#""codes":[null,null,null]"#), "{json}");
    }
}
