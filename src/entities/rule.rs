//! Rules: what they cover, and the engine that tells whether a chip is controlled.
//!
//! A chip meets a **clause** when it meets *all* of the clause's bounds; it is
//! controlled by a rule when it meets *any* of its clauses. Minima mean "at
//! least", ceilings "below". Where a bound's attribute is unpublished the answer
//! is [`Verdict::Undetermined`], never "free"; a bound that already fails settles the
//! clause whatever else is missing. Of the rules in force, the strictest counts
//! unless a rule names the one that it replaces; a rule milder than the one it
//! replaces must be *determined* to cover the chip, or it would free what is unknown.
//!
//! A sale at home is no export, and a vendor of a covered country answers to its
//! own state: neither is governed, unless a rule says so (`domestic`). An entity
//! listing governs exports of every chip to the firms that it names and foundry
//! work for the vendors that it names.

use bevy_ecs::prelude::Resource;

use super::chip::{Attribute, Catalogue, Sku};
use super::chronicle::EventId;
use super::country::CountryRow;
use super::firm::FirmRow;
use super::regulator::{RegimeRow, RegulatorRow};
use super::vendor::VendorRow;
use super::{CountryId, FirmId, RegimeId, RegulatorId, RuleId, SkuId, VendorId};
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
    /// The clause of a table row.
    #[must_use]
    pub fn from_row(row: &ClauseRow) -> Self {
        let bounds = [
            (Attribute::Tpp, row.tpp_min, true),
            (Attribute::Tpp, row.tpp_below, false),
            (Attribute::PerformanceDensity, row.performance_density_min, true),
            (Attribute::PerformanceDensity, row.performance_density_below, false),
            (Attribute::Interconnect, row.interconnect_min_gbps, true),
            (Attribute::Interconnect, row.interconnect_below_gbps, false),
            (Attribute::MemoryBandwidth, row.memory_bandwidth_min_gbps, true),
            (Attribute::MemoryBandwidth, row.memory_bandwidth_below_gbps, false),
        ];
        Self {
            id: row.id.clone(),
            bounds: bounds
                .into_iter()
                .filter_map(|(attribute, threshold, at_least)| {
                    threshold.map(|threshold| Bound { attribute, threshold, at_least })
                })
                .collect(),
            marketed_for_datacentre: row.marketed_for_datacentre,
        }
    }

    /// The same clause with every threshold multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut clause = self.clone();
        for bound in &mut clause.bounds {
            bound.threshold *= factor;
        }
        clause
    }

    /// The minimum on `attribute`, if the clause has one.
    #[must_use]
    pub fn minimum(&self, attribute: Attribute) -> Option<f64> {
        self.bounds.iter().find(|b| b.at_least && b.attribute == attribute).map(|b| b.threshold)
    }

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
#[expect(clippy::struct_excessive_bools, reason = "four independent yes-or-no facts of a rule")]
#[derive(Clone, Debug)]
pub struct Rule {
    /// Dense id; rules that a moving stance issues come after the table's.
    pub id: RuleId,
    /// What the table says.
    pub row: RuleRow,
    /// Who issued it.
    pub issuer: RegulatorId,
    /// The regime it belongs to.
    pub regime: RegimeId,
    /// The rule without which this one would not exist.
    pub caused_by: Option<RuleId>,
    /// Clauses (chip exports, tariffs, guidance); none: every chip.
    pub clauses: Vec<Clause>,
    /// Destination covered, `[country]`.
    pub destinations: Vec<bool>,
    /// Whether the rule names no destination and no headquarters, and so covers all.
    pub everywhere: bool,
    /// Headquarters covered, `[country]`.
    pub headquarters: Vec<bool>,
    /// Named firms; empty: all.
    pub firms: Vec<FirmId>,
    /// Named vendors; empty: all.
    pub vendors: Vec<VendorId>,
    /// Rules that this one replaces.
    pub replaces: Vec<RuleId>,
    /// Whether the rule exists in this world: enabled, its regime active, its cause existing.
    pub exists: bool,
    /// Announced by now.
    pub announced: bool,
    /// In force now.
    pub in_force: bool,
    /// The announcement in the event log.
    pub event: Option<EventId>,
}

impl Rule {
    /// Whether `sku` is controlled by this rule: any clause met; with no clauses, every chip
    /// (of the named vendors, if any are named; a listing's vendors are designers, not sellers).
    #[must_use]
    pub fn verdict(&self, sku: &Sku) -> Verdict {
        if self.row.kind != RuleKind::EntityListing
            && !self.vendors.is_empty()
            && !self.vendors.contains(&sku.vendor)
        {
            return Verdict::Free;
        }
        if self.clauses.is_empty() {
            return Verdict::Controlled;
        }
        any_clause(&self.clauses, sku)
    }

    /// Whether this rule covers a firm of `headquarters` that takes delivery in `destination`.
    #[must_use]
    pub fn covers(&self, firm: FirmId, headquarters: CountryId, destination: CountryId) -> bool {
        (self.firms.is_empty() || self.firms.contains(&firm))
            && self.covers_lane(headquarters, destination)
    }

    /// The same for a firm that no rule names.
    #[must_use]
    pub fn covers_lane(&self, headquarters: CountryId, destination: CountryId) -> bool {
        self.destinations.get(destination.index()).copied().unwrap_or(false)
            || self.headquarters.get(headquarters.index()).copied().unwrap_or(false)
    }

    /// Whether the rule has been announced and has not ended by `now`.
    #[must_use]
    pub fn is_live(&self, now: Month) -> bool {
        self.exists && self.announced && self.row.until.is_none_or(|until| now < until)
    }

    /// Whether a sale by a vendor of `home` into `destination` is outside this rule: a sale at
    /// home, or a vendor of a covered country.
    #[must_use]
    pub fn exempts(&self, home: CountryId, destination: CountryId) -> bool {
        self.row.domestic != Some(true)
            && (home == destination || (!self.everywhere && self.covers_lane(home, home)))
    }
}

/// Whether `sku` meets any of `clauses`.
#[must_use]
pub fn any_clause(clauses: &[Clause], sku: &Sku) -> Verdict {
    let mut verdict = Verdict::Free;
    for clause in clauses {
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

/// The tables that rules refer to, each sorted by id.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Countries.
    pub countries: &'a [CountryRow],
    /// Firms.
    pub firms: &'a [FirmRow],
    /// Vendors.
    pub vendors: &'a [VendorRow],
    /// Regulators.
    pub regulators: &'a [RegulatorRow],
    /// Regimes.
    pub regimes: &'a [RegimeRow],
}

/// The kinds that [`Lanes`] sorts out ahead.
const LANE_KINDS: [RuleKind; 4] =
    [RuleKind::ChipExport, RuleKind::ImportGuidance, RuleKind::Tariff, RuleKind::EntityListing];

/// For each of the kinds, headquarters and destination: the rules in force that cover it,
/// strictest first; and for each rule those in force that replace it. Rebuilt when a rule
/// changes; most lanes are empty.
#[derive(Clone, Debug, Default)]
struct Lanes {
    countries: usize,
    /// Where a lane begins and ends in `rules`; lanes that are alike share a place there.
    places: Vec<(u32, u32)>,
    rules: Vec<RuleId>,
    /// Where those that replace a rule begin in `replacers`, `[rule]`.
    replaced: Vec<u32>,
    replacers: Vec<RuleId>,
    /// Import guidance in force that names firms, in the order of ids; none: not sorted out.
    guiding: Option<Vec<RuleId>>,
    /// Firms that a rule in force names ([`Rulebook::names`]), sorted; none: not sorted out.
    named: Option<Vec<FirmId>>,
}

impl Lanes {
    fn of(
        &self,
        kind: RuleKind,
        headquarters: CountryId,
        destination: CountryId,
    ) -> Option<&[RuleId]> {
        let kind = LANE_KINDS.iter().position(|k| *k == kind)?;
        let lane =
            (kind * self.countries + headquarters.index()) * self.countries + destination.index();
        let (from, to) = *self.places.get(lane)?;
        self.rules.get(from as usize..to as usize)
    }

    /// The rules in force that replace `rule`; none: not sorted out.
    fn replacers_of(&self, rule: RuleId) -> Option<&[RuleId]> {
        let at = rule.index();
        let (from, to) = (*self.replaced.get(at)?, *self.replaced.get(at + 1)?);
        self.replacers.get(from as usize..to as usize)
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
    /// Whether each regime exists in this world, `[regime]`.
    pub regime_active: Vec<bool>,
    /// Country of each SKU's vendor, `[sku]`; sales at home are no exports.
    pub sku_home: Vec<CountryId>,
    /// Chance that an application under a rule is approved now, `[rule][sku]`; 1 where no
    /// officer decides. Written by `licensing`; buyers read it as 1 − risk of denial.
    pub approval: Vec<Vec<f64>>,
    /// Units that annual caps still leave, `[rule]`; `i64::MAX` where there is none, 0 also where a cap
    /// in performance or of some buyer is used up. Written by `licensing`.
    pub cap_left: Vec<i64>,
    /// Whether the rule catches any chip launched by now, `[rule]`. Written by `policy`.
    pub catches: Vec<bool>,
    /// Rises by one whenever a rule is announced, comes into force, ends or is added, or a SKU is added.
    pub revision: u64,
    lanes: Lanes,
}

impl Rulebook {
    /// The rules of a world. Ids that a table does not hold are left out: the loader refuses them.
    #[must_use]
    pub fn compile(
        rules: &[RuleRow],
        clauses: &[ClauseRow],
        names: &Names,
        catalogue: &Catalogue,
    ) -> Self {
        let exists = existing(rules, names.regimes);
        let place = |id: &str| rules.iter().position(|r| r.id == id).map(RuleId::at);
        let firm = |id: &String| names.firms.iter().position(|f| f.id == *id).map(FirmId::at);
        let vendor = |id: &String| names.vendors.iter().position(|v| v.id == *id).map(VendorId::at);
        let mut book = Self {
            regime_begun: vec![false; names.regimes.len()],
            regime_active: names.regimes.iter().map(|r| r.active).collect(),
            ..Self::default()
        };
        for sku in &catalogue.skus {
            let home = names.vendors.get(sku.vendor.index()).map(|v| v.home.as_str());
            let at = names.countries.iter().position(|c| Some(c.id.as_str()) == home);
            book.sku_home.push(CountryId::at(at.unwrap_or(usize::from(u16::MAX))));
        }
        for (row, exists) in rules.iter().zip(exists) {
            let named = |c: &CountryRow| {
                row.countries.contains(&c.id)
                    || row.blocs.iter().any(|b| b == c.bloc.word())
                    || row.tiers.iter().any(|t| t.parse() == Ok(c.tier))
            };
            let everywhere = row.countries.is_empty()
                && row.blocs.is_empty()
                && row.tiers.is_empty()
                && row.headquarters.is_empty();
            let rule = Rule {
                id: RuleId::at(book.rules.len()),
                issuer: RegulatorId::at(
                    names.regulators.iter().position(|r| r.id == row.issuer).unwrap_or_default(),
                ),
                regime: RegimeId::at(
                    names.regimes.iter().position(|r| r.id == row.regime).unwrap_or_default(),
                ),
                caused_by: row.caused_by.as_deref().and_then(place),
                clauses: clauses
                    .iter()
                    .filter(|c| c.rule == row.id)
                    .map(Clause::from_row)
                    .collect(),
                destinations: names.countries.iter().map(|c| everywhere || named(c)).collect(),
                everywhere,
                headquarters: names
                    .countries
                    .iter()
                    .map(|c| row.headquarters.contains(&c.id))
                    .collect(),
                firms: row.firms.iter().filter_map(firm).collect(),
                vendors: row.vendors.iter().filter_map(vendor).collect(),
                replaces: row.replaces.iter().filter_map(|id| place(id)).collect(),
                exists,
                announced: false,
                in_force: false,
                event: None,
                row: row.clone(),
            };
            book.add_rule(rule, catalogue);
        }
        book
    }

    /// Adds a rule at the end; its id must be the number of rules so far.
    pub fn add_rule(&mut self, rule: Rule, catalogue: &Catalogue) {
        self.verdicts.push(catalogue.skus.iter().map(|sku| rule.verdict(sku)).collect());
        self.approval.push(vec![1.0; catalogue.skus.len()]);
        self.cap_left.push(i64::MAX);
        self.catches.push(false);
        let month = rule.row.announced;
        self.rules.push(rule);
        let last = self.rules.len() - 1;
        self.catches[last] = self.catches_by(last, catalogue, month);
        self.revision += 1;
    }

    /// Whether rule `at` catches a chip that is launched by `month`: one that catches none is no
    /// sign of anything.
    #[must_use]
    pub fn catches_by(&self, at: usize, catalogue: &Catalogue, month: Month) -> bool {
        let verdicts = self.verdicts[at].iter();
        verdicts
            .zip(&catalogue.skus)
            .any(|(verdict, sku)| *verdict != Verdict::Free && sku.row.launch <= month)
    }

    /// Whether a rule on chips keeps any away: one that catches some, and under a cap only
    /// once the cap is used up.
    #[must_use]
    pub fn keeps_away(&self, rule: &Rule) -> bool {
        let at = rule.id.index();
        self.catches[at] && (rule.row.treatment != Treatment::Quota || self.cap_left[at] <= 0)
    }

    /// Room for one more SKU, at the end, sold by a vendor of `home`.
    pub fn add_sku(&mut self, sku: &Sku, home: CountryId) {
        for (rule, verdicts) in self.rules.iter().zip(&mut self.verdicts) {
            verdicts.push(rule.verdict(sku));
        }
        for approval in &mut self.approval {
            approval.push(1.0);
        }
        self.sku_home.push(home);
        self.revision += 1;
    }

    /// The rule of this id in the table or in the run.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.row.id == id)
    }

    /// Whether the buyer's own state waves this chip through for a firm that it guides otherwise: import
    /// guidance in force at home that names the firm and allows what its clauses cover.
    #[must_use]
    pub fn waved_through(&self, sku: SkuId, firm: FirmId, home: CountryId) -> bool {
        self.guiding(firm, home).any(|rule| {
            rule.row.treatment == Treatment::Allow
                && self.verdicts[rule.id.index()].get(sku.index()) == Some(&Verdict::Controlled)
        })
    }

    /// Share of its imports of this chip that import guidance in force which names the firm lets in: the least of what each such
    /// rule says, 0 where it denies, 1 where none names it.
    #[must_use]
    pub fn let_in(&self, sku: SkuId, firm: FirmId, home: CountryId) -> f64 {
        let caught = |rule: &Rule| {
            let verdict = self.verdicts[rule.id.index()].get(sku.index());
            verdict.is_some_and(|verdict| *verdict != Verdict::Free)
        };
        self.guiding(firm, home)
            .filter(|rule| rule.row.treatment != Treatment::Allow && caught(rule))
            .map(|rule| if rule.row.treatment == Treatment::Deny { 0.0 } else { rule.row.strength })
            .fold(1.0, f64::min)
    }

    /// Import guidance in force at `home` that names `firm`, in the order of ids.
    fn guiding(&self, firm: FirmId, home: CountryId) -> impl Iterator<Item = &Rule> {
        let (listed, all) = match &self.lanes.guiding {
            Some(ids) => (ids.as_slice(), &[][..]),
            None => (&[][..], self.rules.as_slice()),
        };
        let listed = listed.iter().map(|id| &self.rules[id.index()]);
        listed
            .chain(all.iter().filter(|rule| guides(rule)))
            .filter(move |rule| rule.firms.contains(&firm) && rule.covers_lane(home, home))
    }

    /// Sorts the rules in force by whom they cover; to be called after any of them changed.
    pub fn sort_lanes(&mut self, countries: usize) {
        let mut lanes = Lanes { countries, ..Lanes::default() };
        let mut covered: Vec<(RuleId, bool, &[bool])> = Vec::new();
        for kind in LANE_KINDS {
            let mut in_force: Vec<&Rule> = self
                .rules
                .iter()
                .filter(|r| r.in_force && r.row.treatment != Treatment::Allow && answers(r, kind))
                .collect();
            in_force.sort_by(|a, b| b.row.treatment.cmp(&a.row.treatment).then(a.id.cmp(&b.id)));
            // Most headquarters are covered alike.
            let of_kind = lanes.places.len();
            for at in 0..countries {
                let headquarters = CountryId::at(at);
                let covers = |rule: &&Rule, at: usize| rule.headquarters.get(at).copied();
                let alike = (0..at).find(|other| {
                    in_force.iter().all(|rule| covers(rule, *other) == covers(rule, at))
                });
                if let Some(alike) = alike {
                    let from = of_kind + alike * countries;
                    lanes.places.extend_from_within(from..from + countries);
                    continue;
                }
                // Covered wherever they take delivery, or only in some places.
                covered.clear();
                covered.extend(in_force.iter().map(|rule| {
                    let all = rule.headquarters.get(headquarters.index()).is_some_and(|of| *of);
                    (rule.id, all, rule.destinations.as_slice())
                }));
                for destination in 0..countries {
                    let here = covered.iter().filter(|(_, all, to)| {
                        *all || to.get(destination).is_some_and(|covered| *covered)
                    });
                    let from = lanes.rules.len() as u32;
                    lanes.rules.extend(here.map(|(id, ..)| *id));
                    lanes.places.push((from, lanes.rules.len() as u32));
                }
            }
        }
        lanes.replaced.push(0);
        for rule in &self.rules {
            let others = self.rules.iter().filter(|o| o.in_force && o.replaces.contains(&rule.id));
            lanes.replacers.extend(others.map(|other| other.id));
            lanes.replaced.push(lanes.replacers.len() as u32);
        }
        lanes.guiding = Some(self.rules.iter().filter(|r| guides(r)).map(|r| r.id).collect());
        let mut named: Vec<FirmId> =
            self.rules.iter().filter(|r| singles_out(r)).flat_map(|r| &r.firms).copied().collect();
        named.sort_unstable();
        named.dedup();
        lanes.named = Some(named);
        self.lanes = lanes;
    }

    /// The strictest rule in force of `kind` on `sku` for a delivery, if any. An
    /// undetermined chip counts as controlled. Rules that allow everything never show: they
    /// only take away what they replace.
    #[must_use]
    pub fn strictest(
        &self,
        kind: RuleKind,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> Option<&Rule> {
        let governs = |rule: &Rule| self.governs(rule, sku, firm, headquarters, destination);
        if let Some(lane) = self.lanes.of(kind, headquarters, destination) {
            // What a lane holds is in force and covers it; most rules do not catch the chip.
            let catching = |id: &&RuleId| self.verdicts[id.index()][sku.index()] != Verdict::Free;
            return lane.iter().filter(catching).map(|id| &self.rules[id.index()]).find(|rule| {
                (rule.firms.is_empty() || rule.firms.contains(&firm))
                    && self.reaches(rule, sku, firm, headquarters, destination)
            });
        }
        let mut found: Option<&Rule> = None;
        for rule in &self.rules {
            if answers(rule, kind)
                && found.is_none_or(|f| rule.row.treatment > f.row.treatment)
                && governs(rule)
            {
                found = Some(rule);
            }
        }
        found
    }

    /// Whether `rule` is in force and governs a delivery, whichever others do.
    fn governs(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        rule.in_force
            && rule.row.treatment != Treatment::Allow
            && self.verdicts[rule.id.index()][sku.index()] != Verdict::Free
            && rule.covers(firm, headquarters, destination)
            && self.reaches(rule, sku, firm, headquarters, destination)
    }

    /// Whether nothing takes a delivery that `rule` covers out of its reach: no exemption, no rule that
    /// replaces it.
    fn reaches(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        self.sku_home.get(sku.index()).is_none_or(|h| !rule.exempts(*h, destination))
            && !self.replaced(rule, sku, firm, headquarters, destination)
    }

    /// Whether some rule on chips asks for notice of a delivery; a quota on top of it, being stricter,
    /// governs, and does not do away with the notice.
    #[must_use]
    pub fn asks_notice(
        &self,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        self.rules.iter().any(|rule| {
            rule.row.treatment == Treatment::Notify
                && answers(rule, RuleKind::ChipExport)
                && self.governs(rule, sku, firm, headquarters, destination)
        })
    }

    /// Whether another rule in force replaces `rule` for this delivery.
    fn replaced(
        &self,
        rule: &Rule,
        sku: SkuId,
        firm: FirmId,
        headquarters: CountryId,
        destination: CountryId,
    ) -> bool {
        let replaces = |other: &Rule| {
            other.in_force
                && match self.verdicts[other.id.index()][sku.index()] {
                    Verdict::Free => false,
                    Verdict::Controlled => true,
                    Verdict::Undetermined(_) => other.row.treatment >= rule.row.treatment,
                }
                && other.covers(firm, headquarters, destination)
        };
        match self.lanes.replacers_of(rule.id) {
            Some(others) => others.iter().any(|other| replaces(&self.rules[other.index()])),
            None => self.rules.iter().any(|o| o.replaces.contains(&rule.id) && replaces(o)),
        }
    }

    /// Whether a rule in force that can bear on a sale names `firm`; firms of one country that none
    /// names meet the same rules.
    #[must_use]
    pub fn names(&self, firm: FirmId) -> bool {
        match &self.lanes.named {
            Some(firms) => firms.binary_search(&firm).is_ok(),
            None => self.rules.iter().any(|rule| singles_out(rule) && rule.firms.contains(&firm)),
        }
    }
}

/// Whether `rule` is in force and tells firms that it names from others.
fn singles_out(rule: &Rule) -> bool {
    rule.in_force && (rule.row.kind != RuleKind::ImportGuidance || !rule.replaces.is_empty())
}

/// Whether `rule` is import guidance in force that names firms.
fn guides(rule: &Rule) -> bool {
    rule.in_force && rule.row.kind == RuleKind::ImportGuidance && !rule.firms.is_empty()
}

/// Whether `rule` answers a question about `kind`: a listing that names firms answers for chip exports.
fn answers(rule: &Rule, kind: RuleKind) -> bool {
    rule.row.kind == kind
        || (kind == RuleKind::ChipExport
            && rule.row.kind == RuleKind::EntityListing
            && !rule.firms.is_empty())
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! Rules and chips for tests: two countries (0 `usa`, 1 `chn`), a vendor of each.

    use proptest::prelude::*;

    use super::*;
    use crate::entities::DieId;
    use crate::entities::chip::{ChipRow, Origin};

    /// Countries and firms of generated books.
    pub(crate) const COUNTRIES: usize = 3;
    pub(crate) const FIRMS: usize = 4;

    /// Books of a few rules of every kind that bears on sales, on four chips of vendors at home in
    /// country 0, 0, 1 and 2; not sorted into lanes.
    pub(crate) fn books() -> impl Strategy<Value = (Rulebook, Catalogue)> {
        let of_rule = (
            (0..LANE_KINDS.len(), 0..Treatment::WORDS.len(), any::<bool>(), any::<bool>()),
            any::<(u8, u8, u8, u8)>(),
            proptest::option::of(0.0..20_000.0),
        );
        proptest::collection::vec(of_rule, 0..9).prop_map(|rules| {
            let tpp = [Some(15_832.0), Some(2_000.0), None, Some(8_000.0)];
            let chips = ["a", "b", "c", "d"].into_iter().zip(tpp);
            let catalogue =
                catalogue(chips.map(|(id, tpp)| chip(id, [tpp, None, None, None])).collect());
            let bits = |byte: u8, n: usize| (0..n).map(move |i| byte >> i & 1 == 1);
            let set = |byte: u8, n: usize| (0..n).filter(move |i| byte >> i & 1 == 1);
            let rules = rules.into_iter().enumerate().map(|(at, rule_of)| {
                let ((kind, treatment, in_force, domestic), (to, of, firms, replaces), tpp) =
                    rule_of;
                let treatment = Treatment::from_word(Treatment::WORDS[treatment]);
                let mut row = row(&format!("rule-{at}"), treatment.expect("a treatment"));
                row.kind = LANE_KINDS[kind];
                row.domestic = domestic.then_some(true);
                row.duty = f64::from(to) / 256.0;
                let clauses = tpp.map(|tpp| minima([Some(tpp), None, None, None]));
                let mut rule = super::fixtures::rule(at, row, clauses.into_iter().collect());
                rule.in_force = in_force;
                rule.destinations = bits(to, COUNTRIES).collect();
                rule.headquarters = bits(of, COUNTRIES).collect();
                // Most rules name no firm and replace none.
                rule.firms = set(firms & firms >> 4, FIRMS).map(FirmId::at).collect();
                rule.replaces =
                    set(replaces & replaces >> 4, 8).filter(|r| *r != at).map(RuleId::at).collect();
                rule
            });
            let mut book = book(rules.collect(), &catalogue);
            book.sku_home = [0, 0, 1, 2].map(CountryId).to_vec();
            (book, catalogue)
        })
    }

    /// A row of any table with every cell missing, empty, first or least.
    pub(crate) fn blank<R: crate::schema::Row>(id: &str) -> R {
        use crate::schema::{Kind, Value};
        let values: Vec<Value> = R::COLUMNS
            .iter()
            .map(|column| match column.kind {
                _ if column.optional => Value::Missing,
                Kind::Text | Kind::Id(_) => Value::Text(String::new()),
                Kind::Number { low, .. } => Value::Number(low.max(0.0)),
                Kind::Whole { low, .. } => Value::Whole(low.max(0)),
                Kind::Flag => Value::Flag(false),
                Kind::Month => Value::Month(Month::new(2022, 1)),
                Kind::Choice(words) => Value::Text(words[0].to_owned()),
                Kind::Ids(_) | Kind::Words => Value::List(Vec::new()),
            })
            .collect();
        R::build(id.to_owned(), &mut values.into_iter())
    }

    /// A rule row of `issuer` 0, in force from 2022-10 on.
    pub(crate) fn row(id: &str, treatment: Treatment) -> RuleRow {
        RuleRow {
            id: id.to_owned(),
            name: id.to_owned(),
            issuer: "us-bis".to_owned(),
            kind: RuleKind::ChipExport,
            enabled: true,
            announced: Month::new(2022, 10),
            from: Month::new(2022, 10),
            until: None,
            regime: "controls".to_owned(),
            caused_by: None,
            replaces: Vec::new(),
            countries: Vec::new(),
            blocs: Vec::new(),
            tiers: Vec::new(),
            headquarters: Vec::new(),
            firms: Vec::new(),
            vendors: Vec::new(),
            treatment,
            cap_units: None,
            cap_tpp: None,
            cap_units_buyer: None,
            cap_home_share: None,
            revenue_share: 0.0,
            duty: 0.0,
            strength: 0.0,
            conditions: None,
            odds: None,
            review_months_added: 0,
            domestic: None,
            source: "test".to_owned(),
        }
    }

    /// A clause of minima: TPP, density, interconnect, bandwidth.
    pub(crate) fn minima(of: [Option<f64>; 4]) -> Clause {
        let attributes = [
            Attribute::Tpp,
            Attribute::PerformanceDensity,
            Attribute::Interconnect,
            Attribute::MemoryBandwidth,
        ];
        Clause {
            id: String::new(),
            bounds: attributes
                .into_iter()
                .zip(of)
                .filter_map(|(attribute, x)| {
                    x.map(|threshold| Bound { attribute, threshold, at_least: true })
                })
                .collect(),
            marketed_for_datacentre: None,
        }
    }

    /// A rule on deliveries to country 1.
    pub(crate) fn rule(at: usize, row: RuleRow, clauses: Vec<Clause>) -> Rule {
        Rule {
            id: RuleId::at(at),
            issuer: RegulatorId(0),
            regime: RegimeId(0),
            caused_by: None,
            clauses,
            destinations: vec![false, true],
            everywhere: false,
            headquarters: vec![false, false],
            firms: Vec::new(),
            vendors: Vec::new(),
            replaces: Vec::new(),
            exists: true,
            announced: false,
            in_force: false,
            event: None,
            row,
        }
    }

    /// A chip of vendor 0 with these attributes.
    pub(crate) fn chip(id: &str, of: [Option<f64>; 4]) -> Sku {
        let row = ChipRow {
            id: id.to_owned(),
            name: id.to_owned(),
            vendor: "nvidia".to_owned(),
            launch: Month::new(2022, 1),
            end: None,
            tflops_16bit: 989.5,
            tops_8bit: 1979.0,
            tpp: of[0],
            performance_density: of[1],
            interconnect_gbps: of[2],
            memory_bandwidth_gbps: of[3],
            hbm_gb: 80.0,
            tdp_w: 700.0,
            die: "gh100".to_owned(),
            dies_per_chip: 1,
            packages_per_wafer: 25.0,
            price_usd: 30_000.0,
            unit_cost_usd: 5_000.0,
            marketed_for_datacentre: true,
            origin: Origin::Roadmap,
            parent: None,
            caused_by: None,
            board_share: None,
            source: "test".to_owned(),
        };
        Sku {
            id: id.to_owned(),
            vendor: VendorId(0),
            die: DieId(0),
            parent: None,
            caused_by: None,
            train_paper: 1.0,
            serve_paper: 1.0,
            work_paper: 1.0,
            price_usd: 30_000.0,
            on_sale: true,
            approved_units_month: 0.0,
            row,
        }
    }

    /// The H100 SXM5.
    pub(crate) fn h100() -> Sku {
        chip("h100", [Some(15_832.0), Some(19.45), Some(900.0), Some(3350.0)])
    }

    /// A catalogue with the H100 as reference.
    pub(crate) fn catalogue(skus: Vec<Sku>) -> Catalogue {
        Catalogue {
            skus,
            dies: Vec::new(),
            reference: (1979.0, 3350.0),
            reference_tflops: 989.5,
            serving_exponent: 0.5,
            mix: (0.5, 1.0),
        }
    }

    /// A book of these rules, vendors at home in country 0, regime active.
    pub(crate) fn book(rules: Vec<Rule>, catalogue: &Catalogue) -> Rulebook {
        let mut book = Rulebook {
            regime_begun: vec![false],
            regime_active: vec![true],
            sku_home: vec![CountryId(0); catalogue.skus.len()],
            ..Rulebook::default()
        };
        for rule in rules {
            book.add_rule(rule, catalogue);
        }
        book
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{
        COUNTRIES, FIRMS, book, books, catalogue, chip, h100, minima, row, rule,
    };
    use super::*;

    proptest::proptest! {
        /// What [`Lanes`] sorts out ahead is what looking at every rule finds.
        #[test]
        fn lanes_change_no_answer((plain, catalogue) in books()) {
            let mut sorted = plain.clone();
            sorted.sort_lanes(COUNTRIES);
            let lanes = (0..COUNTRIES).flat_map(|of| (0..COUNTRIES).map(move |to| (of, to)));
            for firm in (0..FIRMS).map(FirmId::at) {
                proptest::prop_assert_eq!(plain.names(firm), sorted.names(firm));
            }
            for ((of, to), firm) in lanes.flat_map(|lane| (0..FIRMS).map(move |firm| (lane, firm))) {
                let (of, to, firm) = (CountryId::at(of), CountryId::at(to), FirmId::at(firm));
                for (sku, _) in catalogue.iter() {
                    for kind in LANE_KINDS {
                        let ask = |book: &Rulebook| {
                            book.strictest(kind, sku, firm, of, to).map(|rule| rule.id)
                        };
                        proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
                    }
                    let ask = |book: &Rulebook| book.asks_notice(sku, firm, of, to);
                    proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
                    let ask = |book: &Rulebook| {
                        (book.waved_through(sku, firm, of), book.let_in(sku, firm, of).to_bits())
                    };
                    proptest::prop_assert_eq!(ask(&plain), ask(&sorted));
                }
            }
        }
    }

    const USA: CountryId = CountryId(0);
    const CHN: CountryId = CountryId(1);

    fn in_force(mut rule: Rule) -> Rule {
        rule.announced = true;
        rule.in_force = true;
        rule
    }

    #[test]
    fn all_bounds_of_any_clause_control_and_a_missing_one_is_never_free() {
        let october = minima([Some(4800.0), None, Some(600.0), None]);
        assert_eq!(october.verdict(&h100()), Verdict::Controlled);
        let cut = chip("h800", [Some(15_832.0), Some(19.45), Some(400.0), Some(3350.0)]);
        assert_eq!(october.verdict(&cut), Verdict::Free);
        let unknown = chip("x", [None, None, Some(900.0), None]);
        assert_eq!(october.verdict(&unknown), Verdict::Undetermined(Attribute::Tpp));
        // A bound that fails settles it whatever else is missing.
        let slow = chip("y", [None, None, Some(64.0), None]);
        assert_eq!(october.verdict(&slow), Verdict::Free);
    }

    #[test]
    fn the_strictest_counts_unless_it_is_replaced_and_home_is_no_export() {
        let catalogue = catalogue(vec![h100(), chip("x", [None, None, Some(1.0), Some(1.0)])]);
        let deny = minima([Some(4800.0), None, None, None]);
        let strict =
            in_force(rule(0, row("a", Treatment::PresumptionOfDenial), vec![deny.clone()]));
        let mut mild = in_force(rule(1, row("b", Treatment::CaseByCase), vec![deny]));
        let mut book = book(vec![strict.clone(), mild.clone()], &catalogue);
        let ask = |book: &Rulebook, sku, destination| {
            book.strictest(RuleKind::ChipExport, SkuId(sku), FirmId(0), CHN, destination)
                .map(|r| r.row.id.clone())
        };
        assert_eq!(ask(&book, 0, CHN).as_deref(), Some("a"));
        assert_eq!(ask(&book, 0, USA), None, "a delivery in the vendor's country");
        book.sort_lanes(2);
        assert_eq!(ask(&book, 0, CHN).as_deref(), Some("a"));
        mild.replaces = vec![RuleId(0)];
        let mut book = super::fixtures::book(vec![strict, mild], &catalogue);
        assert_eq!(ask(&book, 0, CHN).as_deref(), Some("b"));
        // The milder rule does not free a chip of unknown performance.
        assert_eq!(ask(&book, 1, CHN).as_deref(), Some("a"));
        book.sort_lanes(2);
        assert_eq!(ask(&book, 0, CHN).as_deref(), Some("b"));
        assert_eq!(ask(&book, 1, CHN).as_deref(), Some("a"));
        // A Chinese vendor's chip answers to China.
        book.sku_home[0] = CHN;
        assert_eq!(ask(&book, 0, CHN), None);
    }

    #[test]
    fn a_rule_that_covers_nothing_changes_nothing() {
        let catalogue = catalogue(vec![h100()]);
        let high = minima([Some(1e9), None, None, None]);
        let mut none = in_force(rule(1, row("b", Treatment::Deny), Vec::new()));
        none.destinations = vec![false, false];
        let empty = in_force(rule(0, row("a", Treatment::Deny), vec![high]));
        let book = book(vec![empty, none], &catalogue);
        for (headquarters, destination) in [(USA, USA), (USA, CHN), (CHN, CHN), (CHN, USA)] {
            let found = book.strictest(
                RuleKind::ChipExport,
                SkuId(0),
                FirmId(0),
                headquarters,
                destination,
            );
            assert!(found.is_none());
        }
    }

    #[test]
    fn what_a_missing_rule_caused_is_missing_too() {
        let regimes = [
            RegimeRow {
                id: "controls".into(),
                name: String::new(),
                active: false,
                note: String::new(),
            },
            RegimeRow {
                id: "answers".into(),
                name: String::new(),
                active: true,
                note: String::new(),
            },
        ];
        let cause = row("a", Treatment::Deny);
        let mut answer = row("b", Treatment::Deny);
        answer.regime = "answers".into();
        answer.caused_by = Some("a".into());
        let mut circle = row("c", Treatment::Deny);
        circle.regime = "answers".into();
        circle.caused_by = Some("c".into());
        let rows = [cause, answer, circle];
        assert_eq!(existing(&rows, &regimes), [false, false, false]);
        let mut on = regimes.clone();
        on[0].active = true;
        assert_eq!(existing(&rows, &on), [true, true, false]);
    }
}
