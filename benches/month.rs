//! What a month costs: against the exponential of the same run, system by system,
//! in allocations and draws, and as worlds and horizons grow.
//!
//! `cargo bench --bench month`. Times are shown and gate nothing: machines and neighbours
//! differ. What can be compared is the *ratio* of a month to one evaluation of `exp`,
//! timed between the runs of the same process; each is the least of several. Time is the
//! thread's own, so that busy neighbours count little.
//!
//! `--quick` repeats less; `--loop` only runs the world twenty times, for profilers.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bevy_ecs::prelude::World;
use cpu_time::ThreadTime;
use frugality::entities::Clock;
use frugality::mechanisms;
use frugality::month;
use frugality::random::{DrawLog, Luck, Purpose, key_of};
use frugality::record::{Page, Sink};
use frugality::run::{Options, play, play_by, simulate, simulate_with};
use frugality::world::populate::populate;
use frugality::world::{Definition, load};

/// What a month may cost, in evaluations of `exp`.
const TARGET_EXPS: f64 = 12_000.0;

/// Systems that cost less than this share of a month are added up.
const SHOWN: f64 = 0.005;

/// A sink that keeps nothing.
struct Nothing;

impl Sink for Nothing {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        black_box(page);
        Ok(())
    }
}

fn main() {
    let runs = if std::env::args().any(|arg| arg == "--quick") { 3 } else { 15 };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    let loaded = load(&path, &[], &mechanisms::declared_parameters())
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let world = &loaded.definition;
    if std::env::args().any(|arg| arg == "--loop") {
        let options = Options { keep_events: false, ..Options::default() };
        for seed in 1..=20 {
            black_box(simulate(world, seed, options, &mut Nothing).is_ok());
        }
        return;
    }

    let exp = yardstick(world, runs);
    systems(world, runs);
    allocations(world);
    draws(world, runs);
    growth(world, exp);
}

/// The least time of `work`.
fn least(times: usize, mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let begun = ThreadTime::now();
        work();
        begun.elapsed()
    };
    (0..times).map(|_| once(&mut work)).min().unwrap_or_default()
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

fn months_of(world: &Definition, options: Options) -> f64 {
    let (first, last) = options.span(world);
    f64::from(last - first + 1)
}

/// One evaluation of `exp`, ns.
fn time_exp() -> f64 {
    const MANY: u32 = 100_000;
    let begun = ThreadTime::now();
    let mut sum = 0.0;
    for i in 0..MANY {
        sum += frugality::maths::exp(black_box(f64::from(i) * -1e-4));
    }
    black_box(sum);
    nanos(begun.elapsed()) / f64::from(MANY)
}

/// Prints a month against `exp`; returns an `exp` in ns.
fn yardstick(world: &Definition, runs: usize) -> f64 {
    let mut exp = f64::INFINITY;
    println!("## A month of the reference world\n");
    println!("| events | µs | exps | worlds a second and core |");
    println!("|---|---|---|---|");
    for keep_events in [false, true] {
        let options = Options { keep_events, ..Options::default() };
        let months = months_of(world, options);
        let mut run = Duration::MAX;
        for _ in 0..runs {
            exp = exp.min(time_exp());
            run = run.min(least(1, || {
                black_box(simulate(world, 1, options, &mut Nothing).is_ok());
            }));
        }
        let month = nanos(run) / months;
        println!(
            "| {} | {:.1} | {:.0} | {:.0} |",
            if keep_events { "kept" } else { "not kept" },
            month / 1e3,
            month / exp,
            1.0 / run.as_secs_f64(),
        );
    }
    println!("\nAn exp takes {exp:.2} ns; the target is {TARGET_EXPS} exps a month.");
    let populated = least(runs, || {
        black_box(populate(world, Luck::new(1), false));
    });
    let scheduled = least(runs, || {
        let mut world = populate(world, Luck::new(1), false);
        let mut schedule = month::schedule();
        schedule.initialize(&mut world).expect("a month");
        black_box(&schedule);
    });
    println!(
        "Before the first month: {:.0} exps to populate a world, {:.0} to build its schedule.\n",
        nanos(populated) / exp,
        nanos(scheduled.saturating_sub(populated)) / exp
    );
    exp
}

/// A world before its first month.
fn opened(definition: &Definition, luck: Luck, options: Options) -> World {
    let mut world = populate(definition, luck, options.keep_events);
    let (start, end) = options.span(definition);
    world.insert_resource(Clock { start, now: start, end });
    world
}

/// Prints what each system costs.
fn systems(definition: &Definition, runs: usize) {
    let options = Options { keep_events: false, ..Options::default() };
    let months = months_of(definition, options);
    let mut least = vec![Duration::MAX; month::PLAN.len()];
    for _ in 0..runs {
        let mut schedules = month::one_by_one();
        let mut world = opened(definition, Luck::new(1), options);
        let mut times = vec![Duration::ZERO; schedules.len()];
        let mut month = |world: &mut World| {
            for (schedule, time) in schedules.iter_mut().zip(&mut times) {
                let begun = ThreadTime::now();
                schedule.run(world);
                *time += begun.elapsed();
            }
        };
        play_by(&mut world, &mut month, &mut Nothing).expect("books that balance");
        for (least, time) in least.iter_mut().zip(times) {
            *least = time.min(*least);
        }
    }
    let all: Duration = least.iter().sum();
    let mut rows: Vec<_> = month::PLAN.iter().zip(&least).collect();
    rows.sort_by(|a, b| b.1.cmp(a.1));
    println!("## Systems, each in a schedule of its own\n");
    println!("| system | µs a month | share |\n|---|---|---|");
    let mut rest = Duration::ZERO;
    let mut few = 0;
    let line = |name: &str, time: Duration| {
        let share = time.as_secs_f64() / all.as_secs_f64();
        println!("| {name} | {:.2} | {:.1} % |", nanos(time) / months / 1e3, 100.0 * share);
    };
    for ((room, system, _), time) in rows {
        if time.as_secs_f64() < SHOWN * all.as_secs_f64() {
            rest += *time;
            few += 1;
        } else {
            line(&format!("{room}::{system}"), *time);
        }
    }
    line(&format!("{few} others"), rest);
    line("all", all);
    println!();
}

/// Prints how often memory is asked for, by year and by system: in its median month, and on average in the last year.
fn allocations(definition: &Definition) {
    let options = Options { keep_events: false, ..Options::default() };
    let mut schedules = month::one_by_one();
    let mut world = opened(definition, Luck::new(1), options);
    let mut of_months: Vec<u64> = Vec::new();
    let mut of_systems: Vec<Vec<u64>> = vec![Vec::new(); schedules.len()];
    let mut month = |world: &mut World| {
        let mut sum = 0;
        for (schedule, counts) in schedules.iter_mut().zip(&mut of_systems) {
            let AllocationInfo { count_total, .. } = measure(|| schedule.run(world));
            sum += count_total;
            counts.push(count_total);
        }
        of_months.push(sum);
    };
    play_by(&mut world, &mut month, &mut Nothing).expect("books that balance");
    println!("## Allocations a month, by year of the run\n");
    let mut years = String::new();
    for year in of_months.chunks(12) {
        write!(years, "{:.1} ", year.iter().sum::<u64>() as f64 / year.len() as f64).expect("text");
    }
    println!("{}", years.trim_end());
    let median = |counts: &[u64]| {
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    };
    println!(
        "\nMedian month: {}. By system, in its median month and a month of the last year:\n",
        median(&of_months)
    );
    for ((room, system, _), counts) in month::PLAN.iter().zip(&of_systems) {
        let late: u64 = counts.iter().rev().take(12).sum();
        if median(counts) + late > 0 {
            println!("- {room}::{system}: {}, {:.1}", median(counts), late as f64 / 12.0);
        }
    }
    println!();
}

/// Prints what draws cost, as a share of a run: their number, times what one takes.
fn draws(definition: &Definition, runs: usize) {
    let log = DrawLog::default();
    let options = Options { keep_events: false, ..Options::default() };
    let luck = Luck::new(1).logged(Arc::clone(&log));
    simulate_with(definition, luck, options, &mut Nothing).expect("books that balance");
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let mut streams: Vec<_> = log.keys().map(|(purpose, key, ..)| (*purpose, *key)).collect();
    streams.dedup();
    let start = definition.head.start;
    let many = 1_000;
    let luck = Luck::new(1);
    let opening = least(runs, || {
        for key in 0..many {
            black_box(luck.stream(Purpose::Licence, key));
        }
    });
    let mut stream = luck.stream(Purpose::Licence, key_of(&["bench"]));
    let drawing = least(runs, || {
        for month in 0..many {
            black_box(stream.month(start + month as i32).normal());
        }
    });
    let run = least(runs, || {
        black_box(simulate(definition, 1, options, &mut Nothing).is_ok());
    });
    let cost = opening.mul_f64(streams.len() as f64) + drawing.mul_f64(log.len() as f64);
    println!(
        "## Draws\n\n{} draws from {} streams a run: {:.2} % of its time.\n",
        log.len(),
        streams.len(),
        100.0 * cost.as_secs_f64() / many as f64 / run.as_secs_f64()
    );
}

/// `times` as many buyers: copies of each firm with its data centres and rents.
fn more_buyers(world: &Definition, times: usize) -> Definition {
    let mut d = world.clone();
    for copy in 1..times {
        let named = |id: &str| format!("{id}-copy-{copy}");
        for row in &world.firms {
            let mut row = row.clone();
            row.id = named(&row.id);
            // A copy sells no models: markets for tokens have their own line below.
            row.developer = false;
            d.firms.push(row);
        }
        for row in &world.data_centres {
            let mut row = row.clone();
            (row.id, row.owner) = (named(&row.id), named(&row.owner));
            d.data_centres.push(row);
        }
    }
    d
}

/// `times` as many places: copies of each country, without firms.
fn more_countries(world: &Definition, times: usize) -> Definition {
    let mut d = world.clone();
    for copy in 1..times {
        for row in &world.countries {
            let mut row = row.clone();
            row.id = format!("{}-copy-{copy}", row.id);
            d.countries.push(row);
        }
    }
    d
}

/// Prints how a month's cost grows with buyers, places and months.
fn growth(world: &Definition, exp: f64) {
    println!("## Growth\n");
    println!("| world | entities | months | exps a month | exps a month and entity |");
    println!("|---|---|---|---|---|");
    let entities = |d: &Definition| {
        d.firms.len() + d.data_centres.len() + d.countries.len() + d.vendors.len() + d.lines.len()
    };
    let line = |name: &str, d: &Definition, months: u32| {
        let options = Options { keep_events: false, months: Some(months) };
        let mut stopped = None;
        let time = least(3, || {
            let mut world = opened(d, Luck::new(1), options);
            stopped = play(&mut world, &mut month::schedule(), &mut Nothing).err();
        });
        if let Some(stopped) = stopped {
            println!("| {name} | {} | stopped: {stopped} |", entities(d));
            return;
        }
        let month = nanos(time) / f64::from(months) / exp;
        println!(
            "| {name} | {} | {months} | {month:.0} | {:.1} |",
            entities(d),
            month / entities(d) as f64
        );
    };
    for months in [42, 84, 168] {
        line("reference", world, months);
    }
    for times in [3, 10] {
        line(&format!("buyers × {times}"), &more_buyers(world, times), 84);
    }
    for times in [3, 10] {
        line(&format!("countries × {times}"), &more_countries(world, times), 84);
    }
}
