//! The month: every system, in order.

use bevy_ecs::schedule::Schedule;

/// Room, system, what it does.
pub const PLAN: &[(&str, &str, &str)] = &[];

/// The schedule of a month.
#[must_use]
pub fn schedule() -> Schedule {
    Schedule::default()
}
