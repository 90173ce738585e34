//! Studies: many runs of many worlds that share their luck, with nothing lost.
//!
//! A study file names arms, levers, uncertainties and seeds; it becomes a [`Plan`], an immutable list of runs.
//! Runs are written shard by shard, each committed when it is whole, so that any number of
//! processes may work on one folder and be killed at any time. What was committed is merged
//! into tables for people, with the effect of each policy against its counterfactual.

mod attribution;
mod batch;
mod design;
mod draws;
mod effects;
mod file;
mod merge;
mod package;
pub mod plan;
mod read;
mod record;
mod run_one;
mod shard;
pub mod statistics;
mod store;
mod table;
mod tables;
mod verify;

pub use attribution::table as attribution_table;
pub(crate) use batch::needed;
pub use batch::{Batch, Ended, Limits, Progress, Report};
pub use design::{Design, Domain, Factor, Level, Pick};
pub use draws::{Draws, Values, months_kept};
pub use effects::table as effects_table;
pub use file::Take;
pub use file::keys::json_schema;
pub(crate) use file::keys::{Key, Shape, key, of_keys};
pub(crate) use file::{At, Fields, parsed};
pub use merge::{Merged, merge};
pub use plan::Plan;
pub use read::{Outcomes, outcomes};
pub use record::{Kept, Measure, MetricOver, OBSERVED, Outcome, Record};
pub use run_one::Ran;
pub use run_one::Simulate;
pub use shard::Commit;
pub use store::{ANALYSIS, Failed, Store};
pub use table::{Cells, Column, Format, Kind, Reader};
pub use tables::{Table, runs as runs_table, series as series_table};
pub use verify::{Finding, verify};
