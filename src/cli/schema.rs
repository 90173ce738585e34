//! `frugality schema`: the JSON Schema of world, study and claim files.

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
Examples:
  frugality schema > worlds/world.schema.json
  frugality schema --study > worlds/studies/study.schema.json
  frugality schema --claim > worlds/claims/claim.schema.json")]
pub struct SchemaArgs {
    /// The schema of study files instead.
    #[arg(long)]
    study: bool,
    /// The schema of claim files instead.
    #[arg(long, conflicts_with = "study")]
    claim: bool,
}

/// Does it.
#[must_use]
pub fn run(args: &SchemaArgs) -> ExitCode {
    let schema = match (args.study, args.claim) {
        (true, _) => crate::study::json_schema(),
        (_, true) => crate::analysis::claims::json_schema(),
        _ => json_schema(&super::declared()),
    };
    exit::print(&format!("{schema:#}\n"))
}
