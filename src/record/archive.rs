//! Reads the folder of a run back.

use std::fs;
use std::path::{Path, PathBuf};

use super::causes::{Entry, Log};
use super::{cell, manifest};
use crate::calendar::Month;

/// A table that was read back: every cell as text, neutralisation undone.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The row of member `id` in `month`.
    #[must_use]
    pub fn row(&self, month: Month, id: &str) -> Option<&[String]> {
        let month = month.to_string();
        let (at_month, at_id) = (self.column("month")?, self.column("id")?);
        let found = self.rows.iter().find(|row| row[at_id] == id && row[at_month] == month);
        found.map(Vec::as_slice)
    }

    /// Every id of the table, in order of first appearance.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        if let Some(at) = self.column("id") {
            for row in &self.rows {
                if !ids.contains(&row[at].as_str()) {
                    ids.push(&row[at]);
                }
            }
        }
        ids
    }
}

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Archive {
    folder: PathBuf,
    manifest: serde_json::Value,
}

impl Archive {
    /// Opens `folder`.
    ///
    /// # Errors
    /// When it does not hold the manifest of a run.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let shown = folder.display();
        if !folder.is_dir() {
            return Err(format!(
                "`{shown}` is not a folder; name the output of a run, for example one of outputs/"
            ));
        }
        let path = folder.join(manifest::FILE);
        let text = fs::read_to_string(&path).map_err(|e| {
            format!("`{shown}` is not the output of a run: cannot read {}: {e}", manifest::FILE)
        })?;
        let manifest: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        if manifest["format"] != manifest::FORMAT {
            return Err(format!(
                "{}: format {} is not {}; use the version of the program that wrote it",
                path.display(),
                manifest["format"],
                manifest::FORMAT
            ));
        }
        Ok(Self { folder: folder.to_path_buf(), manifest })
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &serde_json::Value {
        &self.manifest
    }

    /// The unit of a column of a table, empty if unknown.
    #[must_use]
    pub fn unit(&self, table: &str, column: &str) -> &str {
        let columns = self.manifest["tables"][table].as_array();
        let found = columns.and_then(|list| list.iter().find(|c| c["name"] == column));
        found.and_then(|c| c["unit"].as_str()).unwrap_or("")
    }

    /// First and last month.
    #[must_use]
    pub fn span(&self) -> Option<(Month, Month)> {
        let month = |key: &str| self.manifest[key].as_str()?.parse().ok();
        Some((month("first_month")?, month("last_month")?))
    }

    /// Whether the event log was kept.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.manifest["events"] == true
    }

    /// Reads a table, by its name without extension.
    ///
    /// # Errors
    /// When it is missing or not a table.
    pub fn sheet(&self, table: &str) -> Result<Sheet, String> {
        let path = self.folder.join(format!("{table}.csv"));
        let wrong = |e: csv::Error| format!("{}: {e}", path.display());
        let mut reader = csv::Reader::from_path(&path).map_err(wrong)?;
        let header = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(wrong)?;
            rows.push(record.iter().map(|c| cell::restored(c).to_owned()).collect());
        }
        Ok(Sheet { header, rows })
    }

    /// Reads `events.csv`.
    ///
    /// # Errors
    /// When it is missing, not a table, or contradicts itself; the message names the place.
    pub fn log(&self) -> Result<Log, String> {
        let path = self.folder.join("events.csv");
        if !self.has_events() {
            return Err(format!(
                "`{}` was run with --no-events, so causes are not on record; run it again without",
                self.folder.display()
            ));
        }
        let sheet = self.sheet("events")?;
        let named = |name: &str| {
            let missing = || format!("{}: no column `{name}`", path.display());
            sheet.column(name).ok_or_else(missing)
        };
        let [id, month, kind, subject, object, quantity, unit, cause, besides, text] = [
            named("id")?,
            named("month")?,
            named("kind")?,
            named("subject")?,
            named("object")?,
            named("quantity")?,
            named("unit")?,
            named("cause")?,
            named("besides")?,
            named("text")?,
        ];
        let mut entries = Vec::with_capacity(sheet.rows.len());
        for (at, row) in sheet.rows.iter().enumerate() {
            let wrong = |column: usize| {
                let (name, found) = (&sheet.header[column], &row[column]);
                format!("{}, event row {}: {name} is `{found}`", path.display(), at + 1)
            };
            entries.push(Entry {
                id: row[id].parse().map_err(|_| wrong(id))?,
                month: row[month].parse().map_err(|_| wrong(month))?,
                kind: row[kind].clone(),
                subject: row[subject].clone(),
                object: row[object].clone(),
                quantity: value(&row[quantity]).ok_or_else(|| wrong(quantity))?,
                unit: row[unit].clone(),
                cause: match row[cause].as_str() {
                    "" => None,
                    id => Some(id.parse().map_err(|_| wrong(cause))?),
                },
                besides: {
                    let ids = row[besides].split_whitespace().map(str::parse);
                    ids.collect::<Result<_, _>>().map_err(|_| wrong(besides))?
                },
                text: row[text].clone(),
            });
        }
        Log::new(entries).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// A number cell: not a number when empty, none when it holds something else.
#[must_use]
pub fn value(cell: &str) -> Option<f64> {
    if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }
}
