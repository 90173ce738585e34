//! `frugality study run` and `resume`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::bar::Bar;
use super::{SIMULATE, TableFormat, exit, merged_text, refuse, stop_flag, time};
use crate::study::{Batch, Ended, Failed, Limits, Plan, Report, Store, merge};

/// Run a study: every run of its plan that is not in the folder yet; then merge.
///
/// May be killed at any time, and started again: what is committed is kept. Several processes may work on one
/// folder, each on a share of its own (`--shard`) or all on the whole.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study run worlds/studies/quick.toml
  frugality study run identification --size quick      a smaller version that the study names
  frugality study run trajectories --threads 2 --out /scratch/trajectories
  frugality study run parameter-prior --shard 3/20 --out /shared/prior   one of twenty processes

Exit codes: 0 done (runs that failed are rows of the table of runs), 1 the system refused, 2 bad input,
3 too many runs failed or a run came out differently twice, 130 stopped by Ctrl-C or SIGTERM.")]
pub struct RunArgs {
    /// The study: a TOML file, or the name of one in worlds/studies/.
    study: PathBuf,
    /// One of the sizes that the study names [default: as it is written].
    #[arg(long, value_name = "NAME")]
    size: Option<String>,
    /// The folder to write [default: outputs/<study>-<hash of the plan>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// Go on with a study from its folder, which holds all that is needed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study resume outputs/quick-0123abcd
  frugality study resume /shared/prior --shard 3/20")]
pub struct ResumeArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    how: How,
}

/// What a process is told besides the plan.
#[derive(Args, Debug)]
struct How {
    /// Do every n-th shard, beginning with the k-th: `3/20` is the third of twenty processes.
    #[arg(long, value_name = "K/N", value_parser = share)]
    shard: Option<(u64, u64)>,
    /// Threads [default: as many as cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Stop when more runs than this failed [default: never; a failed run is a row].
    #[arg(long, value_name = "N")]
    max_failures: Option<u64>,
    /// How the merged tables are written.
    #[arg(long, value_enum, default_value_t = TableFormat::Parquet)]
    format: TableFormat,
    /// Do not merge at the end.
    #[arg(long)]
    no_merge: bool,
    /// Print the folder and nothing else.
    #[arg(long, short)]
    quiet: bool,
}

fn share(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("`{text}` is not a share; write 3/20 for the third of twenty");
    let (k, n) = text.split_once('/').ok_or_else(wrong)?;
    let (k, n): (u64, u64) = (k.parse().map_err(|_| wrong())?, n.parse().map_err(|_| wrong())?);
    if k == 0 || k > n || n > 1_000_000 { Err(wrong()) } else { Ok((k, n)) }
}

/// Runs.
#[must_use]
pub fn run(args: &RunArgs) -> ExitCode {
    let begin = || {
        let plan = Plan::load_sized(&args.study, args.size.as_deref())?;
        let out = match &args.out {
            Some(out) => out.clone(),
            None => Path::new("outputs").join(plan.folder_name()),
        };
        if !args.how.quiet && !plan.notices.is_empty() {
            let n = plan.notices.len();
            eprintln!("note: {n} notices on the worlds; `frugality study plan` shows them");
        }
        Ok((Store::create(&plan, &out)?, plan))
    };
    match begin() {
        Ok((store, plan)) => args.how.go(&store, &plan),
        Err(failed) => refuse(&failed),
    }
}

/// Resumes.
#[must_use]
pub fn resume(args: &ResumeArgs) -> ExitCode {
    match Store::open(&args.folder) {
        Ok((store, plan)) => args.how.go(&store, &plan),
        Err(failed) => refuse(&failed),
    }
}

impl How {
    fn go(&self, store: &Store, plan: &Plan) -> ExitCode {
        if !self.quiet {
            let made = store.plan_json().ok().map(|json| json["program"]["commit"].clone());
            let mine = serde_json::json!(crate::record::manifest::COMMIT);
            if made.is_some_and(|made| made != mine) {
                eprintln!(
                    "note: the study was begun by another build of this version; if results differ between builds, `verify --deep` tells"
                );
            }
        }
        let stop = stop_flag();
        let bar = Bar::new(&plan.name, self.quiet);
        let limits = Limits {
            share: self.shard.unwrap_or((1, 1)),
            threads: self.threads.map_or(0, usize::from),
            max_failures: self.max_failures,
        };
        let batch = Batch { plan, store, limits, stop: &stop, progress: &bar, simulate: SIMULATE };
        let result = batch.run();
        bar.finish();
        match result.and_then(|report| self.after(store, plan, report, &bar)) {
            Ok(code) => code,
            Err(failed) => {
                let code = refuse(&failed);
                if matches!(failed, Failed::Io { .. }) {
                    eprintln!(
                        "What was committed is kept; once there is room, go on with: {}",
                        self.command(store)
                    );
                }
                code
            }
        }
    }

    /// The command that goes on from here.
    fn command(&self, store: &Store) -> String {
        let folder = store.root().display().to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:,+@%".contains(c);
        let folder = if folder.chars().all(plain) {
            folder
        } else {
            format!("'{}'", folder.replace('\'', r"'\''"))
        };
        let share = self.shard.map_or_else(String::new, |(k, n)| format!(" --shard {k}/{n}"));
        format!("frugality study resume {folder}{share}")
    }

    fn after(
        &self,
        store: &Store,
        plan: &Plan,
        report: Report,
        bar: &Bar,
    ) -> Result<ExitCode, Failed> {
        let root = store.root().display();
        let did = format!(
            "{} runs in {}{}",
            report.runs,
            time(bar.seconds()),
            if report.failures > 0 {
                format!(", {} failed", report.failures)
            } else {
                String::new()
            }
        );
        Ok(match report.ended {
            Ended::Stopped => {
                eprintln!(
                    "Stopped after {did}; runs in flight were dropped, the rest is kept. Go on with:\n  {}",
                    self.command(store)
                );
                ExitCode::from(130)
            }
            Ended::TooManyFailures => exit::fail(
                &format!(
                    "{} runs failed, more than --max-failures allows. What was committed is kept; go on with:\n  {}",
                    report.failures,
                    self.command(store)
                ),
                exit::BROKEN_BOOK,
            ),
            Ended::Waiting => {
                eprintln!(
                    "{did}. {} shards of other processes are missing; when they are done, `{}` decides whether more seeds are needed",
                    report.missing,
                    self.command(store)
                );
                exit::print(&format!("{root}\n"))
            }
            Ended::ShareDone => {
                if !self.quiet {
                    eprintln!(
                        "{did}: this share is done, {} shards of others are missing; the last one merges, or `frugality study merge {root}`",
                        report.missing
                    );
                }
                exit::print(&format!("{root}\n"))
            }
            Ended::Complete if self.no_merge => exit::print(&format!("{root}\n")),
            Ended::Complete => {
                let merged = merge(plan, store, self.format.into(), false, false)?;
                if self.quiet {
                    exit::print(&format!("{root}\n"))
                } else {
                    let text = merged_text(plan, &merged, store.root());
                    exit::print(&format!("{did}\n{text}"))
                }
            }
        })
    }
}
