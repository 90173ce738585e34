//! `frugality study doses`: what each dose of a lever does, and where it turns.

use std::path::PathBuf;

use clap::Args;

use crate::analysis::doses;
use crate::study::{Failed, Store};

/// Print dose and response of a finished study as CSV: the effect of each dose on each outcome with bands, and where
/// the curve turns.
///
/// The study has a lever of numbers that its counterfactual moves, as `stringency` of worlds/studies/dose-response.toml.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study doses outputs/dose-response-0123abcd > dose_response.csv")]
pub struct DosesArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl DosesArgs {
    pub(super) fn text(&self) -> Result<String, Failed> {
        let (store, plan) = Store::open(&self.folder)?;
        let table = doses::document(&doses::of(&plan, &store)?);
        Ok(String::from_utf8_lossy(&table.bytes).into_owned())
    }
}
