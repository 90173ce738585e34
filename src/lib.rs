//! Frugality: an agent-based simulation of export controls on AI chips.
//!
//! The house, from the ground up; imports only run down this list.
//!
//! - [`maths`], [`calendar`], [`units`], [`schema`]: arithmetic that is the same everywhere,
//!   months, whole amounts, columns of tables;
//! - [`random`], [`metric`], [`mod@parameters`]: draws with addresses, declared outputs, declared numbers;
//! - [`entities`]: actors as components, goods and papers in books, boards that rooms share;
//! - [`mechanisms`]: the rooms, one a mechanism, none of which knows another;
//! - [`audit`]: the books that must balance;
//! - [`month`]: every system of a month, in order, on one page;
//! - [`world`]: files → layers → checked definition → populated ECS world;
//! - [`record`]: what leaves a run, as tables;
//! - [`run`]: one world and one seed;
//! - [`study`]: many worlds under many seeds, shard by shard;
//! - [`analysis`]: scores against what really happened, calibration, verdicts on claims;
//! - [`report`]: one page that shows the answer;
//! - [`cli`]: the verbs.

pub mod analysis;
pub mod audit;
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
pub mod report;
pub mod run;
pub mod schema;
pub mod study;
pub mod units;
pub mod world;
