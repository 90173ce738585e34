//! What ways a firm has to spend money on compute, and what each costs.
//!
//! **Generalised cost** of channel k for firm i, USD per effective unit (H100e of work, software
//! included), from prices and waits of last month:
//! `c = (price · attach · (1 + fee) · (1 + premium) + E) / (W (W/W*)^ν) · (1 + w · wait) / (1 − risk)`, with work W and
//! housing E as in `prices` and the risk of denial as in `access`; fee the revenue share and duties of rules, premium of brokers
//! (grey) or of running abroad (offshore), wait the months of queue and licence review. What is offered to brokers costs over
//! the part that finds something (`fills`). Rented capacity costs `rent · 12 a` per H100e, over that part too. A channel with
//! risk ≥ `denial_closes`, an exhausted quota or no lawful access is closed.
//!
//! The buyer's own state lets in the share `a_i` of imports (guidance): it divides the cost that κ sees. What it waves
//! through for the firm by name (guidance that allows) counts as `a_i = 1`.
//!
//! **Shadow price** `κ = clip(min c now / min c reference, 1, κ_max)`: the reference is the
//! cheapest of the SKUs that the firm could be sold (the same own silicon, no compliance variants) at list price, at
//! home, without queue, rule, duty or guidance. κ = κ_max when nothing is open.

use super::access::Access;
use super::prices::Prices;
use super::{CHANNELS, ProcurementParameters};
use crate::entities::boards::{Fears, GreyMarkets, RentalMarket};
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::firm::{Firm, Group};
use crate::entities::order::Channel;
use crate::entities::rule::{Rulebook, Treatment};
use crate::entities::{CountryId, RuleId, SkuId, Switches, VendorId};
use crate::maths;

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

pub(super) fn is_variant(sku: &Sku) -> bool {
    matches!(sku.row.origin, Origin::HistoricalVariant | Origin::Designed) && sku.parent.is_some()
}

pub(super) fn at(values: &[f64], index: usize, otherwise: f64) -> f64 {
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
    let guided = market.rulebook.guides(firm.id, home);
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
        let (vendor_home, captive, attach, _) = prices.vendors[sku.vendor.index()];
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
            || guided && market.rulebook.waved_through(id, firm.id, home);
        let let_in = || if guided { market.rulebook.let_in(id, firm.id, home) } else { 1.0 };
        let admitted = if free { 1.0 } else { guidance.min(let_in()) };
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
            system_usd * (of_rule + access.duty(at, id) + surcharge)
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
                let housing = prices.housing(sku, p.server_overhead, access.country(pair));
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
