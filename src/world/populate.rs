//! Definition → ECS world.

use bevy_ecs::prelude::World;

use crate::entities::Clock;
use crate::entities::chronicle::Chronicle;
use crate::mechanisms;
use crate::metric::Readings;
use crate::random::Luck;
use crate::world::Definition;

/// The world at the start of a run.
#[must_use]
pub fn populate(definition: &Definition, luck: Luck, keep_events: bool) -> World {
    let mut world = World::new();
    let (start, end) = (definition.head.start, definition.head.end);
    world.insert_resource(Clock { start, now: start, end });
    world.insert_resource(Chronicle::new(keep_events));
    world.insert_resource(Readings::new(mechanisms::all_metrics(), [1, 0, 0, 0, 0, 0]));
    world.insert_resource(luck);
    world
}
