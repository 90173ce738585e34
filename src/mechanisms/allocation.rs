//! Allocation: vendors ration finished chips, ship, are paid, and move their prices.
//!
//! **Stale orders.** Orders that could ship and are older than h_s months lose the share c of their open units a
//! month, rounded up; the money goes back to the buyer's unspent budget. Pending orders are the licensing room's.
//!
//! **Rolled over.** While an order of a roadmap SKU waits and the vendor has finished chips of a later one that does at least
//! as much and that nobody ordered, it offers those: m = ⌊n · min(s_A/s_B, P_A/P_B)⌋ chips for n that wait, s the money set aside for
//! one at today's prices and P the power, at most what is spare, newest first, where nobody has to be asked and no fee is due. The rest of
//! the money goes back to the buyer.
//!
//! **Rationing.** Eligible: no licence needed, or a licence in force with units left; captive vendors serve their
//! firm alone. A buyer with at least the share x of a SKU's eligible units is *large*. What is at the dock is
//! split between large and other buyers by (priority × open units; others' priority is 1), no class above its need,
//! and filled in filing order within a class, whole units.
//!
//! **Held back.** Where buyers under a strict rule offer brokers money, up to the share d of a covered SKU's
//! dock is kept for the brokers, who order under the names of firms in transit hubs; what
//! they leave ships next month.
//!
//! **Payment** at shipping: firm → vendor `set_aside − fee` (price × attach), firm → `Treasuries` the fee; the
//! escrow falls by `set_aside`.
//!
//! **Market board.** Forecast F' = F + a_F(orders − F), orders that need a licence at their odds.
//! Expected output O' = O + a_O(output − O), at least the chips in work / months in work. Wait =
//! clip((backlog − inventory)⁺/O, 0, w_max), the make-to-order lead when nothing is being made. Price:
//! ln p += η_p(min(backlog/O, w_max) − b*) − o·[a later generation is on sale], between floor and cap × launch price, or the
//! launch price of a later SKU of the vendor that does as much, where that is less.
//!
//! **Write-offs.** A SKU with stock and no cleared order and no shipment for h_w months in a row is written off.
//!
//! **Flows outside the model.** Vendors' other revenue grows at g_o; China's part is a column of the vendors
//! table. Cards without high-bandwidth memory sold in China (counts of market researchers include them) are min(n₀e^{g t}, n_max) a month:
//! they count in unit shares only, their money is part of the other revenue, and they are no AI compute.

use bevy_ecs::prelude::{Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock, GreyMarkets};
use crate::entities::chip::{Catalogue, Origin};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::{Firm, Group, Purse};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::line::Parts;
use crate::entities::order::{Channel, Clearance, Order, OrderBook, Shipment};
use crate::entities::rule::{RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::script::{StockKind, StockRow};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, SkuId, Switches, VendorId};
use crate::maths;
use crate::metric::{Metric, Readings};
use crate::units::{Count, Money};

/// Dollars in a billion.
const BILLION: f64 = 1e9;
/// Marks the ordinal of an order that took the place of another.
const ROLLED_OVER: u16 = 1 << 15;
/// Weeks in a month.
const WEEKS_PER_MONTH: f64 = 52.0 / 12.0;

crate::parameters! {
    /// Parameters of allocation.
    pub struct AllocationParameters in "allocation" {
        /// Months after which an open order begins to be cancelled, h_s.
        stale_months,
        /// Share of a stale order cancelled a month, c.
        stale_cancel_rate,
        /// Share of a SKU's eligible units from which a buyer is large, x.
        large_buyer_share,
        /// Priority of large buyers' units over others'.
        large_buyer_priority,
        /// Weight of orders that wait for a licence in what vendors count on.
        pending_weight,
        /// Response of ln price to a month of excess backlog, η_p.
        price_response,
        /// Backlog at which prices rest, b*.
        price_target_months,
        /// Lowest price over launch price.
        price_floor,
        /// Highest price over launch price.
        price_cap,
        /// Fall of ln price a month once a later generation is on sale, o.
        price_obsolescence,
        /// Speed of the forecast, a_F.
        forecast_speed,
        /// Speed of expected output, a_O.
        output_speed,
        /// Longest wait that is quoted, w_max.
        wait_max_months,
        /// Wait for a chip of which none is being made.
        make_to_order_months,
        /// Months without a buyer after which a stock is written off, h_w.
        write_off_months,
        /// Months of orders that the opening stocks of chips stand for.
        opening_inventory_months,
        /// Growth of vendors' other revenue, g_o.
        other_revenue_growth,
        /// Cards without high-bandwidth memory sold in China, January 2022, n₀.
        cards_china_units_month,
        /// Growth of those cards, g.
        cards_china_growth,
        /// Ceiling of those cards, n_max.
        cards_china_ceiling,
        /// Largest share of a month's chips that brokers can divert, d.
        grey_cap_share,
    }
}

/// The month's tables of `allocation`, and what it counts since the start.
#[derive(Resource, Debug, Default)]
pub struct SalesDesk {
    refunds: Vec<Money>,
    released: Vec<Money>,
    /// Eligible units, `[sku × firm]`.
    eligible: Vec<Count>,
    totals: Vec<Count>,
    /// What is left for large and other buyers, `[sku]`.
    quota: Vec<[Count; 2]>,
    revenue: Vec<f64>,
    revenue_china: Vec<f64>,
    units: Vec<Count>,
    /// Units cancelled this month, `[sku]`.
    cancelled: Vec<Count>,
    /// Weighted orders of this month, `[sku]`.
    wanted: Vec<f64>,
    /// Months in a row without a buyer, `[sku]`.
    idle: Vec<i32>,
    firm_china: Vec<bool>,
    site_china: Vec<bool>,
    /// Firms at home where a grey market is.
    firm_closed: Vec<bool>,
    vendor_china: Vec<bool>,
    /// Deliveries into China to Chinese firms this month: units and H100e, foreign and domestic.
    china_units: [f64; 2],
    china_h100e: [f64; 2],
    /// The same H100e since the start, and the world's.
    china_h100e_total: [f64; 2],
    world_h100e_total: f64,
    china_nvidia_like: Vec<f64>,
    /// H100e shipped this month, `[vendor]`.
    h100e: Vec<f64>,
    firm_constrained: Vec<bool>,
    /// Homes of firms and vendors.
    firm_home: Vec<CountryId>,
    vendor_home: Vec<CountryId>,
    /// H100e shipped this month to constrained firms, by foreign vendors and by those at home.
    constrained_h100e: [f64; 2],
    /// Paid this month for chips shipped, fees included, `[firm]`, in the order of [`PAID`].
    paid: Vec<[f64; 5]>,
}

/// The market and the dock at the start of a run: opening stocks of chips stand for some months of orders.
pub(crate) fn opening(
    catalogue: &Catalogue,
    stocks: &[StockRow],
    p: &AllocationParameters,
) -> (ChipMarket, Dock) {
    let mut market = ChipMarket::default();
    let mut dock = Dock::default();
    dock.fit(catalogue.skus.len());
    for (id, sku) in catalogue.iter() {
        market.add_sku();
        let opening: f64 = stocks
            .iter()
            .filter(|row| row.kind == StockKind::Chips && row.item.as_deref() == Some(&sku.id))
            .map(|row| row.amount)
            .sum();
        let monthly = opening / p.opening_inventory_months.max(1.0);
        market.forecast[id.index()] = monthly;
        dock.expected_output[id.index()] = monthly;
        market.wait_months[id.index()] = if monthly > 0.0 { 0.0 } else { p.make_to_order_months };
    }
    (market, dock)
}

fn zero<T: Copy + Default>(values: &mut Vec<T>, n: usize) {
    values.clear();
    values.resize(n, T::default());
}

/// Units of `order` that may ship in `now`.
fn eligible(order: &Order, captive: Option<FirmId>, now: Month) -> Count {
    if captive.is_some_and(|firm| firm != order.buyer) {
        return 0;
    }
    match order.clearance {
        Clearance::NotNeeded | Clearance::WithinQuota(_) => order.open,
        Clearance::Licensed { left, expires } if now < expires => order.open.min(left).max(0),
        Clearance::Licensed { .. } | Clearance::Pending => 0,
    }
}

/// Opens the month: who is where, no sales yet.
pub(crate) fn open_month(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    grey: Res<GreyMarkets>,
    mut desk: ResMut<SalesDesk>,
    mut market: ResMut<ChipMarket>,
    mut dock: ResMut<Dock>,
    countries: Query<&Country>,
    firms: Query<&Firm>,
    sites: Query<&Site>,
    mut vendors: Query<(&Vendor, &mut Sales)>,
) {
    let desk = &mut *desk;
    let skus = catalogue.skus.len();
    dock.fit(skus);
    dock.held_back.fill(0);
    dock.divertible.fill(0);
    market.shipped.fill(0);
    market.ordered.fill(0);
    desk.idle.resize(skus, 0);
    zero(&mut desk.refunds, roster.firms.len());
    zero(&mut desk.released, roster.firms.len());
    zero(&mut desk.cancelled, skus);
    zero(&mut desk.revenue, roster.vendors.len());
    zero(&mut desk.revenue_china, roster.vendors.len());
    zero(&mut desk.units, roster.vendors.len());
    desk.paid.clear();
    desk.paid.resize(roster.firms.len(), [0.0; 5]);
    zero(&mut desk.china_nvidia_like, roster.vendors.len());
    zero(&mut desk.h100e, roster.vendors.len());
    desk.constrained_h100e = [0.0; 2];
    desk.china_units = [0.0; 2];
    desk.china_h100e = [0.0; 2];
    let in_china = |country: usize| {
        roster.countries.get(country).is_some_and(|entity| {
            countries.get(*entity).is_ok_and(|country| country.row.bloc == Bloc::China)
        })
    };
    if desk.firm_china.len() != roster.firms.len() || desk.site_china.len() != roster.sites.len() {
        desk.firm_china.clear();
        desk.firm_china
            .extend(firms.iter_many(&roster.firms).flatten().map(|f| in_china(f.home.index())));
        desk.firm_constrained.clear();
        desk.firm_home.clear();
        for firm in firms.iter_many(&roster.firms).flatten() {
            desk.firm_constrained.push(firm.row.group == Group::Constrained);
            desk.firm_home.push(firm.home);
        }
        desk.vendor_home.clear();
        desk.vendor_home
            .extend(vendors.iter_many(&roster.vendors).flatten().map(|(v, _)| v.home));
        desk.firm_closed.clear();
        desk.firm_closed.extend(
            firms
                .iter_many(&roster.firms)
                .flatten()
                .map(|f| grey.markets.iter().any(|m| m.country == f.home)),
        );
        desk.site_china.clear();
        desk.site_china
            .extend(sites.iter_many(&roster.sites).flatten().map(|s| in_china(s.country.index())));
        desk.vendor_china.clear();
        desk.vendor_china.extend(
            vendors.iter_many(&roster.vendors).flatten().map(|(v, _)| in_china(v.home.index())),
        );
    }
    let mut at_work = vendors.iter_many_mut(&roster.vendors);
    while let Some(Ok((_, mut sales))) = at_work.fetch_next() {
        sales.open(clock.now);
    }
}

/// Fills orders that wait for an older SKU with later chips of the vendor that lie in stock.
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
    mut spare: bevy_ecs::prelude::Local<Vec<Count>>,
    mut later: bevy_ecs::prelude::Local<Vec<(SkuId, Month)>>,
) {
    zero(&mut spare, catalogue.skus.len());
    for (free, made) in spare.iter_mut().zip(&parts.inventory) {
        *free = *made;
    }
    for order in book.orders.iter().filter(|order| order.clearance != Clearance::Pending) {
        spare[order.sku.index()] -= order.open;
    }
    let of_roadmap = |id: SkuId| {
        matches!(catalogue.sku(id).row.origin, Origin::Roadmap | Origin::Extrapolated)
    };
    later.clear();
    later.extend(
        catalogue
            .iter()
            .filter(|(id, sku)| sku.on_sale && spare[id.index()] > 0 && of_roadmap(*id))
            .map(|(id, sku)| (id, sku.row.launch)),
    );
    if later.is_empty() {
        return;
    }
    later.sort_by_key(|(id, launch)| (std::cmp::Reverse(*launch), id.0));
    for at in 0..book.orders.len() {
        let order = &book.orders[at];
        let waits = order.open > 0 && spare[order.sku.index()] < 0 && of_roadmap(order.sku);
        let cleared = matches!(order.clearance, Clearance::NotNeeded | Clearance::WithinQuota(_));
        if !waits || !cleared || order.fee != Money::ZERO {
            continue;
        }
        let (Ok(buyer), Ok(site)) = (
            firms.get(roster.firms[order.buyer.index()]),
            sites.get(roster.sites[order.site.index()]),
        ) else {
            continue;
        };
        let old = catalogue.sku(order.sku);
        let rule_there = |id: SkuId| {
            let kind = RuleKind::ChipExport;
            let rule = rulebook.strictest(kind, id, order.buyer, buyer.home, site.country);
            rule.filter(|rule| rule.row.treatment > Treatment::Allow)
        };
        // Nobody has to be asked: no rule, or a quota and no notice.
        let free_there = |id: SkuId| {
            rule_there(id).is_none_or(|rule| {
                rule.row.treatment == Treatment::Quota
                    && !rulebook.asks_notice(id, order.buyer, buyer.home, site.country)
            })
        };
        let Some((newer, _)) = later.iter().find(|(id, launch)| {
            let new = catalogue.sku(*id);
            new.vendor == old.vendor
                && *launch > old.row.launch
                && new.row.tflops_16bit >= old.row.tflops_16bit
                && spare[id.index()] > 0
                && free_there(*id)
        }) else {
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
        let most = spare[newer.index()].min((-spare[order.sku.index()]).min(order.open));
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
        spare[order.sku.index()] += given_up;
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
        // Nobody may have any: both quotas stay 0.
        if desk.totals[s] == 0 {
            continue;
        }
        let free = parts.inventory[s] - dock.held_back[s];
        let big: Count =
            (0..firms).filter(|f| large(desk, s, *f)).map(|f| desk.eligible[s * firms + f]).sum();
        let small = desk.totals[s] - big;
        desk.quota[s] = split(free, big, small, p.large_buyer_priority);
    }
    for order in &mut book.orders {
        let (s, v) = (order.sku.index(), order.vendor.index());
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
    mut work: bevy_ecs::prelude::Local<(Vec<f64>, Vec<f64>, Vec<Option<Month>>)>,
    mut tags: bevy_ecs::prelude::Local<Vec<(VendorId, Month, f64, f64)>>,
) {
    let (desk, dock, market, parts) = (&mut *desk, &mut *dock, &mut *market, &mut *parts);
    let (units, months, newest) = &mut *work;
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
        if sku.on_sale && matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated) {
            let latest = &mut newest[sku.vendor.index()];
            *latest = (*latest).max(Some(sku.row.launch));
            tags.push((sku.vendor, sku.row.launch, sku.row.tflops_16bit, sku.row.price_usd));
        }
    }
    for (s, sku) in catalogue.skus.iter_mut().enumerate() {
        market.forecast[s] += p.forecast_speed * (desk.wanted[s] - market.forecast[s]);
        let smooth = dock.expected_output[s]
            + p.output_speed * (market.output[s] as f64 - dock.expected_output[s]);
        dock.expected_output[s] = smooth;
        let in_work = if months[s] > 0.0 { units[s] / months[s] } else { 0.0 };
        let rate = smooth.max(in_work);
        let short = (market.backlog[s] - parts.inventory[s]).max(0) as f64;
        let make = rate >= 1.0;
        market.wait_months[s] = match (short > 0.0, make) {
            (true, true) => (short / rate).min(p.wait_max_months),
            (false, _) if parts.inventory[s] > 0 || make => 0.0,
            _ => p.make_to_order_months,
        };
        if switches.chip_prices && (sku.on_sale || market.backlog[s] > 0) {
            let waiting = dock.likely[s];
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
            // Nobody pays more for an older chip than the list says for a later one that does as much.
            let (vendor, since, does) = (sku.vendor, sku.row.launch, sku.row.tflops_16bit);
            let launch = tags
                .iter()
                .filter(|(of, later, more, _)| *of == vendor && *later > since && *more >= does)
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

/// Writes the metrics of sales; after grey trade, whose purchases are shipments too.
pub(crate) fn measure(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    p: Res<AllocationParameters>,
    desk: Res<SalesDesk>,
    market: Res<ChipMarket>,
    parts: Res<Parts>,
    grey: Res<GreyMarkets>,
    mut readings: ResMut<Readings>,
    vendors: Query<(&Vendor, &Sales)>,
) {
    let years = clock.years();
    let growth = maths::exp(p.other_revenue_growth * years);
    let (mut world, mut lost) = (0.0, 0.0);
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let other = vendor.row.other_revenue_usd_bn * BILLION / 12.0 * growth;
        let other_china = other * vendor.row.other_revenue_china_share;
        world += sales.revenue_usd;
        lost += sales.lost_to_rules_total_usd;
        readings.set_for(&ACCELERATOR_USD, v, sales.revenue_usd);
        readings.set_for(&ACCELERATOR_CHINA_USD, v, sales.revenue_china_usd);
        readings.set_for(&REVENUE_USD, v, sales.revenue_usd + other);
        readings.set_for(&REVENUE_CHINA_USD, v, sales.revenue_china_usd + other_china);
        readings.set_for(&LOST_USD, v, sales.lost_to_rules_total_usd);
        readings.set_for(&VENDOR_UNITS, v, desk.units[v] as f64);
        readings.set_for(&VENDOR_H100E, v, desk.h100e[v]);
        readings.set_for(&VENDOR_CHINA_H100E, v, desk.china_nvidia_like[v]);
    }
    for (firm, paid) in desk.paid.iter().enumerate() {
        for ((_, metric), usd) in PAID.iter().zip(paid) {
            readings.set_for(metric, firm, *usd);
        }
    }
    for (id, sku) in catalogue.iter() {
        let s = id.index();
        if !(sku.on_sale || market.backlog[s] > 0 || parts.made[s] > 0) {
            continue;
        }
        let months = vendors
            .iter_many(&roster.vendors)
            .flatten()
            .nth(sku.vendor.index())
            .map_or(0.0, |(v, _)| v.row.shipping_months as f64);
        readings.set_for(&ORDERED_UNITS, s, market.ordered[s] as f64);
        readings.set_for(&CANCELLED_UNITS, s, desk.cancelled[s] as f64);
        readings.set_for(&SHIPPED_UNITS, s, market.shipped[s] as f64);
        readings.set_for(&BACKLOG_UNITS, s, market.backlog[s] as f64);
        readings.set_for(&INVENTORY_UNITS, s, parts.inventory[s] as f64);
        readings.set_for(&WRITTEN_OFF_UNITS, s, parts.written_off[s] as f64);
        readings.set_for(&FORECAST_UNITS, s, market.forecast[s]);
        readings.set_for(&PRICE_USD, s, sku.price_usd);
        readings.set_for(&WAIT_MONTHS, s, market.wait_months[s]);
        readings.set_for(&LEAD_WEEKS, s, (market.wait_months[s] + months) * WEEKS_PER_MONTH);
    }
    let grey_total: f64 = grey.markets.iter().map(|m| m.landed_h100e_total).sum();
    let cards = (p.cards_china_units_month * maths::exp(p.cards_china_growth * years))
        .min(p.cards_china_ceiling);
    let [foreign, domestic] = desk.china_units;
    let all = foreign + domestic + cards;
    let [abroad, home] = desk.constrained_h100e;
    let smuggled: f64 = grey.markets.iter().map(|m| m.landed_h100e).sum();
    let got = abroad + home + smuggled;
    readings.set(&DOMESTIC_CHIP_SHARE, if got > 0.0 { home / got } else { f64::NAN });
    readings.set(&GREY_SHARE, if got > 0.0 { smuggled / got } else { f64::NAN });
    readings.set(&LOST_WORLD_USD, lost);
    readings.set(&WORLD_USD, world);
    readings.set(&WORLD_H100E, desk.world_h100e_total + grey_total);
    readings.set(&CHINA_IMPORT_H100E, desk.china_h100e[0]);
    readings.set(&CHINA_LAWFUL_STOCK, desk.china_h100e_total[0] + desk.china_h100e_total[1]);
    readings.set(&CHINA_DOMESTIC_H100E, desk.china_h100e[1]);
    readings.set(&CHINA_DOMESTIC_UNITS, domestic);
    readings.set(&CHINA_FOREIGN_UNITS, foreign);
    readings.set(&CHINA_ALL_UNITS, all);
    readings.set(&CHINA_CARDS, cards);
    readings.set(&DOMESTIC_SHARE, if all > 0.0 { domestic / all } else { 0.0 });
}

/// What firms pay vendors, by channel.
static PAID: [(Channel, &Metric); 5] = [
    (Channel::Import, &PAID_IMPORT),
    (Channel::Variant, &PAID_VARIANT),
    (Channel::Domestic, &PAID_DOMESTIC),
    (Channel::Offshore, &PAID_OFFSHORE),
    (Channel::Own, &PAID_OWN),
];

crate::metrics! {
    World {
        WORLD_USD = "accelerator_revenue_usd", "USD/month", "Revenue of all vendors from accelerators and systems this month, grey purchases included.";
        WORLD_H100E = "shipped_h100e_total", "H100e", "8-bit H100e (dense 8-bit throughput / that of the reference chip) shipped to buyers since the start, without retirement; landed grey chips included.";
        CHINA_IMPORT_H100E = "china_lawful_import_h100e", "H100e/month", "8-bit H100e that foreign vendors shipped lawfully this month to firms headquartered in China, for sites in China.";
        CHINA_DOMESTIC_H100E = "china_domestic_h100e", "H100e/month", "The same from vendors at home in China.";
        CHINA_LAWFUL_STOCK = "china_lawful_h100e_total", "H100e", "Both together since the start, without retirement: lawful and domestic, no grey chips, none abroad.";
        CHINA_DOMESTIC_UNITS = "china_domestic_units", "chips/month", "Chips of vendors at home in China shipped this month to Chinese firms' sites in China.";
        CHINA_FOREIGN_UNITS = "china_foreign_units", "chips/month", "Chips of foreign vendors shipped lawfully this month to Chinese firms' sites in China.";
        CHINA_CARDS = "china_card_units", "cards/month", "Cards without high-bandwidth memory sold in China: min(n₀e^(gt), n_max); outside the model's compute.";
        CHINA_ALL_UNITS = "china_all_units", "chips/month", "Domestic and foreign chips and cards together: what market researchers count.";
        DOMESTIC_SHARE = "china_domestic_unit_share", "share", "Domestic chips / all of them, this month.";
    }
    World {
        DOMESTIC_CHIP_SHARE = "domestic_chip_share", "share", "8-bit H100e that vendors at home in the buyer's country shipped this month to firms of the constrained group, over all 8-bit H100e that these firms got this month: from home, from abroad, and landed through brokers; empty in a month without any.";
        GREY_SHARE = "grey_share", "share", "8-bit H100e landed through brokers this month over all 8-bit H100e that firms of the constrained group got this month; empty in a month without any.";
        LOST_WORLD_USD = "vendor_revenue_lost_usd", "USD", "Sum over vendors of vendor_revenue_lost_usd: units refused by licensing since the start, at the list price of the month × attach.";
    }
    Firm {
        PAID_IMPORT = "paid_import_usd", "USD/month", "Paid this month for foreign chips shipped to sites at home, fees included.";
        PAID_VARIANT = "paid_variant_usd", "USD/month", "The same for compliance variants.";
        PAID_DOMESTIC = "paid_domestic_usd", "USD/month", "The same for chips of vendors of the firm's own country.";
        PAID_OFFSHORE = "paid_offshore_usd", "USD/month", "The same for own sites abroad because home is restricted.";
        PAID_OWN = "paid_own_usd", "USD/month", "The same for the firm's own silicon.";
    }
    Vendor {
        ACCELERATOR_USD = "datacentre_revenue_usd", "USD/month", "Revenue from accelerators and systems this month.";
        ACCELERATOR_CHINA_USD = "datacentre_revenue_china_usd", "USD/month", "The part from buyers headquartered in China.";
        REVENUE_USD = "total_revenue_usd", "USD/month", "Accelerator revenue and other revenue.";
        REVENUE_CHINA_USD = "total_revenue_china_usd", "USD/month", "The part from China: accelerators by headquarters, other revenue by its share.";
        LOST_USD = "vendor_revenue_lost_usd", "USD", "Units refused by licensing since the start, at the list price of the month × attach.";
        VENDOR_UNITS = "vendor_shipped_units", "chips/month", "Chips shipped this month to buyers.";
        VENDOR_H100E = "vendor_shipped_h100e", "H100e/month", "8-bit H100e shipped this month to buyers, grey purchases left out.";
        VENDOR_CHINA_H100E = "vendor_china_h100e", "H100e/month", "8-bit H100e shipped this month to Chinese firms' sites in China.";
    }
    Sku {
        ORDERED_UNITS = "ordered_units", "chips/month", "Chips ordered this month.";
        CANCELLED_UNITS = "cancelled_units", "chips/month", "Chips of stale orders cancelled this month.";
        SHIPPED_UNITS = "shipped_units", "chips/month", "Chips that left the dock this month, grey purchases included.";
        BACKLOG_UNITS = "backlog_units", "chips", "Chips ordered and open, those that wait for a licence included.";
        INVENTORY_UNITS = "inventory_units", "chips", "Finished chips at the dock.";
        WRITTEN_OFF_UNITS = "written_off_units", "chips", "Chips written off since the start.";
        FORECAST_UNITS = "forecast_units", "chips/month", "Smoothed orders: the vendor's forecast.";
        PRICE_USD = "price_usd", "USD", "List price.";
        WAIT_MONTHS = "wait_months", "month", "(Backlog − inventory) / expected output, bounded.";
        LEAD_WEEKS = "lead_weeks", "week", "Wait and transport, in weeks.";
    }
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

    #[test]
    fn only_cleared_orders_of_the_right_buyer_may_ship() {
        let now = Month::new(2024, 1);
        let mut order = Order {
            id: 0,
            buyer: FirmId(1),
            vendor: crate::entities::VendorId(0),
            sku: crate::entities::SkuId(0),
            site: crate::entities::SiteId(0),
            channel: crate::entities::order::Channel::Import,
            placed: now,
            ordinal: 0,
            open: 10,
            shipped: 0,
            price: Money::ZERO,
            set_aside: Money::ZERO,
            fee: Money::ZERO,
            clearance: Clearance::NotNeeded,
            cause: None,
        };
        assert_eq!(eligible(&order, None, now), 10);
        assert_eq!(eligible(&order, Some(FirmId(0)), now), 0);
        order.clearance = Clearance::Pending;
        assert_eq!(eligible(&order, None, now), 0);
        order.clearance = Clearance::Licensed { left: 4, expires: now + 1 };
        assert_eq!(eligible(&order, None, now), 4);
        assert_eq!(eligible(&order, None, now + 1), 0);
    }
}
