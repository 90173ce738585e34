//! The tables of rules and of their clauses.

use crate::calendar::Month;
use crate::entities::regulator::RegimeRow;
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
        /// Destination countries; empty together with blocs, tiers and headquarters: everywhere.
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
        /// Cap for each SKU, as a share of what of it has shipped without a licence.
        cap_home_share: Option<f64> = optional(share()),
        /// Share of revenue due to the issuer's treasury.
        revenue_share: f64 = share(),
        /// Duty on the landed price.
        duty: f64 = share(),
        /// Strength: share of equipment, memory, foundry work, materials, tools or remote access withheld;
        /// share that import guidance lets in while domestic supply is nil; share of grey trade that a
        /// chip rule itself stops.
        strength: f64 = share(),
        /// Conditions on a licence, in words.
        conditions: Option<String> = optional(text()),
        /// Log-odds of approval at stance 0 and at the threshold; empty: those of the treatment.
        odds: Option<f64> = optional(number("logit", -20.0, 20.0)),
        /// Extra months that reviews take while the rule is in force (licensing freezes).
        review_months_added: i64 = whole("month", 0, 60),
        /// Whether sales of a vendor in its own country are governed too (worlds turned round); empty: no.
        domestic: Option<bool> = optional(flag()),
        /// Where it was read.
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

/// Which rows of `rules` exist: enabled, in an active regime, and not caused by one that does
/// not exist (rules that cause each other in a circle do not).
#[must_use]
pub fn existing(rules: &[RuleRow], regimes: &[RegimeRow]) -> Vec<bool> {
    let mut exists = vec![false; rules.len()];
    loop {
        let mut changed = false;
        for (i, rule) in rules.iter().enumerate() {
            let active = regimes.iter().any(|r| r.id == rule.regime && r.active);
            let caused = rule.caused_by.as_ref().is_none_or(|cause| {
                rules.iter().zip(&exists).any(|(other, exists)| *exists && other.id == *cause)
            });
            if !exists[i] && rule.enabled && active && caused {
                exists[i] = true;
                changed = true;
            }
        }
        if !changed {
            return exists;
        }
    }
}
