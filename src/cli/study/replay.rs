//! `frugality study replay`: one run of a study again, with everything recorded.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{exit, refuse};
use crate::cli::run as single;
use crate::study::Store;

/// Run one run of a study again, into a folder as `frugality run` writes it: every table, every event.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study replay outputs/quick-0123abcd 17
  frugality study replay outputs/quick-0123abcd 17 --out outputs/why-17")]
pub struct ReplayArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The run: its run_id in the tables.
    run_id: u64,
    /// The folder to write [default: <study's folder>-run-<id>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the folder if it exists and is the output of a run.
    #[arg(long)]
    force: bool,
    /// Print the folder and nothing else.
    #[arg(long, short)]
    quiet: bool,
}

/// Does it.
#[must_use]
pub fn run(args: &ReplayArgs) -> ExitCode {
    let (store, plan) = match Store::open(&args.folder) {
        Ok(both) => both,
        Err(failed) => return refuse(&failed),
    };
    let Some((draw, policy)) = plan.run(args.run_id) else {
        let message =
            format!("there is no run {}; the study has 0 to {}", args.run_id, plan.runs() - 1);
        return exit::fail(&message, exit::BAD_INPUT);
    };
    let (world, treated, sets) = plan.as_single(draw, policy);
    let root = std::fs::canonicalize(store.root()).unwrap_or_else(|_| store.root().to_path_buf());
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| root.with_file_name(format!("{name}-run-{}", args.run_id)));
    single::run(&single::RunArgs {
        world: store.path(&format!("inputs/{world}")),
        as_scarce_as: treated.map(|world| store.path(&format!("inputs/{world}"))),
        seed: draw.seed,
        months: plan.months,
        sets,
        out: Some(out),
        force: args.force,
        no_events: false,
        quiet: args.quiet,
    })
}
