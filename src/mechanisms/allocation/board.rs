//! What buyers and vendors see of the market next month, and what chips cost.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{AllocationParameters, SalesDesk, eligible, zero};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock};
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::line::Parts;
use crate::entities::order::{Clearance, OrderBook};
use crate::entities::rule::{RuleKind, Rulebook, Verdict};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, Roster, Switches, VendorId};
use crate::maths;

/// What waits for a SKU and how fast it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    /// Chips ordered beyond what lies in stock.
    short: f64,
    /// Chips ordered, what needs a licence at its odds.
    waiting: f64,
    /// Chips a month.
    rate: f64,
}

/// Joins the queues of roadmap SKUs of one die, the latest of which is on sale: a later one fills orders of an earlier by
/// age ([`super::orders::roll_over`]), so that all wait alike.
fn join_lines(catalogue: &Catalogue, queues: &mut [Queue]) {
    let of_line = |sku: &Sku| matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated);
    for (id, latest) in catalogue.iter().filter(|(_, sku)| sku.on_sale && of_line(sku)) {
        let earlier =
            |sku: &Sku| of_line(sku) && sku.die == latest.die && sku.row.launch < latest.row.launch;
        let supersedes = |sku: &Sku| sku.on_sale && of_line(sku) && sku.die == latest.die;
        if catalogue.skus.iter().any(|sku| supersedes(sku) && sku.row.launch > latest.row.launch)
            || !catalogue.skus.iter().any(earlier)
        {
            continue;
        }
        let members = || {
            catalogue.iter().filter(|(at, sku)| *at == id || earlier(sku)).map(|(at, _)| at.index())
        };
        let mut line = Queue { short: 0.0, waiting: 0.0, rate: 0.0 };
        for queue in members().map(|at| queues[at]) {
            line.short += queue.short;
            line.waiting += queue.waiting;
            line.rate += queue.rate;
        }
        members().for_each(|at| queues[at] = line);
    }
}

/// Publishes the market: backlog, forecast, expected output, waits; moves prices; writes off what nobody can buy.
pub(crate) fn update_market(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    rulebook: Res<Rulebook>,
    p: Res<AllocationParameters>,
    mut desk: ResMut<SalesDesk>,
    mut dock: ResMut<Dock>,
    mut market: ResMut<ChipMarket>,
    mut book: ResMut<OrderBook>,
    mut parts: ResMut<Parts>,
    mut catalogue: ResMut<Catalogue>,
    mut chronicle: ResMut<Chronicle>,
    vendors: Query<&Vendor>,
    mut work: bevy_ecs::prelude::Local<(Vec<f64>, Vec<f64>, Vec<Option<Month>>, Vec<Queue>)>,
    mut tags: bevy_ecs::prelude::Local<Vec<(VendorId, Month, f64, f64)>>,
) {
    let (desk, dock, market, parts) = (&mut *desk, &mut *dock, &mut *market, &mut *parts);
    let (units, months, newest, queues) = &mut *work;
    let skus = catalogue.skus.len();
    market.backlog.fill(0);
    dock.cleared.fill(0);
    dock.likely.fill(0.0);
    for order in &book.orders {
        let s = order.sku.index();
        market.backlog[s] += order.open;
        if order.clearance == Clearance::Pending {
            dock.likely[s] += p.pending_weight * order.open as f64;
        } else {
            dock.cleared[s] += eligible(order, None, clock.now);
            dock.likely[s] += order.open as f64;
        }
    }
    book.close_finished();
    zero(units, skus);
    zero(months, skus);
    for (_, sku, due, n) in &parts.in_work {
        units[sku.index()] += *n as f64;
        let ahead = f64::from(*due - clock.now);
        months[sku.index()] = ahead.max(months[sku.index()]);
    }
    zero(newest, roster.vendors.len());
    tags.clear();
    for (_, sku) in catalogue.iter() {
        let offered = matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated)
            && (sku.on_sale || sku.row.launch > clock.now);
        if offered {
            if sku.on_sale {
                let latest = &mut newest[sku.vendor.index()];
                *latest = (*latest).max(Some(sku.row.launch));
            }
            tags.push((sku.vendor, sku.row.launch, sku.row.tflops_16bit, sku.row.price_usd));
        }
    }
    queues.clear();
    for s in 0..skus {
        market.forecast[s] += p.forecast_speed * (desk.wanted[s] - market.forecast[s]);
        let smooth = dock.expected_output[s]
            + p.output_speed * (market.output[s] as f64 - dock.expected_output[s]);
        dock.expected_output[s] = smooth;
        let in_work = if months[s] > 0.0 { units[s] / months[s] } else { 0.0 };
        queues.push(Queue {
            short: (market.backlog[s] - parts.inventory[s]).max(0) as f64,
            waiting: dock.likely[s],
            rate: smooth.max(in_work),
        });
    }
    join_lines(&catalogue, queues);
    for (s, sku) in catalogue.skus.iter_mut().enumerate() {
        let Queue { short, waiting, rate } = queues[s];
        let make = rate >= 1.0;
        market.wait_months[s] = match (short > 0.0, make) {
            (true, true) => (short / rate).min(p.wait_max_months),
            (false, _) if parts.inventory[s] > 0 || make => 0.0,
            _ => p.make_to_order_months,
        };
        if switches.chip_prices && (sku.on_sale || market.backlog[s] > 0) {
            let backlog = if make {
                (waiting / rate).min(p.wait_max_months)
            } else if waiting > 0.0 {
                p.make_to_order_months
            } else {
                p.price_target_months
            };
            let older = newest[sku.vendor.index()].is_some_and(|latest| sku.row.launch < latest);
            let change = p.price_response * (backlog - p.price_target_months)
                - if older { p.price_obsolescence } else { 0.0 };
            // Nobody pays more for an older chip than the list says for a later one that does as much and is sold by
            // the time that an order of today arrives.
            let arrives = clock.now + maths::whole(market.wait_months[s]) as i32;
            let (vendor, since, does) = (sku.vendor, sku.row.launch, sku.row.tflops_16bit);
            let launch = tags
                .iter()
                .filter(|(of, later, more, _)| {
                    *of == vendor && *later > since && *later <= arrives && *more >= does
                })
                .fold(sku.row.price_usd, |least, (.., price)| least.min(*price));
            sku.price_usd = (sku.price_usd * maths::exp(change))
                .clamp(p.price_floor * launch, p.price_cap.max(p.price_floor) * launch);
        }
        let stuck = parts.inventory[s] > 0 && market.shipped[s] == 0 && dock.cleared[s] == 0;
        // What was built for a launch to come is not stuck.
        let launched = sku.row.launch <= clock.now;
        desk.idle[s] = if stuck && launched { desk.idle[s] + 1 } else { 0 };
        if desk.idle[s] > 0 && f64::from(desk.idle[s]) >= p.write_off_months {
            let n = parts.inventory[s];
            parts.written_off[s] += n;
            parts.inventory[s] = 0;
            dock.held_back[s] = 0;
            desk.idle[s] = 0;
            let cause = rulebook
                .rules
                .iter()
                .rev()
                .filter(|rule| rule.in_force && rule.row.kind == RuleKind::ChipExport)
                .find(|rule| {
                    let verdicts = rulebook.verdicts.get(rule.id.index());
                    verdicts.and_then(|v| v.get(s)).is_some_and(|v| *v != Verdict::Free)
                })
                .and_then(|rule| rule.event);
            let vendor = roster
                .vendors
                .get(sku.vendor.index())
                .and_then(|entity| vendors.get(*entity).ok())
                .map_or("", |v| v.row.id.as_str());
            chronicle.log(
                clock.now,
                "inventory_written_off",
                (vendor, &sku.id),
                (n as f64, "chips"),
                cause,
                || format!("{vendor} writes off {n} {}: nobody can buy them.", sku.row.name),
            );
        }
    }
}
