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
    mut successors: bevy_ecs::prelude::Local<Successors>,
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
    // Only what somebody waits for, or comes to, while later ones are given out.
    let asked_for = |id: SkuId| spare[id.index()] < 0 || unclaimed[id.index()] > 0;
    successors.list(catalogue.iter().map(|(id, old)| {
        let asked_for = asked_for(id) && of_roadmap(id);
        let later = if asked_for { later.as_slice() } else { &[] };
        later.iter().filter_map(|(id, _)| {
            let new = catalogue.sku(*id);
            supersedes(new, old).then_some(Successor { sku: *id, same_die: new.die == old.die })
        })
    }));
    for at in 0..book.orders.len() {
        let order = &book.orders[at];
        if order.clearance != Clearance::Pending && !rolled_over(order) {
            unclaimed[order.sku.index()] -= order.open;
        }
        let waits = order.open > 0 && spare[order.sku.index()] < 0;
        let cleared = matches!(order.clearance, Clearance::NotNeeded | Clearance::WithinQuota(_));
        if !waits || !cleared || order.fee != Money::ZERO {
            continue;
        }
        let free = |of: &Successor| {
            if of.same_die { unclaimed[of.sku.index()] } else { spare[of.sku.index()] }
        };
        let in_stock = || successors.of(order.sku).iter().filter(|of| free(of) > 0);
        // Mostly there is none, and who would have to be asked is no question.
        if in_stock().next().is_none() {
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
            let on_export = there(RuleKind::ChipExport, id);
            !on_export.is_some_and(due)
                && !there(RuleKind::Tariff, id).is_some_and(due)
                && there(RuleKind::EntityListing, id).is_none_or(|rule| rule.firms.is_empty())
                && on_export.is_none_or(|rule| {
                    rule.row.treatment <= Treatment::Allow
                        || rule.row.treatment == Treatment::Quota
                            && !rulebook.asks_notice(id, order.buyer, buyer.home, site.country)
                })
        };
        let Some(successor) = in_stock().find(|of| free_there(of.sku)) else { continue };
        let (newer, most) = (successor.sku, free(successor));
        let (old, new) = (catalogue.sku(order.sku), catalogue.sku(newer));
        let price = Money::from_amount(new.price_usd, settings.quantum);
        let quantum = settings.quantum;
        let attach = order.set_aside.amount(quantum) / order.price.amount(quantum).max(quantum);
        let set_aside = price.scaled(attach);
        // Neither more money nor more power than was set aside.
        let per_chip = (order.set_aside.amount(quantum) / set_aside.amount(quantum).max(quantum))
            .min(old.row.tdp_w / new.row.tdp_w);
        let most = most.min((-spare[order.sku.index()]).min(order.open));
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

/// A later SKU that may fill orders for an earlier one.
#[derive(Clone, Copy, Debug)]
struct Successor {
    sku: SkuId,
    /// Whether it carries the same die: then it goes by age, whoever ordered it.
    same_die: bool,
}

/// The successors of each SKU.
#[derive(Debug, Default)]
pub(crate) struct Successors {
    all: Vec<Successor>,
    /// Those of a SKU end here in `all`, and those of the next begin, `[sku]`.
    ends: Vec<usize>,
}

impl Successors {
    /// Lists the successors of every SKU, in order.
    fn list<I: Iterator<Item = Successor>>(&mut self, of_skus: impl Iterator<Item = I>) {
        self.all.clear();
        self.ends.clear();
        for successors in of_skus {
            self.all.extend(successors);
            self.ends.push(self.all.len());
        }
    }

    fn of(&self, sku: SkuId) -> &[Successor] {
        let from = sku.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[from..self.ends[sku.index()]]
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
