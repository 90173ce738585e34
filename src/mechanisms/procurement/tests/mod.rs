//! A month of procurement worked by hand.
//!
//! - `world`: two firms, two vendors and three countries;
//! - `kappa`: what the shadow price answers to;
//! - `orders`: what is ordered, for how much, and where to.

mod kappa;
mod orders;
mod world;
