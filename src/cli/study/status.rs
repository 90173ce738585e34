//! `frugality study status`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{ended, size};
use crate::study::{Failed, Store, needed};

/// Tell how far a study is: shards and runs that are there, failures, what to do next.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  frugality study status outputs/quick-0123abcd")]
pub struct StatusArgs {
    /// The study's folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Does it.
#[must_use]
pub fn run(args: &StatusArgs) -> ExitCode {
    ended(args.text())
}

impl StatusArgs {
    fn text(&self) -> Result<String, Failed> {
        let (store, plan) = Store::open(&self.folder)?;
        let (shards, known) = needed(&plan, &store)?;
        let (mut there, mut runs, mut failures, mut bytes) = (0, 0, 0, 0);
        for shard in &shards {
            if let Some(commit) = store.commit(&plan, *shard) {
                there += 1;
                runs += commit.runs.1 - commit.runs.0;
                failures += commit.failures;
                bytes += commit.files.iter().map(|file| file.bytes).sum::<u64>();
            }
        }
        let wanted: u64 = shards
            .iter()
            .map(|shard| {
                let (from, to) = plan.draws_of_shard(*shard);
                (to - from) * plan.policies.len() as u64
            })
            .sum();
        let more = if known { "" } else { " or more" };
        let merged = store.path("merged").is_dir();
        let mut text = String::new();
        let _ = writeln!(text, "{} ({})", plan.title, plan.folder_name());
        let _ = writeln!(text, "  runs      {runs} of {wanted}{more}, {failures} failed");
        let _ = writeln!(text, "  shards    {there} of {}{more}, {}", shards.len(), size(bytes));
        let _ = writeln!(text, "  merged    {}", if merged { "yes" } else { "no" });
        let root = store.root().display();
        if there < shards.len() || !known {
            let _ = writeln!(text, "  next      frugality study resume {root}");
        } else if !merged {
            let _ = writeln!(text, "  next      frugality study merge {root}");
        } else {
            let _ = writeln!(text, "  next      frugality study verify {root}");
        }
        Ok(text)
    }
}
