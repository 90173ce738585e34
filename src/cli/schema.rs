//! `frugality schema`: the JSON Schema of world files.

use std::io::Write;

use clap::Args;

use super::Failure;
use crate::world::json_schema;

/// Write the JSON Schema of world files, for editors that complete and check as one types.
///
/// A world file whose first line is `#:schema ./world.schema.json` is checked against it
/// by editors with TOML support (Even Better TOML for VS Code, taplo). The schema knows
/// names, kinds and ranges; `frugality check` knows the rest.
#[derive(Args)]
#[command(after_help = "\
Example:
  frugality schema > worlds/world.schema.json")]
pub(super) struct Schema {}

impl Schema {
    // A verb's options are its fields; this one has none.
    #[allow(clippy::unused_self)]
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let schema = json_schema(&super::declared());
        writeln!(out, "{schema:#}")?;
        Ok(())
    }
}
