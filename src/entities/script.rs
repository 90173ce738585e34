//! Scripted shocks and stocks: what a world says will happen whatever the agents do.

use bevy_ecs::prelude::Resource;

use super::chronicle::EventId;
use crate::calendar::Month;
use crate::schema::{choice, id_of, month, number, optional, text, words};

crate::choice! {
    /// Kinds of scripted events.
    pub enum ShockKind {
        /// Growth of AI spend changes to `quantity` (ln/year).
        DemandGrowth = "demand_growth",
        /// A new way of making models: `quantity` dex of quality for the named firms, diffusing to others.
        /// Rows of the same name are one paradigm: a later row says who had it by then.
        Paradigm = "paradigm",
        /// The odds of awareness of the named firms' models are multiplied by `quantity` in every country.
        Awareness = "awareness",
        /// Capacity of the named lines is multiplied by `quantity` for `months`.
        LineCapacity = "line_capacity",
        /// Price of accelerators of the named vendors to the named firms is multiplied by `quantity` for `months`.
        ChipPrice = "chip_price",
        /// Planned AI capex of the named firms is multiplied by `quantity` for `months`.
        CapexPlan = "capex_plan",
        /// Grid headroom growth of the named countries is multiplied by `quantity` for `months`.
        GridGrowth = "grid_growth",
        /// Research staff of the named firms is multiplied by `quantity`.
        Staff = "staff",
        /// A training run of `quantity` log10 FLOP under way at the named firms, released after `months`.
        TrainingRun = "training_run",
        /// Token price of the named firms is multiplied by `quantity`: a price cut.
        TokenPrice = "token_price",
        /// The named firms begin to train large models of their own; before, only scripted runs.
        Lab = "lab",
        /// The named firms open their service at home, and their weights, if open, may be used; not before.
        Service = "service",
        /// The named firms open their service abroad; not before.
        ServiceAbroad = "service_abroad",
    }
}

crate::table! {
    /// Scripted events.
    pub struct ShockRow in "events" {
        /// What happens, for people.
        name: String = text(),
        /// When.
        month: Month = month(),
        /// Kind.
        kind: ShockKind = choice(ShockKind::WORDS),
        /// Ids of those it happens to; empty: all.
        subjects: Vec<String> = optional(words()),
        /// How much; see the kind.
        quantity: f64 = number("see kind", -1e9, 1e9),
        /// How long it lasts; empty: for good.
        months: Option<i64> = optional(crate::schema::whole("month", 1, 600)),
        /// The rule without which it would not happen.
        caused_by: Option<String> = optional(id_of("rules")),
        /// Where it was read.
        source: String = text(),
    }
}

crate::choice! {
    /// Kinds of stocks.
    pub enum StockKind {
        /// Accelerators installed in a data centre (`place`), of a SKU (`item`).
        Installed = "installed",
        /// Dies (`item`) of a vendor (`place`).
        Dies = "dies",
        /// High-bandwidth memory of a vendor (`place`), GB.
        Memory = "memory",
        /// Finished chips (`item`) at the dock of a vendor (`place`).
        Chips = "chips",
    }
}

crate::table! {
    /// Stocks at the start, and scripted flows into them (dies and memory bought ahead).
    pub struct StockRow in "stocks" {
        /// Kind.
        kind: StockKind = choice(StockKind::WORDS),
        /// Data centre or vendor.
        place: String = text(),
        /// SKU or die; empty for memory.
        item: Option<String> = optional(text()),
        /// Amount at the start.
        amount: f64 = number("chips, dies or GB", 0.0, 1e12),
        /// Amount that comes in each month from `from` up to but not including `until`.
        monthly: f64 = number("chips, dies or GB per month", 0.0, 1e12),
        /// First month of the flow.
        from: Option<Month> = optional(month()),
        /// First month without.
        until: Option<Month> = optional(month()),
        /// The rule without which it would not happen.
        caused_by: Option<String> = optional(id_of("rules")),
        /// Where it was read.
        source: String = text(),
    }
}

crate::table! {
    /// The frontier's own history and inputs: capability before the start (lags are read off it),
    /// staff, experiment compute and largest run as observed (research productivity is solved from it).
    pub struct FrontierRow in "frontier" {
        /// Month.
        month: Month = month(),
        /// Capability of the unconstrained frontier, dex of effective compute, 2022-01 efficiency.
        capability: Option<f64> = optional(number("dex", 0.0, 60.0)),
        /// Research staff of the frontier lab.
        staff: Option<f64> = optional(number("person", 0.0, 1e6)),
        /// Experiment compute of the frontier lab.
        experiments_h100e: Option<f64> = optional(number("H100e", 0.0, 1e9)),
        /// Largest training run so far.
        log10_largest_run: Option<f64> = optional(number("log10 FLOP", 15.0, 40.0)),
        /// Where it was read.
        source: String = text(),
    }
}

/// The scripted part of a world.
#[derive(Resource, Clone, Debug, Default)]
pub struct Script {
    /// Scripted events, sorted by (month, id).
    pub shocks: Vec<ShockRow>,
    /// Where each event stands in the log once it has happened, by position.
    pub happened: Vec<Option<EventId>>,
    /// Stocks with a monthly flow, sorted by id.
    pub flows: Vec<StockRow>,
    /// The frontier's history, sorted by month.
    pub frontier: Vec<FrontierRow>,
}

/// Whether an opening of `kind` has come for `subject`: no event of the kind names it, or one that does
/// has begun.
#[must_use]
pub fn opened(shocks: &[ShockRow], kind: ShockKind, subject: &str, month: Month) -> bool {
    let mut named = false;
    for shock in shocks.iter().filter(|shock| shock.kind == kind) {
        if shock.subjects.is_empty() || shock.subjects.iter().any(|one| one == subject) {
            if shock.month <= month {
                return true;
            }
            named = true;
        }
    }
    !named
}

impl Script {
    /// [`opened`] in this script.
    #[must_use]
    pub fn opened(&self, kind: ShockKind, subject: &str, month: Month) -> bool {
        opened(&self.shocks, kind, subject, month)
    }

    /// Events that begin in `month`, with their positions.
    pub fn beginning(&self, month: Month) -> impl Iterator<Item = (usize, &ShockRow)> {
        self.shocks.iter().enumerate().filter(move |(_, shock)| shock.month == month)
    }

    /// Events of `kind` that are at work in `month`.
    pub fn at_work(&self, kind: ShockKind, month: Month) -> impl Iterator<Item = &ShockRow> {
        self.shocks.iter().filter(move |shock| {
            shock.kind == kind
                && shock.month <= month
                && shock.months.is_none_or(|n| month < shock.month + n as i32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_binds_only_those_it_names() {
        let month = Month::new(2023, 9);
        let shock = ShockRow {
            id: "service".to_owned(),
            name: "licences".to_owned(),
            month,
            kind: ShockKind::Service,
            subjects: vec!["a".to_owned()],
            quantity: 1.0,
            months: None,
            caused_by: None,
            source: "test".to_owned(),
        };
        let script = Script { shocks: vec![shock], ..Script::default() };
        assert!(!script.opened(ShockKind::Service, "a", month - 1));
        assert!(script.opened(ShockKind::Service, "a", month));
        assert!(script.opened(ShockKind::Service, "b", month - 1), "nobody names b");
        assert!(script.opened(ShockKind::Lab, "a", month - 1), "another kind");
    }
}
