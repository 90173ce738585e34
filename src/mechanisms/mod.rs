//! The rooms: one file a mechanism, none of which knows another.
//!
//! A mechanism file holds its equations, the parameters that it reads, its
//! systems, its metrics and tests with numbers worked by hand. What two rooms
//! need lives in [`crate::entities`].

pub mod allocation;
pub mod data_centres;
pub mod design;
pub mod fabs;
pub mod finance;
pub mod grey_market;
pub mod licensing;
pub mod market;
pub mod policy;
pub mod procurement;
pub mod research;
pub mod shipping;
pub mod training;

#[cfg(test)]
mod supply_tests;
