//! The verbs, one file each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod exit;
pub mod explain;
pub mod metrics;
pub mod month;
pub mod run;

/// Agent-based simulation of export controls on AI chips.
#[derive(Parser, Debug)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Run(run::RunArgs),
    Explain(explain::ExplainArgs),
    Metrics(metrics::MetricsArgs),
    Month(month::MonthArgs),
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Metrics(args) => metrics::run(&args),
        Verb::Month(args) => month::run(&args),
    }
}
