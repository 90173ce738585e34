//! `frugality run`: one world, one seed, one folder of results.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit;
use crate::calendar::Month;
use crate::mechanisms;
use crate::metric::{Metric, Scope};
use crate::record::cell::{human, printable};
use crate::record::columns;
use crate::record::folder::Document;
use crate::record::headline::{OUTCOMES, stem_of};
use crate::record::{Folder, FolderError, Kept, Log, Manifest, Page, Panels, Sink};
use crate::run::{Options, Outcome, Stopped, simulate_as_scarce};
use crate::world;

/// Runs a world and writes its results into a folder.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  frugality run worlds/reference
  frugality run worlds/no-controls.toml --seed 7
  frugality run worlds/no-controls.toml --as-scarce-as worlds/reference
  frugality run worlds/reference --months 48 --out /tmp/short --force
  frugality run worlds/reference --set firms.bytedance.cash_usd_bn=30 --set grey_supply_scale=0

Exit codes: 0 done, 1 the system refused (full disk, read-only), 2 bad input, 3 a book did not balance.
The folder is whole or absent: a run that fails or is stopped with Ctrl-C leaves nothing under its name.")]
pub struct RunArgs {
    /// The world: a folder with world.toml, or a TOML file that extends one.
    pub(super) world: PathBuf,
    /// The seed of all draws.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Another world: by price, the constrained firms get no more compute than they can use there under the same seed,
    /// month by month (an experiment: is it the rule, or the want of compute?). `--set` applies to both.
    #[arg(long, value_name = "WORLD")]
    pub(super) as_scarce_as: Option<PathBuf>,
    /// Months to run, instead of to the world's end.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1200))]
    pub(super) months: Option<u32>,
    /// Changes a cell (`table.id.column=value`) or a parameter (`name=value`); repeatable, the last one wins.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
    /// The folder to write [default: outputs/<world>-s<seed>-<hash>].
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Replaces the folder if it exists and is the output of a run.
    #[arg(long)]
    pub(super) force: bool,
    /// Leaves the event log out; `explain` then has nothing to walk.
    #[arg(long)]
    pub(super) no_events: bool,
    /// Prints the folder and nothing else.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Does it.
#[must_use]
pub fn run(args: &RunArgs) -> ExitCode {
    match try_run(args) {
        Ok(text) => exit::print(&text),
        Err(failure) => failure.report(),
    }
}

enum Failure {
    /// The world is refused: its problems, a line each, as `check` prints them.
    World(String),
    Input(String),
    System(String),
    Book(String),
}

impl Failure {
    fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::World(text) => {
                eprintln!("{text}");
                return ExitCode::from(exit::BAD_INPUT);
            }
            Self::Input(text) => (text, exit::BAD_INPUT),
            Self::System(text) => (text, exit::SYSTEM),
            Self::Book(text) => (text, exit::BROKEN_BOOK),
        };
        exit::fail(text, code)
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Exists(_) | FolderError::NotOurs(_) => Self::Input(error.to_string()),
            FolderError::Io { .. } => Self::System(error.to_string()),
        }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Breach(breach) => Self::Book(format!(
                "{breach}\nThis is a bug of the model, not of the world file; nothing was written."
            )),
            Stopped::Sink { .. } => Self::System(stopped.to_string()),
        }
    }
}

fn try_run(args: &RunArgs) -> Result<String, Failure> {
    let loaded = world::load(&args.world, &args.sets, &mechanisms::declared_parameters())
        .map_err(|refusal| Failure::World(refusal.to_string()))?;
    let definition = &loaded.definition;
    let options = Options { months: args.months, keep_events: !args.no_events };
    let files = loaded.files().map(|file| (file.inside.as_str(), file.bytes.as_slice()));
    let (input, mut documents) = copies(files, &definition.head.id);
    let treated = match &args.as_scarce_as {
        None => None,
        Some(path) => Some(
            world::load(path, &args.sets, &mechanisms::declared_parameters())
                .map_err(|refusal| Failure::World(refusal.to_string()))?,
        ),
    };
    let mut treated_input = None;
    if let Some(treated) = &treated {
        let files = treated.files().map(|file| (file.inside.as_str(), file.bytes.as_slice()));
        let (input, copied) = copies(files, &treated.definition.head.id);
        treated_input = Some((input, world::resolved_toml(treated)));
        for document in copied {
            if documents.iter().all(|known| known.path != document.path) {
                documents.push(document);
            }
        }
    }
    let manifest = Manifest {
        world: definition.head.id.clone(),
        title: definition.head.title.clone(),
        resolved: world::resolved_toml(&loaded),
        input,
        seed: args.seed,
        span: options.span(definition),
        shortened: args.months.is_some(),
        events: options.keep_events,
        sets: args.sets.clone(),
        treated: treated_input,
    };
    let target = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("outputs").join(manifest.folder_name()),
    };
    let folder = Folder::claim(&target, args.force)?;
    if !args.quiet {
        for notice in &loaded.notices {
            eprintln!("note: {}", printable(notice));
        }
    }

    let metrics = mechanisms::all_metrics();
    let mut panels = Panels::new(metrics);
    let mut kept = Kept::new(metrics);
    let bar = Bar::new(manifest.span, &definition.head.title, args.quiet);
    let outcome = simulate_as_scarce(
        definition,
        treated.as_ref().map(|treated| &treated.definition),
        args.seed,
        options,
        &mut ((&mut panels, &mut kept), &mut &bar),
    );
    bar.0.finish_and_clear();
    let outcome = outcome?;

    documents.splice(0..0, tables(panels, &outcome, options.keep_events));
    documents.push(Document::new("world.resolved.toml", manifest.resolved.clone()));
    documents.push(manifest.document(metrics, &documents));
    let written = folder.commit(&documents)?;
    Ok(if args.quiet {
        format!("{}\n", written.display())
    } else {
        let about = format!(
            "{} ({}), seed {}, {} to {}\n",
            printable(&manifest.title),
            manifest.world,
            manifest.seed,
            outcome.first,
            outcome.last
        );
        about + &summary(&kept, metrics, &outcome, &written, &documents)
    })
}

/// The tables of a run as files.
fn tables(panels: Panels, outcome: &Outcome, events: bool) -> Vec<Document> {
    let mut documents: Vec<Document> = panels
        .into_tables()
        .map(|(scope, bytes, rows)| Document::table(format!("{}.csv", scope.table()), bytes, rows))
        .collect();
    let ending = &outcome.ending;
    let mut fixed = vec![
        ("licences", ending.licences_csv()),
        ("models", ending.models_csv()),
        ("skus", ending.skus_csv()),
    ];
    if events {
        fixed.push(("events", ending.events_csv()));
    }
    for (name, table) in fixed {
        let rows = table.rows();
        documents.push(Document::table(format!("{name}.csv"), table.into_bytes(), rows));
    }
    documents
}

/// Copies of the world's files under `inputs/`, as they lie towards each other in the
/// folder of worlds, and where the world itself is among them.
fn copies<'a>(
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
    world: &str,
) -> (String, Vec<Document>) {
    let mut documents: Vec<Document> =
        files.map(|(inside, bytes)| Document::new(format!("inputs/{inside}"), bytes)).collect();
    documents.sort_by(|a, b| a.path.cmp(&b.path));
    documents.dedup_by(|a, b| a.path == b.path);
    let folder = format!("inputs/{world}");
    let file = format!("{folder}.toml");
    let input = if documents.iter().any(|d| d.path == file) { file } else { folder };
    (input, documents)
}

/// The progress bar, on a terminal only.
struct Bar(ProgressBar);

impl Bar {
    fn new((first, last): (Month, Month), title: &str, quiet: bool) -> Self {
        let months = u64::try_from(last - first + 1).unwrap_or(0);
        let target = if quiet || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(months), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {msg} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_prefix(printable(title).into_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Sink for &Bar {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.0.set_message(page.month.to_string());
        self.0.inc(1);
        Ok(())
    }
}

/// Dates at which a summary looks, as far as the run reaches.
const DATES: [Month; 3] = [Month::new(2025, 12), Month::new(2030, 12), Month::new(2035, 12)];

/// What a person wants to read first.
fn summary(
    kept: &Kept,
    metrics: &'static [&'static Metric],
    outcome: &Outcome,
    folder: &Path,
    documents: &[Document],
) -> String {
    let mut text = String::new();
    let mut dates: Vec<Month> =
        DATES.into_iter().filter(|d| (outcome.first..=outcome.last).contains(d)).collect();
    if dates.is_empty() {
        dates.push(outcome.last);
    }
    let _ = write!(text, "\n{:<44}", "Outcome");
    for date in &dates {
        let _ = write!(text, "{:>12}", date.to_string());
    }
    text.push('\n');
    for (label, names) in outcome_lines(metrics) {
        match names.as_slice() {
            [] => line(&mut text, &label, dates.iter().map(|_| f64::NAN)),
            [one] if !is_of_group(one) => {
                line(&mut text, &label, dates.iter().map(|d| kept.at(one, *d)));
            }
            several => {
                let _ = writeln!(text, "{label}");
                for name in several {
                    let group = format!("  {}", group_of(name));
                    line(&mut text, &group, dates.iter().map(|d| kept.at(name, *d)));
                }
            }
        }
    }

    let log = Log::of_events(&outcome.ending.events).unwrap_or_default();
    let largest = log.most_telling(5);
    if !largest.is_empty() {
        text.push_str("\nLargest events, by how many different things follow from them\n");
        for at in largest {
            let entry = &log.entries()[at];
            let _ = writeln!(
                text,
                "  #{:<6} {}  {:<24} {} ({} follow)",
                entry.id,
                entry.month,
                entry.kind,
                printable(&entry.text),
                log.descendants(at)
            );
        }
    }

    let _ = writeln!(text, "\nFiles in {}", folder.display());
    let tables = documents.iter().filter_map(|d| Some((&d.path, d.rows?)));
    for (path, rows) in tables {
        let _ = writeln!(text, "  {path:<20} {rows:>8} rows");
    }
    text.push_str("  manifest.json, world.resolved.toml, inputs/\n");
    if !outcome.ending.events.is_empty() {
        let _ = writeln!(text, "Ask why: frugality explain {}", folder.display());
    }
    text
}

fn line(text: &mut String, label: &str, values: impl Iterator<Item = f64>) {
    let _ = write!(text, "{label:<44}");
    for value in values {
        let _ = write!(text, "{:>12}", human(value));
    }
    text.push('\n');
}

const GROUPS: [&str; 2] = ["_unconstrained", "_constrained"];

fn is_of_group(name: &str) -> bool {
    GROUPS.iter().any(|group| name.contains(group))
}

/// The name without its group.
fn without_group(name: &str) -> String {
    GROUPS.iter().fold(name.to_owned(), |name, group| name.replace(group, ""))
}

fn group_of(name: &str) -> &str {
    GROUPS.iter().find(|group| name.contains(*group)).map_or("both", |group| &group[1..])
}

/// A label and the metrics that belong on it, for each outcome measure: none where
/// no metric of the name is declared, two where the groups have one each.
fn outcome_lines(metrics: &'static [&'static Metric]) -> Vec<(String, Vec<&'static str>)> {
    let mut lines = Vec::new();
    for stem in OUTCOMES {
        let mut of_stem: Vec<(String, Vec<&'static str>)> = Vec::new();
        for metric in columns(metrics, Scope::World).filter(|m| stem_of(m.name) == Some(stem)) {
            let label = format!("{} ({})", without_group(metric.name), metric.unit);
            match of_stem.iter_mut().find(|(known, _)| *known == label) {
                Some((_, names)) => names.push(metric.name),
                None => of_stem.push((label, vec![metric.name])),
            }
        }
        if of_stem.is_empty() {
            of_stem.push((stem.to_owned(), Vec::new()));
        }
        lines.extend(of_stem);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_their_places() {
        let variant = [
            ("easing.toml", b"a".as_slice()),
            ("reference/world.toml", b"b"),
            ("reference/chips.csv", b"c"),
        ];
        let (input, documents) = copies(variant.into_iter(), "easing");
        assert_eq!(input, "inputs/easing.toml");
        let paths: Vec<&str> = documents.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(
            paths,
            ["inputs/easing.toml", "inputs/reference/chips.csv", "inputs/reference/world.toml"]
        );
        let (input, _) = copies(variant.into_iter().skip(1), "reference");
        assert_eq!(input, "inputs/reference");
    }

    #[test]
    fn groups_share_a_line_of_the_summary() {
        assert_eq!(stem_of("third_market_share_poor"), Some("third_market_share_poor"));
        assert_eq!(stem_of("third_market_share_spend"), Some("third_market_share"));
        assert_eq!(stem_of("third_market_shares"), None);
        assert_eq!(without_group("compute_share_owned_unconstrained"), "compute_share_owned");
        assert_eq!(group_of("compute_share_owned_constrained"), "constrained");
    }
}
