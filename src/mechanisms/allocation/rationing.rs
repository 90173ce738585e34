//! Finished chips are rationed among orders, shipped and paid.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::measures::PAID;
use super::orders::rolled_over;
use super::{AllocationParameters, SalesDesk, eligible, zero};
use crate::entities::boards::{ChipMarket, Dock, GreyMarkets};
use crate::entities::chip::Catalogue;
use crate::entities::firm::Purse;
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::licence::LicenceBook;
use crate::entities::line::Parts;
use crate::entities::order::{Clearance, OrderBook, Shipment};
use crate::entities::rule::{RuleKind, Rulebook, Treatment};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, FirmId, Roster, Settings, Switches};
use crate::maths;
use crate::units::{Count, Money};

/// Rations what is at the dock, ships it and is paid.
pub(crate) fn ration(
    clock: Res<Clock>,
    (settings, roster, switches): (Res<Settings>, Res<Roster>, Res<Switches>),
    catalogue: Res<Catalogue>,
    rulebook: Res<Rulebook>,
    grey: Res<GreyMarkets>,
    p: Res<AllocationParameters>,
    mut desk: ResMut<SalesDesk>,
    mut dock: ResMut<Dock>,
    mut market: ResMut<ChipMarket>,
    mut book: ResMut<OrderBook>,
    mut parts: ResMut<Parts>,
    (mut licences, mut ledger): (ResMut<LicenceBook>, ResMut<Ledger>),
    mut vendors: Query<(&Vendor, &mut Sales)>,
    mut purses: Query<&mut Purse>,
    mut captives: bevy_ecs::prelude::Local<Vec<(Option<FirmId>, i32)>>,
) {
    let (desk, book, licences) = (&mut *desk, &mut *book, &mut *licences);
    let (now, skus, firms) = (clock.now, catalogue.skus.len(), roster.firms.len());
    captives.clear();
    captives.extend(
        vendors
            .iter_many(&roster.vendors)
            .flatten()
            .map(|(v, _)| (v.captive, v.row.shipping_months as i32)),
    );
    zero(&mut desk.eligible, skus * firms);
    zero(&mut desk.totals, skus);
    zero(&mut desk.quota, skus);
    zero(&mut desk.wanted, skus);
    for order in &book.orders {
        let (s, captive) = (order.sku.index(), captives[order.vendor.index()].0);
        if order.placed == now {
            market.ordered[s] += order.open;
            let weight = if order.clearance == Clearance::Pending { p.pending_weight } else { 1.0 };
            desk.wanted[s] += weight * order.open as f64;
        }
        let n = eligible(order, captive, now);
        desk.eligible[s * firms + order.buyer.index()] += n;
        desk.totals[s] += n;
    }
    let large = |desk: &SalesDesk, s: usize, firm: usize| {
        desk.eligible[s * firms + firm] as f64 >= p.large_buyer_share * desk.totals[s] as f64
    };
    for (id, sku) in catalogue.iter() {
        let s = id.index();
        let captive = captives[sku.vendor.index()].0.is_some();
        if switches.grey_market && !captive && parts.inventory[s] > 0 {
            let sought = grey.markets.iter().any(|m| {
                // Of firms that no rule names, one may answer for all.
                let mut asked = false;
                m.offered_usd.iter().any(|(firm, usd)| {
                    *usd > 0.0
                        && (rulebook.names(*firm) || !std::mem::replace(&mut asked, true))
                        && rulebook
                            .strictest(RuleKind::ChipExport, id, *firm, m.country, m.country)
                            .is_some_and(|rule| rule.row.treatment >= Treatment::CaseByCase)
                })
            });
            if sought {
                dock.held_back[s] =
                    maths::whole_below(p.grey_cap_share * parts.inventory[s] as f64);
            }
        }
        // Nobody may have any, or there are none: both quotas stay 0.
        if desk.totals[s] == 0 {
            continue;
        }
        let free = parts.inventory[s] - dock.held_back[s];
        if free <= 0 {
            continue;
        }
        let big: Count =
            (0..firms).filter(|f| large(desk, s, *f)).map(|f| desk.eligible[s * firms + f]).sum();
        let small = desk.totals[s] - big;
        desk.quota[s] = split(free, big, small, p.large_buyer_priority);
    }
    // What was rolled over from an earlier SKU was ordered before the rest.
    for first in [true, false] {
        for order in book.orders.iter_mut().filter(|order| rolled_over(order) == first) {
            let (s, v) = (order.sku.index(), order.vendor.index());
            // Most orders wait for chips of which there are none.
            if desk.quota[s] == [0, 0] {
                continue;
            }
            let (captive, months) = captives[v];
            let class = usize::from(!large(desk, s, order.buyer.index()));
            let n = eligible(order, captive, now).min(desk.quota[s][class]);
            if n <= 0 {
                continue;
            }
            desk.quota[s][class] -= n;
            parts.inventory[s] -= n;
            order.open -= n;
            order.shipped += n;
            book.shipped[s] += n;
            market.shipped[s] += n;
            if let Clearance::Licensed { left, .. } = &mut order.clearance {
                *left -= n;
                book.shipped_under_licence += n;
                if let Some(id) = licences.live.iter().find(|id| {
                    licences.applications.get(**id as usize).is_some_and(|a| a.order == order.id)
                }) {
                    licences.applications[*id as usize].shipped += n;
                }
            }
            let paid = (order.set_aside - order.fee).times(n);
            let payer = Account::Firm(order.buyer);
            ledger.pay(payer, Account::Vendor(order.vendor), paid, Purpose::Chips);
            if order.fee != Money::ZERO {
                let fee = order.fee.times(n);
                ledger.pay(payer, Account::Outside(Outside::Treasuries), fee, Purpose::Fees);
            }
            desk.released[order.buyer.index()] += order.set_aside.times(n);
            if let Some(at) = PAID.iter().position(|(channel, _)| *channel == order.channel) {
                desk.paid[order.buyer.index()][at] +=
                    order.set_aside.times(n).amount(settings.quantum);
            }
            let usd = paid.amount(settings.quantum);
            let chinese = desk.firm_china[order.buyer.index()];
            desk.revenue[v] += usd;
            desk.units[v] += n;
            if chinese {
                desk.revenue_china[v] += usd;
            }
            let h100e = n as f64 * catalogue.sku(order.sku).row.tops_8bit / catalogue.reference.0;
            desk.world_h100e_total += h100e;
            desk.h100e[v] += h100e;
            if desk.firm_constrained[order.buyer.index()] {
                let home = desk.firm_home[order.buyer.index()] == desk.vendor_home[v];
                desk.constrained_h100e[usize::from(home)] += h100e;
            }
            if chinese && desk.site_china[order.site.index()] {
                let domestic = usize::from(desk.vendor_china[v]);
                desk.china_units[domestic] += n as f64;
                desk.china_h100e[domestic] += h100e;
                desk.china_h100e_total[domestic] += h100e;
                desk.china_nvidia_like[v] += h100e;
            }
            if captive.is_none() && !desk.firm_closed[order.buyer.index()] {
                dock.divertible[s] += n;
            }
            book.shipments.push(Shipment {
                sku: order.sku,
                site: order.site,
                units: n,
                paid: order.set_aside,
                due: now + months,
            });
        }
    }
    let mut firm = 0;
    let mut at_work = purses.iter_many_mut(&roster.firms);
    while let Some(Ok(mut purse)) = at_work.fetch_next() {
        purse.escrow -= desk.refunds[firm] + desk.released[firm];
        purse.unspent += desk.refunds[firm];
        firm += 1;
    }
    let mut at_work = vendors.iter_many_mut(&roster.vendors);
    while let Some(Ok((vendor, mut sales))) = at_work.fetch_next() {
        let v = vendor.id.index();
        sales.book(now, desk.revenue[v], desk.revenue_china[v], desk.units[v]);
    }
}

/// Shares `free` units between classes of `big` and `small` needs, the first with `priority`.
fn split(free: Count, big: Count, small: Count, priority: f64) -> [Count; 2] {
    if free <= 0 {
        return [0, 0];
    }
    if free >= big + small {
        return [big, small];
    }
    let weight = priority.max(0.0) * big as f64;
    let part = weight / (weight + small as f64).max(f64::MIN_POSITIVE);
    let first = maths::whole(free as f64 * part).min(big);
    let second = (free - first).min(small);
    [(free - second).min(big), second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_share_by_priority_times_units() {
        // 90 chips; large buyers want 100 at priority 2, others 100: 2/3 and 1/3.
        assert_eq!(split(90, 100, 100, 2.0), [60, 30]);
        // Others want only 10: the large ones get the rest.
        assert_eq!(split(90, 100, 10, 2.0), [86, 4]);
        assert_eq!(split(300, 100, 10, 2.0), [100, 10]);
        assert_eq!(split(-5, 100, 10, 2.0), [0, 0]);
    }
}
