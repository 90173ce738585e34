//! A world in one text: every cell, sorted, from which the same world loads again.

use std::fmt::Write as _;

use super::Loaded;
use super::definition::{Definition, Head};
use super::problem::sha256;
use crate::entities::Switches;
use crate::schema::Value;

/// The whole world as one TOML text: settings, mechanisms, tables in the order of
/// the documentation, rows by id, columns in the table's order. Equal worlds give
/// equal bytes, however they were written.
#[must_use]
pub fn resolved_toml(loaded: &Loaded) -> String {
    let mut out = String::new();
    for (column, cell) in Head::COLUMNS.iter().zip(&loaded.cells.heads) {
        let _ = writeln!(out, "{} = {}", column.name, toml_value(&cell.value));
    }
    out.push_str("\n[mechanisms]\n");
    for ((name, _), cell) in Switches::ALL.iter().zip(&loaded.cells.switches) {
        let _ = writeln!(out, "{name} = {}", toml_value(&cell.value));
    }
    for (table, _, columns) in Definition::TABLES {
        let _ = writeln!(out, "\n[{table}]");
        for (id, row) in loaded.cells.tables.get(table).into_iter().flatten() {
            let _ = writeln!(out, "\n[{table}.{}]", toml_key(id));
            for (column, cell) in columns.iter().zip(&row.cells) {
                if cell.value != Value::Missing {
                    let _ = writeln!(out, "{} = {}", column.name, toml_value(&cell.value));
                }
            }
        }
    }
    out
}

/// The world's hash: SHA-256 of its resolved text, in hexadecimal.
#[must_use]
pub fn world_hash(loaded: &Loaded) -> String {
    sha256(resolved_toml(loaded).as_bytes())
}

fn toml_key(id: &str) -> String {
    if id.contains('.') { format!("\"{id}\"") } else { id.to_owned() }
}

/// A value as TOML writes it.
#[must_use]
pub fn toml_value(value: &Value) -> String {
    match value {
        Value::Text(text) => toml_text(text),
        // Shortest digits that read back as the same number.
        Value::Number(x) => format!("{x:?}"),
        Value::Whole(n) => n.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Month(month) => format!("\"{month}\""),
        Value::List(words) => {
            let words: Vec<String> = words.iter().map(|w| toml_text(w)).collect();
            format!("[{}]", words.join(", "))
        }
        Value::Missing => "\"\"".to_owned(),
    }
}

fn toml_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
