//! `frugality schema`: the JSON Schema of world files.

use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::world::json_schema;

/// Write the JSON Schema of world files, for editors that complete and check as one types.
///
/// A world file whose first line is `#:schema ./world.schema.json` is checked against it
/// by editors with TOML support (Even Better TOML for VS Code, taplo). The schema knows
/// names, kinds and ranges; `frugality check` knows the rest.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  frugality schema > worlds/world.schema.json")]
pub struct SchemaArgs {}

/// Does it.
#[must_use]
pub fn run(_: &SchemaArgs) -> ExitCode {
    exit::print(&format!("{:#}\n", json_schema(&super::declared())))
}
