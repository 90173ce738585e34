//! The hottest kernel of a month, choice and rationing in the market for tokens, against a
//! twin written by hand on plain arrays.
//!
//! `cargo bench --bench market`. Every month of the reference world both are given the same
//! numbers; the bench stops unless the twin's answers are the model's, bit by bit. What it
//! prints is what the model pays for being systems of an ECS.

mod twin;

use std::io;
use std::path::Path;
use std::time::Duration;

use bevy_ecs::prelude::World;
use cpu_time::ThreadTime;
use frugality::entities::Clock;
use frugality::month;
use frugality::random::Luck;
use frugality::record::{Page, Sink};
use frugality::run::play_by;
use frugality::world::load;
use frugality::world::populate::populate;

use self::twin::Twin;

/// What the model may cost, in times of the twin.
const TARGET: f64 = 1.15;

/// How often either is run each month; the least time counts.
const REPEATS: usize = 5;

struct Nothing;

impl Sink for Nothing {
    fn month(&mut self, _: &Page<'_>) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    let loaded = load(&path, &[], &frugality::mechanisms::declared_parameters())
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let months = loaded.definition.head.end - loaded.definition.head.start + 1;
    // Time of one run is short against the clock's: run the same world some times over.
    let (mut model, mut twin) = (vec![Duration::MAX; months as usize], Vec::new());
    twin.clone_from(&model);
    for _ in 0..REPEATS {
        let mut world = populate(&loaded.definition, Luck::new(1), false);
        let (start, end) = (loaded.definition.head.start, loaded.definition.head.end);
        world.insert_resource(Clock { start, now: start, end });
        let mut schedules = month::one_by_one();
        let mut at = 0;
        let mut month = |world: &mut World| {
            let mut arrays = None;
            for ((room, system, _), schedule) in month::PLAN.iter().zip(&mut schedules) {
                let kernel = *room == "market" && ["choose", "clear"].contains(system);
                if *system == "choose" && kernel {
                    let mut ready = Twin::of(world);
                    let begun = ThreadTime::now();
                    ready.choose();
                    ready.clear();
                    twin[at] = begun.elapsed().min(twin[at]);
                    arrays = Some((ready, Duration::ZERO));
                }
                let begun = ThreadTime::now();
                schedule.run(world);
                let Some((twin, time)) = arrays.as_mut().filter(|_| kernel) else { continue };
                *time += begun.elapsed();
                if *system == "clear" {
                    model[at] = (*time).min(model[at]);
                    twin.assert_same(world);
                }
            }
            at += 1;
        };
        play_by(&mut world, &mut month, &mut Nothing).expect("books that balance");
    }
    let sum = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() / f64::from(months);
    let (model, twin) = (sum(&model), sum(&twin));
    println!(
        "Choice and rationing: {:.1} µs a month, the twin on plain arrays {:.1} µs: {:.2} times \
         (target {TARGET}). {months} months alike to the bit.",
        1e6 * model,
        1e6 * twin,
        model / twin,
    );
}
