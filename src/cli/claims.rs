//! `frugality claims`: verdicts on claims, from studies that are run as far as they are missing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::exit;
use super::study::{Bar, SIMULATE, refuse, stop_flag, time};
use crate::analysis::claims::{self, Evidence};
use crate::record::folder::{Document, FolderError, sha256};
use crate::study::{Batch, Ended, Failed, Format, Limits, Plan, Store, merge};

/// Judge claims: supported, refuted or undecided, with effect, interval, where it flips and what it dies without.
///
/// What a claim says and asks is fixed in its file before the result is known; the file's SHA-256 stands
/// in every result. Studies that claims need are run as far as they are missing, each into a folder named by the hash
/// of its plan, and may be interrupted at any time.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality claims                                    all of worlds/claims, small studies: minutes
  frugality claims --size full                        the real ones: hours
  frugality claims worlds/claims/mirror.toml --threads 2
  frugality claims mine.toml --out /scratch/claims

It writes verdicts.csv, tests.csv, dose_response.csv and claims.json into <out>/claims-<size>-<hash>.
docs/claims.md tells how a claim is written and judged.

Exit codes: 0 judged (whatever the verdicts), 1 the system refused, 2 bad input, 3 a run came out differently
twice, 130 stopped by Ctrl-C or SIGTERM.")]
pub struct ClaimsArgs {
    /// Claim files, or names of those in worlds/claims/ [default: all of worlds/claims].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How large studies are.
    #[arg(long, value_enum, default_value_t = Size::Quick)]
    size: Size,
    /// Threads [default: as many as cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The folder of studies and verdicts.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    out: PathBuf,
    /// Tell which studies would be run, and run nothing.
    #[arg(long)]
    plan: bool,
    /// Print the folder of verdicts and nothing else.
    #[arg(long, short)]
    quiet: bool,
}

/// How large studies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Size {
    /// `sizes.quick` of each study: minutes.
    Quick,
    /// Studies as they are written: hours.
    Full,
}

impl Size {
    const fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// Where the shipped claims are.
const SHIPPED: &str = "worlds/claims";

/// Does it.
#[must_use]
pub fn run(args: &ClaimsArgs) -> ExitCode {
    match args.judged() {
        Ok(code) => code,
        Err(failed) => {
            let code = refuse(&failed);
            if matches!(failed, Failed::Io { .. }) {
                eprintln!("What was committed is kept; the same command goes on from there.");
            }
            code
        }
    }
}

impl ClaimsArgs {
    fn judged(&self) -> Result<ExitCode, Failed> {
        let set = claims::load(&self.files()?, Some(self.size.word()))?;
        if self.plan {
            return Ok(exit::print(&planned(&set.plans)));
        }
        let stop = stop_flag();
        let mut studies = Vec::new();
        for plan in &set.plans {
            let root = self.out.join(plan.folder_name());
            let store = Store::create(plan, &root)?;
            let bar = Bar::new(&plan.name, self.quiet);
            let limits =
                Limits { threads: self.threads.map_or(0, usize::from), ..Limits::default() };
            let simulate = SIMULATE;
            let batch =
                Batch { plan, store: &store, limits, stop: &stop, progress: &bar, simulate };
            let report = batch.run();
            bar.finish();
            let report = report?;
            if report.ended == Ended::Stopped {
                eprintln!(
                    "Stopped at the study {}; what is committed is kept, and the same command goes on from there.",
                    plan.name
                );
                return Ok(ExitCode::from(130));
            }
            if !self.quiet && report.runs > 0 {
                eprintln!("{}: {} runs in {}", plan.name, report.runs, time(bar.seconds()));
            }
            merge(plan, &store, Format::Parquet, false, false)?;
            studies.push((plan.clone(), store));
        }
        let mut evidence = Evidence::open(&studies)?;
        let rulings = claims::judge(&set, &mut evidence)?;
        let documents =
            claims::documents(&set, &studies, &rulings, (self.size.word(), &self.command()))?;
        let folder = self.write(&documents)?;
        let shown = folder.display();
        Ok(exit::print(&if self.quiet {
            format!("{shown}\n")
        } else {
            format!("{}\n{shown}\n", claims::overview(&set, &rulings))
        }))
    }

    /// The command that does the same again.
    fn command(&self) -> String {
        let mut words = vec!["frugality claims".to_owned()];
        words.extend(self.files.iter().map(|file| file.display().to_string()));
        if self.size != Size::Quick {
            words.push(format!("--size {}", self.size.word()));
        }
        words.join(" ")
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failed> {
        if !self.files.is_empty() {
            let find = |path: &PathBuf| {
                let name = path.to_string_lossy();
                if path.components().count() == 1 && !name.ends_with(".toml") && !path.exists() {
                    return Path::new(SHIPPED).join(format!("{name}.toml"));
                }
                path.clone()
            };
            return Ok(self.files.iter().map(find).collect());
        }
        let list = std::fs::read_dir(SHIPPED).map_err(|e| {
            Failed::Input(format!("cannot read `{SHIPPED}`: {e}; name the files of claims"))
        })?;
        let mut files: Vec<PathBuf> = list
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(Failed::Input(format!("`{SHIPPED}` holds no claims; name the files")));
        }
        Ok(files)
    }

    /// Writes the folder of verdicts. It is named by what is in it: the same verdicts are there already.
    fn write(&self, documents: &[Document]) -> Result<PathBuf, Failed> {
        let text: Vec<u8> = documents.iter().flat_map(|file| file.bytes.iter().copied()).collect();
        let name = format!("claims-{}-{}", self.size.word(), &sha256(&text)[..8]);
        let folder = self.out.join(name);
        match crate::record::Folder::claim(&folder, false).and_then(|f| f.commit(documents)) {
            Ok(_) | Err(FolderError::Exists(_)) => Ok(folder),
            Err(FolderError::Io { doing, source }) => Err(Failed::Io { doing, source }),
            Err(other) => Err(Failed::Input(other.to_string())),
        }
    }
}

fn planned(plans: &[Plan]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for plan in plans {
        let _ = writeln!(text, "{:>7} runs  {}", plan.runs(), plan.folder_name());
    }
    let runs: u64 = plans.iter().map(Plan::runs).sum();
    let _ = writeln!(text, "{runs:>7} runs in all");
    text
}
