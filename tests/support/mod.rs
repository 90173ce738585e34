//! What tests that run whole worlds share: worlds by name, runs in process, and
//! the first place at which two runs differ.

#![allow(dead_code, reason = "every test file compiles its own copy and uses a part of it")]

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use frugality::calendar::Month;
use frugality::mechanisms;
use frugality::metric::{Metric, Scope};
use frugality::parameters::Declared;
use frugality::random::{DrawLog, Luck};
use frugality::record::{Ending, Page, Sink, columns};
use frugality::run::{Options, Stopped, simulate_with};
use frugality::world::{Definition, Loaded, load};

/// Every parameter that a world must hold.
pub fn declared() -> Vec<&'static Declared> {
    mechanisms::declared_parameters()
}

/// The world called `name`, read once a process.
pub fn loaded(name: &str) -> Arc<Loaded> {
    static WORLDS: OnceLock<Mutex<BTreeMap<String, Arc<Loaded>>>> = OnceLock::new();
    let mut worlds =
        WORLDS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let read = || {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(name);
        let path = if path.is_dir() { path } else { path.with_extension("toml") };
        Arc::new(load(&path, &[], &declared()).unwrap_or_else(|refusal| panic!("{refusal}")))
    };
    Arc::clone(worlds.entry(name.to_owned()).or_insert_with(read))
}

/// A copy of the definition of the world called `name`, to be changed at will.
pub fn world(name: &str) -> Definition {
    loaded(name).definition.clone()
}

/// Every value of a run, month by month.
#[derive(Debug, Default)]
pub struct Tape {
    pub months: Vec<Month>,
    /// `[month][scope]`: id of the member and its values, in the order of the rows.
    pages: Vec<Vec<Vec<(String, Vec<f64>)>>>,
}

impl Sink for Tape {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.months.push(page.month);
        let rows =
            |scope| page.rows(scope).map(|(id, row)| (id.to_owned(), row.to_vec())).collect();
        self.pages.push(Scope::ALL.into_iter().map(rows).collect());
        Ok(())
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Run {
    pub tape: Tape,
    pub ending: Ending,
    /// Every draw with its address; empty unless asked for.
    pub draws: BTreeMap<(&'static str, u64, Month, u8), u64>,
}

/// Runs a world, and says how it stopped.
pub fn attempt(
    definition: &Definition,
    luck: Luck,
    months: u32,
    keep_events: bool,
) -> Result<Run, Stopped> {
    let mut tape = Tape::default();
    let options = Options { months: Some(months), keep_events };
    let outcome = simulate_with(definition, luck, options, &mut tape)?;
    Ok(Run { tape, ending: outcome.ending, draws: BTreeMap::new() })
}

/// Runs a world whose books must balance.
pub fn run(definition: &Definition, seed: u64, months: u32) -> Run {
    attempt(definition, Luck::new(seed), months, true).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs a world and writes down every draw.
pub fn run_logged(definition: &Definition, luck: Luck, months: u32) -> Run {
    let log = DrawLog::default();
    let mut run = attempt(definition, luck.logged(Arc::clone(&log)), months, true)
        .unwrap_or_else(|e| panic!("{e}"));
    run.draws.clone_from(&log.lock().unwrap_or_else(PoisonError::into_inner));
    run
}

impl Run {
    /// The values of a metric of member `id` (empty for the world), a month each.
    pub fn panel(&self, scope: Scope, id: &str, metric: &str) -> Vec<f64> {
        let column = columns(mechanisms::all_metrics(), scope)
            .position(|m| m.name == metric)
            .unwrap_or_else(|| panic!("no metric {metric} in {}", scope.table()));
        let cell = |page: &Vec<Vec<(String, Vec<f64>)>>| {
            let row = page[scope as usize].iter().find(|(member, _)| member == id);
            row.map_or(f64::NAN, |(_, values)| values[column])
        };
        self.tape.pages.iter().map(cell).collect()
    }

    /// The values of a world metric, a month each.
    pub fn series(&self, metric: &str) -> Vec<f64> {
        self.panel(Scope::World, "", metric)
    }

    /// The ids of the rows of `scope` in the first month.
    pub fn members(&self, scope: Scope) -> Vec<String> {
        self.tape.pages[0][scope as usize].iter().map(|(id, _)| id.clone()).collect()
    }

    /// The first value that was finite in the first month and is not in a later one, of a metric
    /// whose definition does not say when it is empty.
    pub fn first_lost(&self) -> Option<String> {
        for scope in Scope::ALL {
            let metrics: Vec<_> = columns(mechanisms::all_metrics(), scope).collect();
            for (id, first) in &self.tape.pages[0][scope as usize] {
                for (month, page) in self.tape.months.iter().zip(&self.tape.pages) {
                    let row = page[scope as usize].iter().find(|(member, _)| member == id);
                    let lost = |column: usize| {
                        first[column].is_finite()
                            && !metrics[column].definition.to_lowercase().contains("empty")
                            && row.is_none_or(|(_, values)| !values[column].is_finite())
                    };
                    if let Some(column) = (0..first.len()).find(|column| lost(*column)) {
                        let name = metrics[column].name;
                        return Some(format!("{month}, {}, {id}: {name} is lost", scope.table()));
                    }
                }
            }
        }
        None
    }
}

/// The first place at which two runs differ.
#[derive(Debug)]
pub struct Difference {
    pub month: Month,
    pub scope: Scope,
    pub row: String,
    pub metric: &'static str,
    pub left: f64,
    pub right: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { month, scope, row, metric, left, right } = self;
        write!(f, "{month}, {}, `{row}`, {metric}: {left} against {right}", scope.table())
    }
}

/// A cell that two runs are compared at.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    pub scope: Scope,
    pub row: &'a str,
    pub metric: &'static Metric,
}

/// The first difference of two runs in the months that both have (and before `until`, if given),
/// where `same` judges a pair of values; not a number stands for a missing row or cell.
pub fn first_difference(
    left: &Run,
    right: &Run,
    until: Option<Month>,
    same: &dyn Fn(At<'_>, f64, f64) -> bool,
) -> Option<Difference> {
    let pages = left.tape.pages.iter().zip(&right.tape.pages);
    for (month, (a, b)) in left.tape.months.iter().zip(pages) {
        if until.is_some_and(|until| *month >= until) {
            break;
        }
        for scope in Scope::ALL {
            let metrics: Vec<&'static Metric> = columns(mechanisms::all_metrics(), scope).collect();
            let mut rows: BTreeMap<&str, [Option<&[f64]>; 2]> = BTreeMap::new();
            for (side, page) in [a, b].into_iter().enumerate() {
                for (id, values) in &page[scope as usize] {
                    rows.entry(id).or_default()[side] = Some(values);
                }
            }
            for (id, sides) in rows {
                for (column, metric) in metrics.iter().enumerate() {
                    let [left, right] = sides.map(|s| s.map_or(f64::NAN, |v| v[column]));
                    if !same(At { scope, row: id, metric }, left, right) {
                        let (row, metric) = (id.to_owned(), metric.name);
                        return Some(Difference { month: *month, scope, row, metric, left, right });
                    }
                }
            }
        }
    }
    None
}

/// The same bits, or no number on either side.
pub fn same_bits(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
}

/// The first difference of two runs to the bit, in every value.
pub fn first_difference_in_bits(left: &Run, right: &Run) -> Option<Difference> {
    first_difference(left, right, None, &|_, a, b| same_bits(a, b))
}

/// Panics with the first difference, if there is one.
#[track_caller]
pub fn assert_same(what: &str, left: &Run, right: &Run) {
    if let Some(difference) = first_difference_in_bits(left, right) {
        panic!("{what}: {difference}");
    }
}

/// Panics with the first difference before `until`, events and models included.
#[track_caller]
pub fn assert_same_before(what: &str, until: Month, left: &Run, right: &Run) {
    let found = first_difference(left, right, Some(until), &|_, a, b| same_bits(a, b));
    if let Some(difference) = found {
        panic!("{what}: {difference}");
    }
    let events = |run: &Run| -> Vec<String> {
        let before = run.ending.events.iter().filter(|event| event.month < until);
        before.map(|event| format!("{event:?}")).collect()
    };
    for (a, b) in events(left).iter().zip(&events(right)) {
        assert_eq!(a, b, "{what}: an event before {until}");
    }
    assert_eq!(events(left).len(), events(right).len(), "{what}: events before {until}");
    let models = |run: &Run| -> Vec<String> {
        let before = run.ending.models.iter().filter(|model| model.released < until);
        before.map(|model| format!("{model:?}")).collect()
    };
    assert_eq!(models(left), models(right), "{what}: models before {until}");
}
