//! Regulators: who issues rules, how strict they are, how fast they decide.

use bevy_ecs::prelude::Component;

use super::{CountryId, RegimeId, RegulatorId};
use crate::calendar::Month;
use crate::random::Stream;
use crate::schema::{flag, id_of, month, number, optional, share, text, words};

crate::table! {
    /// Regimes: sets of rules that a world can remove as one.
    pub struct RegimeRow in "regimes" {
        /// Name for people.
        name: String = text(),
        /// Whether the regime exists in this world. Without it, none of its rules and nothing
        /// that it caused.
        active: bool = flag(),
        /// What it is.
        note: String = text(),
    }
}

crate::table! {
    /// Regulators.
    pub struct RegulatorRow in "regulators" {
        /// Name for people.
        name: String = text(),
        /// Country.
        country: String = id_of("countries"),
        /// The regime that its moving stance belongs to.
        regime: String = id_of("regimes"),
        /// Stance at the start, 0 open to 1 strict.
        stance: f64 = share(),
        /// First month in which stance moves by itself; empty: never.
        stance_from: Option<Month> = optional(month()),
        /// Path that pins the stance, `YYYY-MM=value` words; empty: free.
        stance_path: Vec<String> = optional(words()),
        /// Months of elections or leadership changes that redraw the stance aimed at.
        elections: Vec<String> = optional(words()),
        /// Licence decisions a month.
        decisions_per_month: f64 = number("decisions/month", 0.0, 1e5),
        /// Share of decisions that other trade takes up.
        other_caseload: f64 = share(),
        /// Strength of enforcement, 0 none to 1.
        enforcement: f64 = share(),
        /// The lag that the regulator wants the constrained group to have.
        target_lag_months: f64 = number("month", 0.0, 120.0),
        /// Where the figures come from.
        source: String = text(),
    }
}

/// A regulator.
#[derive(Component, Clone, Debug)]
pub struct Regulator {
    /// Dense id.
    pub id: RegulatorId,
    /// Country.
    pub country: CountryId,
    /// The regime that its moving stance belongs to.
    pub regime: RegimeId,
    /// What the table says.
    pub row: RegulatorRow,
}

/// How strict a regulator is. Written by `policy`.
#[derive(Component, Clone, Debug)]
pub struct Stance {
    /// Stance h in [0, 1].
    pub h: f64,
    /// The stance aimed at.
    pub h_star: f64,
    /// Stance when it last issued a rule by itself.
    pub h_last: f64,
    /// Decisions that were due and found no officer, last month.
    pub overdue: f64,
    /// Draws of noise and of elections.
    pub luck: Stream,
}
