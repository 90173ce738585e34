//! One model for every way of writing a world: table → row → column → cell,
//! each cell with the place that it was written at. Files become statements,
//! statements are applied layer by layer, and the last to speak wins.

use std::collections::BTreeMap;

use super::definition::{Definition, Head};
use super::problem::{Origin, Problems, near, shown};
use crate::entities::Switches;
use crate::parameters::Declared;
use crate::schema::Column;

/// A value as it was written, before its column is asked what it must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// A cell of a CSV file or a setting of the command line.
    Word(String),
    /// Text in quotes.
    Text(String),
    /// A bare number, as written.
    Number(String),
    /// `true` or `false`.
    Flag(bool),
    /// A bare date.
    Date(String),
    /// A list.
    List(Vec<Raw>),
    /// A table where a value was wanted.
    Table,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct RawCell {
    /// The value.
    pub raw: Raw,
    /// Where the value stands.
    pub origin: Origin,
}

/// A cell that a row of a file names.
pub(super) struct NamedCell {
    /// Name of the column, as written.
    pub column: String,
    /// Where the name stands.
    pub named_at: Origin,
    /// The value.
    pub cell: RawCell,
}

/// One thing that a file says.
pub(super) enum Statement {
    /// A setting that is not a table.
    Head(&'static Column, RawCell),
    /// A mechanism on or off.
    Switch(&'static str, RawCell),
    /// The table is given, perhaps without rows.
    Table(&'static str),
    /// Cells of a row.
    Row {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// Where the row begins.
        origin: Origin,
        /// The cells that are said.
        cells: Vec<NamedCell>,
    },
    /// The row is taken out.
    Remove {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// Where it is said.
        origin: Origin,
    },
}

impl Statement {
    /// The table that is spoken of, if one is.
    pub fn table(&self) -> Option<&'static str> {
        match self {
            Self::Head(..) | Self::Switch(..) => None,
            Self::Table(table) | Self::Row { table, .. } | Self::Remove { table, .. } => {
                Some(table)
            }
        }
    }
}

/// A row put together from layers.
pub(super) struct RawRow {
    /// Where the row was first written.
    pub origin: Origin,
    /// Which layer wrote to it last.
    layer: usize,
    /// Whether a layer above the one that gave the table brought it in.
    pub new: bool,
    /// One cell a column, in the table's order.
    pub cells: Vec<Option<RawCell>>,
}

/// A world put together from layers.
#[derive(Default)]
pub(super) struct Merged {
    /// Settings, in the order of [`Head::COLUMNS`].
    pub heads: BTreeMap<&'static str, RawCell>,
    /// Mechanisms that are named.
    pub switches: BTreeMap<&'static str, RawCell>,
    /// Rows by table and id; a table that nobody gave is absent.
    pub tables: BTreeMap<&'static str, BTreeMap<String, RawRow>>,
    /// The layer that first gave each table.
    given: BTreeMap<&'static str, usize>,
    layer: usize,
}

/// Longest id, bytes.
const ID_CAP: usize = 64;

/// What is wrong with an id, if anything.
fn flaw_of_id(id: &str) -> Option<String> {
    if id.is_empty() {
        return Some("an empty id".to_owned());
    }
    if id.len() > ID_CAP {
        return Some(format!("an id of {} bytes; at most {ID_CAP}", id.len()));
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let first = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || !id.chars().all(fine) {
        return Some(format!(
            "`{}` is not an id; use letters of a to z, digits, `-`, `_` and `.`",
            shown(id)
        ));
    }
    None
}

impl Merged {
    /// Puts a layer over what is there.
    pub fn apply(&mut self, statements: Vec<Statement>, problems: &mut Problems) {
        for statement in statements {
            match statement {
                Statement::Head(column, cell) => {
                    self.heads.insert(column.name, cell);
                }
                Statement::Switch(name, cell) => {
                    self.switches.insert(name, cell);
                }
                Statement::Table(table) => {
                    self.tables.entry(table).or_default();
                    self.given.entry(table).or_insert(self.layer);
                }
                Statement::Row { table, id, origin, cells } => {
                    self.row(table, &id, origin, cells, problems);
                }
                Statement::Remove { table, id, origin } => {
                    self.remove(table, &id, origin, problems);
                }
            }
        }
        self.layer += 1;
    }

    fn row(
        &mut self,
        table: &'static str,
        id: &str,
        origin: Origin,
        cells: Vec<NamedCell>,
        problems: &mut Problems,
    ) {
        let path = format!("{table}.{}", shown(id));
        if let Some(flaw) = flaw_of_id(id) {
            problems.add(origin, table, flaw);
            return;
        }
        let columns = Definition::columns(table).map_or(&[][..], |(_, columns)| columns);
        let rows = self.tables.entry(table).or_default();
        let layer = self.layer;
        let given = *self.given.entry(table).or_insert(layer);
        let row = rows.entry(id.to_owned()).or_insert_with(|| RawRow {
            origin,
            layer: usize::MAX,
            new: layer > given,
            cells: columns.iter().map(|_| None).collect(),
        });
        if row.layer == layer {
            problems.duplicate(origin, path, row.origin);
            return;
        }
        row.layer = layer;
        for NamedCell { column, named_at, cell } in cells {
            match columns.iter().position(|c| c.name == column) {
                Some(i) => row.cells[i] = Some(cell),
                None => problems.unknown_column(named_at, &path, table, &column, columns),
            }
        }
    }

    fn remove(&mut self, table: &'static str, id: &str, origin: Origin, problems: &mut Problems) {
        let rows = self.tables.entry(table).or_default();
        if rows.remove(id).is_none() {
            let hint = problems.hint(id, rows.keys().map(String::as_str));
            let message = format!("there is no such row to remove{hint}");
            problems.add(origin, format!("{table}.{}", shown(id)), message);
        }
        if table == "rules" {
            let mine = format!("{id}.");
            if let Some(clauses) = self.tables.get_mut("clauses") {
                clauses.retain(|clause, _| !clause.starts_with(&mine));
            }
        }
    }

    /// Reads a setting of the command line: `table.id.column=value`, `parameter=value`,
    /// `mechanisms.name=value` or `setting=value`.
    pub fn set(
        &mut self,
        setting: &str,
        origin: Origin,
        declared: &[&'static Declared],
        problems: &mut Problems,
    ) {
        let Some((key, value)) = setting.split_once('=') else {
            let message = "no `=`; write table.id.column=value or parameter=value";
            problems.add(origin, shown(setting), message);
            return;
        };
        let (key, value) = (key.trim(), value.trim());
        if value.chars().chain(key.chars()).any(|c| super::text::unwanted(c).is_some()) {
            problems.add(origin, shown(key), "a character that has no place in a world");
            return;
        }
        let cell = RawCell { raw: Raw::Word(value.to_owned()), origin };
        let parts: Vec<&str> = key.split('.').collect();
        let statement = match parts.as_slice() {
            [name] | ["parameters", name] => {
                self.set_by_name(name, cell, origin, declared, problems)
            }
            ["mechanisms", name] => {
                let known = switch(name);
                if known.is_none() {
                    problems.unknown_switch(origin, name);
                }
                known.map(|name| Statement::Switch(name, cell))
            }
            [table, middle @ .., column] if !middle.is_empty() => {
                self.set_cell(table, &middle.join("."), column, cell, problems)
            }
            _ => {
                problems.add(
                    origin,
                    shown(key),
                    "neither a table.id.column nor a parameter; write all three parts",
                );
                None
            }
        };
        if let Some(statement) = statement {
            self.apply(vec![statement], problems);
        }
    }

    fn set_by_name(
        &self,
        name: &str,
        cell: RawCell,
        origin: Origin,
        declared: &[&'static Declared],
        problems: &mut Problems,
    ) -> Option<Statement> {
        if let Some(column) = Head::COLUMNS.iter().find(|c| c.name == name) {
            return Some(Statement::Head(column, cell));
        }
        let rows = self.tables.get("parameters");
        if rows.is_some_and(|rows| rows.contains_key(name)) {
            let cells = vec![NamedCell { column: "value".to_owned(), named_at: origin, cell }];
            let id = name.to_owned();
            return Some(Statement::Row { table: "parameters", id, origin, cells });
        }
        let candidates = declared
            .iter()
            .map(|d| d.name)
            .chain(rows.into_iter().flat_map(|rows| rows.keys().map(String::as_str)))
            .chain(Head::COLUMNS.iter().map(|c| c.name));
        let hint = problems.hint(name, candidates);
        problems.add(origin, shown(name), format!("there is no such parameter{hint}"));
        None
    }

    fn set_cell(
        &self,
        table: &str,
        id: &str,
        column: &str,
        cell: RawCell,
        problems: &mut Problems,
    ) -> Option<Statement> {
        let origin = cell.origin;
        let Some((table, columns)) = Definition::columns(table) else {
            problems.unknown_table(origin, table);
            return None;
        };
        let rows = self.tables.get(table);
        if !rows.is_some_and(|rows| rows.contains_key(id)) {
            let ids = rows.into_iter().flat_map(|rows| rows.keys().map(String::as_str));
            let hint = problems.hint(id, ids);
            let path = format!("{table}.{}", shown(id));
            problems.add(origin, path, format!("there is no such row{hint}"));
            return None;
        }
        let path = format!("{table}.{id}");
        if column == "remove" {
            if cell.raw == Raw::Word("true".to_owned()) {
                return Some(Statement::Remove { table, id: id.to_owned(), origin });
            }
            problems.add(origin, format!("{path}.remove"), REMOVE);
            return None;
        }
        if !columns.iter().any(|c| c.name == column) {
            problems.unknown_column(origin, &path, table, column, columns);
            return None;
        }
        let cells = vec![NamedCell { column: column.to_owned(), named_at: origin, cell }];
        Some(Statement::Row { table, id: id.to_owned(), origin, cells })
    }
}

/// What to say of `remove` with anything but `true`.
pub(super) const REMOVE: &str = "only `true` has a meaning; leave the line out to keep the row";

/// The switch of this name.
pub(super) fn switch(name: &str) -> Option<&'static str> {
    Switches::ALL.iter().map(|s| s.0).find(|s| *s == name)
}

impl Problems {
    /// A row that is given twice in one layer.
    fn duplicate(&mut self, origin: Origin, path: String, first: Origin) {
        self.add_beside(origin, path, "given twice; it stands already at", first);
    }

    /// A column that the table does not have.
    pub fn unknown_column(
        &mut self,
        origin: Origin,
        path: &str,
        table: &str,
        column: &str,
        columns: &'static [Column],
    ) {
        let hint = self.hint(column, columns.iter().map(|c| c.name));
        let message = format!("`{}` is not a column of {table}{hint}", shown(column));
        self.add(origin, path, message);
    }

    /// A table that worlds do not have.
    pub fn unknown_table(&mut self, origin: Origin, table: &str) {
        let names = Definition::TABLES.iter().map(|t| t.0).chain(["mechanisms"]);
        let hint = self.hint(table, names);
        self.add(origin, shown(table), format!("there is no such table{hint}"));
    }

    /// A mechanism that the model does not have.
    pub fn unknown_switch(&mut self, origin: Origin, name: &str) {
        let hint = self.hint(name, Switches::ALL.iter().map(|s| s.0));
        let path = format!("mechanisms.{}", shown(name));
        self.add(origin, path, format!("there is no such mechanism{hint}"));
    }
}

/// The id of `ids` that a person may have meant by `id`.
pub(super) fn meant<'a>(id: &str, ids: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(same) = ids.clone().find(|other| other.eq_ignore_ascii_case(id)) {
        return format!("; ids differ in upper and lower case: write `{same}`");
    }
    near(id, ids).map_or_else(String::new, |other| format!("; did you mean `{other}`?"))
}
