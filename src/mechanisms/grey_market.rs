//! Grey market: diverted chips reach those who may not buy them.
//!
//! Brokers order under the names of firms in transit hubs. Each market (one a destination whose firms cannot buy) clears once a month,
//! with p the premium over list price:
//!
//! - supply of a SKU, chips: S = min(held, b·(divertible + held)·min(g₀·N·(p/p₀)^e·(1 − E), d)), b the share of it that is sold on boards
//!   or in servers (`board_share`: a rack of 72 chips does not leave unseen); *divertible* are the month's
//!   shipments of it to buyers who are not captive and not at home in a closed market, *held* what vendors
//!   kept at the dock for brokers' orders: the chips are taken from the dock, never made up;
//! - brokers enter while the trade pays more than it must: ln N += entry·ln(p/p₀)/12, N = 1 at first. They leave when
//!   it pays less, and none enters beyond what the cap d lets through;
//! - enforcement rises with volume: E = 1 − (1 − E₀)e^(−k·v), E₀ from the regulator
//!   (`Fears::enforcement`), v the smoothed share of divertible chips that was diverted. With the cap d this
//!   keeps grey stocks below a share of lawful shipments for ever;
//! - demand D in money is what firms offer; the part f = min(1, D/S) of each SKU's supply is bought,
//!   S valued at list × attach × (1 + p), and shared among firms by their offers, whole chips, nobody beyond its offer;
//! - a share of it is seized: log-normal, drawn by destination and month;
//! - one damped step a month: ln p += gain·(D − S)/(D + S), within bounds.
//!
//! Money: brokers pay vendors list × attach for every diverted chip; firms pay brokers list × attach ×
//! (1 + p) for what lands, out of `unspent`. Seized chips are the brokers' loss, leave the world and are counted.
//! With nothing divertible and no offer a market rests.

use bevy_ecs::prelude::{Local, Query, Res, ResMut, Resource};

use crate::entities::boards::{ChipMarket, Dock, Fears, GreyMarket, GreyMarkets};
use crate::entities::chip::Catalogue;
use crate::entities::firm::{Firm, Purse};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose as PaidFor};
use crate::entities::line::Parts;
use crate::entities::order::{OrderBook, Shipment};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, SiteId, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, key_of};
use crate::units::{Count, Money};

crate::parameters! {
    /// Parameters of grey trade.
    pub struct GreyParameters in "grey_market" {
        /// Share of divertible shipments that is diverted at the reference premium, g₀.
        grey_share,
        /// Reference premium over list price, p₀.
        grey_premium_reference,
        /// Elasticity of supply to the premium, e.
        grey_elasticity,
        /// Growth of brokers' networks with the log of the premium over its reference, 1/year.
        grey_entry,
        /// Rise of enforcement with the diverted share, k.
        grey_volume_enforcement,
        /// Largest share of a month's chips that brokers can divert, d.
        grey_cap_share,
        /// Step of the premium, gain.
        grey_gain,
        /// Lowest premium.
        grey_premium_floor,
        /// Highest premium.
        grey_premium_cap,
        /// Speed with which enforcement follows the diverted share.
        grey_watch_speed,
        /// Median share of diverted chips that is seized.
        seizure_share,
        /// Standard deviation of the log of the seized share.
        seizure_sigma,
        /// Months from a vendor's dock to the buyer through brokers.
        grey_shipping_months,
    }
}

/// What `grey_market` remembers: the smoothed diverted share and the networks of each market, and seized chips.
#[derive(Resource, Debug, Default)]
pub struct GreyTrade {
    diverted: Vec<f64>,
    /// Log of the size of brokers' networks, `[market]`, 0 at first.
    ln_networks: Vec<f64>,
    /// H100e landed up to last month, `[market]`.
    seized_total: Count,
    /// Paid to brokers this month, `[firm]`, USD.
    paid: Vec<f64>,
}

/// The market of `country` (its table id is `id`) at the start of a run.
pub(crate) fn opening(country: CountryId, id: &str, p: &GreyParameters, luck: &Luck) -> GreyMarket {
    GreyMarket {
        country,
        ln_premium: maths::ln(p.grey_premium_reference.max(f64::MIN_POSITIVE)),
        offered_usd: Vec::new(),
        filled: 1.0,
        landed: 0,
        landed_total: 0,
        landed_h100e: 0.0,
        landed_h100e_total: 0.0,
        seized: 0,
        luck: luck.stream(Purpose::Seizure, key_of(&[id])),
    }
}

/// Share of divertible chips on offer by networks of the size e^`ln_networks` at `premium`, under enforcement `e0` when
/// the share `v` was diverted lately.
fn on_offer(p: &GreyParameters, ln_networks: f64, premium: f64, e0: f64, v: f64) -> f64 {
    let open = (1.0 - e0).clamp(0.0, 1.0) * maths::exp(ln_networks - p.grey_volume_enforcement * v);
    p.grey_share * maths::pow(premium / p.grey_premium_reference, p.grey_elasticity) * open
}

/// The networks' step: brokers enter at premiums above the reference while `share` on offer is below the cap, and leave
/// at lower ones.
fn enter(p: &GreyParameters, ln_networks: f64, premium: f64, share: f64) -> f64 {
    let pull = maths::ln(premium / p.grey_premium_reference);
    if pull > 0.0 && share >= p.grey_cap_share {
        return ln_networks;
    }
    ln_networks + p.grey_entry * pull / 12.0
}

#[derive(Default)]
pub(crate) struct Scratch {
    home: Vec<Option<SiteId>>,
    attach: Vec<f64>,
    supply: Vec<Count>,
    offers: Vec<(FirmId, Money)>,
    weights: Vec<f64>,
    shares: Vec<Count>,
    paid: Vec<Money>,
    revenue: Vec<f64>,
    units: Vec<Count>,
}

/// Clears every market once.
pub(crate) fn clear(
    clock: Res<Clock>,
    (settings, roster, switches): (Res<Settings>, Res<Roster>, Res<Switches>),
    fears: Res<Fears>,
    catalogue: Res<Catalogue>,
    p: Res<GreyParameters>,
    mut trade: ResMut<GreyTrade>,
    mut markets: ResMut<GreyMarkets>,
    mut dock: ResMut<Dock>,
    mut chips: ResMut<ChipMarket>,
    mut parts: ResMut<Parts>,
    (mut book, mut ledger): (ResMut<OrderBook>, ResMut<Ledger>),
    firms: Query<&Firm>,
    sites: Query<&Site>,
    mut purses: Query<&mut Purse>,
    mut vendors: Query<(&Vendor, &mut Sales)>,
    mut scratch: Local<Scratch>,
) {
    let (trade, dock, x) = (&mut *trade, &mut *dock, &mut *scratch);
    let skus = catalogue.skus.len();
    dock.fit(skus);
    trade.diverted.resize(markets.markets.len(), 0.0);
    trade.ln_networks.resize(markets.markets.len(), 0.0);
    trade.paid.clear();
    trade.paid.resize(roster.firms.len(), 0.0);
    if x.home.len() != roster.firms.len() {
        x.home.clear();
        for firm in firms.iter_many(&roster.firms).flatten() {
            let own = || sites.iter_many(&roster.sites).flatten().filter(|s| s.owner == firm.id);
            x.home.push(own().find(|s| s.country == firm.home).map(|s| s.id));
        }
        x.attach.clear();
        x.attach.extend(vendors.iter_many(&roster.vendors).flatten().map(|(v, _)| v.row.attach));
    }
    for (m, market) in markets.markets.iter_mut().enumerate() {
        market.landed = 0;
        market.landed_h100e = 0.0;
        market.seized = 0;
        if !switches.grey_market {
            market.offered_usd.clear();
            continue;
        }
        let premium = maths::exp(market.ln_premium);
        let dear = 1.0 + premium;
        // Offers that a firm can pay and take delivery of.
        x.offers.clear();
        for (firm, usd) in market.offered_usd.drain(..) {
            let entity = roster.firms.get(firm.index()).copied();
            let purse = entity.and_then(|entity| purses.get(entity).ok());
            if x.home.get(firm.index()).copied().flatten().is_none() {
                continue;
            }
            let Some(purse) = purse else { continue };
            let offer = Money::from_amount(usd, settings.quantum).min(purse.unspent);
            if offer > Money::ZERO {
                x.offers.push((firm, offer));
            }
        }
        let demand: f64 = x.offers.iter().map(|(_, m)| m.amount(settings.quantum)).sum();
        let e0 = fears.enforcement.get(market.country.index()).copied().unwrap_or(0.0);
        let share = on_offer(&p, trade.ln_networks[m], premium, e0, trade.diverted[m]);
        let (mut value, mut could) = (0.0, 0.0);
        x.supply.clear();
        for (id, sku) in catalogue.iter() {
            let s = id.index();
            let base = (dock.divertible[s] + dock.held_back[s]) as f64;
            could += if dock.held_back[s] > 0 { base } else { 0.0 };
            let boards = sku.row.board_share.unwrap_or(1.0);
            let n = maths::whole_below(base * boards * share.min(p.grey_cap_share))
                .min(dock.held_back[s]);
            x.supply.push(n);
            value += n as f64 * sku.price_usd * x.attach[sku.vendor.index()] * dear;
        }
        let bought = if value > 0.0 { (demand / value).min(1.0) } else { 0.0 };
        market.filled = if demand > 0.0 { (value / demand).min(1.0) } else { 1.0 };
        let seizure = market
            .luck
            .month(clock.now)
            .lognormal(p.seizure_share, p.seizure_sigma)
            .clamp(0.0, 1.0);
        x.revenue.clear();
        x.revenue.resize(roster.vendors.len(), 0.0);
        x.units.clear();
        x.units.resize(roster.vendors.len(), 0);
        x.paid.clear();
        x.paid.resize(x.offers.len(), Money::ZERO);
        let mut diverted: Count = 0;
        for (id, sku) in catalogue.iter() {
            let s = id.index();
            let n = maths::whole_below(x.supply[s] as f64 * bought);
            if n <= 0 {
                continue;
            }
            let v = sku.vendor.index();
            let list = Money::from_amount(sku.price_usd * x.attach[v], settings.quantum);
            let price = list.scaled(dear);
            x.weights.clear();
            x.weights.extend(x.offers.iter().map(|(_, m)| m.amount(settings.quantum)));
            let mut shares = std::mem::take(&mut x.shares);
            maths::apportion(n, &x.weights, &mut shares);
            for (i, n) in shares.iter().enumerate() {
                let (firm, offer) = x.offers[i];
                let n = (*n).min((offer - x.paid[i]).buys(price));
                if n <= 0 {
                    continue;
                }
                let seized = maths::whole(n as f64 * seizure).min(n);
                let landed = n - seized;
                x.paid[i] += price.times(landed);
                let brokers = Account::Outside(Outside::Brokers);
                let payer = Account::Firm(firm);
                ledger.pay(payer, brokers, price.times(landed), PaidFor::Chips);
                ledger.pay(brokers, Account::Vendor(sku.vendor), list.times(n), PaidFor::Chips);
                parts.inventory[s] -= n;
                dock.held_back[s] -= n;
                book.shipped[s] += n;
                chips.shipped[s] += n;
                book.seized[s] += seized;
                x.revenue[v] += list.times(n).amount(settings.quantum);
                x.units[v] += n;
                diverted += n;
                market.landed += landed;
                market.seized += seized;
                market.landed_total += landed;
                trade.seized_total += seized;
                let h100e = landed as f64 * sku.row.tops_8bit / catalogue.reference.0;
                market.landed_h100e += h100e;
                market.landed_h100e_total += h100e;
                if let (true, Some(site)) = (landed > 0, x.home[firm.index()]) {
                    book.shipments.push(Shipment {
                        sku: id,
                        site,
                        units: landed,
                        paid: price,
                        due: clock.now + maths::whole(p.grey_shipping_months) as i32,
                    });
                }
            }
            x.shares = shares;
        }
        for ((firm, _), paid) in x.offers.iter().zip(&x.paid) {
            if let Ok(mut purse) = purses.get_mut(roster.firms[firm.index()]) {
                purse.unspent -= *paid;
                trade.paid[firm.index()] += paid.amount(settings.quantum);
            }
        }
        let mut at_work = vendors.iter_many_mut(&roster.vendors);
        while let Some(Ok((vendor, mut sales))) = at_work.fetch_next() {
            let v = vendor.id.index();
            if x.units[v] > 0 {
                sales.book(clock.now, x.revenue[v], 0.0, x.units[v]);
            }
        }
        let lately = if could > 0.0 { diverted as f64 / could } else { 0.0 };
        trade.diverted[m] += p.grey_watch_speed * (lately - trade.diverted[m]);
        trade.ln_networks[m] = enter(&p, trade.ln_networks[m], premium, share);
        market.ln_premium = step(&p, market.ln_premium, demand, value);
    }
}

/// The premium's step: ln p + gain·(D − S)/(D + S), within bounds; rests when both are 0.
fn step(p: &GreyParameters, ln_premium: f64, demand: f64, supply: f64) -> f64 {
    let sum = demand + supply;
    let pull = if sum > 0.0 { (demand - supply) / sum } else { 0.0 };
    let floor = maths::ln(p.grey_premium_floor.max(f64::MIN_POSITIVE));
    let cap = maths::ln(p.grey_premium_cap.max(p.grey_premium_floor).max(f64::MIN_POSITIVE));
    (ln_premium + p.grey_gain * pull).clamp(floor, cap)
}

/// Writes the metrics of grey trade.
pub(crate) fn measure(
    markets: Res<GreyMarkets>,
    trade: Res<GreyTrade>,
    mut readings: ResMut<Readings>,
) {
    let (mut landed, mut h100e, mut seized, mut total) = (0, 0.0, 0, 0);
    for (m, market) in markets.markets.iter().enumerate() {
        landed += market.landed;
        h100e += market.landed_h100e_total;
        seized += market.seized;
        total += market.landed_total;
        let row = market.country.index();
        readings.set_for(&LANDED_HERE, row, market.landed as f64);
        readings.set_for(&LANDED_HERE_H100E, row, market.landed_h100e);
        readings.set_for(&PREMIUM, row, maths::exp(market.ln_premium));
        readings.set_for(&DIVERTED, row, trade.diverted.get(m).copied().unwrap_or(0.0));
        let ln_networks = trade.ln_networks.get(m).copied().unwrap_or(0.0);
        readings.set_for(&NETWORKS, row, maths::exp(ln_networks));
    }
    for (firm, usd) in trade.paid.iter().enumerate() {
        readings.set_for(&PAID_GREY, firm, *usd);
    }
    readings.set(&LANDED_UNITS, landed as f64);
    readings.set(&LANDED_TOTAL, total as f64);
    readings.set(&LANDED_H100E_TOTAL, h100e);
    readings.set(&SEIZED_UNITS, seized as f64);
    readings.set(&SEIZED_TOTAL, trade.seized_total as f64);
}

crate::metrics! {
    World {
        LANDED_UNITS = "grey_landed_units", "chips/month", "Chips that reached closed destinations through brokers this month.";
        LANDED_TOTAL = "grey_landed_units_total", "chips", "The same since the start.";
        LANDED_H100E_TOTAL = "grey_landed_h100e_total", "H100e", "The same in 8-bit H100e, since the start, without retirement.";
        SEIZED_UNITS = "grey_seized_units", "chips/month", "Diverted chips seized this month.";
        SEIZED_TOTAL = "grey_seized_units_total", "chips", "The same since the start.";
    }
    Firm {
        PAID_GREY = "paid_grey_usd", "USD/month", "Paid this month to brokers for chips landed.";
    }
    Country {
        LANDED_HERE = "grey_landed_units", "chips/month", "Chips that reached the country through brokers this month.";
        LANDED_HERE_H100E = "grey_landed_h100e", "H100e/month", "The same in 8-bit H100e.";
        PREMIUM = "grey_premium", "ratio", "Premium of brokers over list price: price / list − 1.";
        NETWORKS = "grey_networks", "1", "Size of brokers' networks, 1 at the start.";
        DIVERTED = "grey_diverted_share", "share", "Smoothed share of divertible chips that brokers diverted to this destination.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p() -> GreyParameters {
        GreyParameters::from_values(&mut |name| match name {
            "grey_share" | "grey_premium_floor" => 0.05,
            "grey_premium_reference" => 0.5,
            "grey_elasticity" => 1.0,
            "grey_volume_enforcement" => 5.0,
            "grey_gain" => 0.2,
            "grey_premium_cap" => 3.0,
            _ => 0.0,
        })
    }

    #[test]
    fn supply_follows_premium_and_enforcement() {
        // 0.05 · (1.0 / 0.5)^1 · (1 − 0.4) = 0.06; after diverting 10 %: × e^(−0.5) = 0.6065
        assert!((on_offer(&p(), 0.0, 1.0, 0.4, 0.0) - 0.06).abs() < 1e-12);
        assert!((on_offer(&p(), 0.0, 1.0, 0.4, 0.1) - 0.036_391_8).abs() < 1e-6);
        assert_eq!(on_offer(&p(), 0.0, 1.0, 1.0, 0.0), 0.0);
    }

    #[test]
    fn brokers_enter_while_the_trade_pays_and_leave_when_it_does_not() {
        let p = GreyParameters { grey_entry: 1.2, grey_cap_share: 0.06, ..p() };
        // at twice the reference: ln 2 · 1.2/12 a month; at half of it the same downwards; at it nothing
        assert!((enter(&p, 0.0, 1.0, 0.03) - 0.069_314_7).abs() < 1e-6);
        assert!((enter(&p, 0.0, 0.25, 0.03) + 0.069_314_7).abs() < 1e-6);
        assert_eq!(enter(&p, 0.4, 0.5, 0.03), 0.4);
        // what the cap stops draws nobody in, but lets them go
        assert_eq!(enter(&p, 0.4, 1.0, 0.06), 0.4);
        assert!(enter(&p, 0.4, 0.25, 0.06) < 0.4);
    }

    #[test]
    fn the_premium_takes_one_damped_step() {
        // (300 − 100) / 400 = 0.5; 0.2 × 0.5 = 0.1
        assert!((step(&p(), 0.0, 300.0, 100.0) - 0.1).abs() < 1e-12);
        assert_eq!(step(&p(), -0.5, 0.0, 0.0), -0.5);
        // never above the cap, however large demand is
        assert!((step(&p(), 1.09, 1e12, 1.0) - maths::ln(3.0)).abs() < 1e-9);
    }
}
