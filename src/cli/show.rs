//! `frugality show`: what a world says, and where it says it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::entities::Switches;
use crate::schema::{Column, Value};
use crate::world::{Cell, CheckedRow, Definition, Head, Loaded, resolved_toml, toml_value};

/// Show a world's values after all layers, each with the place it was written at.
///
/// Without a filter: settings, mechanisms and the tables with their rows. With
/// `table`, `table.id` or `table.id.column`: those cells, with their unit, and the
/// file, line and column of the layer that won. A parameter's name alone shows its row.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality show reference                     settings, mechanisms, tables
  frugality show easing rules                  every rule as this world has it
  frugality show reference firms.bytedance     one row
  frugality show reference firms.bytedance.cash_usd_bn
  frugality show reference server_overhead     a parameter with prior, unit and source
  frugality show easing --resolved > easing.resolved.toml    the whole world in one file")]
pub struct ShowArgs {
    /// Name of a world in `worlds/`, or the path of a folder or TOML file.
    world: PathBuf,
    /// What to show: table, table.id, table.id.column, a parameter, or `mechanisms`.
    filter: Option<String>,
    /// Write the whole world as one TOML text, sorted, from which the same world loads.
    #[arg(long, conflicts_with = "filter")]
    resolved: bool,
    /// Change a cell, parameter or setting: table.id.column=value, parameter=value. May be repeated.
    #[arg(long = "set", value_name = "CELL=VALUE")]
    sets: Vec<String>,
}

/// A cell's line: name, value with unit, place.
type Line = (String, String, String);

/// Does it.
#[must_use]
pub fn run(args: &ShowArgs) -> ExitCode {
    let loaded = match super::load(&args.world, &args.sets) {
        Ok(loaded) => loaded,
        Err(refusal) => return super::refuse(&refusal),
    };
    if args.resolved {
        return exit::print(&resolved_toml(&loaded));
    }
    let lines =
        args.filter.as_ref().map_or_else(|| Ok(overview(&loaded)), |f| filtered(&loaded, f));
    match lines {
        Ok(lines) => exit::print(&aligned(&lines)),
        Err(message) => exit::fail(&message, exit::BAD_INPUT),
    }
}

/// Lines in columns; a long name or value pushes its own line only.
fn aligned(lines: &[Line]) -> String {
    let width = |part: fn(&Line) -> &String, most: usize| {
        lines.iter().map(|l| part(l).chars().count()).filter(|n| *n <= most).max().unwrap_or(0)
    };
    let (names, values) = (width(|l| &l.0, 70), width(|l| &l.1, 40));
    let mut text = String::new();
    for (name, value, place) in lines {
        let line = format!("{name:<names$}  {value:<values$}  {place}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn line(loaded: &Loaded, name: String, column: Option<&Column>, cell: &Cell) -> Line {
    let value = if cell.value == Value::Missing {
        "(empty)".to_owned()
    } else {
        let unit = match column.map_or("", |c| c.unit) {
            "1" | "see unit" | "see kind" => "",
            unit => unit,
        };
        format!("{} {unit}", toml_value(&cell.value)).trim_end().to_owned()
    };
    (name, value, loaded.place(cell))
}

fn overview(loaded: &Loaded) -> Vec<Line> {
    let mut lines = Vec::new();
    for (column, cell) in Head::COLUMNS.iter().zip(&loaded.cells.heads) {
        lines.push(line(loaded, column.name.to_owned(), Some(column), cell));
    }
    lines.extend(mechanisms(loaded));
    for (table, doc, _) in Definition::TABLES {
        let rows = loaded.cells.tables.get(table).map_or(0, std::collections::BTreeMap::len);
        let doc = doc.trim().lines().next().unwrap_or("").to_owned();
        lines.push(((*table).to_owned(), format!("{rows} rows"), doc));
    }
    lines
}

fn mechanisms(loaded: &Loaded) -> Vec<Line> {
    Switches::ALL
        .iter()
        .zip(&loaded.cells.switches)
        .map(|((name, _), cell)| line(loaded, format!("mechanisms.{name}"), None, cell))
        .collect()
}

fn row_lines(
    loaded: &Loaded,
    table: &str,
    columns: &[Column],
    id: &str,
    row: &CheckedRow,
) -> Vec<Line> {
    columns
        .iter()
        .zip(&row.cells)
        .map(|(column, cell)| {
            line(loaded, format!("{table}.{id}.{}", column.name), Some(column), cell)
        })
        .collect()
}

fn filtered(loaded: &Loaded, filter: &str) -> Result<Vec<Line>, String> {
    if filter == "mechanisms" {
        return Ok(mechanisms(loaded));
    }
    if let Some(i) = Head::COLUMNS.iter().position(|c| c.name == filter) {
        let column = &Head::COLUMNS[i];
        return Ok(vec![line(loaded, filter.to_owned(), Some(column), &loaded.cells.heads[i])]);
    }
    let (table, rest) = filter.split_once('.').map_or((filter, None), |(t, r)| (t, Some(r)));
    let is_parameter =
        loaded.cells.tables.get("parameters").is_some_and(|p| p.contains_key(filter));
    let (table, rest) = if is_parameter { ("parameters", Some(filter)) } else { (table, rest) };
    let nothing = |what: &str, known: Vec<&str>| {
        let hint = crate::world::did_you_mean(what, known);
        format!("{filter}: there is nothing called `{what}`{hint}")
    };
    if table == "mechanisms" {
        let wanted = rest.unwrap_or("");
        let names: Vec<&str> = Switches::ALL.iter().map(|s| s.0).collect();
        let i = names.iter().position(|n| *n == wanted);
        let i = i.ok_or_else(|| nothing(wanted, names))?;
        return Ok(mechanisms(loaded).split_off(i).into_iter().take(1).collect());
    }
    let Some((table, columns)) = Definition::columns(table) else {
        let mut known: Vec<&str> = Definition::TABLES.iter().map(|t| t.0).collect();
        known.extend(Head::COLUMNS.iter().map(|c| c.name));
        known.push("mechanisms");
        let parameters = loaded.definition.parameters.iter().map(|p| p.id.as_str());
        known.extend(parameters);
        return Err(nothing(table, known));
    };
    let rows = &loaded.cells.tables[table];
    let Some(rest) = rest else {
        return Ok(rows
            .iter()
            .flat_map(|(id, row)| row_lines(loaded, table, columns, id, row))
            .collect());
    };
    if let Some(row) = rows.get(rest) {
        return Ok(row_lines(loaded, table, columns, rest, row));
    }
    // Ids may hold dots, columns do not.
    let (id, column) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let Some(row) = rows.get(id) else {
        return Err(nothing(id, rows.keys().map(String::as_str).collect()));
    };
    let Some(i) = columns.iter().position(|c| c.name == column) else {
        return Err(nothing(column, columns.iter().map(|c| c.name).collect()));
    };
    Ok(row_lines(loaded, table, columns, id, row).split_off(i).into_iter().take(1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::base;

    fn names(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|l| l.0.as_str()).collect()
    }

    #[test]
    fn a_filter_finds_tables_rows_cells_parameters_and_settings() {
        let loaded = base(&["firms.bytedance.cash_usd_bn=30"]);
        let show = |filter: &str| match filtered(&loaded, filter) {
            Ok(lines) => lines,
            Err(message) => vec![(message, String::new(), String::new())],
        };
        let cell = &show("firms.bytedance.cash_usd_bn")[0];
        assert_eq!((cell.1.as_str(), cell.2.as_str()), ("30.0 bn USD", "--set"));
        let place = &show("firms.microsoft.home")[0].2;
        assert!(place.ends_with("tests/rejected/base/firms.csv:3:21"), "{place}");
        let columns = Definition::columns("firms").map_or(0, |(_, columns)| columns.len());
        assert_eq!(show("firms.microsoft").len(), columns);
        assert_eq!(show("firms").len(), 2 * columns);
        assert_eq!(names(&show("clauses.oct-2022.a.tpp_min")), ["clauses.oct-2022.a.tpp_min"]);
        assert_eq!(show("review_months")[0].0, "parameters.review_months.value");
        assert_eq!(show("end")[0].1, "\"2026-12\"");
        assert_eq!(show("mechanisms.stance")[0].1, "false");
        assert_eq!(show("chips.huawei-910b.tpp")[0].1, "(empty)");
        assert_eq!(
            show("firms.bytedanse")[0].0,
            "firms.bytedanse: there is nothing called `bytedanse`; did you mean `bytedance`?"
        );
        assert_eq!(
            show("frms")[0].0,
            "frms: there is nothing called `frms`; did you mean `firms`?"
        );
        assert!(overview(&loaded).len() > 40);
    }
}
