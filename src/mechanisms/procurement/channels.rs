//! Which channels a firm has, what each costs, and how the budget spreads over them.

use bevy_ecs::prelude::Query;

use super::{CHANNELS, ProcurementParameters};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Fears, GreyMarkets, PowerPlans, RentalMarket};
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::{Firm, Group};
use crate::entities::licence::{LicenceBook, Outcome, Quotas};
use crate::entities::order::Channel;
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::site::{Halls, Site, annuity_years, chip_mw, energy_usd_year};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{
    Clock, CountryId, FirmId, Roster, RuleId, SiteId, SkuId, Switches, VendorId,
};
use crate::maths;

/// No rule governs a delivery.
const FREE: u16 = u16::MAX;

/// Watts in a megawatt.
const WATTS_PER_MW: f64 = 1e6;

/// SKUs of one vendor and channel that are compared.
const NEST: usize = 3;

/// A way to spend money on compute.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub channel: Channel,
    pub vendor: VendorId,
    pub sku: SkuId,
    /// The SKU whose boards and software it shares: its parent's, for a variant.
    pub platform: SkuId,
    /// Generalised cost, USD per effective unit.
    pub cost: f64,
    /// Share that the buyer's own state lets in, 1 where it does not interfere.
    pub admitted: f64,
    /// Chip alone, USD.
    pub price_usd: f64,
    /// Chip and what is sold with it, USD.
    pub system_usd: f64,
    /// Fees and duties on one, USD.
    pub fee_usd: f64,
    /// Money per H100e of work, energy not included, USD.
    pub usd_per_work: f64,
    /// Hazard that a coming clause catches it.
    pub hazard: f64,
    /// The rule that governs it or, abroad and grey, that closes home.
    pub rule: Option<RuleId>,
    /// Share of the budget.
    pub share: f64,
    /// Whether it may go to any site of the firm, or only to the home or foreign ones.
    pub pooled: bool,
    /// Months until a chip ordered now arrives.
    pub lead_months: f64,
}

impl Candidate {
    /// Position of its channel and platform among all of them; what is rented is no SKU, and a variant takes the
    /// place of what was imported before.
    pub fn slot(&self) -> usize {
        let sku = if self.channel == Channel::Rental { 0 } else { 1 + self.platform.index() };
        let channel = if self.channel == Channel::Variant { Channel::Import } else { self.channel };
        sku * CHANNELS.len() + channel as usize
    }

    /// For orders of equal cost.
    pub fn key(&self) -> (usize, u16) {
        (self.channel as usize, self.sku.0)
    }
}

/// A site that may take chips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub site: SiteId,
    /// Power that will be free on delivery, MW.
    pub room_mw: f64,
    /// Power of the site on delivery, MW.
    pub power_mw: f64,
    /// Power committed so far, MW.
    pub committed_mw: f64,
    /// Draw of one chip here, MW.
    pub chip_mw: f64,
    /// Share of new capacity that the firm puts here.
    pub build_share: f64,
    /// The rule that governs a delivery here.
    pub rule: Option<RuleId>,
    /// Committed over all power, as [`fill`] finds it.
    pub filled: f64,
    /// Chips that fit, as [`fill`] goes on.
    pub fits: i64,
}

/// Prices, waits and performance of this month.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    /// SKUs on sale.
    pub on_sale: Vec<SkuId>,
    /// Work of one chip, reference chip = 1, `[sku]`.
    pub work: Vec<f64>,
    /// What buyers take that for: worth less where it is spread over many weak chips, `[sku]`.
    value: Vec<f64>,
    /// Months of queue, `[sku]`.
    wait: Vec<f64>,
    /// (home, captive buyer, attach, software, shipping months), `[vendor]`.
    vendors: Vec<(CountryId, Option<FirmId>, f64, f64, f64)>,
    /// What a buyer adds for one chip, USD, `[vendor]`.
    hosts: Vec<f64>,
    vendor_ids: Vec<String>,
    /// (bloc, hall and lifetime energy of one MW at the chip, USD, PUE), `[country]`.
    countries: Vec<(Bloc, f64, f64)>,
    /// Annuity over the life, years.
    pub years: f64,
}

impl Prices {
    pub fn refresh(
        &mut self,
        roster: &Roster,
        p: &ProcurementParameters,
        catalogue: &Catalogue,
        chips: &ChipMarket,
        vendors: &Query<(&Vendor, &Sales)>,
        countries: &Query<&Country>,
    ) {
        self.years = annuity_years(p.energy_discount_rate, p.chip_life_months / 12.0);
        self.vendors.clear();
        self.hosts.clear();
        for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
            if self.vendor_ids.len() < roster.vendors.len() {
                self.vendor_ids.push(vendor.row.id.clone());
            }
            let software = vendor.row.software(sales.cumulative_units);
            let shipping = vendor.row.shipping_months as f64;
            self.vendors.push((vendor.home, vendor.captive, vendor.row.attach, software, shipping));
            self.hosts.push(vendor.row.host_usd);
        }
        self.countries.clear();
        for country in countries.iter_many(&roster.countries).flatten() {
            let row = &country.row;
            let a_megawatt = energy_usd_year(1.0, p.fleet_utilisation, row.power_price_usd_kwh);
            let hall = p.hall_usd_watt * WATTS_PER_MW;
            self.countries.push((row.bloc, (a_megawatt * self.years + hall) * row.pue, row.pue));
        }
        self.on_sale.clear();
        self.work.clear();
        let mut best = 0.0_f64;
        self.wait.clear();
        for (id, sku) in catalogue.iter() {
            if sku.on_sale {
                self.on_sale.push(id);
            }
            let software = self.vendors.get(sku.vendor.index()).map_or(1.0, |v| v.3);
            let work = sku.work_paper * software;
            self.work.push(work);
            if sku.on_sale {
                best = best.max(work);
            }
            let wait = chips.wait_months.get(id.index()).copied().unwrap_or(0.0);
            self.wait.push(if wait.is_finite() { wait.max(0.0) } else { 0.0 });
        }
        // Only what is on sale is compared.
        self.value.resize(self.work.len(), 0.0);
        for id in &self.on_sale {
            self.value[id.index()] = concentrated(self.work[id.index()], best, p.concentration);
        }
    }

    /// Host, hall and lifetime energy of a chip in a country, USD.
    fn housing(&self, sku: &Sku, overhead: f64, country: CountryId) -> f64 {
        self.hosts[sku.vendor.index()]
            + chip_mw(sku.row.tdp_w, overhead, 1.0) * self.countries[country.index()].1
    }

    /// Whether `vendor` sells to `firm` at all, rules apart: captive silicon has one buyer, and
    /// firms of the US and allied blocs do not buy from vendors of the Chinese one.
    fn sells_to(&self, vendor: VendorId, firm: &Firm, switches: &Switches) -> bool {
        let (home, captive, ..) = self.vendors[vendor.index()];
        let bloc = |country: CountryId| self.countries[country.index()].0;
        let domestic = home == firm.home && captive.is_none();
        if domestic && firm.row.group == Group::Constrained && !switches.domestic_chips {
            return false;
        }
        captive.is_none_or(|buyer| buyer == firm.id)
            && !(bloc(home) == Bloc::China && matches!(bloc(firm.home), Bloc::Us | Bloc::Allied))
    }
}

/// What `work` of one chip is worth when the best chip on sale does `best`: w (w / best)^ν. More weak chips for the same
/// work need more links, hosts, parallel ranks and repairs.
///
/// ```text
/// work 0.25, best 1, ν = 0.5: 0.25 · 0.5 = 0.125
/// ```
pub(super) fn concentrated(work: f64, best: f64, exponent: f64) -> f64 {
    if work > 0.0 && best > work { work * maths::pow(work / best, exponent) } else { work }
}

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
        self.used.clear();
        self.used.resize(rulebook.rules.len() * firms, 0.0);
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
    fn pairs_of(&self, firm: FirmId) -> std::ops::Range<usize> {
        self.first[firm.index()]..self.first[firm.index() + 1]
    }

    /// The rule that governs a delivery to pair `at`.
    fn rule(&self, at: usize, sku: SkuId) -> Option<RuleId> {
        debug_assert!(self.known[sku.index()], "a chip that nobody was to ask about");
        let rule = self.export[sku.index() * self.pairs.len() + at];
        (rule != FREE).then_some(RuleId(rule))
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

/// What a firm sees of the world when it chooses.
pub(super) struct Market<'a, F: Fn(&str) -> f64> {
    pub p: &'a ProcurementParameters,
    pub switches: &'a Switches,
    pub catalogue: &'a Catalogue,
    pub rulebook: &'a Rulebook,
    pub fears: &'a Fears,
    pub grey: &'a GreyMarkets,
    pub rental: &'a RentalMarket,
    /// Share of the money offered lately that found a chip with brokers, and capacity with hosts.
    pub filled_grey: f64,
    pub filled_rental: f64,
    /// Factor of scripted price shocks by vendor id.
    pub surcharge: F,
}

/// What a survey found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Cheapest generalised cost now, guidance included; infinite when nothing is open.
    now: f64,
    /// Cheapest at list price without queue or rule; infinite when nothing is on sale.
    reference: f64,
    /// Money of the reference per H100e of work, energy not included.
    pub reference_usd: f64,
    /// Whether some rule or guidance restricts what may come home.
    pub restricted: bool,
    /// Whether foreign chips exist and none may be imported.
    pub imports_closed: bool,
    /// The rule met first.
    pub rule: Option<RuleId>,
    /// The newest rule that closes a chip.
    pub last_rule: Option<RuleId>,
}

impl Seen {
    /// κ = clip(now / reference, 1, κ_max).
    pub fn kappa(&self, largest: f64) -> f64 {
        if !self.reference.is_finite() || self.reference <= 0.0 {
            1.0
        } else if self.now.is_finite() {
            (self.now / self.reference).clamp(1.0, largest.max(1.0))
        } else {
            largest.max(1.0)
        }
    }
}

fn is_variant(sku: &Sku) -> bool {
    matches!(sku.row.origin, Origin::HistoricalVariant | Origin::Designed) && sku.parent.is_some()
}

fn at(values: &[f64], index: usize, otherwise: f64) -> f64 {
    values.get(index).copied().unwrap_or(otherwise)
}

/// Lists the candidates of `firm`, with their generalised costs, and the reference.
pub(super) fn survey<F: Fn(&str) -> f64>(
    firm: &Firm,
    market: &Market<F>,
    access: &Access,
    prices: &Prices,
    found: &mut Vec<Candidate>,
) -> Seen {
    let p = market.p;
    let home = firm.home;
    let pairs = access.pairs_of(firm.id);
    let mut seen = Seen {
        now: f64::INFINITY,
        reference: f64::INFINITY,
        reference_usd: f64::INFINITY,
        restricted: false,
        imports_closed: false,
        rule: None,
        last_rule: None,
    };
    let guidance = if market.switches.import_guidance {
        at(&market.fears.import_allowed, home.index(), 1.0).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let least = 1.0 - p.denial_closes;
    let brokers = market.grey.markets.iter().find(|m| m.country == home);
    let brokers = brokers.filter(|_| market.switches.grey_market).map(|m| maths::exp(m.ln_premium));
    let (mut foreign, mut imports) = (false, false);
    let from = found.len();
    for id in prices.on_sale.iter().copied() {
        let sku = market.catalogue.sku(id);
        let work = prices.work[id.index()];
        if work <= 0.0 || !prices.sells_to(sku.vendor, firm, market.switches) {
            continue;
        }
        let value = prices.value[id.index()];
        let (vendor_home, captive, attach, _, shipping) = prices.vendors[sku.vendor.index()];
        let domestic = vendor_home == home;
        let variant = is_variant(sku);
        let rule = access.rule(pairs.start, id);
        let parent = sku.parent.and_then(|parent| access.rule(pairs.start, parent));
        // A variant is sold where its parent may not be.
        if variant && access.open(parent, firm.id, market.rulebook) >= 1.0 {
            continue;
        }
        let open = access.open(rule, firm.id, market.rulebook);
        let wait = prices.wait[id.index()];
        let housing = prices.housing(sku, p.server_overhead, home);
        if !variant {
            let list = sku.row.price_usd * attach;
            let reference = (list + housing) / value;
            if reference < seen.reference {
                seen.reference = reference;
                seen.reference_usd = list / work;
            }
        }
        let shock = (market.surcharge)(&prices.vendor_ids[sku.vendor.index()]);
        let price_usd = sku.price_usd * shock.min(1.0);
        let system_usd = price_usd * attach;
        // What a scripted price adds goes to treasuries, like a duty.
        let surcharge = (shock - 1.0).max(0.0);
        let hazard = coming(market.fears, id, home);
        let free = domestic
            || !market.switches.import_guidance
            || market.rulebook.waved_through(id, firm.id, home);
        let admitted =
            if free { 1.0 } else { guidance.min(market.rulebook.let_in(id, firm.id, home)) };
        let cost_of = |fee_usd: f64, premium: f64, housing: f64, wait: f64, open: f64| {
            ((system_usd + fee_usd) * (1.0 + premium) + housing) / value
                * (1.0 + p.waiting_cost * wait)
                / open
        };
        let fee_on = |at: usize, rule: Option<RuleId>| {
            let of_rule = rule.map_or(0.0, |rule| {
                let row = &market.rulebook.rules[rule.index()].row;
                row.revenue_share + row.duty
            });
            system_usd * (of_rule + access.duty[id.index() * access.pairs.len() + at] + surcharge)
        };
        let review = |rule: Option<RuleId>| {
            rule.map_or(0.0, |rule| {
                let row = &market.rulebook.rules[rule.index()].row;
                let waits = row.treatment > Treatment::Quota && market.switches.licence_queue;
                if waits { p.review_months_expected + row.review_months_added as f64 } else { 0.0 }
            })
        };
        let fee_usd = fee_on(pairs.start, rule);
        // A rule that lets everything through at no cost hinders nobody.
        let hindered = open < 1.0 || admitted < 1.0 || (rule.is_some() && fee_usd > 0.0);
        let base = Candidate {
            channel: match (captive.is_some(), domestic, variant) {
                (true, ..) => Channel::Own,
                (_, true, _) => Channel::Domestic,
                (_, _, true) => Channel::Variant,
                _ => Channel::Import,
            },
            vendor: sku.vendor,
            sku: id,
            platform: sku.parent.filter(|_| variant).unwrap_or(id),
            cost: f64::INFINITY,
            admitted,
            price_usd,
            system_usd,
            fee_usd: 0.0,
            usd_per_work: system_usd / work,
            hazard,
            rule,
            share: 0.0,
            pooled: !hindered,
            lead_months: wait + shipping,
        };
        foreign |= !domestic && !variant;
        seen.restricted |= hindered;
        if hindered {
            seen.rule = seen.rule.or(rule);
            // What closed last changed something; older rules had closed before.
            let from = |id: Option<RuleId>| id.map(|id| market.rulebook.rules[id.index()].row.from);
            if open <= least && from(rule) > from(seen.last_rule) {
                seen.last_rule = rule;
            }
        }

        // At home.
        if open > least && admitted > least {
            let waits = wait + review(rule);
            let cost = cost_of(fee_usd, 0.0, housing, waits, open);
            seen.now = seen.now.min(cost / admitted);
            imports |= !domestic;
            found.push(Candidate {
                cost,
                fee_usd,
                usd_per_work: (system_usd + fee_usd) / work,
                lead_months: waits + shipping,
                ..base.clone()
            });
        }

        // In own sites abroad, where home is restricted.
        if hindered && !variant && market.switches.offshore {
            let mut best: Option<(f64, f64)> = None;
            for pair in pairs.start + 1..pairs.end {
                let rule = access.rule(pair, id);
                let open = access.open(rule, firm.id, market.rulebook);
                if open <= least {
                    continue;
                }
                let housing = prices.housing(sku, p.server_overhead, access.pairs[pair]);
                let fee_usd = fee_on(pair, rule);
                let cost = cost_of(fee_usd, p.offshore_premium, housing, wait + review(rule), open);
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, fee_usd));
                }
            }
            if let Some((cost, fee_usd)) = best {
                seen.now = seen.now.min(cost);
                found.push(Candidate {
                    channel: Channel::Offshore,
                    cost,
                    fee_usd,
                    admitted: 1.0,
                    usd_per_work: (system_usd + fee_usd) / work,
                    pooled: false,
                    ..base.clone()
                });
            }
        }

        // Through brokers, where a rule restricts the export.
        let refused = open < 1.0 && !variant;
        if let Some(premium) = brokers.filter(|_| refused) {
            let markup = (1.0 + premium) * (1.0 + p.grey_reluctance) - 1.0;
            let cost = cost_of(0.0, markup, housing, 0.0, market.filled_grey);
            seen.now = seen.now.min(cost);
            found.push(Candidate {
                channel: Channel::Grey,
                cost,
                admitted: 1.0 - p.guidance_reaches_brokers * (1.0 - admitted),
                hazard: 0.0,
                usd_per_work: system_usd * (1.0 + premium) / work,
                pooled: false,
                ..base
            });
        }
    }
    seen.imports_closed = foreign && !imports;

    // Rented abroad, where home is restricted.
    let remote = at(&market.fears.remote_access, home.index(), 1.0);
    let rent = market.rental.price_usd_month * 12.0 * prices.years;
    if seen.restricted
        && market.switches.rental
        && firm.row.group == Group::Constrained
        && remote > least
        && market.rental.offered_h100e > 0.0
        && rent.is_finite()
    {
        let cost = rent / (remote * market.filled_rental);
        seen.now = seen.now.min(cost);
        found.push(Candidate {
            channel: Channel::Rental,
            vendor: VendorId(0),
            sku: SkuId(u16::MAX),
            platform: SkuId(u16::MAX),
            cost,
            admitted: 1.0,
            price_usd: 0.0,
            system_usd: 0.0,
            fee_usd: 0.0,
            usd_per_work: rent,
            hazard: 0.0,
            rule: seen.rule,
            share: 0.0,
            pooled: false,
            lead_months: 0.0,
        });
    }
    keep_best(found, from);
    seen
}

/// Hazard that a coming clause catches `sku` for buyers of `home`: 1 where one is announced, else the
/// felt chance times whether the feared one would.
fn coming(fears: &Fears, sku: SkuId, home: CountryId) -> f64 {
    let of = |table: &[Vec<f64>]| {
        table.get(sku.index()).and_then(|row| row.get(home.index())).copied().unwrap_or(0.0)
    };
    let announced = of(&fears.announced);
    let feared = at(&fears.hazard, home.index(), 0.0) * of(&fears.feared);
    announced.max(feared).clamp(0.0, 1.0)
}

/// Keeps the three cheapest SKUs of each vendor and channel.
fn keep_best(found: &mut Vec<Candidate>, from: usize) {
    let nest = |c: &Candidate| (c.channel as usize, c.vendor);
    found[from..].sort_unstable_by(|a, b| {
        nest(a).cmp(&nest(b)).then(a.cost.total_cmp(&b.cost)).then(a.sku.cmp(&b.sku))
    });
    let (mut kept, mut run) = (from, 0);
    for index in from..found.len() {
        run =
            if index > from && nest(&found[index]) == nest(&found[kept - 1]) { run + 1 } else { 1 };
        if run <= NEST {
            found.swap(kept, index);
            kept += 1;
        }
    }
    found.truncate(kept);
}

/// Sets the share of each candidate: nested logit, taken up over some months by channel and platform, then
/// guidance's cap on imports. `habit` is what the firm gives to each, by `Candidate::slot`; `slots` is a buffer.
pub(super) fn share_out(
    candidates: &mut [Candidate],
    habit: &mut Vec<f64>,
    slots: &mut Vec<usize>,
    p: &ProcurementParameters,
) {
    let cheapest = candidates.iter().map(|c| c.cost).fold(f64::INFINITY, f64::min);
    if !cheapest.is_finite() || cheapest <= 0.0 {
        return;
    }
    // Candidates of a nest stand together, cheapest first.
    let mut all = 0.0;
    for nest in candidates.chunk_by_mut(|a, b| a.channel == b.channel && a.vendor == b.vendor) {
        let least = nest[0].cost;
        let abroad = matches!(nest[0].channel, Channel::Offshore | Channel::Rental);
        let weight = if abroad { p.abroad_weight } else { 1.0 };
        let of_nest = weight * maths::pow(cheapest / least, p.channel_elasticity);
        let mut within = 0.0;
        for candidate in nest.iter_mut() {
            candidate.share = maths::pow(least / candidate.cost, p.sku_elasticity);
            within += candidate.share;
        }
        for candidate in nest {
            candidate.share *= of_nest / within;
        }
        all += of_nest;
    }
    let speed = if habit.iter().all(|h| *h <= 0.0) { 1.0 } else { p.habit_speed.clamp(0.0, 1.0) };
    for h in habit.iter_mut() {
        *h *= 1.0 - speed;
    }
    slots.clear();
    for candidate in candidates.iter() {
        let slot = candidate.slot();
        slots.push(slot);
        if slot >= habit.len() {
            habit.resize(slot + 1, 0.0);
        }
        habit[slot] += speed * candidate.share / all;
    }
    // Candidates of one platform (a chip that may still be imported, and its variant) part what it has by 1/c.
    let mut known = 0.0;
    let variants = candidates.iter().any(|c| c.platform != c.sku);
    for at in 0..candidates.len() {
        let (slot, own) = (slots[at], candidates[at].cost.recip());
        // Only variants share a platform with another chip.
        let all = if variants {
            let alike = candidates.iter().zip(&*slots).filter(|(_, of)| **of == slot);
            alike.map(|(c, _)| c.cost.recip()).sum::<f64>()
        } else {
            own
        };
        candidates[at].share = habit[slot] * (own / all);
        known += candidates[at].share;
    }
    if known <= 0.0 {
        return;
    }
    let (mut freed, mut taking) = (0.0, 0.0);
    for candidate in candidates.iter_mut() {
        candidate.share /= known;
        if candidate.admitted < 1.0 {
            freed += candidate.share * (1.0 - candidate.admitted);
            candidate.share *= candidate.admitted;
        } else {
            taking += candidate.share;
        }
    }
    if freed > 0.0 && taking > 0.0 {
        for candidate in candidates.iter_mut().filter(|c| c.admitted >= 1.0) {
            candidate.share *= 1.0 + freed / taking;
        }
    }
    // Too small to be worth a contract: the rest takes it. What guidance keeps from imports and nobody else may have
    // stays unspent.
    let placed: f64 = candidates.iter().map(|c| c.share).sum();
    let mut left = 0.0;
    for candidate in candidates.iter_mut() {
        if candidate.share < p.smallest_channel_share {
            candidate.share = 0.0;
        }
        left += candidate.share;
    }
    if left > 0.0 {
        for candidate in candidates.iter_mut() {
            candidate.share *= placed / left;
        }
    }
}

/// Shares of the budget that rules keep from vendors: what each would have without them at this
/// month's prices and waits, less what it has through any channel.
pub(super) fn lost_sales<F: Fn(&str) -> f64>(
    firm: &Firm,
    market: &Market<F>,
    access: &Access,
    prices: &Prices,
    candidates: &[Candidate],
    lost: &mut Vec<(FirmId, VendorId, f64)>,
) {
    let p = market.p;
    let home_pair = access.pairs_of(firm.id).start;
    let from = lost.len();
    let mut cheapest = f64::INFINITY;
    for id in prices.on_sale.iter().copied() {
        let sku = market.catalogue.sku(id);
        let work = prices.work[id.index()];
        if is_variant(sku) || work <= 0.0 || !prices.sells_to(sku.vendor, firm, market.switches) {
            continue;
        }
        let housing = prices.housing(sku, p.server_overhead, firm.home);
        let system = sku.price_usd * prices.vendors[sku.vendor.index()].2;
        let cost = (system + housing) / prices.value[id.index()]
            * (1.0 + p.waiting_cost * prices.wait[id.index()]);
        cheapest = cheapest.min(cost);
        match lost[from..].iter_mut().find(|entry| entry.1 == sku.vendor) {
            Some(entry) => entry.2 = entry.2.min(cost),
            None => lost.push((firm.id, sku.vendor, cost)),
        }
    }
    let mut all = 0.0;
    for entry in &mut lost[from..] {
        entry.2 = maths::pow(cheapest / entry.2, p.channel_elasticity);
        all += entry.2;
    }
    for entry in &mut lost[from..] {
        let has: f64 = candidates
            .iter()
            .filter(|c| c.vendor == entry.1 && c.channel != Channel::Rental)
            .map(|c| c.share)
            .sum();
        let hinders = |rule| {
            let row = &market.rulebook.rules[RuleId::index(rule)].row;
            access.open(Some(rule), firm.id, market.rulebook) < 1.0
                || row.revenue_share + row.duty > 0.0
        };
        let hindered = prices.on_sale.iter().any(|id| {
            market.catalogue.sku(*id).vendor == entry.1
                && access.rule(home_pair, *id).is_some_and(hinders)
        }) || prices.vendors[entry.1.index()].0 != firm.home
            && at(&market.fears.import_allowed, firm.home.index(), 1.0) < 1.0;
        entry.2 = if hindered && all > 0.0 { (entry.2 / all - has).max(0.0) } else { 0.0 };
    }
    let mut at = from;
    while at < lost.len() {
        if lost[at].2 > 0.0 {
            at += 1;
        } else {
            lost.swap_remove(at);
        }
    }
}

/// Power of halls that open by some month ahead, found out once a month for each site and lead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    leads: usize,
    /// MW, `[site × leads + lead]`; not a number: not asked yet.
    mw: Vec<f64>,
}

impl Arrivals {
    /// Forgets last month's.
    pub fn open(&mut self, sites: usize, horizon_months: f64) {
        self.leads = maths::whole(horizon_months.ceil()).max(0) as usize + 1;
        self.mw.clear();
        self.mw.resize(sites * self.leads, f64::NAN);
    }

    /// What opens at site `at` within `ahead` months of `now`, MW.
    fn by(&mut self, at: usize, ahead: i64, now: Month, halls: &Halls) -> f64 {
        let add_up = || {
            let by = now + ahead as i32;
            halls.building.iter().take_while(|(month, _)| *month <= by).map(|(_, mw)| mw).sum()
        };
        let Some(lead) = usize::try_from(ahead).ok().filter(|lead| *lead < self.leads) else {
            return add_up();
        };
        let known = &mut self.mw[at * self.leads + lead];
        if known.is_nan() {
            *known = add_up();
        }
        *known
    }
}

/// The firm's sites that may take a candidate's chips, with the power that will be free on delivery.
pub(super) fn find_rooms(
    firm: &Firm,
    candidate: &Candidate,
    clock: &Clock,
    p: &ProcurementParameters,
    switches: &Switches,
    roster: &Roster,
    rulebook: &Rulebook,
    access: &Access,
    own: &[usize],
    sites: &Query<(&Site, &Halls)>,
    prices: &Prices,
    plans: &PowerPlans,
    sku: &Sku,
    arrivals: &mut Arrivals,
    rooms: &mut Vec<Place>,
) {
    rooms.clear();
    let ahead = candidate.lead_months.min(p.order_horizon_months);
    let ahead = maths::whole(ahead.ceil());
    let offshore = candidate.channel == Channel::Offshore;
    let pairs = &access.of_sites[access.first_site[firm.id.index()]..];
    for (at, pair) in own.iter().copied().zip(pairs) {
        let Ok((site, halls)) = sites.get(roster.sites[at]) else { continue };
        let at_home = site.country == firm.home;
        if !candidate.pooled && at_home == offshore {
            continue;
        }
        if candidate.pooled && !at_home && !switches.offshore {
            continue;
        }
        let rule = access.rule(*pair, candidate.sku);
        if access.open(rule, firm.id, rulebook) <= 1.0 - p.denial_closes {
            continue;
        }
        let due = arrivals.by(at, ahead, clock.now, halls);
        let committed_mw = plans.committed_mw.get(at).copied().unwrap_or(0.0);
        let power_mw = halls.power_mw + due;
        let room_mw =
            if switches.power { p.room_pace * (power_mw - committed_mw) } else { f64::INFINITY };
        rooms.push(Place {
            site: site.id,
            room_mw,
            power_mw,
            committed_mw,
            chip_mw: chip_mw(
                sku.row.tdp_w,
                p.server_overhead,
                prices.countries[site.country.index()].2,
            ),
            build_share: site.row.build_share,
            rule,
            filled: 0.0,
            fits: 0,
        });
    }
}

/// Splits `wanted` chips over places so that they fill evenly: the two emptiest are brought up to
/// the mean, the roomiest ones take the rest, as far as power reaches.
pub(super) fn fill(rooms: &mut [Place], wanted: i64, mut place: impl FnMut(&Place, i64)) {
    const EMPTIEST: usize = 2;
    let fits = |room: &Place| {
        if room.room_mw == f64::INFINITY || room.chip_mw <= 0.0 {
            i64::MAX
        } else {
            maths::whole_below(room.room_mw / room.chip_mw).max(0)
        }
    };
    let (mut committed, mut power) = (0.0, 0.0);
    for room in rooms.iter_mut() {
        committed += room.committed_mw;
        power += room.power_mw;
        room.fits = fits(room);
        room.filled =
            if room.power_mw > 0.0 { room.committed_mw / room.power_mw } else { f64::INFINITY };
    }
    let Some(first) = rooms.first() else { return };
    let mean = if power > 0.0 { (committed + wanted as f64 * first.chip_mw) / power } else { 0.0 };
    // The emptiest come first; how the others stand is no matter.
    for at in 0..EMPTIEST.min(rooms.len()) {
        let emptier =
            |a: &Place, b: &Place| a.filled < b.filled || (a.filled == b.filled && a.site < b.site);
        let mut least = at;
        for other in at + 1..rooms.len() {
            if emptier(&rooms[other], &rooms[least]) {
                least = other;
            }
        }
        rooms.swap(at, least);
    }
    let mut left = wanted;
    let mut given = [0_i64; EMPTIEST];
    if rooms.len() > EMPTIEST {
        for (room, given) in rooms.iter_mut().zip(given.iter_mut()) {
            let short = (mean - room.filled) * room.power_mw;
            let share = if short > 0.0 { maths::whole((short / room.chip_mw).ceil()) } else { 0 };
            *given = share.min(room.fits).min(left);
            left -= *given;
            room.room_mw -= *given as f64 * room.chip_mw;
            room.fits = fits(room);
        }
    }
    // The rest by room; a site that was already given some gets one order for both parts.
    while left > 0 {
        let mut roomiest = 0;
        for (at, room) in rooms.iter().enumerate().skip(1) {
            let most = &rooms[roomiest];
            if room.fits > most.fits || (room.fits == most.fits && room.site < most.site) {
                roomiest = at;
            }
        }
        let units = rooms[roomiest].fits.min(left);
        if units <= 0 {
            break;
        }
        left -= units;
        let extra = given.get_mut(roomiest).filter(|_| rooms.len() > EMPTIEST).map(std::mem::take);
        place(&rooms[roomiest], units + extra.unwrap_or(0));
        rooms[roomiest].room_mw = 0.0;
        rooms[roomiest].fits = if rooms[roomiest].chip_mw > 0.0 { 0 } else { i64::MAX };
    }
    if rooms.len() > EMPTIEST {
        for (room, units) in rooms.iter().zip(given) {
            if units > 0 {
                place(room, units);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
