//! Rules: what they cover, and the engine that tells whether a chip is controlled.
//!
//! A chip meets a **clause** when it meets *all* of the clause's bounds; it is
//! controlled by a rule when it meets *any* of its clauses. Minima mean "at
//! least", ceilings "below". Where a bound's attribute is unpublished the answer
//! is [`Verdict::Undetermined`], never "free"; a bound that already fails settles the
//! clause whatever else is missing. Of the rules in force, the strictest counts
//! unless a rule names the one that it replaces.

use bevy_ecs::prelude::Resource;

use super::chip::{Attribute, Sku};
use super::chronicle::EventId;
use super::{CountryId, FirmId, RegulatorId, RuleId, SkuId};
use crate::calendar::Month;
use crate::schema::{
    choice, flag, id_of, ids_of, month, number, optional, share, text, whole, words,
};

crate::choice! {
    /// What a rule governs.
    pub enum RuleKind {
        /// Exports of chips.
        ChipExport = "chip_export",
        /// Exports of fab equipment.
        EquipmentExport = "equipment_export",
        /// Exports of high-bandwidth memory.
        MemoryExport = "memory_export",
        /// Foundry work for designers of the destination.
        FoundryService = "foundry_service",
        /// Renting compute to the destination.
        RemoteAccess = "remote_access",
        /// The buyer's own state, gating imports.
        ImportGuidance = "import_guidance",
        /// Materials that fabs need.
        MaterialExport = "material_export",
        /// Electronic design automation.
        DesignTools = "design_tools",
        /// Duties.
        Tariff = "tariff",
        /// Named firms.
        EntityListing = "entity_listing",
    }
}

crate::choice! {
    /// What happens to an application, from mildest to strictest.
    pub enum Treatment {
        /// Goes through.
        Allow = "allow",
        /// Goes through after notice.
        Notify = "notify",
        /// Goes through up to a cap.
        Quota = "quota",
        /// Reviewed case by case.
        CaseByCase = "case_by_case",
        /// Reviewed with a presumption of denial.
        PresumptionOfDenial = "presumption_of_denial",
        /// Refused.
        Deny = "deny",
    }
}

crate::table! {
    /// Rules of regulators, dated.
    pub struct RuleRow in "rules" {
        /// Name for people.
        name: String = text(),
        /// Who issued it.
        issuer: String = id_of("regulators"),
        /// What it governs.
        kind: RuleKind = choice(RuleKind::WORDS),
        /// Whether the rule exists in this world (bills and drafts are switched off).
        enabled: bool = flag(),
        /// Month of announcement; the same as `from` for a surprise.
        announced: Month = month(),
        /// First month in force.
        from: Month = month(),
        /// First month no longer in force; empty: to the end.
        until: Option<Month> = optional(month()),
        /// The regime it belongs to; without it the rule does not exist.
        regime: String = id_of("regimes"),
        /// The rule without which this one would not exist.
        caused_by: Option<String> = optional(id_of("rules")),
        /// Rules that this one replaces from its first month on.
        replaces: Vec<String> = optional(ids_of("rules")),
        /// Destination countries; empty together with blocs and tiers: everywhere.
        countries: Vec<String> = optional(ids_of("countries")),
        /// Destination blocs.
        blocs: Vec<String> = optional(words()),
        /// Destination tiers.
        tiers: Vec<String> = optional(words()),
        /// Countries whose firms are covered wherever they buy.
        headquarters: Vec<String> = optional(ids_of("countries")),
        /// Named firms covered; empty: all.
        firms: Vec<String> = optional(ids_of("firms")),
        /// Named vendors covered (entity listings of designers); empty: all.
        vendors: Vec<String> = optional(ids_of("vendors")),
        /// What happens to an application.
        treatment: Treatment = choice(Treatment::WORDS),
        /// Annual cap in chips over all buyers.
        cap_units: Option<f64> = optional(number("chips/year", 0.0, 1e9)),
        /// Annual cap in total performance.
        cap_tpp: Option<f64> = optional(number("TPP/year", 0.0, 1e15)),
        /// Annual cap in chips for each buyer.
        cap_units_buyer: Option<f64> = optional(number("chips/year", 0.0, 1e9)),
        /// Cap relative to the vendor's home sales of the last twelve months.
        cap_home_share: Option<f64> = optional(share()),
        /// Share of revenue due to the issuer's treasury.
        revenue_share: f64 = share(),
        /// Duty on the landed price.
        duty: f64 = share(),
        /// Strength for kinds without clauses: equipment bite, share of memory or materials withheld,
        /// share that import guidance lets in.
        strength: f64 = share(),
        /// Conditions on a licence, in words.
        conditions: Option<String> = optional(text()),
        /// Decides the whole of what a rule is worth when h = 1: how far the odds move, in logits.
        odds: Option<f64> = optional(number("logit", -20.0, 20.0)),
        /// Extra months that reviews take while the rule is in force (licensing freezes).
        review_months_added: i64 = whole("month", 0, 60),
        /// Row of the evidence tables, and where it was read.
        source: String = text(),
    }
}

crate::table! {
    /// Clauses of rules: bounds on chips, all of which a controlled chip meets.
    pub struct ClauseRow in "clauses" {
        /// The rule.
        rule: String = id_of("rules"),
        /// Total processing performance, at least.
        tpp_min: Option<f64> = optional(number("TPP", 0.0, 1e9)),
        /// Total processing performance, below.
        tpp_below: Option<f64> = optional(number("TPP", 0.0, 1e9)),
        /// Performance density, at least.
        performance_density_min: Option<f64> = optional(number("TPP/mm²", 0.0, 1e6)),
        /// Performance density, below.
        performance_density_below: Option<f64> = optional(number("TPP/mm²", 0.0, 1e6)),
        /// Interconnect, at least.
        interconnect_min_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e7)),
        /// Interconnect, below.
        interconnect_below_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e7)),
        /// Memory bandwidth, at least.
        memory_bandwidth_min_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e8)),
        /// Memory bandwidth, below.
        memory_bandwidth_below_gbps: Option<f64> = optional(number("GB/s", 0.0, 1e8)),
        /// Covers only chips that are (true) or are not (false) marketed for data centres; empty: both.
        marketed_for_datacentre: Option<bool> = optional(flag()),
    }
}

/// One bound of a clause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The attribute.
    pub attribute: Attribute,
    /// The threshold.
    pub threshold: f64,
    /// True: at least the threshold. False: below it.
    pub at_least: bool,
}

/// Bounds that a controlled chip meets, all of them.
#[derive(Clone, Debug, Default)]
pub struct Clause {
    /// Id of the row.
    pub id: String,
    /// Bounds.
    pub bounds: Vec<Bound>,
    /// Whether the chip must (not) be marketed for data centres.
    pub marketed_for_datacentre: Option<bool>,
}

/// Whether a chip is controlled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Some bound of every clause is not met.
    Free,
    /// A clause could be met, but an attribute that it needs is not published.
    Undetermined(Attribute),
    /// All bounds of a clause are met.
    Controlled,
}

impl Clause {
    /// Whether `sku` meets this clause.
    #[must_use]
    pub fn verdict(&self, sku: &Sku) -> Verdict {
        if self.marketed_for_datacentre.is_some_and(|m| m != sku.row.marketed_for_datacentre) {
            return Verdict::Free;
        }
        let mut missing = None;
        for bound in &self.bounds {
            match sku.attribute(bound.attribute) {
                None => missing = missing.or(Some(bound.attribute)),
                Some(x) if (x >= bound.threshold) == bound.at_least => {}
                Some(_) => return Verdict::Free,
            }
        }
        missing.map_or(Verdict::Controlled, Verdict::Undetermined)
    }
}

/// A rule of the run.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Dense id; rules that a moving stance issues come after the table's.
    pub id: RuleId,
    /// What the table says.
    pub row: RuleRow,
    /// Who issued it.
    pub issuer: RegulatorId,
    /// Clauses (chip exports, tariffs, guidance); none: every chip.
    pub clauses: Vec<Clause>,
    /// Destination covered, `[country]`.
    pub destinations: Vec<bool>,
    /// Headquarters covered, `[country]`.
    pub headquarters: Vec<bool>,
    /// Named firms; empty: all.
    pub firms: Vec<FirmId>,
    /// Rules that this one replaces.
    pub replaces: Vec<RuleId>,
    /// Announced by now.
    pub announced: bool,
    /// In force now.
    pub in_force: bool,
    /// The announcement in the event log.
    pub event: Option<EventId>,
}

impl Rule {
    /// Whether `sku` is controlled by this rule: any clause met; with no clauses, every chip.
    #[must_use]
    pub fn verdict(&self, sku: &Sku) -> Verdict {
        if self.clauses.is_empty() {
            return Verdict::Controlled;
        }
        let mut verdict = Verdict::Free;
        for clause in &self.clauses {
            match clause.verdict(sku) {
                Verdict::Controlled => return Verdict::Controlled,
                Verdict::Undetermined(a) if verdict == Verdict::Free => {
                    verdict = Verdict::Undetermined(a);
                }
                _ => {}
            }
        }
        verdict
    }

    /// Whether this rule covers a firm of `headquarters` that takes delivery in `destination`.
    #[must_use]
    pub fn covers(&self, firm: FirmId, headquarters: CountryId, destination: CountryId) -> bool {
        (self.firms.is_empty() || self.firms.contains(&firm))
            && (self.destinations[destination.index()] || self.headquarters[headquarters.index()])
    }
}

/// Every rule of the run. Written by `policy`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Rulebook {
    /// Rules by [`RuleId`].
    pub rules: Vec<Rule>,
    /// Verdicts, `[rule][sku]`; `policy` and `design` keep it in step with both lists.
    pub verdicts: Vec<Vec<Verdict>>,
    /// Whether each regime has begun: some rule of it has been announced, `[regime]`.
    pub regime_begun: Vec<bool>,
}

impl Rulebook {
    /// The strictest rule in force of `kind` on `sku` for a delivery, if any. An
    /// undetermined chip counts as controlled.
    #[must_use]
    pub fn strictest(
        &self,
        kind: RuleKind,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> Option<&Rule> {
        let mut found: Option<&Rule> = None;
        for rule in &self.rules {
            if rule.in_force
                && rule.row.kind == kind
                && self.verdicts[rule.id.index()][sku.index()] != Verdict::Free
                && rule.covers(firm, headquarters, destination)
                && !self.replaced(rule.id, sku, firm, headquarters, destination)
                && found.is_none_or(|f| rule.row.treatment > f.row.treatment)
            {
                found = Some(rule);
            }
        }
        found
    }

    /// Whether another rule in force replaces `rule` for this delivery.
    fn replaced(
        &self,
        rule: RuleId,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        self.rules.iter().any(|other| {
            other.in_force
                && other.replaces.contains(&rule)
                && self.verdicts[other.id.index()][sku.index()] != Verdict::Free
                && other.covers(firm, headquarters, destination)
        })
    }
}
