//! `frugality explain`: walks from what happened back to why.
//!
//! - `overview`: what is said when nobody asks;
//! - `event`, `rule`: what an event or a rule comes from and leads to;
//! - `firm`: a firm in a month, its `figures` and what `touched` it;
//! - `lines`: how events, chains and trees are written;
//! - `names`: what is said of a name that nothing bears.

mod event;
mod figures;
mod firm;
mod lines;
mod names;
mod overview;
mod rule;
mod touched;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::event::explain_event;
use self::firm::Case;
use self::overview::overview;
use self::rule::explain_rule;
use super::exit;
use crate::calendar::Month;
use crate::record::Archive;

/// Walks causes in the results of a run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality explain outputs/reference-s1-0123abcd
      the kinds of events, and those from which most follows
  frugality explain DIR --firm bytedance --month 2027-03
      its figures against a year before, what touched it since, each with its causes
  frugality explain DIR --firm bytedance --month 2027-03 --metric cost_per_token
      the same with the course of one figure
  frugality explain DIR --event 812
      the chain from an event to its root, and what followed
  frugality explain DIR --rule us-bis-2022-10
      everything that descends from a rule, as a tree with counts")]
pub struct ExplainArgs {
    /// The folder of a run.
    dir: PathBuf,
    /// A firm of firms.csv; with --month.
    #[arg(long, value_name = "ID", requires = "month", conflicts_with_all = ["event", "rule"])]
    firm: Option<String>,
    /// The month to explain, YYYY-MM.
    #[arg(long, value_name = "YYYY-MM", requires = "firm")]
    month: Option<Month>,
    /// A column of firms.csv to follow.
    #[arg(long, value_name = "NAME", requires = "firm")]
    metric: Option<String>,
    /// How many months back to look for events of a firm.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=1200))]
    months: i32,
    /// An event of events.csv.
    #[arg(long, value_name = "ID", conflicts_with = "rule")]
    event: Option<u32>,
    /// A rule: everything that descends from its events.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// How many generations of effects to show.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=50))]
    depth: u8,
}

/// Does it.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    match explanation(args) {
        Ok(text) => exit::print(&text),
        Err(text) => exit::fail(&text, exit::BAD_INPUT),
    }
}

fn explanation(args: &ExplainArgs) -> Result<String, String> {
    let archive = Archive::open(&args.dir)?;
    let log = archive.log()?;
    let mut text = String::new();
    if let (Some(firm), Some(month)) = (&args.firm, args.month) {
        let case = Case { archive: &archive, log: &log, firm, month, since: month - args.months };
        case.explain(args.metric.as_deref(), &mut text)?;
    } else if let Some(id) = args.event {
        explain_event(&log, id, usize::from(args.depth), &mut text)?;
    } else if let Some(rule) = &args.rule {
        explain_rule(&log, rule, usize::from(args.depth), &mut text)?;
    } else {
        overview(&archive, &log, &mut text);
    }
    Ok(text)
}
