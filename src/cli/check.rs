//! `frugality check`: is a world right?

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::world::{Loaded, world_hash};

/// Check worlds: read every file, and say what is wrong with them and where.
///
/// Nothing is run and nothing is written. A world that is right gets a line with
/// the number of rows of each table, its hash, and notices of what is odd but
/// possible. Otherwise up to twenty problems a world are shown, each at its file,
/// line and column, and the exit code is 2.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality check reference
  frugality check worlds/*.toml worlds/reference
  frugality check easing --set firms.bytedance.cash_usd_bn=30 --set end=2030-12")]
pub struct CheckArgs {
    /// Names of worlds in `worlds/`, or paths of folders or TOML files.
    #[arg(required = true, value_name = "WORLD")]
    worlds: Vec<PathBuf>,
    /// Change a cell, parameter or setting: table.id.column=value, parameter=value. May be repeated.
    #[arg(long = "set", value_name = "CELL=VALUE")]
    sets: Vec<String>,
}

/// Does it.
#[must_use]
pub fn run(args: &CheckArgs) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for world in &args.worlds {
        let said = match super::load(world, &args.sets) {
            Ok(loaded) => exit::print(&report(&loaded, &world.display().to_string())),
            Err(refusal) => super::refuse(&refusal),
        };
        if said != ExitCode::SUCCESS {
            code = said;
        }
    }
    code
}

fn report(loaded: &Loaded, name: &str) -> String {
    let counts: Vec<String> = loaded
        .definition
        .counts()
        .into_iter()
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    let head = &loaded.definition.head;
    let mut text = format!(
        "{name}: OK, {} to {}, {}\n  rows: {}\n  hash: {}\n",
        head.start,
        head.end,
        head.title,
        counts.join(", "),
        world_hash(loaded)
    );
    for notice in &loaded.notices {
        let _ = writeln!(text, "  notice: {notice}");
    }
    text
}
