//! Merged layers → checked cells: kinds and ranges, references, parameters.

use std::collections::BTreeMap;

use super::definition::{Definition, Head};
use super::layers::{Merged, RawRow, meant};
use super::problem::{Origin, Problems, shown};
use super::value;
use crate::entities::Switches;
use crate::parameters::Declared;
use crate::schema::{Column, Kind, Value};

/// Longest run.
const MOST_MONTHS: i32 = 600;
/// Most rows of a table.
const MOST_ROWS: usize = 10_000;

/// A checked cell and where it was written; nowhere for a cell that was left out.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Option<Origin>,
}

/// A checked row.
#[derive(Clone, Debug)]
pub struct CheckedRow {
    /// Where the row was first written.
    pub origin: Origin,
    /// One cell a column, in the table's order.
    pub cells: Vec<Cell>,
}

/// Every cell of a world, by table and id, with its origin.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// Settings, in the order of [`Head::COLUMNS`].
    pub heads: Vec<Cell>,
    /// Mechanisms, in the order of [`Switches::ALL`]; those that no file names are on.
    pub switches: Vec<Cell>,
    /// Rows by table and id.
    pub tables: BTreeMap<&'static str, BTreeMap<String, CheckedRow>>,
}

impl Cells {
    /// Where a cell was written; the row where the cell was left out.
    pub(super) fn origin(&self, table: &str, id: &str, column: &str) -> Option<Origin> {
        let row = self.tables.get(table)?.get(id)?;
        let (_, columns) = Definition::columns(table)?;
        let cell = columns.iter().position(|c| c.name == column).and_then(|i| row.cells.get(i));
        Some(cell.and_then(|c| c.origin).unwrap_or(row.origin))
    }
}

/// Checks every cell by itself, then what cells say of each other's ids. The
/// cells are complete when no problem was noted.
pub(super) fn cells(
    merged: &Merged,
    world: Origin,
    folder: Option<Origin>,
    declared: &[&'static Declared],
    problems: &mut Problems,
) -> Cells {
    let mut cells = Cells::default();
    heads(merged, world, &mut cells, problems);
    let mut names: Vec<&str> = declared.iter().map(|d| d.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut absent = Vec::new();
    for &(table, _, columns) in Definition::TABLES {
        let Some(rows) = merged.tables.get(table) else {
            match folder {
                Some(folder) => {
                    let message =
                        format!("the table is missing; write {table}.csv (a header is enough)");
                    problems.add(folder, table, message);
                }
                None => absent.push(table),
            }
            continue;
        };
        if rows.len() > MOST_ROWS {
            let message = format!("{} rows; at most {MOST_ROWS}", rows.len());
            let origin = rows.values().next().map_or(world, |row| row.origin);
            problems.add(origin, table, message);
            continue;
        }
        ids_differ_in_more_than_case(table, rows, problems);
        let checked = rows
            .iter()
            .map(|(id, row)| {
                let known = table != "parameters" || names.binary_search(&id.as_str()).is_ok();
                // That no mechanism reads it is all there is to say of it.
                let rows = if known { Some(rows) } else { None };
                (id.clone(), checked_row(table, id, row, rows, columns, problems))
            })
            .collect();
        cells.tables.insert(table, checked);
    }
    if absent.len() == Definition::TABLES.len() {
        let message = "no tables and no `extends`; a world that changes another begins with extends = \"reference\"";
        problems.add(world, "", message);
    } else if !absent.is_empty() {
        let message = format!(
            "without the tables {}; write [{}], without rows if there are none",
            absent.join(", "),
            absent[0]
        );
        problems.add(world, "", message);
    }
    references(&cells, merged, problems);
    parameters(&cells, declared, &names, folder.unwrap_or(world), problems);
    cells
}

fn heads(merged: &Merged, world: Origin, cells: &mut Cells, problems: &mut Problems) {
    for column in Head::COLUMNS {
        let cell = merged.heads.get(column.name);
        let value = match cell {
            None => Err(missing_head(column)),
            Some(cell) => value::read(&cell.raw, column),
        };
        let origin = cell.map(|c| c.origin);
        let value = value.unwrap_or_else(|message| {
            problems.add(origin.unwrap_or(world), column.name, message);
            Value::Missing
        });
        cells.heads.push(Cell { value, origin });
    }
    let flag = Column { name: "", unit: "", kind: Kind::Flag, optional: false, doc: "" };
    for (name, _) in Switches::ALL {
        let cell = merged.switches.get(name);
        let on = Switches::default().get(name).unwrap_or(true);
        let value = cell.map_or(Ok(Value::Flag(on)), |cell| value::read(&cell.raw, &flag));
        let origin = cell.map(|c| c.origin);
        let value = value.unwrap_or_else(|message| {
            problems.add(origin.unwrap_or(world), format!("mechanisms.{name}"), message);
            Value::Missing
        });
        cells.switches.push(Cell { value, origin });
    }
    if let [
        ..,
        Cell { value: Value::Month(start), .. },
        Cell { value: Value::Month(end), origin },
        _,
        _,
    ] = cells.heads.as_slice()
    {
        let at = origin.unwrap_or(world);
        let months = *end - *start + 1;
        if months < 1 {
            problems.add(at, "end", format!("{end} is before the start, {start}"));
        } else if months > MOST_MONTHS {
            let message = format!("{months} months from {start} to {end}; at most {MOST_MONTHS}");
            problems.add(at, "end", message);
        }
    }
}

fn missing_head(column: &Column) -> String {
    format!("missing; {} is needed", value::wanted(column))
}

/// Ids that differ only in case are one id to a reader's eye.
fn ids_differ_in_more_than_case(
    table: &str,
    rows: &BTreeMap<String, RawRow>,
    problems: &mut Problems,
) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (id, row) in rows {
        if let Some(other) = seen.insert(id.to_ascii_lowercase(), id) {
            let (id, row, other, first) = match rows.get(other) {
                // The row of the upper layer, or else the later one, is the one to blame.
                Some(first) if first.new && !row.new => (other, first, id.as_str(), row.origin),
                Some(first) => (id.as_str(), row, other, first.origin),
                None => continue,
            };
            let message =
                format!("differs from `{other}` only in upper and lower case; that is at");
            problems.add_beside(row.origin, format!("{table}.{id}"), message, first);
        }
    }
}

fn checked_row(
    table: &str,
    id: &str,
    row: &RawRow,
    rows: Option<&BTreeMap<String, RawRow>>,
    columns: &'static [Column],
    problems: &mut Problems,
) -> CheckedRow {
    let missing: Vec<&str> = columns
        .iter()
        .zip(&row.cells)
        .filter(|(column, cell)| cell.is_none() && !column.optional)
        .map(|(column, _)| column.name)
        .collect();
    if let Some(rows) = rows.filter(|_| !missing.is_empty()) {
        // A variant that misspells an id makes a new row by mistake.
        let others = rows.iter().filter(|(_, r)| !r.new).map(|(id, _)| id.as_str());
        let hint = if row.new { problems.hint(id, others) } else { String::new() };
        let what = match (row.new, hint.is_empty()) {
            (false, _) => "the row is",
            (true, true) => "a new row",
            (true, false) => "there is no such row",
        };
        let few: Vec<&str> = missing.iter().take(4).copied().collect();
        let rest = match missing.len().saturating_sub(few.len()) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let few = few.join(", ");
        let message = if hint.is_empty() {
            format!("{what} without {few}{rest}")
        } else {
            format!("{what}{hint} (a new one needs {few}{rest})")
        };
        // Ids that differ only in case were noted.
        let same = |other: &String| other != id && other.eq_ignore_ascii_case(id);
        if !(row.new && rows.keys().any(same)) {
            problems.add(row.origin, format!("{table}.{id}"), message);
        }
    }
    let cells = columns
        .iter()
        .zip(&row.cells)
        .map(|(column, cell)| {
            let Some(cell) = cell else { return Cell { value: Value::Missing, origin: None } };
            let value = value::read(&cell.raw, column).unwrap_or_else(|message| {
                problems.add(cell.origin, format!("{table}.{id}.{}", column.name), message);
                Value::Missing
            });
            Cell { value, origin: Some(cell.origin) }
        })
        .collect();
    CheckedRow { origin: row.origin, cells }
}

/// Every id that a cell names must be a row.
fn references(cells: &Cells, merged: &Merged, problems: &mut Problems) {
    for &(table, _, columns) in Definition::TABLES {
        for (i, column) in columns.iter().enumerate() {
            let (Kind::Id(target) | Kind::Ids(target)) = column.kind else { continue };
            let Some(rows) = merged.tables.get(target) else { continue };
            for (id, row) in cells.tables.get(table).into_iter().flatten() {
                let Some(cell) = row.cells.get(i) else { continue };
                let named: &[String] = match &cell.value {
                    Value::Text(one) => std::slice::from_ref(one),
                    Value::List(many) => many,
                    _ => continue,
                };
                for name in named.iter().filter(|name| !rows.contains_key(*name)) {
                    let hint = problems.hint_of_id(name, rows.keys().map(String::as_str));
                    let message = format!("`{}` is not a row of {target}{hint}", shown(name));
                    let origin = cell.origin.unwrap_or(row.origin);
                    problems.add(origin, format!("{table}.{id}.{}", column.name), message);
                }
            }
        }
    }
}

/// Every parameter that the model reads has a row, and every row is read.
fn parameters(
    cells: &Cells,
    declared: &[&'static Declared],
    names: &[&str],
    world: Origin,
    problems: &mut Problems,
) {
    let Some(rows) = cells.tables.get("parameters") else { return };
    for (id, row) in rows {
        if names.binary_search(&id.as_str()).is_err() {
            let hint = problems.hint_of_id(id, names.iter().copied());
            let message = format!("no mechanism reads this parameter{hint}");
            problems.add(row.origin, format!("parameters.{id}"), message);
        }
    }
    for declared in declared {
        if !rows.contains_key(declared.name) {
            let message = format!("missing; `{}` reads it", declared.room);
            let path = format!("parameters.{}", declared.name);
            problems.add(world, path, message);
        }
    }
}

impl Problems {
    /// A hint at the id that was meant.
    fn hint_of_id<'a>(&mut self, id: &str, ids: impl Iterator<Item = &'a str> + Clone) -> String {
        if self.may_hint() { meant(id, ids) } else { String::new() }
    }
}
