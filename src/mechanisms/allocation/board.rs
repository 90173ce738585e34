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
use crate::entities::{Clock, DieId, Roster, Switches, VendorId};
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

/// A chip that is or will be on the list, as buyers compare it with an older one.
pub(crate) struct Tag {
    vendor: VendorId,
    die: DieId,
    launch: Month,
    /// 16-bit, TFLOP/s.
    throughput: f64,
    /// Worth for the mix of work, before software.
    work: f64,
    /// At launch.
    price_usd: f64,
}

impl Tag {
    /// What this chip leaves an older one of the vendor to cost, USD; none if it is no alternative to an order of today that
    /// `arrives` then. Nobody pays more for an older chip than for a later one that does as much; of two chips of one
    /// die, which come out of one queue, nobody pays more than in proportion to what they do.
    fn outbids(&self, older: &Sku, arrives: Month) -> Option<f64> {
        let later = self.vendor == older.vendor
            && self.launch > older.row.launch
            && self.launch <= arrives
            && self.throughput >= older.row.tflops_16bit;
        let share =
            if self.die == older.die { (older.work_paper / self.work).min(1.0) } else { 1.0 };
        later.then_some(self.price_usd * share)
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
    mut tags: bevy_ecs::prelude::Local<Vec<Tag>>,
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
            tags.push(Tag {
                vendor: sku.vendor,
                die: sku.die,
                launch: sku.row.launch,
                throughput: sku.row.tflops_16bit,
                work: sku.work_paper,
                price_usd: sku.row.price_usd,
            });
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
            let arrives = clock.now + maths::whole(market.wait_months[s]) as i32;
            let launch = tags
                .iter()
                .filter_map(|tag| tag.outbids(sku, arrives))
                .fold(sku.row.price_usd, f64::min);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::rule::fixtures::h100;

    #[test]
    fn a_later_chip_of_the_same_die_is_compared_by_what_it_does() {
        let older = |die: u16| {
            let mut sku = h100();
            (sku.die, sku.work_paper, sku.row.launch) = (DieId(die), 0.8, Month::new(2022, 10));
            sku
        };
        let tag = Tag {
            vendor: older(0).vendor,
            die: DieId(0),
            launch: Month::new(2024, 7),
            throughput: 989.5,
            work: 1.0,
            price_usd: 30_000.0,
        };
        let arrives = Month::new(2024, 8);
        // Of one die: 30 000 · 0.8/1; of another one: what does as much costs as much.
        assert_eq!(tag.outbids(&older(0), arrives), Some(24_000.0));
        assert_eq!(tag.outbids(&older(1), arrives), Some(30_000.0));
        // Not yet sold when an order of today arrives, or doing less: no alternative.
        assert_eq!(tag.outbids(&older(0), Month::new(2024, 6)), None);
        let mut stronger = older(0);
        stronger.row.tflops_16bit = 1_000.0;
        assert_eq!(tag.outbids(&stronger, arrives), None);
    }
}
