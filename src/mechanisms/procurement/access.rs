//! Which rule governs which delivery, and the risk that it is refused.
//!
//! **Risk of denial**: `1 − (n₀ P₀ + granted) / (n₀ + decided)`; P₀ = a₀ + (1 − a₀) Λ(odds of the strictest
//! rule's treatment − b_h h), granted and decided over the last months' applications from that home country
//! under that rule, n₀ the weight of the prior in applications. Notices and quotas with room let through (P₀ = 1).

use super::ProcurementParameters;
use super::prices::Prices;
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::licence::{LicenceBook, Outcome, Quotas};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::{Clock, CountryId, FirmId, RuleId, SkuId, Switches};
use crate::maths;

/// No rule governs a delivery.
const FREE: u16 = u16::MAX;

/// Which rule governs which delivery, and what applicants have seen of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// State of the rulebook that the table was made from: whether a rule is in force that has a say here, by rule.
    in_force: Vec<bool>,
    /// Those that are, and those of them that name vendors.
    relevant: Vec<RuleId>,
    naming: Vec<RuleId>,
    enforced: bool,
    /// Rules that may govern a delivery of chips.
    governing: Vec<RuleId>,
    /// Whether the row of a SKU has been worked out, `[sku]`.
    known: Vec<bool>,
    /// Countries of delivery of firm i: `pairs[first[i]..first[i + 1]]`, home first.
    first: Vec<usize>,
    pairs: Vec<CountryId>,
    homes: Vec<CountryId>,
    /// Pairs of the sites of firm i, in order: `of_sites[first_site[i]..]`.
    of_sites: Vec<usize>,
    first_site: Vec<usize>,
    /// Firm of each pair, and an earlier pair that meets the same rules, if there is one.
    buyers: Vec<(FirmId, Option<usize>)>,
    /// Strictest export rule, `[sku × pairs + pair]`.
    export: Vec<u16>,
    /// Duty of the strictest tariff, `[sku × pairs + pair]`.
    duty: Vec<f64>,
    /// First pair of firms that no rule names, `[home × countries + country]`.
    shared: Vec<Option<usize>>,
    /// Odds of approval, `[rule × countries + home]`.
    odds: Vec<f64>,
    countries: usize,
    /// Units granted this calendar year, `[rule × firms + firm]`.
    used: Vec<f64>,
    /// The same over all firms, `[rule]`.
    used_all: Vec<f64>,
    /// Performance granted this calendar year, `[rule]`.
    used_tpp: Vec<f64>,
    seen: Vec<(f64, f64)>,
    stances: Vec<f64>,
}

impl Access {
    /// Forgets the table when rules or enforcement have changed since last month, and works out the rows
    /// of SKUs on sale and of their parents: nobody asks for others.
    pub fn refresh<'a, I: Iterator<Item = CountryId>>(
        &mut self,
        enforced: bool,
        rulebook: &Rulebook,
        catalogue: &Catalogue,
        prices: &Prices,
        firms: impl Iterator<Item = (FirmId, CountryId)>,
        sites_of: impl Fn(FirmId) -> I + 'a,
    ) {
        let same = self.enforced == enforced
            && self.in_force.len() == rulebook.rules.len()
            && !self.first.is_empty()
            && self.in_force.iter().zip(&rulebook.rules).all(|(was, rule)| *was == has_a_say(rule));
        if !same {
            self.enforced = enforced;
            self.pair_up(rulebook, prices, firms, sites_of);
        }
        self.known.resize(catalogue.skus.len(), false);
        self.export.resize(catalogue.skus.len() * self.pairs.len(), FREE);
        self.duty.resize(catalogue.skus.len() * self.pairs.len(), 0.0);
        for id in &prices.on_sale {
            for id in [Some(*id), catalogue.sku(*id).parent].into_iter().flatten() {
                if !self.known[id.index()] {
                    self.work_out_row((id, catalogue.sku(id)), rulebook, catalogue, prices);
                    self.known[id.index()] = true;
                }
            }
        }
    }

    /// Works out the row of a SKU.
    fn work_out_row(
        &mut self,
        (id, sku): (SkuId, &Sku),
        rulebook: &Rulebook,
        catalogue: &Catalogue,
        prices: &Prices,
    ) {
        let row = id.index() * self.pairs.len();
        // Chips from one country that every rule in force takes alike, and their vendors too, have one row.
        let alike = prices.on_sale.iter().copied().find(|other| {
            let vendor = catalogue.sku(*other).vendor;
            let as_vendors = |rule: &RuleId| {
                let named = &rulebook.rules[rule.index()].vendors;
                named.contains(&vendor) == named.contains(&sku.vendor)
            };
            let as_chips = |rule: &RuleId| {
                let verdicts = &rulebook.verdicts[rule.index()];
                verdicts[id.index()] == verdicts[other.index()]
            };
            *other != id
                && self.known[other.index()]
                && rulebook.sku_home.get(id.index()) == rulebook.sku_home.get(other.index())
                && self.relevant.iter().all(as_chips)
                && (vendor == sku.vendor || self.naming.iter().all(as_vendors))
        });
        if let Some(alike) = alike {
            let from = alike.index() * self.pairs.len();
            self.export.copy_within(from..from + self.pairs.len(), row);
            self.duty.copy_within(from..from + self.pairs.len(), row);
            return;
        }
        for at in 0..self.pairs.len() {
            let (rule, duty) = match self.buyers[at] {
                (_, Some(like)) => (self.export[row + like], self.duty[row + like]),
                (firm, None) => self.work_out(firm, self.pairs[at], (id, sku), rulebook, prices),
            };
            self.export[row + at] = rule;
            self.duty[row + at] = duty;
        }
    }

    /// Lists who may take delivery where, and forgets what was known of it.
    fn pair_up<'a, I: Iterator<Item = CountryId>>(
        &mut self,
        rulebook: &Rulebook,
        prices: &Prices,
        firms: impl Iterator<Item = (FirmId, CountryId)>,
        sites_of: impl Fn(FirmId) -> I + 'a,
    ) {
        self.known.clear();
        self.in_force.clear();
        self.in_force.extend(rulebook.rules.iter().map(has_a_say));
        self.relevant.clear();
        self.relevant.extend(rulebook.rules.iter().filter(|r| has_a_say(r)).map(|r| r.id));
        self.naming.clear();
        let names_vendors = |id: &&RuleId| !rulebook.rules[id.index()].vendors.is_empty();
        self.naming.extend(self.relevant.iter().filter(names_vendors));
        self.governing.clear();
        self.governing.extend(rulebook.rules.iter().filter_map(|rule| {
            let of_chips = matches!(rule.row.kind, RuleKind::ChipExport | RuleKind::EntityListing);
            (rule.in_force && of_chips).then_some(rule.id)
        }));
        self.countries = prices.countries.len();
        self.first.clear();
        self.pairs.clear();
        self.homes.clear();
        self.buyers.clear();
        self.of_sites.clear();
        self.first_site.clear();
        self.export.clear();
        self.duty.clear();
        self.shared.clear();
        self.shared.resize(self.countries * self.countries, None);
        for (firm, home) in firms {
            let from = self.pairs.len();
            self.first.push(from);
            self.homes.push(home);
            self.pairs.push(home);
            self.first_site.push(self.of_sites.len());
            for country in sites_of(firm) {
                let known = self.pairs[from..].iter().position(|pair| *pair == country);
                self.of_sites.push(from + known.unwrap_or(self.pairs.len() - from));
                if known.is_none() {
                    self.pairs.push(country);
                }
            }
            let named = rulebook.names(firm);
            for at in from..self.pairs.len() {
                let lane = home.index() * self.countries + self.pairs[at].index();
                let like = self.shared[lane].filter(|_| !named);
                if !named && like.is_none() {
                    self.shared[lane] = Some(at);
                }
                self.buyers.push((firm, like));
            }
        }
        self.first.push(self.pairs.len());
    }

    /// The strictest export rule and the duty on a delivery.
    fn work_out(
        &self,
        firm: FirmId,
        country: CountryId,
        (id, sku): (SkuId, &Sku),
        rulebook: &Rulebook,
        prices: &Prices,
    ) -> (u16, f64) {
        let home = self.homes[firm.index()];
        // That a sale at home is no export is for each rule to say.
        let strictest = |kind| {
            self.enforced.then(|| rulebook.strictest(kind, id, firm, home, country)).flatten()
        };
        // Listings of firms answer for chips too. One that names vendors is about what those vendors may
        // have made, and no matter of theirs to sell.
        let rule = strictest(RuleKind::ChipExport).filter(|rule| {
            rule.row.vendors.is_empty()
                || prices
                    .vendor_ids
                    .get(sku.vendor.index())
                    .is_some_and(|id| rule.row.vendors.contains(id))
        });
        let duty = strictest(RuleKind::Tariff).map_or(0.0, |rule| rule.row.duty);
        (rule.map_or(FREE, |rule| rule.id.0), duty)
    }

    /// Works out odds of approval from treatment, stance and recent decisions, and what quotas have left.
    pub fn remember(
        &mut self,
        clock: &Clock,
        p: &ProcurementParameters,
        switches: &Switches,
        rulebook: &Rulebook,
        (licences, quotas): (&LicenceBook, &Quotas),
        stances: impl Iterator<Item = f64>,
    ) {
        let firms = self.homes.len();
        // Only rules that govern are asked about: what stands in the rows of others is old.
        self.seen.resize(rulebook.rules.len() * self.countries, (0.0, 0.0));
        for rule in &self.governing {
            let from = rule.index() * self.countries;
            self.seen[from..from + self.countries].fill((0.0, 0.0));
        }
        self.used.resize(rulebook.rules.len() * firms, 0.0);
        for rule in self.governing.iter().map(|rule| rule.index()) {
            self.used[rule * firms..(rule + 1) * firms].fill(0.0);
        }
        self.used_tpp.clear();
        self.used_tpp.resize(rulebook.rules.len(), 0.0);
        // Nothing decided within memory was filed much earlier: reading stops there.
        let memory = maths::whole(p.approval_memory_months).max(12) as i32;
        for application in licences.applications.iter().rev() {
            if application.filed < clock.now - 2 * memory {
                break;
            }
            let Some(decided) = application.decided else { continue };
            if application.outcome == Outcome::Withdrawn || application.buyer.index() >= firms {
                continue;
            }
            let rule = application.rule.index();
            let home = self.homes[application.buyer.index()];
            if decided < clock.now && clock.now - decided <= memory && application.units > 0 {
                let seen = &mut self.seen[rule * self.countries + home.index()];
                seen.0 += application.granted as f64 / application.units as f64;
                seen.1 += 1.0;
            }
        }
        for ((rule, buyer, year), granted) in &quotas.by_buyer {
            if *year == clock.now.year() && buyer.index() < firms {
                self.used[rule.index() * firms + buyer.index()] = *granted as f64;
            }
        }
        self.used_all.resize(rulebook.rules.len(), 0.0);
        for rule in self.governing.iter().map(|rule| rule.index()) {
            self.used_all[rule] = self.used[rule * firms..(rule + 1) * firms].iter().sum();
        }
        for ((rule, year), (_, tpp)) in &quotas.by_rule {
            if *year == clock.now.year() {
                self.used_tpp[rule.index()] = *tpp;
            }
        }
        self.odds.resize(rulebook.rules.len() * self.countries, 0.0);
        self.stances.clear();
        self.stances.extend(stances);
        for rule in self.governing.iter().map(|rule| &rulebook.rules[rule.index()]) {
            let h = self.stances.get(rule.issuer.index()).copied().unwrap_or(0.0);
            let reviewed = |odds: f64| {
                let odds = maths::logistic(odds - p.approval_stance_slope * h);
                p.approval_floor + (1.0 - p.approval_floor) * odds
            };
            let prior = match rule.row.treatment {
                // Notices and quotas let through; what a quota has left is seen to in `open`.
                Treatment::Allow | Treatment::Notify | Treatment::Quota => 1.0,
                Treatment::Deny => 0.0,
                _ if !switches.licence_queue => 1.0,
                Treatment::CaseByCase => reviewed(rule.row.odds.unwrap_or(p.odds_case_by_case)),
                Treatment::PresumptionOfDenial => {
                    reviewed(rule.row.odds.unwrap_or(p.odds_presumption_of_denial))
                }
            };
            let certain = prior == 0.0 || prior == 1.0;
            let weight = p.approval_prior_applications;
            let row = rule.id.index() * self.countries..(rule.id.index() + 1) * self.countries;
            for (odds, (granted, decided)) in self.odds[row.clone()].iter_mut().zip(&self.seen[row])
            {
                *odds = if certain || weight + decided <= 0.0 {
                    prior
                } else {
                    (weight * prior + granted) / (weight + decided)
                };
            }
        }
    }

    /// Positions of the countries of delivery of a firm; the first is home.
    pub fn pairs_of(&self, firm: FirmId) -> std::ops::Range<usize> {
        self.first[firm.index()]..self.first[firm.index() + 1]
    }

    /// The rule that governs a delivery to pair `at`.
    pub fn rule(&self, at: usize, sku: SkuId) -> Option<RuleId> {
        debug_assert!(self.known[sku.index()], "a chip that nobody was to ask about");
        let rule = self.export[sku.index() * self.pairs.len() + at];
        (rule != FREE).then_some(RuleId(rule))
    }

    /// Duty of the strictest tariff on a delivery to pair `at`.
    pub fn duty(&self, at: usize, sku: SkuId) -> f64 {
        self.duty[sku.index() * self.pairs.len() + at]
    }

    /// Country of pair `at`.
    pub fn country(&self, at: usize) -> CountryId {
        self.pairs[at]
    }

    /// Pairs of the sites of a firm, in order; those of later firms follow.
    pub fn pairs_of_sites(&self, firm: FirmId) -> &[usize] {
        &self.of_sites[self.first_site[firm.index()]..]
    }

    /// Probability that a delivery under `rule` is let through: 1 − risk of denial.
    pub fn open(&self, rule: Option<RuleId>, firm: FirmId, rulebook: &Rulebook) -> f64 {
        let Some(rule) = rule else { return 1.0 };
        let row = &rulebook.rules[rule.index()].row;
        let firms = self.homes.len();
        let reached = |cap: Option<f64>, used: f64| cap.is_some_and(|cap| used >= cap);
        if reached(row.cap_units_buyer, self.used[rule.index() * firms + firm.index()])
            || reached(row.cap_tpp, self.used_tpp[rule.index()])
            || reached(row.cap_units, self.used_all[rule.index()])
        {
            return 0.0;
        }
        let home = self.homes[firm.index()];
        self.odds[rule.index() * self.countries + home.index()]
    }
}

/// Whether a rule is in force that governs deliveries of chips, or takes such rules away.
fn has_a_say(rule: &Rule) -> bool {
    let of_chips =
        matches!(rule.row.kind, RuleKind::ChipExport | RuleKind::Tariff | RuleKind::EntityListing);
    rule.in_force && (of_chips || !rule.replaces.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::country::Bloc;
    use crate::entities::rule::fixtures::{COUNTRIES, FIRMS, books};

    proptest::proptest! {
        /// However the table came about, it says what the rules say: firms that share a lane, chips that every rule takes
        /// alike, chips that came in later and rules that began or ended included.
        #[test]
        fn access_is_what_the_rules_say(
            (mut book, catalogue) in books(),
            known in 0..4_usize,
            moved in proptest::bits::u16::ANY,
        ) {
            let mut before = book.clone();
            for (at, rule) in before.rules.iter_mut().enumerate() {
                rule.in_force ^= moved & (1 << (at % 16)) != 0;
            }
            before.sort_lanes(COUNTRIES);
            book.sort_lanes(COUNTRIES);
            let mut prices =
                Prices { countries: vec![(Bloc::Us, 0.0, 1.0); COUNTRIES], ..Prices::default() };
            let home = |firm: usize| CountryId::at(firm % COUNTRIES);
            let firms = || (0..FIRMS).map(|firm| (FirmId::at(firm), home(firm)));
            let sites = |_: FirmId| (0..COUNTRIES).map(CountryId::at);
            let mut fewer = catalogue.clone();
            fewer.skus.truncate(known);
            let mut access = Access::default();
            for (book, catalogue) in [(&before, &fewer), (&book, &fewer), (&book, &catalogue)] {
                prices.on_sale = catalogue.iter().map(|(id, _)| id).collect();
                access.refresh(true, book, catalogue, &prices, firms(), sites);
            }
            for (firm, home) in firms() {
                for to in (0..COUNTRIES).map(CountryId::at) {
                    for (id, _) in catalogue.iter() {
                        let ask = |kind| book.strictest(kind, id, firm, home, to);
                        let chips = ask(RuleKind::ChipExport);
                        let listed = ask(RuleKind::EntityListing).filter(|r| !r.firms.is_empty());
                        let treatment = |rule: Option<RuleId>| {
                            rule.map(|rule| book.rules[rule.index()].row.treatment)
                        };
                        let strictest =
                            [chips, listed].into_iter().flatten().map(|r| r.row.treatment).max();
                        // Each firm has a site in each country, in order.
                        let pair = access.of_sites[access.first_site[firm.index()] + to.index()];
                        proptest::prop_assert!(access.pairs_of(firm).contains(&pair));
                        proptest::prop_assert_eq!(access.pairs[pair], to);
                        proptest::prop_assert_eq!(treatment(access.rule(pair, id)), strictest);
                        let duty = access.duty[id.index() * access.pairs.len() + pair];
                        let tariff = ask(RuleKind::Tariff).map_or(0.0, |rule| rule.row.duty);
                        proptest::prop_assert_eq!(duty.to_bits(), tariff.to_bits());
                    }
                }
            }
        }
    }
}
