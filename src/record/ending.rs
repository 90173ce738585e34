//! What a run leaves besides its months: licences, models, events.

use bevy_ecs::prelude::World;

use super::csv_text::CsvText;
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::chronicle::{Chronicle, Event, EventId};
use crate::entities::licence::{Application, LicenceBook};
use crate::entities::model::{Model, ModelBook};
use crate::entities::names::Names;
use crate::entities::rule::Rulebook;

/// A column of a table that is not made of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in the header.
    pub name: &'static str,
    /// Unit, or what kind of word it holds.
    pub unit: &'static str,
    /// What it says.
    pub definition: &'static str,
}

const fn field(name: &'static str, unit: &'static str, definition: &'static str) -> Field {
    Field { name, unit, definition }
}

/// The columns of `licences.csv`.
pub const LICENCES: [Field; 18] = [
    field("id", "number", "Number of the application, in order of filing; never used again."),
    field("order", "number", "Number of the order that it is for."),
    field("rule", "id", "The rule that asks for a licence."),
    field("regulator", "id", "The authority that decides."),
    field("vendor", "id", "The seller, who files."),
    field("buyer", "id", "The firm that the chips are for."),
    field("sku", "id", "The chip."),
    field("units", "chips", "Chips applied for."),
    field("granted", "chips", "Chips granted."),
    field("shipped", "chips", "Chips shipped under the licence; never more than granted."),
    field("filed", "month", "Month of filing."),
    field("due", "month", "First month in which it may be decided."),
    field("decided", "month", "Month of the decision; empty while it is pending."),
    field(
        "expires",
        "month",
        "First month in which the licence no longer holds; empty without a licence.",
    ),
    field(
        "odds",
        "share",
        "Probability of approval, as computed at the decision; empty before it.",
    ),
    field(
        "outcome",
        "word",
        "pending, approved, partial, denied, withdrawn, expired (approved, and run out before all \
         chips shipped) or used (approved, and used up).",
    ),
    field("conditions", "text", "Conditions of the licence; empty if none."),
    field("event", "event id", "The row of events.csv for its last step; empty if none."),
];

/// The columns of `models.csv`.
pub const MODELS: [Field; 10] = [
    field("id", "number", "Number of the model, in order of release."),
    field("firm", "id", "The developer."),
    field("tier", "word", "big (the flagship) or small (the cheap one)."),
    field("released", "month", "Month of release."),
    field(
        "quality",
        "dex",
        "Quality in powers of ten of effective training compute at the efficiency of January 2022.",
    ),
    field("log10_flop", "log10 FLOP", "Training compute; sets the cost of serving."),
    field(
        "tokens_m_per_h100e",
        "million tokens per H100e-month",
        "Tokens that an H100 equivalent serves in a month at serving efficiency 1.",
    ),
    field("open", "flag", "Whether the weights are open: true or false."),
    field("distilled", "dex", "The part of the quality that was distilled from other models."),
    field("event", "event id", "The release in events.csv; empty if none."),
];

/// The columns of `events.csv`.
pub const EVENTS: [Field; 10] = [
    field("id", "event id", "Number of the event, in order of happening, from 0."),
    field("month", "month", "Month in which it happened."),
    field("kind", "word", "What kind of thing happened: rule_announced, application_denied, …."),
    field("subject", "id", "Who did it, or to whom it happened."),
    field("object", "id", "What it was done to, with or by; may be empty."),
    field("quantity", "see unit", "How much; empty if it has no size."),
    field("unit", "unit", "Unit of the quantity."),
    field(
        "cause",
        "event id",
        "The event without which this one would have been smaller or absent: always an earlier \
         row; empty for a root.",
    ),
    field(
        "besides",
        "event ids",
        "Events that stand behind the cause, between spaces: without it, they would have brought \
         this one about, more or less. A rule that catches what another catches, for example.",
    ),
    field("text", "text", "One sentence for a person."),
];

/// The columns of `skus.csv`.
pub const SKUS: [Field; 17] = [
    field(
        "id",
        "id",
        "Id of the chip in the world's `chips` table, or the name that the model gave it.",
    ),
    field("name", "text", "Name for people."),
    field("vendor", "id", "The vendor."),
    field("parent", "id", "The chip that it is a cut of; empty if none."),
    field(
        "origin",
        "word",
        "roadmap, historical_variant, extrapolated (a generation after the known roadmap) or \
         designed (a compliance variant of the run).",
    ),
    field("caused_by", "id", "The rule without which it would not exist; empty if none."),
    field("launch", "month", "First month of volume shipments."),
    field("end", "month", "First month without new starts; empty: to the end."),
    field("tpp", "TPP", "Total processing performance; empty where unpublished."),
    field("performance_density", "TPP/mm²", "TPP over die area; empty where unpublished."),
    field("interconnect_gbps", "GB/s", "Bidirectional interconnect; empty where unpublished."),
    field("memory_bandwidth_gbps", "GB/s", "Memory bandwidth; empty where unpublished."),
    field("tflops_16bit", "TFLOP/s", "Dense 16-bit throughput."),
    field("tops_8bit", "TOP/s", "Dense 8-bit throughput."),
    field("hbm_gb", "GB", "High-bandwidth memory."),
    field("tdp_w", "W", "Thermal design power."),
    field("price_usd", "USD", "List price at launch."),
];

/// What a run leaves besides its months.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Licence applications, in order of filing.
    pub applications: Vec<Application>,
    /// Models, in order of release.
    pub models: Vec<Model>,
    /// The event log; empty when it was not kept.
    pub events: Vec<Event>,
    /// Ids of members.
    pub names: Names,
    /// SKUs by dense id, designed ones included.
    pub skus: Vec<Sku>,
    /// Ids of rules by dense id, those that a moving stance issued included.
    pub rules: Vec<String>,
}

impl Ending {
    /// Takes it out of a world that is done with. A book that the world does not
    /// hold counts as empty.
    #[must_use]
    pub fn of(world: &mut World) -> Self {
        let catalogue = world.remove_resource::<Catalogue>().unwrap_or_default();
        let rulebook = world.remove_resource::<Rulebook>().unwrap_or_default();
        Self {
            applications: world.remove_resource::<LicenceBook>().unwrap_or_default().applications,
            models: world.remove_resource::<ModelBook>().unwrap_or_default().models,
            events: world
                .remove_resource::<Chronicle>()
                .map_or_else(Vec::new, Chronicle::into_events),
            names: world.remove_resource::<Names>().unwrap_or_default(),
            skus: catalogue.skus,
            rules: rulebook.rules.into_iter().map(|rule| rule.row.id).collect(),
        }
    }

    /// `licences.csv`.
    #[must_use]
    pub fn licences_csv(&self) -> CsvText {
        let mut csv = CsvText::new(LICENCES.iter().map(|f| f.name));
        for a in &self.applications {
            csv.word(Some(a.id))
                .word(Some(a.order))
                .text(id(&self.rules, a.rule.index()))
                .text(id(&self.names.regulators, a.regulator.index()))
                .text(id(&self.names.vendors, a.vendor.index()))
                .text(id(&self.names.firms, a.buyer.index()))
                .text(self.skus.get(a.sku.index()).map_or("", |sku| sku.id.as_str()))
                .word(Some(a.units))
                .word(Some(a.granted))
                .word(Some(a.shipped))
                .word(Some(a.filed))
                .word(Some(a.due))
                .word(a.decided)
                .word(a.expires)
                .number(if a.decided.is_some() { a.odds } else { f64::NAN })
                .text(a.outcome.word())
                .text(a.conditions)
                .word(a.event.map(|EventId(event)| event));
            csv.end();
        }
        csv
    }

    /// `skus.csv`.
    #[must_use]
    pub fn skus_csv(&self) -> CsvText {
        let mut csv = CsvText::new(SKUS.iter().map(|f| f.name));
        for sku in &self.skus {
            let (row, none) = (&sku.row, f64::NAN);
            let parent = sku.parent.and_then(|parent| self.skus.get(parent.index()));
            csv.text(&sku.id)
                .text(&row.name)
                .text(id(&self.names.vendors, sku.vendor.index()))
                .text(parent.map_or("", |parent| parent.id.as_str()))
                .text(row.origin.word())
                .text(sku.caused_by.map_or("", |rule| id(&self.rules, rule.index())))
                .word(Some(row.launch))
                .word(row.end)
                .number(row.tpp.unwrap_or(none))
                .number(row.performance_density.unwrap_or(none))
                .number(row.interconnect_gbps.unwrap_or(none))
                .number(row.memory_bandwidth_gbps.unwrap_or(none))
                .number(row.tflops_16bit)
                .number(row.tops_8bit)
                .number(row.hbm_gb)
                .number(row.tdp_w)
                .number(row.price_usd);
            csv.end();
        }
        csv
    }

    /// `models.csv`.
    #[must_use]
    pub fn models_csv(&self) -> CsvText {
        let mut csv = CsvText::new(MODELS.iter().map(|f| f.name));
        for m in &self.models {
            csv.word(Some(m.id))
                .text(id(&self.names.firms, m.firm.index()))
                .text(m.tier.word())
                .word(Some(m.released))
                .number(m.quality)
                .number(m.log10_flop)
                .number(m.tokens_m_per_h100e)
                .word(Some(m.open))
                .number(m.distilled)
                .word(m.event.map(|EventId(event)| event));
            csv.end();
        }
        csv
    }

    /// `events.csv`.
    #[must_use]
    pub fn events_csv(&self) -> CsvText {
        let mut csv = CsvText::new(EVENTS.iter().map(|f| f.name));
        for e in &self.events {
            csv.word(Some(e.id.0))
                .word(Some(e.month))
                .text(e.kind)
                .text(&e.subject)
                .text(&e.object)
                .number(e.quantity)
                .text(e.unit)
                .word(e.cause.map(|EventId(cause)| cause))
                .text(&e.besides_text())
                .text(&e.text);
            csv.end();
        }
        csv
    }
}

fn id(ids: &[String], at: usize) -> &str {
    ids.get(at).map_or("", String::as_str)
}
