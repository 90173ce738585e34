//! Every parameter matters: between the ends of its prior some declared metric of some world moves.
//!
//! A parameter that moves nothing is a bug: a number that nobody reads, a mechanism that never
//! acts, a bound that never binds.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use frugality::mechanisms::declared_parameters;
use frugality::metric::Scope;
use frugality::parameters::Distribution;
use frugality::record::Page;
use frugality::run::{Options, Sink, Stopped, simulate};
use frugality::world::{self, Definition};

/// A relative difference that counts.
const MOVED: f64 = 1e-6;

/// Where to look, cheapest first: a world and the months to run. Most parameters move something
/// within half a year; the last ones act only in worlds where things go otherwise than they did.
const LADDER: &[(&str, u32)] = &[
    ("reference", 6),
    ("reference", 36),
    ("reference", 168),
    ("tightening", 168),
    ("easing", 168),
    ("taiwan-shock", 168),
    ("no-controls", 168),
];

fn load(name: &str) -> Definition {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(name);
    let path = if path.is_dir() { path } else { path.with_extension("toml") };
    world::load(&path, &[], &declared_parameters()).unwrap().definition
}

fn with(world: &Definition, name: &str, value: f64) -> Definition {
    let mut world = world.clone();
    let row = world.parameters.iter_mut().find(|row| row.id == name).unwrap();
    row.value = value;
    world
}

/// Keeps every value of every month.
#[derive(Default)]
struct Kept(Vec<Vec<f64>>);

impl Sink for Kept {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.0.push(values(page));
        Ok(())
    }
}

fn values(page: &Page<'_>) -> Vec<f64> {
    let all = Scope::ALL.into_iter();
    let tables = all.map(|scope| (scope, page.readings.table(scope).1));
    tables
        .flat_map(|(scope, rows)| (0..rows).flat_map(move |row| page.readings.row(scope, row)))
        .copied()
        .collect()
}

/// Stops at the first month that differs from what was kept.
struct Differs<'a>(std::slice::Iter<'a, Vec<f64>>);

impl Sink for Differs<'_> {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        let (one, other) = (self.0.next(), values(page));
        let same = one.is_some_and(|one| {
            one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| alike(*a, *b))
        });
        if same { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    }
}

fn alike(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= MOVED * a.abs().max(b.abs())
}

/// Whether a run with `low` and one with `high` differ within so many months.
fn moves(world: &Definition, name: &str, low: f64, high: f64, months: u32) -> bool {
    let options = Options { months: Some(months), keep_events: false };
    let mut kept = Kept::default();
    let said = |end: &str, stopped: &Stopped| panic!("{name} at its {end} end: {stopped}");
    if let Err(stopped) = simulate(&with(world, name, low), 1, options, &mut kept) {
        said("low", &stopped);
    }
    match simulate(&with(world, name, high), 1, options, &mut Differs(kept.0.iter())) {
        Ok(_) => false,
        Err(Stopped::Sink { .. }) => true,
        Err(stopped) => said("high", &stopped),
    }
}

#[test]
fn every_parameter_moves_a_metric() {
    let worlds: Vec<(Definition, u32)> =
        LADDER.iter().map(|(name, months)| (load(name), *months)).collect();
    let free: Vec<_> = worlds[0]
        .0
        .parameters
        .iter()
        .filter(|row| row.distribution != Distribution::Fixed)
        .collect();
    let queue = Mutex::new(free.iter());
    let idle = Mutex::new(BTreeSet::new());
    let threads = thread::available_parallelism().map_or(2, |n| n.get().min(8));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(row) = next else { break };
                    let at = worlds
                        .iter()
                        .position(|(world, n)| moves(world, &row.id, row.low, row.high, *n));
                    match at {
                        None => {
                            idle.lock().unwrap().insert(row.id.clone());
                        }
                        Some(at) if at > 1 => {
                            println!("{}: only in {} × {}", row.id, LADDER[at].0, LADDER[at].1);
                        }
                        Some(_) => {}
                    }
                }
            });
        }
    });
    let idle = idle.into_inner().unwrap();
    assert!(idle.is_empty(), "of {} parameters {} move nothing: {idle:#?}", free.len(), idle.len());
}

/// Parameters that have no prior are a short list that somebody looked at.
#[test]
fn fixed_parameters_are_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixed-parameters.txt");
    let world = load("reference");
    let fixed = world.parameters.iter().filter(|row| row.distribution == Distribution::Fixed);
    let fresh: String = fixed.map(|row| format!("{} {}\n", row.id, row.value)).collect();
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), fresh, "see `cargo bless`");
}
