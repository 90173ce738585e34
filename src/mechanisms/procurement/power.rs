//! Power: how much of it is spoken for, and where chips still find some.
//!
//! Chips go where `power + halls due within the horizon of orders − committed` leaves room, each order into a share
//! of it (halls are fitted out over months), so that sites fill evenly; what cannot be powered is not ordered, and the
//! money waits.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::ProcurementParameters;
use super::orders::Given;
use super::survey::Candidate;
use crate::calendar::Month;
use crate::entities::boards::PowerPlans;
use crate::entities::chip::Catalogue;
use crate::entities::country::Country;
use crate::entities::firm::Firm;
use crate::entities::order::{Channel, OrderBook};
use crate::entities::site::{Halls, Site, chip_mw};
use crate::entities::{Roster, RuleId, SiteId, SkuId};
use crate::maths;

/// Measures the power that everything bought so far will draw, by site.
pub(crate) fn commit_power(
    roster: Res<Roster>,
    p: Res<ProcurementParameters>,
    catalogue: Res<Catalogue>,
    book: Res<OrderBook>,
    countries: Query<&Country>,
    sites: Query<(&Site, &Halls)>,
    mut plans: ResMut<PowerPlans>,
    mut pue_of: Local<Vec<f64>>,
    mut pue: Local<Vec<f64>>,
    mut watts: Local<Vec<f64>>,
) {
    pue.clear();
    plans.committed_mw.clear();
    for sku in &catalogue.skus[watts.len().min(catalogue.skus.len())..] {
        watts.push(sku.row.tdp_w * p.server_overhead);
    }
    pue_of.clear();
    pue_of.extend(countries.iter_many(&roster.countries).flatten().map(|c| c.row.pue));
    let draw = |sku: SkuId, pue: f64| chip_mw(watts[sku.index()], 1.0, pue);
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        let here = pue_of[site.country.index()];
        pue.push(here);
        let mut committed = halls.draw_of_fleet(|sku| draw(sku, here));
        for chips in &halls.warehouse {
            committed += chips.count as f64 * draw(chips.sku, here);
        }
        plans.committed_mw.push(committed);
    }
    for order in &book.orders {
        let at = order.site.index();
        plans.committed_mw[at] += order.open as f64 * draw(order.sku, pue[at]);
    }
    for shipment in &book.shipments {
        let at = shipment.site.index();
        plans.committed_mw[at] += shipment.units as f64 * draw(shipment.sku, pue[at]);
    }
}

/// A site that may take chips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub site: SiteId,
    /// Power that will be free on delivery, MW.
    pub room_mw: f64,
    /// Power of the site on delivery, MW.
    pub power_mw: f64,
    /// Power committed so far, MW.
    pub committed_mw: f64,
    /// Draw of one chip here, MW.
    pub chip_mw: f64,
    /// Share of new capacity that the firm puts here.
    pub build_share: f64,
    /// The rule that governs a delivery here.
    pub rule: Option<RuleId>,
    /// Committed over all power, as [`fill`] finds it.
    pub filled: f64,
    /// Chips that fit, as [`fill`] goes on.
    pub fits: i64,
}

/// Power of each site once the halls due within the horizon of orders are open, MW, `[site]`.
pub(super) fn look_ahead(
    now: Month,
    p: &ProcurementParameters,
    roster: &Roster,
    sites: &Query<(&Site, &Halls)>,
    power_mw: &mut Vec<f64>,
) {
    let by = now + maths::whole(p.order_horizon_months) as i32;
    power_mw.clear();
    power_mw.extend(sites.iter_many(&roster.sites).flatten().map(|(_, halls)| {
        let due = halls.building.iter().take_while(|(month, _)| *month <= by);
        halls.power_mw + due.map(|(_, mw)| mw).sum::<f64>()
    }));
}

/// The firm's sites that may take a candidate's chips, with the power that will be free on delivery.
pub(super) fn find_rooms(
    given: &Given,
    firm: &Firm,
    own: &[usize],
    candidate: &Candidate,
    plans: &PowerPlans,
    power_mw: &[f64],
    rooms: &mut Vec<Place>,
) {
    let &Given { p, switches, access, .. } = given;
    let sku = given.catalogue.sku(candidate.sku);
    rooms.clear();
    let offshore = candidate.channel == Channel::Offshore;
    let pairs = access.pairs_of_sites(firm.id);
    for (at, pair) in own.iter().copied().zip(pairs) {
        let Ok((site, _)) = given.sites.get(given.roster.sites[at]) else { continue };
        let at_home = site.country == firm.home;
        if !candidate.pooled && at_home == offshore {
            continue;
        }
        if candidate.pooled && !at_home && !switches.offshore {
            continue;
        }
        let rule = access.rule(*pair, candidate.sku);
        if access.open(rule, firm.id, given.rulebook) <= 1.0 - p.denial_closes {
            continue;
        }
        let committed_mw = plans.committed_mw.get(at).copied().unwrap_or(0.0);
        let power_mw = power_mw[at];
        let room_mw =
            if switches.power { p.room_pace * (power_mw - committed_mw) } else { f64::INFINITY };
        rooms.push(Place {
            site: site.id,
            room_mw,
            power_mw,
            committed_mw,
            chip_mw: chip_mw(
                sku.row.tdp_w,
                p.server_overhead,
                given.prices.countries[site.country.index()].2,
            ),
            build_share: site.row.build_share,
            rule,
            filled: 0.0,
            fits: 0,
        });
    }
}

/// Follows the power that orders of a month would need, smoothed.
pub(super) fn follow_plans(p: &ProcurementParameters, planned: &[f64], plans: &mut PowerPlans) {
    let smoothing = p.power_plan_smoothing_months.max(1.0);
    plans.planned_mw_month.resize(planned.len(), 0.0);
    for (smooth, now) in plans.planned_mw_month.iter_mut().zip(planned) {
        *smooth += (now - *smooth) / smoothing;
    }
}

/// Splits `wanted` chips over places so that they fill evenly: the two emptiest are brought up to
/// the mean, the roomiest ones take the rest, as far as power reaches.
pub(super) fn fill(rooms: &mut [Place], wanted: i64, mut place: impl FnMut(&Place, i64)) {
    const EMPTIEST: usize = 2;
    let fits = |room: &Place| {
        if room.room_mw == f64::INFINITY || room.chip_mw <= 0.0 {
            i64::MAX
        } else {
            maths::whole_below(room.room_mw / room.chip_mw).max(0)
        }
    };
    let (mut committed, mut power) = (0.0, 0.0);
    for room in rooms.iter_mut() {
        committed += room.committed_mw;
        power += room.power_mw;
        room.fits = fits(room);
        room.filled =
            if room.power_mw > 0.0 { room.committed_mw / room.power_mw } else { f64::INFINITY };
    }
    let Some(first) = rooms.first() else { return };
    let mean = if power > 0.0 { (committed + wanted as f64 * first.chip_mw) / power } else { 0.0 };
    // The emptiest come first; how the others stand is no matter.
    for at in 0..EMPTIEST.min(rooms.len()) {
        let emptier =
            |a: &Place, b: &Place| a.filled < b.filled || (a.filled == b.filled && a.site < b.site);
        let mut least = at;
        for other in at + 1..rooms.len() {
            if emptier(&rooms[other], &rooms[least]) {
                least = other;
            }
        }
        rooms.swap(at, least);
    }
    let mut left = wanted;
    let mut given = [0_i64; EMPTIEST];
    if rooms.len() > EMPTIEST {
        for (room, given) in rooms.iter_mut().zip(given.iter_mut()) {
            let short = (mean - room.filled) * room.power_mw;
            let share = if short > 0.0 { maths::whole((short / room.chip_mw).ceil()) } else { 0 };
            *given = share.min(room.fits).min(left);
            left -= *given;
            room.room_mw -= *given as f64 * room.chip_mw;
            room.fits = fits(room);
        }
    }
    // The rest by room; a site that was already given some gets one order for both parts.
    while left > 0 {
        let mut roomiest = 0;
        for (at, room) in rooms.iter().enumerate().skip(1) {
            let most = &rooms[roomiest];
            if room.fits > most.fits || (room.fits == most.fits && room.site < most.site) {
                roomiest = at;
            }
        }
        let units = rooms[roomiest].fits.min(left);
        if units <= 0 {
            break;
        }
        left -= units;
        let extra = given.get_mut(roomiest).filter(|_| rooms.len() > EMPTIEST).map(std::mem::take);
        place(&rooms[roomiest], units + extra.unwrap_or(0));
        rooms[roomiest].room_mw = 0.0;
        rooms[roomiest].fits = if rooms[roomiest].chip_mw > 0.0 { 0 } else { i64::MAX };
    }
    if rooms.len() > EMPTIEST {
        for (room, units) in rooms.iter().zip(given) {
            if units > 0 {
                place(room, units);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fill_evenly_and_never_beyond_their_power() {
        let place = |site: u16, power: f64, committed: f64| Place {
            site: SiteId(site),
            room_mw: power - committed,
            power_mw: power,
            committed_mw: committed,
            chip_mw: 0.001,
            build_share: 0.0,
            rule: None,
            filled: 0.0,
            fits: 0,
        };
        // 10, 20 and 70 MW empty, 10 000 chips of 1 kW (10 MW): 10 % of each: 1 000, 2 000, 7 000.
        let mut rooms = vec![place(0, 10.0, 0.0), place(1, 20.0, 0.0), place(2, 70.0, 0.0)];
        let mut got = [0; 3];
        fill(&mut rooms, 10_000, |room, units| got[room.site.index()] += units);
        assert_eq!(got, [1000, 2000, 7000]);
        proptest::proptest!(|(powers in proptest::collection::vec((0.0..5.0_f64, 0.0..5.0_f64), 0..6),
                              wanted in 0_i64..20_000)| {
            let mut rooms: Vec<Place> = powers
                .iter()
                .enumerate()
                .map(|(i, (power, committed))| place(i as u16, *power, *committed))
                .collect();
            let mut got = vec![0; rooms.len()];
            fill(&mut rooms, wanted, |room, units| got[room.site.index()] += units);
            proptest::prop_assert!(got.iter().sum::<i64>() <= wanted);
            for (units, (power, committed)) in got.iter().zip(&powers) {
                proptest::prop_assert!(*units >= 0);
                proptest::prop_assert!(*units as f64 * 0.001 <= (power - committed).max(0.0) + 1e-9);
            }
        });
    }
}
