//! One month: every system of the model, in order, on one page.
//!
//! Nothing else schedules. The order is fixed by chaining each system to the
//! one before it, and the single-threaded executor runs them as listed: runs are
//! parallel, a run is not. Ambiguous orders are errors.

use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel,
    SingleThreadedExecutor, SystemSet,
};

use crate::{audit, mechanisms};

/// The schedule of a month.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Month;

/// The place of a system in the month.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
struct Place(usize);

/// One line of the plan of a month.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The room.
    pub room: &'static str,
    /// The system.
    pub system: &'static str,
    /// What it does.
    pub does: &'static str,
}

macro_rules! month {
    ($($(#[doc = $banner:literal])* $room:ident in $house:ident { $($system:ident: $does:literal,)* })*) => {
        /// The month as it is run.
        pub const PLAN: &[Step] = &[$($(
            Step { room: stringify!($room), system: stringify!($system), does: $does },
        )*)*];

        fn add_all(schedule: &mut Schedule) {
            let mut place = 0;
            $($(
                schedule.add_systems($house::$room::$system.in_set(Place(place)));
                place += 1;
            )*)*
            for later in 1..place {
                schedule.configure_sets(Place(later).after(Place(later - 1)));
            }
        }
    };
}

month! {
}

/// The schedule of a month, ready to run on a populated world.
#[must_use]
pub fn schedule() -> Schedule {
    let mut schedule = Schedule::new(Month);
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..Default::default()
    });
    schedule.set_executor(SingleThreadedExecutor::new());
    add_all(&mut schedule);
    schedule
}
