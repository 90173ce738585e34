//! What each vendor sells to whom.
//!
//! The monthly value x of orders that a vendor has from a country is smoothed; it fades slowly while rules keep
//! orders from being placed.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{DEMAND_BEHIND_RULES, DesignBook, DesignParameters};
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::Firm;
use crate::entities::order::OrderBook;
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, Roster, Settings};
use crate::metric::Readings;

/// Follows what vendors sell to whom: orders placed last month by buyers' country, smoothed.
pub(crate) fn watch_demand(
    p: Res<DesignParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    orders: Res<OrderBook>,
    book: Res<Rulebook>,
    firms: Query<&Firm>,
    countries: Query<&Country>,
    vendors: Query<(&Vendor, &Sales)>,
    mut designs: ResMut<DesignBook>,
    mut readings: ResMut<Readings>,
    mut placed: Local<Vec<Vec<f64>>>,
    mut barred: Local<Vec<bool>>,
    mut chinese: Local<Vec<bool>>,
) {
    let n = roster.countries.len();
    placed.resize_with(roster.vendors.len(), Vec::new);
    designs.demand.resize_with(roster.vendors.len(), Vec::new);
    for row in &mut *placed {
        row.clear();
        row.resize(n, 0.0);
    }
    for order in &orders.orders {
        if order.placed == clock.now - 1
            && let Some(firm) =
                roster.firms.get(order.buyer.index()).and_then(|f| firms.get(*f).ok())
            && let Some(row) = placed.get_mut(order.vendor.index())
        {
            row[firm.home.index()] +=
                (order.open + order.shipped) as f64 * order.price.amount(settings.quantum);
        }
    }
    barred.clear();
    barred.resize(n, false);
    let bars = |r: &&Rule| {
        r.in_force
            && r.row.kind == RuleKind::ChipExport
            && r.row.treatment >= Treatment::CaseByCase
            && book.keeps_away(r)
    };
    for rule in book.rules.iter().filter(bars) {
        for (at, barred) in barred.iter_mut().enumerate() {
            *barred |= rule.covers_lane(CountryId::at(at), CountryId::at(at));
        }
    }
    chinese.clear();
    let blocs = countries.iter_many(&roster.countries).flatten().map(|country| country.row.bloc);
    chinese.extend(blocs.map(|bloc| bloc == Bloc::China));
    for ((vendor, sales), country_row) in
        vendors.iter_many(&roster.vendors).flatten().zip(designs.demand.iter_mut())
    {
        country_row.resize(n, 0.0);
        let mut behind_rules = 0.0;
        // Orders that came and went within a month are seen in the year's revenue.
        let sold = sales.trailing_china_usd.iter().sum::<f64>() / 12.0 / vendor.row.attach;
        let seen = placed[vendor.id.index()].iter().zip(&*chinese).zip(&*barred);
        for (x, ((now, chinese), barred)) in country_row.iter_mut().zip(seen) {
            let now = if *chinese { now.max(sold) } else { *now };
            let speed = if *barred && now < *x { p.demand_fading } else { p.demand_smoothing };
            *x += speed * (now - *x);
            if *barred {
                behind_rules += *x;
            }
        }
        readings.set_for(&DEMAND_BEHIND_RULES, vendor.id.index(), behind_rules);
    }
}
