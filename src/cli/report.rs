//! `frugality report DIR…`: one page that shows what studies, claims and a hindcast found.

use std::path::PathBuf;
use std::process::ExitCode;

use super::exit;
use crate::report;

/// Make one HTML page of finished studies, claims and hindcasts, which opens offline.
///
/// Folders are recognised by what is in them: studies (plan.json), claims (verdicts.csv), a hindcast
/// (scoreboard.csv, fan.csv), and the tables that Python makes of a study (discovery/). A part of the page whose
/// inputs are not there says so, and which command makes them.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frugality report outputs/quick-0123abcd
  frugality report outputs/trajectories-* outputs/dose-response-* outputs/claims --out answer.html

docs/report.md tells what each figure says and how to cite it.")]
pub struct ReportArgs {
    /// Folders of studies, claims and hindcasts.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// The page to write.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
}

/// Does it.
#[must_use]
pub fn run(args: &ReportArgs) -> ExitCode {
    let page = match report::page(&args.folders) {
        Ok(page) => page,
        Err(failed) => return exit::fail(&failed.to_string(), exit::BAD_INPUT),
    };
    match std::fs::write(&args.out, &page) {
        Ok(()) => exit::print(&format!("{}\n", args.out.display())),
        Err(e) => exit::fail(&format!("{}: {e}", args.out.display()), exit::SYSTEM),
    }
}
