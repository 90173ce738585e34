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

/// Where to look.
struct Place {
    world: &'static str,
    sets: &'static [&'static str],
    seed: u64,
    months: u32,
}

/// Parameters that move no metric anywhere on the ladder, and why they stay.
const IDLE: &[(&str, &str)] = &[(
    "generation_interconnect",
    "Links beyond the reference chip's help nobody; it tells in which cut of a later chip is best.",
)];

const fn place(world: &'static str, seed: u64, months: u32) -> Place {
    Place { world, sets: &[], seed, months }
}

/// Places, cheapest first. Most parameters move something within half a year; the last ones act
/// only where things go otherwise than they did.
const LADDER: &[Place] = &[
    place("reference", 1, 6),
    place("reference", 1, 36),
    place("reference", 1, 168),
    place("tightening", 1, 168),
    place("easing", 1, 168),
    place("taiwan-shock", 1, 168),
    // Which variant is best turns on small differences.
    place("reference", 2, 168),
    place("reference", 3, 168),
    // No way round a rule: the shadow price meets its bound.
    Place {
        world: "reference",
        sets: &[
            "mechanisms.domestic_chips=false",
            "mechanisms.grey_market=false",
            "mechanisms.offshore=false",
            "mechanisms.rental=false",
        ],
        seed: 1,
        months: 60,
    },
    // Brokers with next to nothing to offer: what offers to them find meets its floor.
    Place {
        world: "reference",
        sets: &["parameters.grey_share.low=1e-9", "grey_share=1e-9"],
        seed: 1,
        months: 60,
    },
    // Plans so large that investors mind.
    Place {
        world: "reference",
        sets: &[
            "capital_per_spend=7",
            "discipline_margin=0.05",
            "discipline_quarters=2",
            "discipline_cut=0.15",
        ],
        seed: 1,
        months: 108,
    },
    // A firm that runs out of cash.
    Place {
        world: "reference",
        sets: &["firms.xai.cash_usd_bn=0", "firms.xai.funding_usd_bn=0"],
        seed: 1,
        months: 60,
    },
];

fn load(name: &str, sets: &[&str]) -> Definition {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(name);
    let path = if path.is_dir() { path } else { path.with_extension("toml") };
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    world::load(&path, &sets, &declared_parameters()).unwrap().definition
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

/// Whether a run with `low` and one with `high` differ there.
fn moves(world: &Definition, at: &Place, name: &str, (low, high): (f64, f64)) -> bool {
    let options = Options { months: Some(at.months), keep_events: false };
    let mut kept = Kept::default();
    let said = |end: &str, stopped: &Stopped| panic!("{name} at its {end} end: {stopped}");
    if let Err(stopped) = simulate(&with(world, name, low), at.seed, options, &mut kept) {
        said("low", &stopped);
    }
    match simulate(&with(world, name, high), at.seed, options, &mut Differs(kept.0.iter())) {
        Ok(_) => false,
        Err(Stopped::Sink { .. }) => true,
        Err(stopped) => said("high", &stopped),
    }
}

#[test]
fn every_parameter_moves_a_metric() {
    let worlds: Vec<_> =
        LADDER.iter().map(|place| (load(place.world, place.sets), place)).collect();
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
                    let ends = (row.low, row.high);
                    let step =
                        worlds.iter().position(|(world, at)| moves(world, at, &row.id, ends));
                    match step {
                        None => {
                            idle.lock().unwrap().insert(row.id.clone());
                        }
                        Some(step) if step > 2 => println!("{}: only at step {step}", row.id),
                        Some(_) => {}
                    }
                }
            });
        }
    });
    let mut idle = idle.into_inner().unwrap();
    idle.retain(|name| IDLE.iter().all(|(known, _)| known != name));
    assert!(idle.is_empty(), "of {} parameters {} move nothing: {idle:#?}", free.len(), idle.len());
}

/// Parameters that have no prior are a short list that somebody looked at.
#[test]
fn fixed_parameters_are_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixed-parameters.txt");
    let world = load("reference", &[]);
    let fixed = world.parameters.iter().filter(|row| row.distribution == Distribution::Fixed);
    let fresh: Vec<_> = fixed.map(|row| format!("{} {}\n", row.id, row.value)).collect();
    let fresh = fresh.concat();
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), fresh, "see `cargo bless`");
}
