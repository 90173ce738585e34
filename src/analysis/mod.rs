//! What is read off finished runs. Nothing here runs a model, and no model reads
//! anything from here.

pub mod calibrate;
pub mod claims;
pub mod doses;
pub mod hindcast;
pub mod placebo;
