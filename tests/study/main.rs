//! Studies keep their promises: the same bytes however they are run, stopped, shared out or
//! damaged; failures as rows; effects that can be worked out by hand; files that others can read.

mod clusters;
mod damage;
mod discovery;
mod effects;
mod failures;
mod folder;
mod readers;
mod refused;
mod trust;
