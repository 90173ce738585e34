//! One world, one seed: month after month until the end or until a book breaks.
//!
//! A month is: [`Clock`] set to it, [`Readings`] cleared, the [`Ledger`]'s page
//! turned; then every system of [`crate::month`], the audit last but one; then the breach,
//! if the audit found one, ends the run; else the month is handed to the [`Sink`].
//! Nothing else happens outside the schedule.

use std::io;

use bevy_ecs::prelude::World;
use bevy_ecs::schedule::Schedule;

use crate::calendar::Month;
use crate::entities::Clock;
use crate::entities::boards::Shortage;
use crate::entities::breach::{Breach, FirstBreach};
use crate::entities::chip::Catalogue;
use crate::entities::ledger::Ledger;
use crate::entities::names::Names;
use crate::mechanisms::data_centres::COMPUTE_USABLE;
use crate::metric::Readings;
use crate::month;
use crate::random::Luck;
use crate::record::{Ending, Page};
use crate::world::Definition;
use crate::world::populate::populate;

pub use crate::record::Sink;

/// What a run may be told besides its world and seed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many months to run; none: to the world's end.
    pub months: Option<u32>,
    /// Whether events are kept. It never changes any other result.
    pub keep_events: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { months: None, keep_events: true }
    }
}

impl Options {
    /// First and last month of a run of `definition`.
    #[must_use]
    pub fn span(&self, definition: &Definition) -> (Month, Month) {
        let (start, end) = (definition.head.start, definition.head.end);
        let months = self.months.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
        (start, months.map_or(end, |n| start + (n - 1).max(0)))
    }
}

/// A run that came to its end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// First month.
    pub first: Month,
    /// Last month.
    pub last: Month,
    /// Licences, models and events.
    pub ending: Ending,
}

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A book did not balance.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// The months could not be kept.
    #[error("the results of {month} could not be kept: {source}")]
    Sink {
        /// The month.
        month: Month,
        /// Why.
        source: io::Error,
    },
}

/// Runs `definition` under `seed`, and hands each month to `sink`.
///
/// # Errors
/// When a book does not balance, or the sink fails.
pub fn simulate(
    definition: &Definition,
    seed: u64,
    options: Options,
    sink: &mut dyn Sink,
) -> Result<Outcome, Stopped> {
    simulate_with(definition, Luck::new(seed), options, sink)
}

/// Runs `definition` with the given luck: [`simulate`] for tests that need
/// another source of draws.
///
/// # Errors
/// When a book does not balance, or the sink fails.
pub fn simulate_with(
    definition: &Definition,
    luck: Luck,
    options: Options,
    sink: &mut dyn Sink,
) -> Result<Outcome, Stopped> {
    simulate_under(definition, luck, Shortage::default(), options, sink)
}

/// Runs `definition` as [`simulate`] does, but its constrained firms as short of compute as in `treated`, if one is given,
/// under the same seed.
///
/// # Errors
/// When a book of either does not balance, or the sink fails.
pub fn simulate_as_scarce(
    definition: &Definition,
    treated: Option<&Definition>,
    seed: u64,
    options: Options,
    sink: &mut dyn Sink,
) -> Result<Outcome, Stopped> {
    let Some(treated) = treated else { return simulate(definition, seed, options, sink) };
    let mut path = UsablePath { firms: Vec::new(), months: Vec::new() };
    simulate(treated, seed, Options { keep_events: false, ..options }, &mut path)?;
    let shortage = path.among(definition);
    simulate_under(definition, Luck::new(seed), shortage, options, sink)
}

/// What each firm can use, month by month.
struct UsablePath {
    firms: Vec<String>,
    months: Vec<Vec<f64>>,
}

impl UsablePath {
    /// The path for the firms of `definition`, which stand in the order of their ids.
    fn among(&self, definition: &Definition) -> Shortage {
        let mut ids: Vec<&str> = definition.firms.iter().map(|firm| firm.id.as_str()).collect();
        ids.sort_unstable();
        let of = |month: &Vec<f64>| {
            let known = |id: &&str| self.firms.iter().position(|firm| firm == id);
            ids.iter().map(|id| known(id).map_or(f64::NAN, |at| month[at])).collect()
        };
        Shortage { usable_h100e: self.months.iter().map(of).collect(), factor: Vec::new() }
    }
}

impl Sink for UsablePath {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.firms.clone_from(&page.names.firms);
        let usable = |row| page.readings.get_for(&COMPUTE_USABLE, row);
        self.months.push((0..self.firms.len()).map(usable).collect());
        Ok(())
    }
}

fn simulate_under(
    definition: &Definition,
    luck: Luck,
    shortage: Shortage,
    options: Options,
    sink: &mut dyn Sink,
) -> Result<Outcome, Stopped> {
    let mut world = populate(definition, luck, options.keep_events);
    world.insert_resource(shortage);
    let (first, last) = options.span(definition);
    world.insert_resource(Clock { start: first, now: first, end: last });
    play(&mut world, &mut month::schedule(), sink)?;
    Ok(Outcome { first, last, ending: Ending::of(&mut world) })
}

/// Plays every month of the world's [`Clock`] with `schedule`: the loop of
/// [`simulate`], for worlds that were put together by hand.
///
/// # Errors
/// When the month leaves a [`Breach`], or the sink fails.
///
/// # Panics
/// When the world holds no `Clock` or no `Readings`: a bug of ours.
pub fn play(
    world: &mut World,
    schedule: &mut Schedule,
    sink: &mut dyn Sink,
) -> Result<(), Stopped> {
    play_by(world, &mut |world| schedule.run(world), sink)
}

/// [`play`] with a month that the caller runs: a bench that times each system, say.
///
/// # Errors
/// When the month leaves a [`Breach`], or the sink fails.
///
/// # Panics
/// When the world holds no `Clock` or no `Readings`: a bug of ours.
pub fn play_by(
    world: &mut World,
    run_month: &mut dyn FnMut(&mut World),
    sink: &mut dyn Sink,
) -> Result<(), Stopped> {
    let Clock { start, end, .. } = *world.resource::<Clock>();
    world.init_resource::<Names>();
    world.init_resource::<Catalogue>();
    world.init_resource::<FirstBreach>();
    let mut month = start;
    while month <= end {
        world.resource_mut::<Clock>().now = month;
        world.resource_mut::<Readings>().clear();
        if let Some(mut ledger) = world.get_resource_mut::<Ledger>() {
            ledger.turn_page();
        }
        run_month(world);
        if let Some(breach) = &world.resource::<FirstBreach>().0 {
            return Err(breach.clone().into());
        }
        let page = Page {
            month,
            readings: world.resource(),
            names: world.resource(),
            catalogue: world.resource(),
        };
        sink.month(&page).map_err(|source| Stopped::Sink { month, source })?;
        month = month + 1;
    }
    Ok(())
}
