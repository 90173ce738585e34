//! The world: files → layers → refused or checked [`Definition`] → populated ECS world.

pub mod definition;
pub mod observation;
mod removal;

pub use definition::Definition;
