//! The monthly tables: `series.csv` and a table each of firms, vendors,
//! countries, chips and lines.

use std::io;

use super::csv_text::CsvText;
use super::{Page, Sink, columns};
use crate::metric::{Metric, Scope};

/// The six monthly tables of a run, filled as its months pass.
///
/// `series` has a row a month; the others a row a month and member, left out in
/// months in which the member has no value at all (a chip that is not yet known).
#[derive(Debug)]
pub struct Panels {
    tables: Vec<(Scope, CsvText)>,
}

impl Panels {
    /// Empty tables for `metrics`.
    #[must_use]
    pub fn new(metrics: &'static [&'static Metric]) -> Self {
        let tables = Scope::ALL
            .into_iter()
            .map(|scope| {
                let key: &[&str] =
                    if scope == Scope::World { &["month"] } else { &["month", "id"] };
                let header = key.iter().copied().chain(columns(metrics, scope).map(|m| m.name));
                (scope, CsvText::new(header))
            })
            .collect();
        Self { tables }
    }

    /// Each table's scope, bytes and number of rows, in the order of [`Scope::ALL`].
    pub fn into_tables(self) -> impl Iterator<Item = (Scope, Vec<u8>, u64)> {
        self.tables.into_iter().map(|(scope, table)| {
            let rows = table.rows();
            (scope, table.into_bytes(), rows)
        })
    }
}

impl Sink for Panels {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        for (scope, table) in &mut self.tables {
            for (id, values) in page.rows(*scope) {
                table.word(Some(page.month));
                if *scope != Scope::World {
                    table.text(id);
                }
                for value in values {
                    table.number(*value);
                }
                table.end();
            }
        }
        Ok(())
    }
}
