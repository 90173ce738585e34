//! The verbs, one file each: a verb parses its arguments, calls the library and
//! prints; nothing is computed here.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::parameters::Declared;
use crate::world::{Loaded, Refusal};

mod calibrate;
mod check;
mod claims;
mod exit;
mod explain;
mod hindcast;
mod metrics;
mod month;
mod parameters;
mod report;
mod run;
mod schema;
mod score;
mod show;
mod study;

/// Agent-based simulation of export controls on AI chips.
#[derive(Parser, Debug)]
#[command(version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  frugality run reference                   the real world of AI chips, 2022 to 2035
  frugality explain DIR                     why things happened in a run
  frugality score DIR                       a run against what really happened
  frugality hindcast reference              many draws of the parameters against what really happened
  frugality calibrate reference             which parameters are compatible with what happened by 2024
  frugality study run quick                 many runs under shared luck, and what they show
  frugality claims                          verdicts on the claims of worlds/claims
  frugality report DIR…                     one page that shows what studies found
  frugality check reference                 is the world in worlds/reference right?
  frugality show reference firms.bytedance  what it says of a firm, and where that is written
  frugality parameters reference            every parameter with its prior and source

Each verb has its own help: frugality show --help")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Run(run::RunArgs),
    Explain(explain::ExplainArgs),
    Score(score::ScoreArgs),
    Hindcast(hindcast::HindcastArgs),
    Calibrate(calibrate::CalibrateArgs),
    Study(study::StudyArgs),
    Claims(claims::ClaimsArgs),
    Report(report::ReportArgs),
    Check(check::CheckArgs),
    Show(show::ShowArgs),
    Schema(schema::SchemaArgs),
    Parameters(parameters::ParametersArgs),
    Metrics(metrics::MetricsArgs),
    Month(month::MonthArgs),
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Score(args) => score::run(&args),
        Verb::Hindcast(args) => hindcast::run(&args),
        Verb::Calibrate(args) => calibrate::run(&args),
        Verb::Study(args) => study::run(&args),
        Verb::Claims(args) => claims::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Parameters(args) => parameters::run(&args),
        Verb::Metrics(args) => metrics::run(&args),
        Verb::Month(args) => month::run(&args),
    }
}

/// The parameters that the mechanisms read.
fn declared() -> Vec<&'static Declared> {
    crate::mechanisms::declared_parameters()
}

/// Loads a world with settings of the command line.
fn load(world: &Path, sets: &[String]) -> Result<Loaded, Refusal> {
    crate::world::load(world, sets, &declared())
}

/// Says why a world was refused, a line a problem, as an editor can follow it.
fn refuse(refusal: &Refusal) -> ExitCode {
    eprintln!("{refusal}");
    ExitCode::from(exit::BAD_INPUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    static DECLARED: [Declared; 3] = [
        Declared { name: "research_elasticity", room: "research", doc: "Elasticity." },
        Declared { name: "review_months", room: "licensing", doc: "Median review." },
        Declared { name: "stacks_per_wafer", room: "fabs", doc: "Stacks." },
    ];

    pub(super) fn declared() -> Vec<&'static Declared> {
        DECLARED.iter().collect()
    }

    /// The smallest world that has a row of everything.
    pub(super) fn base(sets: &[&str]) -> Loaded {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected/base");
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        crate::world::load(&path, &sets, &declared()).unwrap()
    }

    #[test]
    fn every_verb_has_help_with_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", verb.get_name());
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }
}
