//! CSV → statements: a header with `id` and exactly the table's columns, then a
//! row a line.

use super::definition::Definition;
use super::layers::{NamedCell, Raw, RawCell, Statement};
use super::problem::{Origin, Problems, shown};

/// Reads a table into `statements`.
pub(super) fn read(
    text: &str,
    file: Origin,
    table: &'static str,
    statements: &mut Vec<Statement>,
    problems: &mut Problems,
) {
    statements.push(Statement::Table(table));
    let columns = Definition::columns(table).map_or(&[][..], |(_, columns)| columns);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut header: Option<Vec<String>> = None;
    let mut record = csv::StringRecord::new();
    loop {
        let more = reader.read_record(&mut record);
        let start = record.position().map_or(0, |p| p.byte() as usize);
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                problems.add(file.at(start), table, format!("not CSV: {e}"));
                return;
            }
        }
        let cells = match cells_of(text, start) {
            Ok(cells) => cells,
            Err((at, message)) => {
                problems.add(file.at(at), table, message);
                return;
            }
        };
        let begin = cells.first().copied().unwrap_or(start);
        let at = |i: usize| file.at(cells.get(i).copied().unwrap_or(begin));
        let Some(names) = &header else {
            let names: Vec<String> = record.iter().map(str::to_owned).collect();
            if !header_is_fine(&names, &at, table, problems) {
                return;
            }
            header = Some(names);
            continue;
        };
        let id = names.iter().position(|n| n == "id").unwrap_or(0);
        let id = (record.get(id).unwrap_or("").to_owned(), at(id));
        if record.len() != names.len() {
            let message = format!("{} cells, but the header has {}", record.len(), names.len());
            problems.add(file.at(begin), path(table, &id.0), message);
            continue;
        }
        let cells = names
            .iter()
            .zip(record.iter())
            .enumerate()
            .filter(|(_, (name, _))| columns.iter().any(|c| c.name == name.as_str()))
            .map(|(i, (name, cell))| NamedCell {
                column: name.clone(),
                named_at: at(i),
                cell: RawCell { raw: Raw::Word(cell.to_owned()), origin: at(i) },
            })
            .collect();
        statements.push(Statement::Row { table, id: id.0, origin: id.1, cells });
    }
}

fn path(table: &str, id: &str) -> String {
    if id.is_empty() { table.to_owned() } else { format!("{table}.{}", shown(id)) }
}

/// Whether the header has `id` and the table's columns, each once.
fn header_is_fine(
    names: &[String],
    at: &impl Fn(usize) -> Origin,
    table: &'static str,
    problems: &mut Problems,
) -> bool {
    let columns = Definition::columns(table).map_or(&[][..], |(_, columns)| columns);
    let known = |name: &str| name == "id" || columns.iter().any(|c| c.name == name);
    if let [only] = names
        && let Some(other) =
            [(';', "semicolons"), ('\t', "tabs")].iter().find(|s| only.contains(s.0))
    {
        let message = format!("separated by {}; save it with commas", other.1);
        problems.add(at(0), table, message);
        return false;
    }
    let mut fine = true;
    for (i, name) in names.iter().enumerate() {
        if !known(name) {
            problems.unknown_column(at(i), table, table, name, columns);
            fine = false;
        } else if names[..i].contains(name) {
            problems.add(at(i), table, format!("the header has `{name}` twice"));
            fine = false;
        }
    }
    let absent: Vec<String> = ["id"]
        .into_iter()
        .chain(columns.iter().map(|c| c.name))
        .filter(|name| names.iter().all(|n| n != name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !absent.is_empty() {
        let what = if absent.len() == 1 { "column" } else { "columns" };
        let verb = if absent.len() == 1 { "is" } else { "are" };
        let message = format!("the {what} {} {verb} missing", absent.join(", "));
        problems.add(at(0), table, message);
    }
    fine && absent.is_empty()
}

/// Where each cell of the record at `start` begins. A record is a line: a quote
/// that is not closed on it would swallow what follows.
fn cells_of(text: &str, start: usize) -> Result<Vec<usize>, (usize, String)> {
    let bytes = text.as_bytes();
    let mut at = start;
    while matches!(bytes.get(at), Some(b'\n' | b'\r')) {
        at += 1;
    }
    let mut cells = vec![at];
    loop {
        if bytes.get(at) == Some(&b'"') {
            let open = at;
            at += 1;
            loop {
                match (bytes.get(at), bytes.get(at + 1)) {
                    (Some(b'"'), Some(b'"')) => at += 2,
                    (Some(b'"'), _) => break,
                    (None | Some(b'\n'), _) => {
                        return Err((open, "a quote that is not closed on its line".to_owned()));
                    }
                    _ => at += 1,
                }
            }
            at += 1;
            while bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            if !matches!(bytes.get(at), None | Some(b',' | b'\n' | b'\r')) {
                let message = "text after a closing quote; write a quote within quotes twice, \"\"";
                return Err((at, message.to_owned()));
            }
        } else {
            while bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            if let Some(cell) = cells.last_mut() {
                *cell = at;
            }
            while !matches!(bytes.get(at), None | Some(b',' | b'\n' | b'\r')) {
                if bytes[at] == b'"' {
                    let message = "a quote within a cell; put the whole cell in quotes and write the quote twice, \"\"";
                    return Err((at, message.to_owned()));
                }
                at += 1;
            }
        }
        match bytes.get(at) {
            Some(b',') => {
                at += 1;
                cells.push(at);
            }
            _ => return Ok(cells),
        }
    }
}
