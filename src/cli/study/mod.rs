//! `frugality study`: many runs, in one folder that nothing is lost from.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Subcommand, ValueEnum};

pub(super) use self::bar::Bar;
use super::exit;
use crate::run::simulate_as_scarce;
use crate::study::{Batch, Ended, Failed, Format, Limits, Merged, Plan, Simulate, Store, merge};

mod bar;
mod doses;
mod placebo;
mod plan;
mod replay;
mod run;
mod status;
mod verify;

/// Run many worlds under many seeds: plan, run, resume, merge, verify, replay, doses, placebo.
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  frugality study plan worlds/studies/quick.toml      how many runs, how long, how large
  frugality study run worlds/studies/quick.toml       all of it; Ctrl-C and resume at any time
  frugality study resume outputs/quick-0123abcd
  frugality study verify outputs/quick-0123abcd --deep 5

docs/studies.md tells how a study is written and what comes out."
)]
pub struct StudyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Plan(plan::PlanArgs),
    Run(run::RunArgs),
    Resume(run::ResumeArgs),
    Status(status::StatusArgs),
    Merge(MergeArgs),
    Doses(doses::DosesArgs),
    Placebo(placebo::PlaceboArgs),
    Verify(verify::VerifyArgs),
    Replay(replay::ReplayArgs),
}

/// Does it.
#[must_use]
pub fn run(args: &StudyArgs) -> ExitCode {
    match &args.verb {
        Verb::Plan(args) => plan::run(args),
        Verb::Run(args) => run::run(args),
        Verb::Resume(args) => run::resume(args),
        Verb::Status(args) => status::run(args),
        Verb::Merge(args) => ended(args.run()),
        Verb::Doses(args) => ended(args.text()),
        Verb::Placebo(args) => ended(args.text()),
        Verb::Verify(args) => verify::run(args),
        Verb::Replay(args) => replay::run(args),
    }
}

/// How tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    /// Parquet: small, typed, with units; read by pandas, polars, DuckDB, R.
    Parquet,
    /// Comma-separated text.
    Csv,
}

impl From<TableFormat> for Format {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Parquet => Self::Parquet,
            TableFormat::Csv => Self::Csv,
        }
    }
}

/// How worlds are run.
pub(super) const SIMULATE: &Simulate = &|definition, treated, seed, options, sink| {
    simulate_as_scarce(definition, treated, seed, options, sink)
};

/// Prints what came of a verb, or says why nothing did.
fn ended(result: Result<String, Failed>) -> ExitCode {
    match result {
        Ok(text) => exit::print(&text),
        Err(failed) => refuse(&failed),
    }
}

/// A study that a verb needs whole before it goes on.
pub(super) struct Attempt<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its folder.
    pub store: &'a Store,
    /// Threads; 0: as many as cores.
    pub threads: usize,
    /// Whether nothing is said on the way.
    pub quiet: bool,
    /// Set to stop.
    pub stop: &'a AtomicBool,
    /// The command that goes on.
    pub again: &'a str,
}

impl Attempt<'_> {
    /// Runs what is missing and merges; how many runs failed, or the code of a study that was stopped, which has
    /// been said.
    pub fn complete(&self) -> Result<Result<u64, ExitCode>, Failed> {
        let Attempt { plan, store, stop, .. } = *self;
        let progress = bar::Bar::new(&plan.name, self.quiet);
        let limits = Limits { threads: self.threads, ..Limits::default() };
        let batch = Batch { plan, store, limits, stop, progress: &progress, simulate: SIMULATE };
        let report = batch.run();
        progress.finish();
        let report = report?;
        if report.ended == Ended::Complete {
            let merged = merge(plan, store, Format::Parquet, false, false)?;
            return Ok(Ok(merged.failures));
        }
        eprintln!(
            "Stopped after {} runs in {}; runs in flight were dropped, the rest is kept. Go on with:\n  {}",
            report.runs,
            time(progress.seconds()),
            self.again
        );
        Ok(Err(ExitCode::from(130)))
    }
}

/// Says what went wrong and gives the code.
pub(super) fn refuse(failed: &Failed) -> ExitCode {
    match failed {
        Failed::Refused(refusal) => super::refuse(refusal),
        Failed::Io { .. } => exit::fail(&failed.to_string(), exit::SYSTEM),
        Failed::Input(text) => exit::fail(text, exit::BAD_INPUT),
        Failed::Differs(text) => exit::fail(text, exit::BROKEN_BOOK),
    }
}

/// A flag that Ctrl-C and SIGTERM set; a second one ends the program at once.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Without a handler, a signal ends the program, which loses nothing but runs in flight.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    stop
}

/// Merge what is committed into tables for people, with effects, and write the hashes of all files.
///
/// A study that is complete is merged when its last shard is done; this is for other formats, and for looking at a
/// part.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study merge outputs/quick-0123abcd
  frugality study merge outputs/quick-0123abcd --format csv
  frugality study merge outputs/quick-0123abcd --partial     what is there so far")]
pub struct MergeArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: std::path::PathBuf,
    /// How to write the tables.
    #[arg(long, value_enum, default_value_t = TableFormat::Parquet)]
    format: TableFormat,
    /// Merge although shards are missing; the tables say that they are partial.
    #[arg(long)]
    partial: bool,
}

impl MergeArgs {
    fn run(&self) -> Result<String, Failed> {
        let (store, plan) = Store::open(&self.folder)?;
        let merged = merge(&plan, &store, self.format.into(), self.partial, true)?;
        Ok(merged_text(&plan, &merged, store.root()))
    }
}

/// What was merged, for people.
fn merged_text(plan: &Plan, merged: &Merged, root: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {} runs{}{}",
        crate::record::cell::printable(&plan.title),
        merged.runs,
        if merged.complete { "" } else { ", not complete" },
        if merged.failures > 0 {
            format!(", {} failed (status and error in the table of runs)", merged.failures)
        } else {
            String::new()
        },
    );
    for table in &merged.tables {
        let path = root.join(&table.path);
        let _ = writeln!(
            text,
            "  {:<60} {:>10} rows {:>10}",
            path.display(),
            table.rows,
            size(table.bytes)
        );
    }
    text
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.1} kB", b / 1e3),
        b => format!("{b:.0} B"),
    }
}

/// Seconds for people.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
