//! What rules keep from vendors.

use bevy_ecs::prelude::Query;

use super::access::Access;
use super::prices::Prices;
use super::survey::{Candidate, Market, at, is_variant};
use crate::entities::firm::Firm;
use crate::entities::order::Channel;
use crate::entities::vendor::Sales;
use crate::entities::{FirmId, Roster, RuleId, VendorId};
use crate::maths;

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

/// Books with vendors what they lose of `new_usd`, the new money of `firm`, and adds it to `all_usd`. Money that was
/// offered before and came back was counted then.
pub(super) fn book_lost(
    firm: FirmId,
    new_usd: f64,
    lost: &[(FirmId, VendorId, f64)],
    all_usd: &mut f64,
    roster: &Roster,
    vendors: &mut Query<&mut Sales>,
) {
    for (_, vendor, share) in lost.iter().filter(|lost| lost.0 == firm) {
        if let Ok(mut sales) = vendors.get_mut(roster.vendors[vendor.index()]) {
            sales.lost_to_rules_usd += new_usd * share;
            sales.lost_to_rules_total_usd += new_usd * share;
            *all_usd += new_usd * share;
        }
    }
}
