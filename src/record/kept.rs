//! The months of a run, kept in memory by name.

use std::collections::BTreeMap;
use std::io;

use super::{Page, Sink, columns};
use crate::calendar::Month;
use crate::metric::{Metric, Scope};

/// Every value of a run by scope, member and metric.
#[derive(Debug)]
pub struct Kept {
    metrics: &'static [&'static Metric],
    /// The months, in order.
    pub months: Vec<Month>,
    /// `[scope]` → member's id → one row of values a month (empty: no row that month).
    tables: Vec<BTreeMap<String, Vec<Vec<f64>>>>,
}

impl Kept {
    /// An empty memory for `metrics`.
    #[must_use]
    pub fn new(metrics: &'static [&'static Metric]) -> Self {
        Self { metrics, months: Vec::new(), tables: vec![BTreeMap::new(); Scope::ALL.len()] }
    }

    /// The values of a world metric, a month each; none if no such metric is declared.
    #[must_use]
    pub fn series(&self, name: &str) -> Option<Vec<f64>> {
        self.panel(Scope::World, "", name)
    }

    /// The values of a metric of member `id`, a month each (not a number where there is none).
    #[must_use]
    pub fn panel(&self, scope: Scope, id: &str, name: &str) -> Option<Vec<f64>> {
        let column = columns(self.metrics, scope).position(|metric| metric.name == name)?;
        let rows = self.tables[scope as usize].get(id)?;
        let cell = |month: usize| rows.get(month).and_then(|row| row.get(column)).copied();
        Some((0..self.months.len()).map(|month| cell(month).unwrap_or(f64::NAN)).collect())
    }

    /// The ids of the members of `scope` that had a value in some month, sorted.
    pub fn members(&self, scope: Scope) -> impl Iterator<Item = &str> {
        self.tables[scope as usize].keys().map(String::as_str)
    }

    /// The value of a world metric in `month` (not a number if there is none).
    #[must_use]
    pub fn at(&self, name: &str, month: Month) -> f64 {
        let place = self.months.iter().position(|m| *m == month);
        let column = columns(self.metrics, Scope::World).position(|metric| metric.name == name);
        let (Some(place), Some(column)) = (place, column) else { return f64::NAN };
        let rows = self.tables[Scope::World as usize].get("");
        rows.and_then(|rows| rows.get(place)?.get(column)).copied().unwrap_or(f64::NAN)
    }
}

impl Sink for Kept {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        let place = self.months.len();
        self.months.push(page.month);
        for scope in Scope::ALL {
            let table = &mut self.tables[scope as usize];
            for (id, values) in page.rows(scope) {
                if !table.contains_key(id) {
                    table.insert(id.to_owned(), Vec::new());
                }
                if let Some(rows) = table.get_mut(id) {
                    rows.resize(place, Vec::new());
                    rows.push(values.to_vec());
                }
            }
        }
        Ok(())
    }
}
