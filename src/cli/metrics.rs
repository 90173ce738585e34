//! `frugality metrics`: what a run measures.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::exit;
use crate::mechanisms;
use crate::metric::{Metric, Scope};
use crate::record::{columns, docs};

/// Lists every metric of a run with unit and definition.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality metrics
  frugality metrics --table firms
  frugality metrics --find compute
  frugality metrics --markdown > docs/outputs.md")]
pub struct MetricsArgs {
    /// Only this table.
    #[arg(long, value_parser = ["series", "firms", "vendors", "countries", "chips", "lines"])]
    table: Option<String>,
    /// Only metrics whose name or definition holds this word.
    #[arg(long, value_name = "WORD")]
    find: Option<String>,
    /// Prints docs/outputs.md: all columns of all files.
    #[arg(long, conflicts_with_all = ["table", "find"])]
    markdown: bool,
}

/// Does it.
#[must_use]
pub fn run(args: &MetricsArgs) -> ExitCode {
    let metrics = mechanisms::all_metrics();
    if args.markdown {
        return exit::print(&docs::markdown(metrics));
    }
    let wanted = args.find.as_ref().map(|word| word.to_lowercase());
    let mut text = String::new();
    for scope in Scope::ALL {
        if args.table.as_ref().is_some_and(|table| table != scope.table()) {
            continue;
        }
        let found: Vec<&Metric> = columns(metrics, scope)
            .filter(|metric| wanted.as_ref().is_none_or(|word| mentions(metric, word)))
            .collect();
        if !found.is_empty() {
            let _ = writeln!(text, "{}.csv: {}", scope.table(), docs::about(scope));
            for metric in found {
                let _ = writeln!(text, "  {} [{}]", metric.name, metric.unit);
                let _ = writeln!(text, "      {}", metric.definition.trim());
            }
            text.push('\n');
        }
    }
    if text.is_empty() {
        text.push_str("No metric found; `frugality metrics` lists all.\n");
    }
    exit::print(&text)
}

fn mentions(metric: &Metric, word: &str) -> bool {
    metric.name.contains(word) || metric.definition.to_lowercase().contains(word)
}
