//! The tables of a run, month by month and member by member: read from its folder, or kept while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::calendar::Month;
use crate::metric::Scope;
use crate::world::observation::Across;

/// The tables of one run.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The folder, or a name.
    pub name: String,
    tables: BTreeMap<String, Table>,
}

/// An output table: a row a month and member.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<String>,
    /// Numbers by id, then month, a column each (not a number: no value). `series` has one member with
    /// an empty id.
    members: BTreeMap<String, BTreeMap<Month, Vec<f64>>>,
    /// The first text of each column that is not empty, by id.
    words: BTreeMap<String, Vec<String>>,
    /// What does not change from month to month, by id, under its own header.
    attributes: BTreeMap<String, Vec<String>>,
    attributes_header: Vec<String>,
}

/// The table that holds what chips are: a row a SKU, designed ones included.
const SKUS: &str = "skus";

/// Why an output folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The folder holds none of the tables.
    #[error("{}: no output tables here; expected series.csv and its companions", .0.display())]
    NoTables(PathBuf),
    /// A file that cannot be read as a table.
    #[error("{}: {says}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line where there is one.
        says: String,
    },
}

/// Why a run has no value for something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// The run wrote no such table.
    #[error("no table {0}")]
    Table(String),
    /// The table has no such metric.
    #[error("no metric {0}")]
    Metric(String),
    /// The table has no such column to select members by.
    #[error("no column {0}")]
    Column(String),
    /// The table has no such member.
    #[error("no member {0}")]
    Member(String),
    /// The run does not cover the months.
    #[error("the run covers {0} to {1} only")]
    Months(Month, Month),
    /// Every cell is empty.
    #[error("no value in these months")]
    Empty,
    /// The divisor is zero.
    #[error("the divisor is zero")]
    Divisor,
}

impl Outputs {
    /// Reads every table that the folder holds.
    ///
    /// # Errors
    /// When the folder holds no table, or one that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Unreadable> {
        let mut outputs = Self { name: folder.display().to_string(), tables: BTreeMap::new() };
        for scope in Scope::ALL {
            let file = folder.join(format!("{}.csv", scope.table()));
            if !file.is_file() {
                continue;
            }
            let wrong = |says: String| Unreadable::File { file: file.clone(), says };
            let text = std::fs::read(&file).map_err(|e| wrong(e.to_string()))?;
            outputs.add(scope.table(), &text).map_err(wrong)?;
        }
        let file = folder.join(format!("{SKUS}.csv"));
        if file.is_file() {
            let wrong = |says: String| Unreadable::File { file: file.clone(), says };
            let text = std::fs::read(&file).map_err(|e| wrong(e.to_string()))?;
            outputs.describe(Scope::Sku.table(), &text).map_err(wrong)?;
        }
        if outputs.tables.is_empty() {
            return Err(Unreadable::NoTables(folder.to_owned()));
        }
        Ok(outputs)
    }

    /// A run with no tables, to be given some.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), tables: BTreeMap::new() }
    }

    /// Adds a table from CSV text with the columns `month`, `id` (but for
    /// `series`), and any others.
    ///
    /// # Errors
    /// What is wrong and in which line, in words.
    pub fn add(&mut self, name: &str, text: &[u8]) -> Result<(), String> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text);
        let header: Vec<String> =
            reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_owned).collect();
        let position = |name: &str| header.iter().position(|column| column == name);
        let month_at = position("month").ok_or("no column `month`")?;
        let id_at = position("id");
        if id_at.is_none() && name != Scope::World.table() {
            return Err("no column `id`".to_owned());
        }
        let mut table = Table { header, ..Table::default() };
        for record in reader.records() {
            let record = record.map_err(|e| e.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let month: Month = record[month_at].parse().map_err(|e| format!("line {line}: {e}"))?;
            let id = id_at.map_or("", |at| &record[at]).to_owned();
            let words = table.words.entry(id.clone()).or_default();
            words.resize(table.header.len(), String::new());
            for (word, cell) in words.iter_mut().zip(&record) {
                if word.is_empty() {
                    cell.clone_into(word);
                }
            }
            let numbers = record.iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect();
            if table.members.entry(id.clone()).or_default().insert(month, numbers).is_some() {
                return Err(format!(
                    "line {line}: a second row for {month} {id}; score the runs of a batch one by one"
                ));
            }
        }
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Adds a month of a member: `values`, a column each of `header`.
    pub(super) fn push(
        &mut self,
        table: &str,
        header: &[&str],
        id: &str,
        month: Month,
        values: Vec<f64>,
    ) {
        if !self.tables.contains_key(table) {
            let header = header.iter().map(|&name| name.to_owned()).collect();
            self.tables.insert(table.to_owned(), Table { header, ..Table::default() });
        }
        if let Some(table) = self.tables.get_mut(table) {
            if !table.members.contains_key(id) {
                table.members.insert(id.to_owned(), BTreeMap::new());
            }
            if let Some(months) = table.members.get_mut(id) {
                months.insert(month, values);
            }
        }
    }

    /// Adds what members of `table` are, from CSV text with a column `id` and a
    /// row a member. Columns of the table itself stand behind these.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn describe(&mut self, table: &str, text: &[u8]) -> Result<(), String> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text);
        let header: Vec<String> =
            reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_owned).collect();
        let id_at = header.iter().position(|column| column == "id").ok_or("no column `id`")?;
        let table = self.tables.entry(table.to_owned()).or_default();
        table.attributes_header = header;
        for record in reader.records() {
            let record = record.map_err(|e| e.to_string())?;
            let cells = record.iter().map(str::to_owned).collect();
            table.attributes.insert(record[id_at].to_owned(), cells);
        }
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// When the run wrote none.
    pub fn table(&self, name: &str) -> Result<&Table, Gap> {
        self.tables.get(name).ok_or_else(|| Gap::Table(name.to_owned()))
    }
}

/// Rows that a list of words selects, each with the month from which it counts.
pub type Selection = BTreeMap<String, Option<Month>>;

impl Table {
    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The first and the last month of the table.
    #[must_use]
    pub fn months(&self) -> Option<(Month, Month)> {
        let first = self.members.values().filter_map(|rows| rows.keys().next()).min()?;
        let last = self.members.values().filter_map(|rows| rows.keys().next_back()).max()?;
        Some((*first, *last))
    }

    /// What `id` is by the column `name`: from the description of members, else
    /// the first cell of the table that is not empty.
    fn attribute(&self, id: &str, name: &str) -> &str {
        if let Some(at) = self.attributes_header.iter().position(|column| column == name) {
            return self.attributes.get(id).map_or("", |cells| cells[at].as_str());
        }
        let Some((at, words)) = self.column(name).zip(self.words.get(id)) else { return "" };
        words.get(at).map_or("", String::as_str)
    }

    fn has_attribute(&self, name: &str) -> Result<(), Gap> {
        if self.attributes_header.iter().any(|column| column == name) || self.column(name).is_some()
        {
            Ok(())
        } else {
            Err(Gap::Column(name.to_owned()))
        }
    }

    /// Whether any of `selection` that is `value` by the column `name` has something other than zero
    /// of `metric` in `window`.
    #[must_use]
    pub fn any_counts(
        &self,
        selection: &Selection,
        (name, value): (&str, &str),
        metric: &str,
        window: (Month, Month),
    ) -> bool {
        let Some(at) = self.column(metric) else { return false };
        selection.keys().filter(|id| self.attribute(id, name) == value).any(|id| {
            let months = self.members.get(id).into_iter().flatten();
            months
                .filter(|(month, _)| **month >= window.0 && **month <= window.1)
                .any(|(_, row)| row[at].is_finite() && row[at] != 0.0)
        })
    }

    /// The rows that `words` select; see [`crate::world::observation`] for the language.
    ///
    /// # Errors
    /// An id that no row has, or a column that the table does not have.
    pub fn select(&self, words: &[String]) -> Result<Selection, Gap> {
        let mut selection = Selection::new();
        if words.is_empty() {
            selection.insert(String::new(), None);
            return Ok(selection);
        }
        for word in words {
            let (pattern, since) = match word.split_once('@') {
                Some((pattern, month)) => {
                    (pattern, Some(month.parse().map_err(|_| Gap::Member(word.clone()))?))
                }
                None => (word.as_str(), None),
            };
            let mut ids: Option<BTreeSet<&str>> = None;
            for part in pattern.split('&') {
                let found = self.matching(part)?;
                ids = Some(match ids {
                    None => found,
                    Some(ids) => ids.intersection(&found).copied().collect(),
                });
            }
            for id in ids.unwrap_or_default() {
                selection
                    .entry(id.to_owned())
                    .and_modify(|earlier| *earlier = (*earlier).min(since))
                    .or_insert(since);
            }
        }
        Ok(selection)
    }

    fn matching(&self, word: &str) -> Result<BTreeSet<&str>, Gap> {
        let ids = || self.members.keys().map(String::as_str);
        if word == "*" {
            return Ok(ids().collect());
        }
        match word.split_once(':') {
            None if self.members.contains_key(word) => Ok(ids().filter(|id| *id == word).collect()),
            None => Err(Gap::Member(word.to_owned())),
            Some(("parent", ancestor)) => {
                self.has_attribute("parent")?;
                if !self.members.contains_key(ancestor) {
                    return Err(Gap::Member(ancestor.to_owned()));
                }
                Ok(ids().filter(|id| self.descends(id, ancestor)).collect())
            }
            Some(("cut", name)) => {
                self.has_attribute("parent")?;
                self.has_attribute(name)?;
                let number = |id: &str| self.attribute(id, name).parse::<f64>().ok();
                let cut = |id: &str| {
                    let parents = number(self.attribute(id, "parent"));
                    number(id).zip(parents).is_some_and(|(own, parents)| own < parents)
                };
                Ok(ids().filter(|id| cut(id)).collect())
            }
            Some((name, value)) => {
                self.has_attribute(name)?;
                Ok(ids().filter(|id| self.attribute(id, name) == value).collect())
            }
        }
    }

    fn descends(&self, id: &str, ancestor: &str) -> bool {
        let mut at = id;
        // A chain of parents is no longer than the table; a circle would be.
        for _ in 0..self.members.len() {
            at = self.attribute(at, "parent");
            if at == ancestor {
                return true;
            }
            if at.is_empty() {
                return false;
            }
        }
        false
    }

    /// The metric over `selection`, one value a month from `from` to `to`; none
    /// where no member has a value.
    ///
    /// # Errors
    /// A metric that the table does not have, or months that the run does not cover.
    pub fn monthly(
        &self,
        selection: &Selection,
        metric: &str,
        across: Across,
        (from, to): (Month, Month),
    ) -> Result<Vec<Option<f64>>, Gap> {
        let at = self.column(metric).ok_or_else(|| Gap::Metric(metric.to_owned()))?;
        let (first, last) = self.months().ok_or(Gap::Empty)?;
        if from < first || to > last {
            return Err(Gap::Months(first, last));
        }
        let mut values = Vec::new();
        Ok((0..=to - from)
            .map(|step| {
                let month = from + step;
                values.clear();
                values.extend(selection.iter().filter_map(|(id, since)| {
                    if since.is_some_and(|since| month < since) {
                        return None;
                    }
                    let x = self.members.get(id)?.get(&month)?[at];
                    x.is_finite().then_some(x)
                }));
                together(&mut values, across)
            })
            .collect())
    }
}

/// `values` as one number; none where there are none.
fn together(values: &mut [f64], across: Across) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let n = values.len();
    Some(match across {
        Across::Sum => values.iter().sum(),
        Across::Mean => values.iter().sum::<f64>() / n as f64,
        Across::Median => quantile(values, 1.0 / 2.0),
        Across::Largest => values[n - 1],
        Across::Smallest => values[0],
    })
}

/// The quantile `p` of `sorted` values, interpolated linearly between neighbours
/// at position p (n − 1); not a number when there are none.
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = p * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chips() -> Table {
        let mut outputs = Outputs::empty("hand-made");
        let text = "month,id,vendor,parent,tpp,shipped_units\n\
            2022-10,h100,nv,,15832,5\n2022-10,h800,nv,h100,15832,\n2022-10,h20,nv,h800,2368,0\n\
            2022-10,910b,hw,,6016,7\n\
            2022-11,h100,nv,,15832,6\n2022-11,h800,nv,h100,15832,3\n2022-11,h20,nv,h800,2368,2\n\
            2022-11,910b,hw,,6016,8\n";
        outputs.add("chips", text.as_bytes()).unwrap();
        outputs.table("chips").unwrap().clone()
    }

    fn select(words: &[&str]) -> Result<Vec<String>, Gap> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Ok(chips().select(&words)?.into_keys().collect())
    }

    #[test]
    fn words_select_members() {
        assert_eq!(select(&["910b"]).unwrap(), ["910b"]);
        assert_eq!(select(&["vendor:nv"]).unwrap(), ["h100", "h20", "h800"]);
        // The H20 is a cut of the H800, which is a cut of the H100.
        assert_eq!(select(&["parent:h100"]).unwrap(), ["h20", "h800"]);
        // Only the H20 has less TPP than its parent.
        assert_eq!(select(&["vendor:nv&cut:tpp"]).unwrap(), ["h20"]);
        assert_eq!(select(&["parent:910b"]).unwrap(), Vec::<String>::new());
        assert_eq!(select(&["910b", "vendor:nv"]).unwrap().len(), 4);
        assert_eq!(select(&["910x"]).unwrap_err(), Gap::Member("910x".into()));
        assert_eq!(select(&["parent:h10"]).unwrap_err(), Gap::Member("h10".into()));
        assert_eq!(select(&["bloc:us"]).unwrap_err(), Gap::Column("bloc".into()));
    }

    #[test]
    fn what_members_are_may_stand_in_a_table_of_its_own() {
        let mut outputs = Outputs::empty("hand-made");
        outputs.add("chips", b"month,id,shipped\n2022-01,h100,5\n2022-01,h800,3\n").unwrap();
        let skus =
            b"id,vendor,parent,tpp,interconnect_gbps\nh100,nv,,15832,900\nh800,nv,h100,15832,400\n";
        outputs.describe("chips", skus).unwrap();
        let table = outputs.table("chips").unwrap();
        let ids = |word: &str| -> Vec<String> {
            table.select(&[word.to_owned()]).unwrap().into_keys().collect()
        };
        assert_eq!(ids("vendor:nv&cut:interconnect_gbps"), ["h800"]);
        assert_eq!(ids("cut:tpp"), Vec::<String>::new());
    }

    #[test]
    fn months_add_up_over_members_from_the_month_they_count() {
        let table = chips();
        let window = (Month::new(2022, 10), Month::new(2022, 11));
        let sum = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let selection = table.select(&words).unwrap();
            table.monthly(&selection, "shipped_units", Across::Sum, window).unwrap()
        };
        // October: 5 + nothing + 0; November: 6 + 3 + 2.
        assert_eq!(sum(&["vendor:nv"]), [Some(5.0), Some(11.0)]);
        // The 910B counts from November on: 5, then 11 + 8.
        assert_eq!(sum(&["vendor:nv", "910b@2022-11"]), [Some(5.0), Some(19.0)]);
        assert_eq!(sum(&["h800"]), [None, Some(3.0)]);
        let all = table.select(&["*".to_owned()]).unwrap();
        let median = table.monthly(&all, "shipped_units", Across::Median, window).unwrap();
        // October: median of 0, 5, 7; November: of 2, 3, 6, 8.
        assert_eq!(median, [Some(5.0), Some(4.5)]);
        let late = (Month::new(2022, 10), Month::new(2022, 12));
        assert_eq!(
            table.monthly(&all, "shipped_units", Across::Sum, late).unwrap_err(),
            Gap::Months(Month::new(2022, 10), Month::new(2022, 11))
        );
    }

    #[test]
    fn quantiles_interpolate() {
        // Position 0.25 × 3 = 0.75: 1 + 0.75 × (2 − 1).
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0], 0.25) - 1.75).abs() < 1e-12);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_batch_table_is_not_mistaken_for_a_run() {
        let mut outputs = Outputs::empty("batch");
        let error =
            outputs.add("series", b"month,run_id,x\n2022-01,1,2\n2022-01,2,3\n").unwrap_err();
        assert!(error.starts_with("line 3: a second row for 2022-01"), "{error}");
    }
}
