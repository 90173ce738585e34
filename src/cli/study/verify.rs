//! `frugality study verify`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{SIMULATE, exit, refuse};
use crate::study::{Failed, Store, verify};

/// Look whether every file of a study is there and as it was written.
///
/// Compares each file with its SHA-256, and with `--deep` simulates runs again and compares every cell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality study verify outputs/quick-0123abcd
  frugality study verify outputs/quick-0123abcd --deep 10

Exit codes: 0 all is well, 1 a file cannot be read, 2 something is damaged, missing or extra.")]
pub struct VerifyArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Simulate this many runs again.
    #[arg(long, value_name = "K", default_value_t = 0)]
    deep: u64,
}

/// Does it.
#[must_use]
pub fn run(args: &VerifyArgs) -> ExitCode {
    match args.look() {
        Ok((text, true)) => exit::print(&text),
        Ok((text, false)) => {
            eprint!("{text}");
            ExitCode::from(exit::BAD_INPUT)
        }
        Err(failed) => refuse(&failed),
    }
}

impl VerifyArgs {
    fn look(&self) -> Result<(String, bool), Failed> {
        let (store, plan) = Store::open(&self.folder)?;
        let (findings, complete) = verify(&plan, &store, self.deep, SIMULATE)?;
        let root = store.root().display();
        let mut text = String::new();
        for finding in &findings {
            let _ = writeln!(text, "{root}/{}: {}", finding.path, finding.says);
        }
        if findings.is_empty() {
            let again = if self.deep > 0 {
                format!("; {} runs simulated again came out the same", self.deep)
            } else {
                String::new()
            };
            let state = if complete { "complete" } else { "not complete yet" };
            let _ = writeln!(text, "{root}: every file is as it was written; {state}{again}");
            return Ok((text, true));
        }
        let shards = findings.iter().any(|f| f.mends && !f.path.starts_with("merged/"));
        if findings.iter().any(|f| f.mends) {
            let _ = writeln!(
                text,
                "What can be computed again is by: frugality study resume {root}{}",
                if shards { "" } else { " (or merge)" }
            );
        }
        Ok((text, false))
    }
}
