//! Allocation: vendors ration finished chips, ship, are paid, and move their prices.
//!
//! **Stale orders.** Orders that could ship and are older than h_s months lose the share c of their open units a
//! month, rounded up; the money goes back to the buyer's unspent budget. Pending orders are the licensing room's.
//!
//! **Rolled over.** While an order of a roadmap SKU waits and the vendor has finished chips of a later one that does at least
//! as much, and that nobody ordered (of the same die: that nobody ordered before), it offers those: m = ⌊n · min(s_A/s_B, P_A/P_B)⌋ chips for n that wait, s the money set aside for
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
//! launch price of a later SKU of the vendor that does as much and is sold by the time an order of today arrives, where that is less;
//! a later SKU of the same die counts in proportion to what each does.
//! Roadmap SKUs of one die have one queue: backlog and output are summed over them.
//!
//! **Write-offs.** A SKU with stock and no cleared order and no shipment for h_w months in a row is written off.
//!
//! **Flows outside the model.** Vendors' other revenue grows at g_o; China's part is a column of the vendors
//! table. Cards without high-bandwidth memory sold in China (counts of market researchers include them) are min(n₀e^{g t}, n_max) a month:
//! they count in unit shares only, their money is part of the other revenue, and they are no AI compute.

use bevy_ecs::prelude::{Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock, GreyMarkets};
use crate::entities::chip::Catalogue;
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::{Firm, Group};
use crate::entities::order::{Clearance, Order};
use crate::entities::script::{StockKind, StockRow};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, FirmId, Roster};
use crate::units::{Count, Money};

mod board;
mod measures;
mod orders;
mod rationing;

pub(crate) use self::board::update_market;
pub use self::measures::METRICS;
pub(crate) use self::measures::measure;
pub(crate) use self::orders::{cancel_stale, roll_over};
pub(crate) use self::rationing::ration;

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
        desk.vendor_home.extend(vendors.iter_many(&roster.vendors).flatten().map(|(v, _)| v.home));
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

#[cfg(test)]
mod tests {
    use super::*;

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
