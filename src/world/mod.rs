//! The world: files → layers → refused or checked [`Definition`] → populated ECS world.

pub mod definition;
pub mod observation;

pub use definition::Definition;
pub mod load;
pub mod populate;
pub use load::{load, resolved_toml};
