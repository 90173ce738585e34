//! Claims: sentences about the world, each with its experiment and its thresholds, fixed in a file before the
//! result is known, and the verdict that finished studies give.

mod evidence;
mod file;
mod flips;
mod judge;
mod keys;
mod tables;
#[cfg(test)]
mod tests;

pub use evidence::{Effect, Evidence};
pub use file::{Claim, Contrast, Measure, Set, load};
pub use flips::Split;
pub use judge::{Ruling, Test, Verdict, decide, judge};
pub use keys::json_schema;
pub use tables::{documents, overview};
