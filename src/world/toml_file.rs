//! TOML → statements, each with the byte it stands at.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{Definition, Head};
use super::layers::{NamedCell, REMOVE, Raw, RawCell, Statement, switch};
use super::problem::{Origin, Problems, shown};
use crate::entities::Switches;

/// Which world a file rests on.
#[derive(Default)]
pub(super) struct Asked {
    /// What `extends` says and where.
    pub extends: Option<(String, Origin)>,
    /// What `[inherit]` says.
    pub inherit: Option<Inherit>,
    /// Where `parameters = "posterior"` stands.
    pub posterior: Option<Origin>,
}

/// Tables that a folder takes from another world.
pub(super) struct Inherit {
    /// Where `[inherit]` stands.
    pub at: Origin,
    /// The world that they are taken from, and where it is named.
    pub from: (String, Origin),
    /// The tables, and where each is named.
    pub tables: Vec<(&'static str, Origin)>,
}

/// Reads a world file into `statements`; the answer is which world it rests on.
pub(super) fn read(
    text: &str,
    file: Origin,
    statements: &mut Vec<Statement>,
    problems: &mut Problems,
) -> Asked {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        syntax(text, file, &errors, problems);
        return Asked::default();
    }
    let mut asked = Asked::default();
    for (key, value) in document.get_ref() {
        let at = file.at(key.span().start);
        let name: &str = key.get_ref();
        let cell = || cell_of(value, file);
        if name == "extends" {
            match value.get_ref() {
                DeValue::String(s) => {
                    asked.extends = Some((s.to_string(), file.at(value.span().start)));
                }
                _ => problems.add(at, "extends", "write the name of a world in quotes"),
            }
        } else if name == "inherit" {
            asked.inherit = inherit(value, at, file, problems);
        } else if let Some(column) = Head::COLUMNS.iter().find(|c| c.name == name) {
            statements.push(Statement::Head(column, cell()));
        } else if name == "mechanisms" {
            mechanisms(value, file, statements, problems);
        } else if let ("parameters", DeValue::String(word)) = (name, value.get_ref()) {
            if word == "posterior" {
                asked.posterior = Some(file.at(value.span().start));
            } else {
                let message = "the only word here is \"posterior\"; else write [parameters] and below it name = value";
                problems.add(file.at(value.span().start), "parameters", message);
            }
        } else if let Some((table, _)) = Definition::columns(name) {
            rows(table, value, file, statements, problems);
        } else {
            unknown_key(name, at, problems);
        }
    }
    asked
}

/// Reads `[inherit]`: `from` and `tables`.
fn inherit(
    value: &Spanned<DeValue<'_>>,
    at: Origin,
    file: Origin,
    problems: &mut Problems,
) -> Option<Inherit> {
    const HOW: &str =
        "write [inherit] and below it from = \"reference\" and tables = [\"parameters\"]";
    let DeValue::Table(keys) = value.get_ref() else {
        problems.add(at, "inherit", HOW);
        return None;
    };
    let (mut from, mut tables) = (None, None);
    for (key, value) in keys {
        let here = file.at(value.span().start);
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("from", DeValue::String(world)) => from = Some((world.to_string(), here)),
            ("from", _) => {
                problems.add(here, "inherit.from", "write the name of a world in quotes");
                return None;
            }
            ("tables", DeValue::Array(names)) => {
                tables = Some(inherited_tables(names.iter(), file, problems)?);
            }
            ("tables", _) => {
                problems.add(here, "inherit.tables", "a list is wanted: [\"parameters\"]");
                return None;
            }
            (other, _) => {
                let hint = problems.hint(other, ["from", "tables"]);
                let message = format!("neither `from` nor `tables`{hint}");
                let path = format!("inherit.{}", shown(other));
                problems.add(file.at(key.span().start), path, message);
                return None;
            }
        }
    }
    match (from, tables) {
        (Some(from), Some(tables)) if !tables.is_empty() => Some(Inherit { at, from, tables }),
        _ => {
            problems.add(at, "inherit", HOW);
            None
        }
    }
}

/// The tables that a list names; rules bring their clauses.
fn inherited_tables<'a, 'b: 'a>(
    names: impl Iterator<Item = &'a Spanned<DeValue<'b>>>,
    file: Origin,
    problems: &mut Problems,
) -> Option<Vec<(&'static str, Origin)>> {
    let mut tables: Vec<(&'static str, Origin)> = Vec::new();
    for item in names {
        let here = file.at(item.span().start);
        let DeValue::String(name) = item.get_ref() else {
            problems.add(here, "inherit.tables", "write the name of a table in quotes");
            return None;
        };
        let Some((table, _)) = Definition::columns(name) else {
            let hint = problems.hint(name, Definition::TABLES.iter().map(|t| t.0));
            let message = format!("there is no table `{}`{hint}", shown(name));
            problems.add(here, "inherit.tables", message);
            return None;
        };
        if table == "clauses" {
            let message = "clauses come with their rules; write \"rules\"";
            problems.add(here, "inherit.tables", message);
            return None;
        }
        if tables.iter().any(|(other, _)| *other == table) {
            problems.add(here, "inherit.tables", format!("`{table}` is given twice"));
            return None;
        }
        tables.push((table, here));
        if table == "rules" {
            tables.push(("clauses", here));
        }
    }
    Some(tables)
}

fn unknown_key(name: &str, at: Origin, problems: &mut Problems) {
    let message = if name == "id" {
        "a world's id is its file's name; leave this line out".to_owned()
    } else if switch(name).is_some() {
        format!("a mechanism; write it under [mechanisms] as {name} = false")
    } else {
        let names = Head::COLUMNS
            .iter()
            .map(|c| c.name)
            .chain(["extends", "inherit", "mechanisms"])
            .chain(Definition::TABLES.iter().map(|t| t.0));
        let hint = problems.hint(name, names);
        format!("neither a setting nor a table of a world{hint}")
    };
    problems.add(at, shown(name), message);
}

fn mechanisms(
    value: &Spanned<DeValue<'_>>,
    file: Origin,
    statements: &mut Vec<Statement>,
    problems: &mut Problems,
) {
    let DeValue::Table(table) = value.get_ref() else {
        let message = format!(
            "a table; write [mechanisms] and below it {} = false",
            Switches::ALL.first().map_or("name", |s| s.0)
        );
        problems.add(file.at(value.span().start), "mechanisms", message);
        return;
    };
    for (key, value) in table {
        match switch(key.get_ref()) {
            Some(name) => statements.push(Statement::Switch(name, cell_of(value, file))),
            None => problems.unknown_switch(file.at(key.span().start), key.get_ref()),
        }
    }
}

fn rows(
    table: &'static str,
    value: &Spanned<DeValue<'_>>,
    file: Origin,
    statements: &mut Vec<Statement>,
    problems: &mut Problems,
) {
    let DeValue::Table(rows) = value.get_ref() else {
        let what = if matches!(value.get_ref(), DeValue::Array(_)) { "a list" } else { "a value" };
        let message = format!("{what}; a row is written as [{table}.<id>], then its columns");
        problems.add(file.at(value.span().start), table, message);
        return;
    };
    statements.push(Statement::Table(table));
    if table == "rules" {
        statements.push(Statement::Table("clauses"));
    }
    for (key, value) in rows {
        let at = file.at(key.span().start);
        let id: &str = key.get_ref();
        match value.get_ref() {
            DeValue::Table(cells) => row(table, id, at, cells, file, statements, problems),
            DeValue::Array(_) => {
                let message =
                    format!("a list; a row is written as [{table}.<id>], then its columns");
                problems.add(at, format!("{table}.{}", shown(id)), message);
            }
            _ if table == "parameters" => {
                let cells = vec![NamedCell {
                    column: "value".to_owned(),
                    named_at: at,
                    cell: cell_of(value, file),
                }];
                statements.push(Statement::Row { table, id: id.to_owned(), origin: at, cells });
            }
            _ => {
                let message = format!(
                    "a value where a row is wanted; write [{table}.<id>], then its columns"
                );
                problems.add(at, format!("{table}.{}", shown(id)), message);
            }
        }
    }
}

fn row(
    table: &'static str,
    id: &str,
    origin: Origin,
    columns: &DeTable<'_>,
    file: Origin,
    statements: &mut Vec<Statement>,
    problems: &mut Problems,
) {
    let path = || format!("{table}.{}", shown(id));
    let mut cells = Vec::new();
    let mut clauses = Vec::new();
    let mut remove = None;
    for (key, value) in columns {
        let named_at = file.at(key.span().start);
        let name: &str = key.get_ref();
        match (name, value.get_ref()) {
            ("remove", DeValue::Boolean(true)) => remove = Some(named_at),
            ("remove", _) => problems.add(named_at, format!("{}.remove", path()), REMOVE),
            ("clauses", DeValue::Table(letters)) if table == "rules" => {
                for (letter, value) in letters {
                    let at = file.at(letter.span().start);
                    let clause = format!("{id}.{}", letter.get_ref());
                    if let DeValue::Table(columns) = value.get_ref() {
                        clauses.push((clause, at, columns));
                    } else {
                        let message = "a value where a clause is wanted; write [rules.<id>.clauses.<letter>], then its bounds";
                        problems.add(at, format!("clauses.{}", shown(&clause)), message);
                    }
                }
            }
            ("clauses", _) if table == "rules" => {
                let message = "write [rules.<id>.clauses.<letter>], then its bounds";
                problems.add(named_at, format!("{}.clauses", path()), message);
            }
            (_, DeValue::Table(_))
                if Definition::columns(table)
                    .is_some_and(|(_, c)| c.iter().all(|c| c.name != name)) =>
            {
                let message = format!(
                    "a table within a row; an id with a dot is written in quotes, [{table}.\"{}.{}\"]",
                    shown(id),
                    shown(name)
                );
                problems.add(named_at, format!("{}.{}", path(), shown(name)), message);
            }
            _ => cells.push(NamedCell {
                column: name.to_owned(),
                named_at,
                cell: cell_of(value, file),
            }),
        }
    }
    if let Some(at) = remove {
        if !cells.is_empty() || !clauses.is_empty() {
            let message = "a row that is removed has no other columns";
            problems.add(at, format!("{}.remove", path()), message);
        }
        statements.push(Statement::Remove { table, id: id.to_owned(), origin: at });
        return;
    }
    // A rule that is only named for its clauses is not changed itself.
    if !cells.is_empty() || clauses.is_empty() {
        statements.push(Statement::Row { table, id: id.to_owned(), origin, cells });
    }
    for (clause, at, columns) in clauses {
        let before = statements.len();
        row("clauses", &clause, at, columns, file, statements, problems);
        if let Some(Statement::Row { cells, .. }) = statements.get_mut(before)
            && cells.iter().all(|c| c.column != "rule")
        {
            let cell = RawCell { raw: Raw::Text(id.to_owned()), origin: at };
            cells.push(NamedCell { column: "rule".to_owned(), named_at: at, cell });
        }
    }
}

fn cell_of(value: &Spanned<DeValue<'_>>, file: Origin) -> RawCell {
    RawCell { raw: raw_of(value.get_ref()), origin: file.at(value.span().start) }
}

fn raw_of(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(n) => {
            // Hexadecimal and the like become decimal, unless they are beyond any range.
            let decimal = i128::from_str_radix(n.as_str(), n.radix());
            Raw::Number(decimal.map_or_else(|_| n.as_str().to_owned(), |n| n.to_string()))
        }
        DeValue::Float(x) => Raw::Number(x.as_str().to_owned()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Datetime(date) => Raw::Date(date.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|i| raw_of(i.get_ref())).collect()),
        DeValue::Table(_) => Raw::Table,
    }
}

/// Notes what the parser says: the first error, since others follow from it, and
/// every key that stands twice.
fn syntax(text: &str, file: Origin, errors: &[toml::de::Error], problems: &mut Problems) {
    let mut first = true;
    for error in errors {
        let at = error.span().map(|s| s.start);
        let origin = at.map_or(file, |at| file.at(at));
        if error.message() == "duplicate key" {
            let Some(at) = at else { continue };
            let (key, twin) = twin(text, at);
            let message = "given twice";
            match twin {
                Some(twin) => problems.add_beside(
                    origin,
                    shown(key),
                    "given twice; it stands already at",
                    file.at(twin),
                ),
                None => problems.add(origin, shown(key), message),
            }
        } else if first {
            problems.add(origin, "", said(error.message()));
        }
        first = false;
    }
}

/// The parser's words in ours.
fn said(message: &str) -> String {
    if message.contains("recurs") {
        return "nested too deeply".to_owned();
    }
    if message.starts_with("string values must be quoted") {
        return "not TOML: a value is missing, or a text without quotes".to_owned();
    }
    let message = message.replace("cannot extend value of type", "cannot add to a value of type");
    format!("not TOML: {message}")
}

/// The key at `at`, and where its first occurrence begins: the same header
/// anywhere above, or the same key in the same section.
fn twin(text: &str, at: usize) -> (&str, Option<usize>) {
    let begin = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    let name = |line: &str| -> String {
        let line = line.trim();
        let name = if line.starts_with('[') {
            line.split(']').next().unwrap_or(line)
        } else {
            line.split('=').next().unwrap_or(line)
        };
        name.replace(char::is_whitespace, "")
    };
    let line = &text[begin..end];
    let header = line.trim_start().starts_with('[');
    let wanted = name(line);
    let key = line.split(if header { ']' } else { '=' }).next().unwrap_or(line);
    let key = key.trim().trim_start_matches('[').trim();
    let mut start = begin;
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |i| i + 1);
        let line = &text[above..start - 1];
        if name(line) == wanted {
            let indent = line.len() - line.trim_start().len();
            return (key, Some(above + indent));
        }
        if !header && line.trim_start().starts_with('[') {
            break;
        }
        start = above;
    }
    (key, None)
}
