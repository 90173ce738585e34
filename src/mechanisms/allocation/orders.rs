//! Orders that changed their chip, or were given up.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{AllocationParameters, SalesDesk, zero};
use crate::calendar::Month;
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::firm::Firm;
use crate::entities::licence::Quotas;
use crate::entities::line::Parts;
use crate::entities::order::{Clearance, Order, OrderBook};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::site::Site;
use crate::entities::{Clock, Roster, Settings, SkuId};
use crate::maths;
use crate::units::{Count, Money};

/// Marks the ordinal of an order that took the place of another.
const ROLLED_OVER: u16 = 1 << 15;

/// Whether an order took the place of one for an earlier SKU.
pub(super) const fn rolled_over(order: &Order) -> bool {
    order.ordinal & ROLLED_OVER != 0
}

/// Fills orders that wait for an older SKU with later chips of the vendor that lie in stock: with those of the same die
/// by age, ahead of what was ordered later, with others as far as nobody ordered them.
pub(crate) fn roll_over(
    (clock, settings, roster): (Res<Clock>, Res<Settings>, Res<Roster>),
    catalogue: Res<Catalogue>,
    rulebook: Res<Rulebook>,
    parts: Res<Parts>,
    mut quotas: ResMut<Quotas>,
    mut desk: ResMut<SalesDesk>,
    mut book: ResMut<OrderBook>,
    firms: Query<&Firm>,
    sites: Query<&Site>,
    mut stocks: bevy_ecs::prelude::Local<(Vec<Count>, Vec<Count>)>,
    mut later: bevy_ecs::prelude::Local<Vec<(SkuId, Month)>>,
    mut superseded: bevy_ecs::prelude::Local<Vec<bool>>,
) {
    // What is in stock beyond all that is ordered, and beyond what was ordered so far.
    let (spare, unclaimed) = &mut *stocks;
    for stock in [&mut *spare, &mut *unclaimed] {
        zero(stock, catalogue.skus.len());
        for (free, made) in stock.iter_mut().zip(&parts.inventory) {
            *free = *made;
        }
    }
    for order in book.orders.iter().filter(|order| order.clearance != Clearance::Pending) {
        spare[order.sku.index()] -= order.open;
        if rolled_over(order) {
            unclaimed[order.sku.index()] -= order.open;
        }
    }
    let of_roadmap =
        |id: SkuId| matches!(catalogue.sku(id).row.origin, Origin::Roadmap | Origin::Extrapolated);
    later.clear();
    later.extend(
        catalogue
            .iter()
            .filter(|(id, sku)| sku.on_sale && unclaimed[id.index()] > 0 && of_roadmap(*id))
            .map(|(id, sku)| (id, sku.row.launch)),
    );
    if later.is_empty() {
        return;
    }
    later.sort_by_key(|(id, launch)| (std::cmp::Reverse(*launch), id.0));
    let supersedes = |new: &Sku, old: &Sku| {
        new.vendor == old.vendor
            && new.row.launch > old.row.launch
            && new.row.tflops_16bit >= old.row.tflops_16bit
    };
    superseded.clear();
    superseded.extend(catalogue.iter().map(|(id, old)| {
        of_roadmap(id) && later.iter().any(|(id, _)| supersedes(catalogue.sku(*id), old))
    }));
    for at in 0..book.orders.len() {
        let order = &book.orders[at];
        if order.clearance != Clearance::Pending && !rolled_over(order) {
            unclaimed[order.sku.index()] -= order.open;
        }
        let waits = order.open > 0 && spare[order.sku.index()] < 0 && superseded[order.sku.index()];
        let cleared = matches!(order.clearance, Clearance::NotNeeded | Clearance::WithinQuota(_));
        if !waits || !cleared || order.fee != Money::ZERO {
            continue;
        }
        let old = catalogue.sku(order.sku);
        let free = |id: SkuId| {
            let same_die = catalogue.sku(id).die == old.die;
            if same_die { unclaimed[id.index()] } else { spare[id.index()] }
        };
        let later_of_vendor =
            |(id, _): &&(SkuId, Month)| supersedes(catalogue.sku(*id), old) && free(*id) > 0;
        // Mostly there is none, and who would have to be asked is no question.
        if !later.iter().any(|of| later_of_vendor(&of)) {
            continue;
        }
        let (Ok(buyer), Ok(site)) = (
            firms.get(roster.firms[order.buyer.index()]),
            sites.get(roster.sites[order.site.index()]),
        ) else {
            continue;
        };
        let there =
            |kind, id: SkuId| rulebook.strictest(kind, id, order.buyer, buyer.home, site.country);
        let rule_there = |id: SkuId| {
            let rule = there(RuleKind::ChipExport, id);
            rule.filter(|rule| rule.row.treatment > Treatment::Allow)
        };
        // Nobody has to be asked (no rule, or a quota and no notice), and nothing is due: no share of revenue, duty or listing.
        let free_there = |id: SkuId| {
            let due = |rule: &Rule| rule.row.revenue_share + rule.row.duty > 0.0;
            !there(RuleKind::ChipExport, id).is_some_and(due)
                && !there(RuleKind::Tariff, id).is_some_and(due)
                && there(RuleKind::EntityListing, id).is_none_or(|rule| rule.firms.is_empty())
                && rule_there(id).is_none_or(|rule| {
                    rule.row.treatment == Treatment::Quota
                        && !rulebook.asks_notice(id, order.buyer, buyer.home, site.country)
                })
        };
        let Some((newer, _)) = later.iter().filter(later_of_vendor).find(|(id, _)| free_there(*id))
        else {
            continue;
        };
        let (newer, new) = (*newer, catalogue.sku(*newer));
        let price = Money::from_amount(new.price_usd, settings.quantum);
        let quantum = settings.quantum;
        let attach = order.set_aside.amount(quantum) / order.price.amount(quantum).max(quantum);
        let set_aside = price.scaled(attach);
        // Neither more money nor more power than was set aside.
        let per_chip = (order.set_aside.amount(quantum) / set_aside.amount(quantum).max(quantum))
            .min(old.row.tdp_w / new.row.tdp_w);
        let most = free(newer).min((-spare[order.sku.index()]).min(order.open));
        let units = maths::whole_below(order.open.min(-spare[order.sku.index()]) as f64 * per_chip)
            .min(most);
        if units <= 0 {
            continue;
        }
        let clearance = match rule_there(newer) {
            None => Clearance::NotNeeded,
            Some(rule) => {
                let (chip, year) = ((newer, new), clock.now.year());
                if !quotas.draw(rule, order.buyer, chip, units, &book.shipped, year) {
                    continue;
                }
                Clearance::WithinQuota(rule.id)
            }
        };
        let given_up = (-maths::whole_below(-(units as f64) / per_chip)).min(order.open);
        let new_order = Order {
            sku: newer,
            // Its own place among the buyer's orders of the month.
            ordinal: order.ordinal | ROLLED_OVER,
            open: units,
            shipped: 0,
            price,
            set_aside,
            clearance,
            ..order.clone()
        };
        let back = order.set_aside.times(given_up) - set_aside.times(units);
        desk.refunds[order.buyer.index()] += back;
        desk.cancelled[order.sku.index()] += given_up;
        spare[newer.index()] -= units;
        unclaimed[newer.index()] -= units;
        spare[order.sku.index()] += given_up;
        unclaimed[order.sku.index()] += given_up;
        book.orders[at].open -= given_up;
        book.place(new_order);
    }
}

/// Cancels part of orders that waited too long and could have shipped.
pub(crate) fn cancel_stale(
    clock: Res<Clock>,
    p: Res<AllocationParameters>,
    mut desk: ResMut<SalesDesk>,
    mut book: ResMut<OrderBook>,
) {
    for order in &mut book.orders {
        let waited = f64::from(clock.now - order.placed);
        if waited <= p.stale_months || order.clearance == Clearance::Pending || order.open <= 0 {
            continue;
        }
        let wanted = order.open as f64 * p.stale_cancel_rate;
        let n = (-maths::whole_below(-wanted)).min(order.open);
        order.open -= n;
        desk.refunds[order.buyer.index()] += order.set_aside.times(n);
        desk.cancelled[order.sku.index()] += n;
    }
}
