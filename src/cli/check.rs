//! `frugality check`: is a world right?

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::world::{Loaded, Refusal, world_hash};

/// Check worlds: read every file, and say what is wrong with them and where.
///
/// Nothing is run and nothing is written. A world that is right gets a line with
/// the number of rows of each table, its hash, and notices of what is odd but
/// possible. Otherwise up to twenty problems a world are shown, each at its file,
/// line and column, and the exit code is 2.
#[derive(Args)]
#[command(after_help = "\
Examples:
  frugality check reference
  frugality check worlds/*.toml worlds/reference
  frugality check easing --set firms.bytedance.cash_usd_bn=30 --set end=2030-12")]
pub(super) struct Check {
    /// Names of worlds in `worlds/`, or paths of folders or TOML files.
    #[arg(required = true, value_name = "WORLD")]
    worlds: Vec<PathBuf>,
    /// Change a cell, parameter or setting: table.id.column=value, parameter=value. May be repeated.
    #[arg(long = "set", value_name = "CELL=VALUE")]
    sets: Vec<String>,
}

impl Check {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut refused: Option<Refusal> = None;
        for world in &self.worlds {
            match super::load(world, &self.sets) {
                Ok(loaded) => report(&loaded, &world.display().to_string(), out)?,
                Err(refusal) => {
                    // What is right is said on one channel, what is wrong on the other.
                    out.flush()?;
                    if let Some(earlier) = refused.replace(refusal) {
                        eprintln!("{earlier}");
                    }
                }
            }
        }
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }
}

fn report(loaded: &Loaded, name: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let counts: Vec<String> = loaded
        .definition
        .counts()
        .into_iter()
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    let head = &loaded.definition.head;
    writeln!(out, "{name}: OK, {} to {}, {}", head.start, head.end, head.title)?;
    writeln!(out, "  rows: {}", counts.join(", "))?;
    writeln!(out, "  hash: {}", world_hash(loaded))?;
    for notice in &loaded.notices {
        writeln!(out, "  notice: {notice}")?;
    }
    Ok(())
}
