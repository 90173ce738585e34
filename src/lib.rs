//! Frugality: an agent-based simulation of export controls on AI chips.

pub mod analysis;
pub mod calendar;
pub mod cli;
pub mod entities;
pub mod maths;
pub mod mechanisms;
pub mod metric;
pub mod month;
pub mod parameters;
pub mod random;
pub mod record;
pub mod run;
pub mod schema;
pub mod units;
pub mod world;
