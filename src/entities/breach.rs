//! A book that does not balance.

use bevy_ecs::prelude::Resource;

use crate::calendar::Month;

/// A law of the books that a month broke: a bug of ours, never of the world file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{month}: the books do not balance: {law}, for {entity}: {left} against {right}")]
pub struct Breach {
    /// The month.
    pub month: Month,
    /// The law, in words: `chips made = chips somewhere`.
    pub law: &'static str,
    /// Id of what it is about.
    pub entity: String,
    /// The left side, with what it is made of.
    pub left: String,
    /// The right side, with what it is made of.
    pub right: String,
}

/// The first breach of a run, if any. Written by the audit; a run stops at the
/// end of the month in which it is set.
#[derive(Resource, Clone, Debug, Default)]
pub struct FirstBreach(pub Option<Breach>);

impl FirstBreach {
    /// Notes a breach; later ones of the run are consequences and left out.
    pub fn note(&mut self, breach: Breach) {
        self.0.get_or_insert(breach);
    }
}
