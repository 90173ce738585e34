//! Market and finance together.
//!
//! - `world`: a drawn-up world of both rooms, and their month;
//! - `hand`: a market worked by hand;
//! - `laws`: laws on random markets;
//! - `decade`: fourteen years of a drawn-up world.

mod decade;
mod hand;
mod laws;
mod world;
