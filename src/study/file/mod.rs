//! The study file: what a person writes, read with places and not yet compared with
//! any world.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::parameters::Distribution;
use crate::world::{Origin, Problems, SourceFile, Sources, TOML_CAP, read_text, shown};

mod factors;
mod fields;
pub(crate) mod keys;

use factors::{all_priors, factors};
use fields::word;
pub(crate) use fields::{At, Fields, parsed};

/// Largest seed: whole numbers beyond it are not safe in every reader of the tables.
const SEED_CAP: u64 = i64::MAX as u64;
/// Most seeds of a study.
const SEEDS_CAP: u64 = 10_000_000;
/// Longest name of an arm, factor, level or outcome.
const NAME_CAP: usize = 64;

/// An arm: a world and what is changed in it.
#[derive(Clone, Debug)]
pub(super) struct ArmSpec {
    pub name: At<String>,
    pub world: At<String>,
    /// As `--set` writes it.
    pub sets: Vec<At<String>>,
    /// The arm that this one is compared with, if not the study's counterfactual.
    pub against: Option<At<String>>,
    /// The arm whose want of compute this one shares.
    pub as_scarce_as: Option<At<String>>,
    /// Mechanisms of which every subset is switched off in an arm of its own.
    pub subsets_off: Vec<At<String>>,
}

/// What varies.
#[derive(Clone, Debug)]
pub(super) struct FactorSpec {
    pub name: At<String>,
    pub kind: FactorKind,
}

/// How it varies.
#[derive(Clone, Debug)]
pub(super) enum FactorKind {
    /// One cell takes these values.
    Values { set: At<String>, values: Vec<At<String>> },
    /// A number moves several cells.
    Scale(Scale),
    /// Each level sets some cells.
    Levels(Vec<(At<String>, Vec<At<String>>)>),
    /// One cell, anywhere in a range.
    Range { set: At<String>, low: f64, high: f64, distribution: Distribution },
    /// A parameter over its prior.
    Prior { set: At<String> },
}

/// A number that moves several cells.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub values: Vec<At<String>>,
    /// Cells that are the world's own number times the value.
    pub times: Vec<At<String>>,
    /// Cells that go from a number at the first value to one at the last.
    pub between: Vec<(At<String>, f64, f64)>,
    /// What is set besides at a value.
    pub at: Vec<(At<String>, Vec<At<String>>)>,
}

/// Every parameter with a prior.
#[derive(Clone, Debug)]
pub(super) struct AllPriors {
    pub origin: Origin,
    pub except: Vec<At<String>>,
    /// Whether rows of the posterior are drawn, and not each prior by itself.
    pub posterior: bool,
}

/// How scenarios are drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sampling {
    /// Every combination.
    Factorial,
    /// A Latin hypercube.
    LatinHypercube { points: u64, seed: u64 },
    /// Rows of a table.
    Table(At<String>),
}

/// Which seeds.
#[derive(Clone, Debug)]
pub(super) enum Seeds {
    List(Vec<At<u64>>),
    Range { from: u64, count: u64, by_scenario: bool },
    Until { from: u64, outcome: At<String>, half_width: f64, max: u64, block: u64 },
}

/// What to keep.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordSpec {
    /// World metrics; none: those that outcomes name.
    pub metrics: Option<Vec<At<String>>>,
    pub all_metrics: bool,
    pub every: u64,
    /// Table, metrics (none: all).
    pub panels: Vec<(At<String>, Option<Vec<At<String>>>)>,
    pub events: bool,
    /// An outcome for every observation.
    pub observations: bool,
    /// Only of this many draws.
    pub draws: Option<u64>,
}

/// A scalar of a run.
#[derive(Clone, Debug)]
pub(super) struct OutcomeSpec {
    pub name: At<String>,
    pub metric: At<String>,
    /// An observation of the world, instead of a metric.
    pub observation: Option<At<String>>,
    pub table: Option<At<String>>,
    pub id: Option<At<String>>,
    pub from: Option<At<String>>,
    pub to: Option<At<String>>,
    pub take: Take,
}

/// How months become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The last month.
    Last,
    /// The mean of the months that have a value.
    Mean,
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The largest.
    Max,
}

impl Take {
    /// Words of a study file.
    pub const ALL: [(&'static str, Self); 5] = [
        ("last", Self::Last),
        ("mean", Self::Mean),
        ("sum", Self::Sum),
        ("min", Self::Min),
        ("max", Self::Max),
    ];

    /// The word of a study file.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|t| t.1 == self).map_or("", |t| t.0)
    }
}

/// A study file.
#[derive(Clone, Debug)]
pub(super) struct StudyFile {
    /// Name: the file's stem.
    pub name: String,
    /// The file.
    pub origin: Origin,
    /// Its folder.
    pub folder: PathBuf,
    pub title: String,
    pub story: String,
    pub months: Option<u64>,
    pub counterfactual: Option<At<String>>,
    /// Levers whose value the counterfactual has instead.
    pub counterfactual_levers: Vec<(At<String>, At<String>)>,
    pub arms: Vec<ArmSpec>,
    pub seeds: Seeds,
    pub levers: Vec<FactorSpec>,
    pub uncertainties: Vec<FactorSpec>,
    pub all_priors: Option<AllPriors>,
    pub sampling: Sampling,
    pub record: RecordSpec,
    pub outcomes: Vec<OutcomeSpec>,
    pub shard_draws: Option<u64>,
    /// Files that stand in no folder.
    pub given: Given,
}

/// Files that a study of this program's own making consists of: text by path, where a reader
/// would look for them.
pub(super) type Given = std::collections::BTreeMap<PathBuf, String>;

/// Reads a text file, or takes it from what is given; what is wrong with it is noted.
pub(super) fn text_of(
    path: &Path,
    inside: String,
    cap: u64,
    given: &Given,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Origin> {
    match given.get(path) {
        Some(text) => {
            let bytes = text.clone().into_bytes();
            let file = SourceFile::new(path.to_path_buf(), inside, bytes);
            Some(sources.add(path.display().to_string(), 0, Some(file)))
        }
        None => read_text(path, inside, cap, sources, problems),
    }
}

/// A smaller or larger version of a study.
#[derive(Clone, Debug)]
struct Size {
    seeds: Option<u64>,
    points: Option<u64>,
}

/// The study file that a person means: a path, or the name of one in `worlds/studies/`.
pub(super) fn find(study: &Path) -> PathBuf {
    let name = study.to_string_lossy();
    if study.components().count() == 1 && !name.ends_with(".toml") && !study.exists() {
        return Path::new("worlds/studies").join(format!("{name}.toml"));
    }
    study.to_path_buf()
}

/// Reads the study file at `path`, which may be one of `given`, in the size of that name; a study without sizes has one,
/// itself. A file with a table `study` is a claim that brings its own.
pub(super) fn read(
    path: &Path,
    size: Option<&str>,
    given: &Given,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<StudyFile> {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inside = format!("studies/{file_name}");
    let origin = text_of(path, inside, TOML_CAP, given, sources, problems)?;
    let text = sources.text(origin).to_owned();
    let document = parsed(&text, origin, problems)?;
    let mut whole = Fields::document(document.get_ref(), origin, problems);
    let own = matches!(whole.get("study"), Some((DeValue::Table(_), _)));
    let mut top = if own { whole.table("study")? } else { whole };
    top.only(keys::TOP);
    let arms = arms(&mut top);
    let mut seeds = seeds(&mut top)?;
    let (counterfactual, counterfactual_levers) = counterfactual(&mut top);
    let levers = factors(&mut top, "levers", false);
    let uncertainties = factors(&mut top, "uncertainties", true);
    let all_priors = all_priors(&mut top);
    let mut sampling = sampling(&mut top);
    if let Some(size) = size.and_then(|name| size_of(&mut top, name)) {
        resize(&mut top, &size, &mut seeds, &mut sampling);
    }
    let title = top.text("title");
    if title.is_none() {
        top.wrong(origin, "title", "missing; a title for people");
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if !is_name(&stem) {
        let message = "the name of a study file becomes that of its output folder: write it with letters, digits, `-` and `_`";
        top.wrong(origin, "", message);
    }
    Some(StudyFile {
        name: stem,
        origin,
        folder: path.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        title: title.map_or_else(String::new, |t| t.value),
        story: top.text("story").map_or_else(String::new, |t| t.value),
        months: top.whole("months", 1, 600),
        counterfactual,
        counterfactual_levers,
        arms,
        seeds,
        levers,
        uncertainties,
        all_priors,
        sampling,
        record: record(&mut top),
        outcomes: outcomes(&mut top),
        shard_draws: top.whole("shard_draws", 1, 100_000),
        given: given.clone(),
    })
}

/// Whether `name` can name an arm, a factor or a column.
pub(super) fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    !name.is_empty()
        && name.len() <= NAME_CAP
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(fine)
}

fn named(fields: &mut Fields<'_, '_>, key: &str, origin: Origin) -> Option<At<String>> {
    if is_name(key) {
        return Some(At { value: key.to_owned(), origin });
    }
    let message = "not a name; use letters of a to z, digits, `-`, `_`, `+` and `.`, at most 64";
    fields.wrong(origin, key, message);
    None
}

fn arms(top: &mut Fields<'_, '_>) -> Vec<ArmSpec> {
    let origin = top.origin;
    let Some(mut table) = top.table("arms") else {
        if top.get("arms").is_none() {
            top.wrong(
                origin,
                "arms",
                "missing; write [arms.<name>] and below it world = \"reference\"",
            );
        }
        return Vec::new();
    };
    let mut arms = Vec::new();
    for (key, at, _) in table.entries() {
        let Some(name) = named(&mut table, key, at) else { continue };
        let Some(mut arm) = table.table(key) else { continue };
        arm.only(keys::ARM);
        let world = arm.text("world");
        if world.is_none() && arm.get("world").is_none() {
            arm.wrong(at, "world", "missing; the name of a world in quotes");
        }
        let mut sets = arm.texts("set").unwrap_or_default();
        if let Some(mut mechanisms) = arm.table("mechanisms") {
            for (name, at, (value, origin)) in mechanisms.entries() {
                match value {
                    DeValue::Boolean(on) => {
                        sets.push(At { value: format!("mechanisms.{name}={on}"), origin });
                    }
                    _ => mechanisms.wrong(at, name, "true or false is wanted, without quotes"),
                }
            }
        }
        let against = arm.text("against");
        let as_scarce_as = arm.text("as_scarce_as");
        let subsets_off = arm.texts("subsets_off").unwrap_or_default();
        if subsets_off.len() > 10 {
            let message =
                format!("{} mechanisms have {} subsets; at most 10", subsets_off.len(), "too many");
            arm.wrong(at, "subsets_off", message);
            continue;
        }
        if let Some(world) = world {
            arms.push(ArmSpec { name, world, sets, against, as_scarce_as, subsets_off });
        }
    }
    arms
}

fn seeds(top: &mut Fields<'_, '_>) -> Option<Seeds> {
    const HOW: &str = "write seeds = [1, 2, 3], { from = 1, count = 20 } or { until = { outcome = \"…\", half_width = 0.01, max = 400 } }";
    let Some(item) = top.get("seeds") else {
        let origin = top.origin;
        top.wrong(origin, "seeds", format!("missing; {HOW}"));
        return None;
    };
    if matches!(item.0, DeValue::Array(_)) {
        let mut list = top.wholes("seeds", item, SEED_CAP);
        list.sort_by_key(|seed| seed.value);
        if let Some(twice) = list.windows(2).find(|pair| pair[0].value == pair[1].value) {
            let message = format!("{} is listed twice", twice[1].value);
            top.wrong(twice[1].origin, "seeds", message);
        }
        if list.is_empty() {
            top.wrong(item.1, "seeds", format!("no seeds; {HOW}"));
        }
        return Some(Seeds::List(list));
    }
    if !matches!(item.0, DeValue::Table(_)) {
        top.wrong(item.1, "seeds", HOW);
        return None;
    }
    let mut table = top.table("seeds")?;
    table.only(keys::SEEDS);
    let from = table.whole("from", 0, SEED_CAP / 2).unwrap_or(1);
    if table.get("until").is_some() {
        let mut until = table.table("until")?;
        until.only(keys::UNTIL);
        let origin = until.origin;
        let outcome = until.text("outcome").or_else(|| until.text("metric"));
        let half_width = until.number("half_width").map(|x| x.value);
        if let Some(x) = half_width
            && x <= 0.0
        {
            until.wrong(origin, "half_width", format!("{x} is not above 0"));
        }
        let max = until.whole("max", 2, SEEDS_CAP);
        let block = until.whole("block", 2, SEEDS_CAP).unwrap_or(20);
        let (Some(outcome), Some(half_width), Some(max)) = (outcome, half_width, max) else {
            until.wrong(origin, "", "outcome, half_width and max are needed");
            return None;
        };
        return Some(Seeds::Until { from, outcome, half_width, max, block: block.min(max) });
    }
    let count = match (table.whole("count", 1, SEEDS_CAP), table.whole("to", from, SEED_CAP)) {
        (Some(count), None) => count,
        (None, Some(to)) if to - from < SEEDS_CAP => to - from + 1,
        _ => {
            table.wrong(item.1, "", format!("one of count and to is needed; {HOW}"));
            return None;
        }
    };
    let by_scenario = table.flag("by_scenario").unwrap_or(false);
    Some(Seeds::Range { from, count, by_scenario })
}

fn counterfactual(top: &mut Fields<'_, '_>) -> (Option<At<String>>, Vec<(At<String>, At<String>)>) {
    match top.get("counterfactual") {
        None => (None, Vec::new()),
        Some((DeValue::Table(_), _)) => {
            let Some(table) = top.table("counterfactual") else { return (None, Vec::new()) };
            let (mut arm, mut levers) = (None, Vec::new());
            for (key, at, (value, origin)) in table.entries() {
                let Some(value) = word(value) else {
                    table.problems.add(origin, "counterfactual", "the value of a lever is wanted");
                    continue;
                };
                let value = At { value, origin };
                if key == "arm" {
                    arm = Some(value);
                } else {
                    levers.push((At { value: key.to_owned(), origin: at }, value));
                }
            }
            (arm, levers)
        }
        Some(_) => (top.text("counterfactual"), Vec::new()),
    }
}

fn sampling(top: &mut Fields<'_, '_>) -> Sampling {
    if top.get("sampling").is_none() {
        return Sampling::Factorial;
    }
    let Some(mut table) = top.table("sampling") else { return Sampling::Factorial };
    table.only(keys::SAMPLING);
    let origin = table.origin;
    let method = table.text("method");
    match method.as_ref().map(|m| m.value.as_str()) {
        Some("factorial") => return Sampling::Factorial,
        Some("latin_hypercube") => {
            let points = table.whole("points", 1, 10_000_000);
            let seed = table.whole("seed", 0, SEED_CAP).unwrap_or(1);
            if let Some(points) = points {
                return Sampling::LatinHypercube { points, seed };
            }
            if table.get("points").is_none() {
                table.wrong(origin, "points", "missing; how many points the hypercube has");
            }
        }
        Some("table") => {
            if let Some(file) = table.text("table") {
                return Sampling::Table(file);
            }
            table.wrong(origin, "table", "missing; the CSV file that holds the design");
        }
        _ => table.wrong(origin, "method", "one of factorial, latin_hypercube, table"),
    }
    Sampling::Factorial
}

/// The size called `name`; none when the study is written in one size only.
fn size_of(top: &mut Fields<'_, '_>, name: &str) -> Option<Size> {
    top.get("sizes")?;
    let mut found = None;
    let mut names = Vec::new();
    let mut table = top.table("sizes")?;
    let origin = table.origin;
    for (key, _, _) in table.entries() {
        let Some(mut size) = table.table(key) else { continue };
        size.only(keys::SIZE);
        let (seeds, points) =
            (size.whole("seeds", 1, SEEDS_CAP), size.whole("points", 1, 10_000_000));
        names.push(key);
        if key == name {
            found = Some(Size { seeds, points });
        }
    }
    if found.is_none() && name != AS_WRITTEN {
        let hint = table.problems.hint(name, names);
        table.wrong(origin, "", format!("there is no size `{}`{hint}", shown(name)));
    }
    found
}

/// The size that every study has unless it says otherwise: what is written.
const AS_WRITTEN: &str = "full";

fn resize(top: &mut Fields<'_, '_>, size: &Size, seeds: &mut Seeds, sampling: &mut Sampling) {
    let origin = top.origin;
    if let Some(n) = size.seeds {
        match seeds {
            Seeds::List(list) => list.truncate(n as usize),
            Seeds::Range { count, .. } => *count = n,
            Seeds::Until { max, block, .. } => {
                *max = n.max(2);
                *block = (*block).min(*max);
            }
        }
    }
    match (size.points, sampling) {
        (Some(n), Sampling::LatinHypercube { points, .. }) => *points = n,
        (Some(_), _) => top.wrong(origin, "sizes", "points are those of a Latin hypercube"),
        (None, _) => {}
    }
}

fn record(top: &mut Fields<'_, '_>) -> RecordSpec {
    let mut spec = RecordSpec { every: 1, ..RecordSpec::default() };
    if top.get("record").is_none() {
        return spec;
    }
    let Some(mut table) = top.table("record") else { return spec };
    table.only(keys::RECORD);
    match table.get("metrics") {
        None => {}
        Some((DeValue::String(word), _)) if *word == "all" => spec.all_metrics = true,
        Some(_) => spec.metrics = table.texts("metrics"),
    }
    spec.every = table.whole("every", 1, 600).unwrap_or(1);
    spec.events = table.flag("events").unwrap_or(false);
    spec.observations = table.flag("observations").unwrap_or(false);
    spec.draws = table.whole("draws", 1, SEEDS_CAP);
    if table.get("panels").is_some()
        && let Some(mut panels) = table.table("panels")
    {
        for (key, at, (value, _)) in panels.entries() {
            let name = At { value: key.to_owned(), origin: at };
            match value {
                DeValue::String(word) if *word == "all" => spec.panels.push((name, None)),
                _ => {
                    let metrics = panels.texts(key);
                    spec.panels.push((name, Some(metrics.unwrap_or_default())));
                }
            }
        }
    }
    spec
}

fn outcomes(top: &mut Fields<'_, '_>) -> Vec<OutcomeSpec> {
    if top.get("outcomes").is_none() {
        return Vec::new();
    }
    let Some(mut table) = top.table("outcomes") else { return Vec::new() };
    let mut outcomes = Vec::new();
    for (key, at, _) in table.entries() {
        let Some(name) = named(&mut table, key, at) else { continue };
        let Some(mut outcome) = table.table(key) else { continue };
        outcome.only(keys::OUTCOME);
        let origin = outcome.origin;
        let metric = outcome.text("metric").unwrap_or_else(|| name.clone());
        let month = outcome.text("at");
        let (mut from, mut to) = (outcome.text("from"), outcome.text("to"));
        if month.is_some() && (from.is_some() || to.is_some()) {
            outcome.wrong(origin, "at", "either at, or from and to");
        }
        let word = outcome.text("take");
        let take = match &word {
            None => Some(Take::Last),
            Some(word) => Take::ALL.iter().find(|t| t.0 == word.value).map(|t| t.1),
        };
        let Some(take) = take else {
            outcome.wrong(origin, "take", "one of last, mean, sum, min, max");
            continue;
        };
        if let Some(month) = month {
            (from, to) = (Some(month.clone()), Some(month));
        }
        let (table, id) = (outcome.text("table"), outcome.text("id"));
        let observation = outcome.text("observation");
        if observation.is_some()
            && ["metric", "table", "id", "take"].iter().any(|key| outcome.get(key).is_some())
        {
            let message = "says itself what is measured: no metric, table, id or take beside it";
            outcome.wrong(origin, "observation", message);
        }
        outcomes.push(OutcomeSpec { name, metric, observation, table, id, from, to, take });
    }
    outcomes
}
