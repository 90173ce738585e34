//! The rooms of supply together: fabs, allocation, grey market, shipping.
//!
//! - `world`: a world of supply made of tables;
//! - `month`: a month of it, and the books that must balance afterwards;
//! - `small`: two vendors, three SKUs and three lines;
//! - `trajectories`: the reference tables under a given demand.

mod month;
mod small;
mod trajectories;
mod world;
