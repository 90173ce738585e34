//! What is on offer this month: cost of a token, posted prices, open models.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{MarketParameters, TIERS, Trading};
use crate::entities::boards::{Offers, SELF_HOSTED};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, Demand};
use crate::entities::firm::{Compute, Firm, Group, Lab, Purse};
use crate::entities::model::ModelBook;
use crate::entities::script::{Script, ShockKind};
use crate::entities::site::{Halls, Site};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, FirmId, Roster, Settings, Switches};
use crate::maths;

/// Hours in a year of 365 days.
pub(super) const HOURS_A_YEAR: f64 = 8760.0;
/// Kilowatts in a megawatt; watts in a kilowatt.
const THOUSAND: f64 = 1000.0;

/// Throughput multiple that a serving efficiency `a` gives when physics allows `limit`.
#[must_use]
pub(crate) fn gain(a: f64, limit: f64) -> f64 {
    if limit > 0.0 { a * limit / (a + limit) } else { a }
}

/// Scarcity next month: `clip(scarcity + η_p clip(ln(pressure / target), −2, 2))`. Logarithms
/// make shortage and glut weigh alike, so that a price that rose in a shortage comes down as fast.
/// Idle machines alone do not push a price below `scarcity_low`: their owner does something else
/// with them. A price war does (a scripted cut), and idleness does not undo it.
#[must_use]
pub(crate) fn scarcer(p: &MarketParameters, scarcity: f64, pressure: f64) -> f64 {
    let error = if pressure > 0.0 && p.serving_utilisation_target > 0.0 {
        maths::ln(pressure / p.serving_utilisation_target).clamp(-2.0, 2.0)
    } else {
        -2.0
    };
    let next = scarcity + p.scarcity_speed * error;
    next.max(scarcity.min(p.scarcity_low)).min(p.scarcity_high)
}

/// Share of hosts' compute that runs open models next month: hosts move machines as developers do,
/// `s + r (min(pressure, 2) − target)`, from a floor to the most that their own clients leave.
fn host_share(p: &MarketParameters, share: f64, pressure: f64) -> f64 {
    let step = p.service_share_adjustment * (pressure.min(2.0) - p.serving_utilisation_target);
    (share + step).max(p.serving_share_floor).min(p.self_host_share)
}

/// Best quality of a rival of developer `d` in its home market, dex: what users whom the rival does not
/// reach are worth in quality, `ln(access)/μ_q`, is taken off.
fn best_rival(p: &MarketParameters, t: &Trading, d: usize) -> f64 {
    let (home, developers) = (t.home[d], t.developers.len());
    let mut best = f64::NEG_INFINITY;
    for j in (0..developers).filter(|j| *j != d && (t.abroad[*j] || t.home[*j] == home)) {
        let reach = t.access[home * developers + j];
        if reach > 0.0 && p.quality_weight > 0.0 {
            best = best.max(t.best[j] + maths::ln(reach) / p.quality_weight);
        }
    }
    best
}

/// Cost of compute for an H100e-month, by firm: fleet average, from chips bought today,
/// and the part that ends when the machines stop.
pub(crate) fn cost_compute(
    p: Res<MarketParameters>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    mut trading: ResMut<Trading>,
    firms: Query<(&Firm, &Compute, &Purse)>,
    vendors: Query<&Vendor>,
    countries: Query<&Country>,
    mut on_sale: Local<Vec<(Option<FirmId>, f64, f64)>>,
) {
    let t = &mut *trading;
    // Tenants burn their hosts' energy: take the mean fleet of their home country, else the world's.
    let mut world = (0.0, 0.0, 0.0);
    for (_, compute, _) in firms.iter_many(&roster.firms).flatten() {
        world.0 += compute.owned_serve_h100e;
        world.1 += compute.energy_usd_year + p.running_cost_share * compute.capital_usd_year;
        world.2 += compute.power_mw;
    }
    // Chips on sale: whose own silicon, price of the work of an H100e, watts for it.
    on_sale.clear();
    for sku in catalogue.skus.iter().filter(|sku| sku.on_sale && sku.serve_paper > 0.0) {
        let Some(&entity) = roster.vendors.get(sku.vendor.index()) else { continue };
        let Ok(vendor) = vendors.get(entity) else { continue };
        let price = sku.price_usd * vendor.row.attach / sku.serve_paper;
        on_sale.push((vendor.captive, price, sku.row.tdp_w / sku.serve_paper));
    }
    for (firm, compute, purse) in firms.iter_many(&roster.firms).flatten() {
        let i = firm.id.index();
        let owned = compute.owned_serve_h100e;
        let rented = compute.rented_serve_h100e;
        let total = owned + rented;
        let running = p.running_cost_share * compute.capital_usd_year;
        let (floor, energy) = if owned > 0.0 {
            ((running + compute.energy_usd_year) / owned, compute.power_mw / owned)
        } else if world.0 > 0.0 {
            (world.1 / world.0, world.2 / world.0)
        } else {
            (0.0, 0.0)
        };
        t.unit_floor[i] = floor / 12.0;
        t.unit_energy[i] = energy * THOUSAND * HOURS_A_YEAR / 12.0;
        t.unit_cost[i] = if total > 0.0 {
            let own = if owned > 0.0 {
                let year = compute.capital_usd_year / p.chip_share_of_ai_capex
                    + running
                    + compute.energy_usd_year;
                year * (owned + rented.min(0.0)).max(0.0) / owned
            } else {
                0.0
            };
            (own + compute.rent_usd_year.max(0.0)) / total / 12.0
        } else {
            f64::NAN
        };
        // The cheapest chip on sale that is not somebody else's own silicon.
        let mut cheapest: Option<(f64, f64)> = None;
        for (captive, price, watts) in &*on_sale {
            if captive.is_none_or(|buyer| buyer == firm.id)
                && cheapest.is_none_or(|(best, _)| *price < best)
            {
                cheapest = Some((*price, *watts));
            }
        }
        t.unit_replacement[i] = cheapest.map_or(f64::NAN, |(price, watts)| {
            let capital = purse.kappa * 12.0 * price / p.chip_life_months;
            let (power, pue) = countries
                .get(roster.countries[firm.home.index()])
                .map_or((0.0, 1.0), |c| (c.row.power_price_usd_kwh, c.row.pue));
            let energy = watts / THOUSAND * p.server_overhead * pue * HOURS_A_YEAR * power;
            (capital / p.chip_share_of_ai_capex + p.running_cost_share * capital + energy) / 12.0
        });
    }
}

/// Posts the tiers of every developer and what a token of each costs and asks.
pub(crate) fn post_prices(
    p: Res<MarketParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    script: Res<Script>,
    roster: Res<Roster>,
    models: Res<ModelBook>,
    mut trading: ResMut<Trading>,
    mut offers: ResMut<Offers>,
    mut chronicle: ResMut<Chronicle>,
    firms: Query<(&Firm, &Compute, &Lab)>,
    countries: Query<&Country>,
) {
    let (t, offers) = (&mut *trading, &mut *offers);
    let open = models.best_open.map_or(f64::NEG_INFINITY, |id| models.models[id as usize].quality);
    // Who is on sale where, and with what at best.
    t.best.fill(f64::NEG_INFINITY);
    for d in 0..t.developers.len() {
        let id = t.developers[d];
        let Ok((firm, compute, _)) = firms.get(roster.firms[id.index()]) else { continue };
        let on_sale = script.opened(ShockKind::Service, &firm.row.id, clock.now);
        t.abroad[d] = on_sale && script.opened(ShockKind::ServiceAbroad, &firm.row.id, clock.now);
        t.weights[d] = on_sale && firm.row.open_weights;
        if on_sale && compute.serving_h100e > 0.0 {
            let deployed = models.deployed.get(id.index()).into_iter().flatten().flatten();
            t.best[d] = deployed
                .map(|id| models.models[*id as usize].quality)
                .fold(f64::NEG_INFINITY, f64::max);
        }
    }
    for d in 0..t.developers.len() {
        let id = t.developers[d];
        let Ok((firm, compute, lab)) = firms.get(roster.firms[id.index()]) else { continue };
        let i = id.index();
        let on_sale = t.best[d] > f64::NEG_INFINITY;
        let alternative = open.max(best_rival(&p, t, d));
        let a = gain(maths::exp(lab.ln_a_serve), p.serving_gain_limit);
        let chinese = countries
            .get(roster.countries[firm.home.index()])
            .is_ok_and(|country| country.row.bloc == Bloc::China);
        let factor = if chinese { p.price_factor_china } else { 1.0 };
        // A scripted cut lowers the price at once; while it lasts scarcity cannot raise it again.
        let (mut cut, mut held) = (1.0, false);
        for shock in script.at_work(ShockKind::TokenPrice, clock.now) {
            if shock.subjects.is_empty() || shock.subjects.contains(&firm.row.id) {
                held |= shock.months.is_some();
                if shock.month == clock.now {
                    cut *= shock.quantity.max(f64::MIN_POSITIVE);
                }
            }
        }
        if cut != 1.0 {
            let cause = script
                .beginning(clock.now)
                .find(|(_, shock)| {
                    shock.kind == ShockKind::TokenPrice
                        && (shock.subjects.is_empty() || shock.subjects.contains(&firm.row.id))
                })
                .and_then(|(at, _)| script.happened.get(at).copied().flatten());
            chronicle.log(
                clock.now,
                "token_price_cut",
                (&firm.row.id, ""),
                (cut, "1"),
                cause,
                || format!("{} multiplies its token prices by {cut}", firm.row.name),
            );
        }
        let scarcity = scarcer(&p, t.scarcity[i], t.pressure[i]);
        let scarcity = if held { scarcity.min(t.scarcity[i]) } else { scarcity };
        t.scarcity[i] = (scarcity + maths::ln(cut)).min(p.scarcity_high);
        for tier in 0..TIERS {
            let k = d * TIERS + tier;
            let model = models.deployed.get(i).and_then(|of| of[tier]);
            let model = model.map(|id| &models.models[id as usize]);
            let per = model.map_or(0.0, |m| m.tokens_m_per_h100e * a);
            let unit = t.unit_cost[i];
            if !on_sale || compute.serving_h100e <= 0.0 || per <= 0.0 || !unit.is_finite() {
                t.per_h100e[k] = 0.0;
                t.quality[k] = f64::NAN;
                offers.quality[k] = f64::NAN;
                offers.price_usd_m[k] = f64::NAN;
                offers.cost_usd_m[k] = f64::NAN;
                offers.replacement_cost_usd_m[k] = f64::NAN;
                offers.energy_kwh_m[k] = f64::NAN;
                continue;
            }
            let quality = model.map_or(f64::NAN, |m| m.quality);
            let cost = unit / per;
            let lead = (quality - alternative).clamp(0.0, p.price_lead_cap);
            // Logarithms of quanta, so that currency is a unit.
            let quantum = settings.quantum;
            let wanted = maths::ln(cost / quantum * (1.0 + p.price_margin_base) * factor)
                + p.price_margin_lead * lead
                + t.scarcity[i];
            let floor = p.price_floor_factor * t.unit_floor[i] / per;
            let posted = offers.price_usd_m[k];
            let price = if posted > 0.0 {
                let ln = maths::ln(posted / quantum * cut);
                maths::exp(ln + p.price_adjustment * (wanted - ln)) * quantum
            } else {
                maths::exp(wanted) * quantum
            };
            t.per_h100e[k] = per;
            t.quality[k] = quality;
            t.floor[k] = floor;
            offers.quality[k] = quality;
            offers.price_usd_m[k] = price.max(floor);
            offers.cost_usd_m[k] = cost;
            offers.replacement_cost_usd_m[k] = t.unit_replacement[i] / per;
            offers.energy_kwh_m[k] = t.unit_energy[i] / per;
        }
    }
}

/// What a firm could run open models on, and what that costs; no compute for serving if it is a developer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostFleet {
    serving_h100e: f64,
    owned_h100e: f64,
    /// Capital and running cost of all that is owned.
    usd_year: f64,
    power_mw: f64,
    /// Drawn where compute serves.
    drawn_mw: f64,
}

/// Finds the best open models and what countries can run them on.
///
/// A host is a firm without models of its own; its compute for serving stands where its
/// sites draw power. The part of it that runs open models follows demand, country by country. A token costs the host's capital and running cost, energy at the
/// country's price and PUE, and the host's margin.
pub(crate) fn host_open_models(
    p: Res<MarketParameters>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    models: Res<ModelBook>,
    mut trading: ResMut<Trading>,
    mut offers: ResMut<Offers>,
    firms: Query<(&Firm, &Compute)>,
    labs: Query<&Lab>,
    sites: Query<(&Site, &Halls)>,
    mut countries: Query<(&Country, &mut Demand)>,
    mut fleets: Local<Vec<HostFleet>>,
    mut offered: Local<Vec<[f64; 3]>>,
) {
    let (t, offers) = (&mut *trading, &mut *offers);
    for (at, model) in models.models.iter().enumerate().skip(t.scanned) {
        if !model.open {
            continue;
        }
        let constrained = firms
            .get(roster.firms[model.firm.index()])
            .is_ok_and(|(firm, _)| firm.row.group == Group::Constrained);
        let slot = usize::from(!constrained) * TIERS + model.tier as usize;
        let best = &mut offers.self_hosted[slot];
        if best.is_none_or(|b| models.models[b as usize].quality <= model.quality) {
            *best = Some(at as u32);
        }
    }
    t.scanned = models.models.len();
    for s in 0..SELF_HOSTED {
        let k = t.hosted + s;
        t.per_h100e[k] = 0.0;
        t.quality[k] = f64::NAN;
        let Some(model) = offers.self_hosted[s].map(|id| &models.models[id as usize]) else {
            continue;
        };
        let Ok(lab) = labs.get(roster.firms[model.firm.index()]) else { continue };
        let Some(origin) = t.developers.iter().position(|f| *f == model.firm) else { continue };
        let a = gain(maths::exp(lab.ln_a_serve), p.serving_gain_limit);
        t.origin[s] = origin;
        t.per_h100e[k] = model.tokens_m_per_h100e * a * p.self_host_efficiency;
        t.quality[k] = model.quality;
    }
    // Where hosts' compute stands: by the power that their sites draw.
    t.hosts.clear();
    fleets.clear();
    for (firm, compute) in firms.iter_many(&roster.firms).flatten() {
        fleets.push(HostFleet {
            serving_h100e: if firm.row.developer { 0.0 } else { compute.serving_h100e },
            owned_h100e: compute.owned_serve_h100e,
            usd_year: compute.capital_usd_year
                * (1.0 / p.chip_share_of_ai_capex + p.running_cost_share),
            power_mw: compute.power_mw,
            drawn_mw: 0.0,
        });
    }
    let on = f64::from(u8::from(switches.self_hosting));
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        let fleet = &mut fleets[site.owner.index()];
        if fleet.serving_h100e > 0.0 && halls.drawn_mw > 0.0 {
            fleet.drawn_mw += halls.drawn_mw;
            t.hosts.push((site.country, site.owner, halls.drawn_mw));
        }
    }
    let none = offers.self_hosted.iter().all(Option::is_none);
    for (share, pressure) in t.host_share.iter_mut().zip(&t.host_pressure) {
        *share = if none { 0.0 } else { host_share(&p, *share, *pressure) };
    }
    // Of each country: H100e, capital and running cost a year, MW.
    offered.clear();
    offered.resize(roster.countries.len(), [0.0; 3]);
    for (country, firm, here) in &mut t.hosts {
        let fleet = &fleets[firm.index()];
        let share = t.host_share[country.index()];
        *here *= on * share * fleet.serving_h100e / fleet.drawn_mw;
        if fleet.owned_h100e > 0.0 {
            let [h100e, capital, energy] = &mut offered[country.index()];
            *h100e += *here;
            *capital += *here * fleet.usd_year / fleet.owned_h100e;
            *energy += *here * fleet.power_mw / fleet.owned_h100e;
        }
    }
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let c = country.id.index();
        let [h100e, capital, energy] = offered[c];
        demand.self_host_h100e = h100e;
        demand.self_host_scarcity = scarcer(&p, demand.self_host_scarcity, t.host_pressure[c]);
        let prices = &mut t.open_price[c * SELF_HOSTED..(c + 1) * SELF_HOSTED];
        if h100e <= 0.0 {
            prices.fill(f64::NAN);
            t.open_unit[c] = f64::NAN;
            demand.self_host_scarcity = 0.0;
            continue;
        }
        let power = energy / h100e * THOUSAND * HOURS_A_YEAR * country.row.power_price_usd_kwh;
        t.open_unit[c] = (capital / h100e + power) / 12.0;
        let running = p.running_cost_share * capital
            / h100e
            / (1.0 / p.chip_share_of_ai_capex + p.running_cost_share);
        let asked = maths::exp(demand.self_host_scarcity) * (1.0 + p.self_host_margin);
        let unit = (t.open_unit[c] * asked).max(p.price_floor_factor * (power + running) / 12.0);
        for (s, price) in prices.iter_mut().enumerate() {
            let per = t.per_h100e[t.hosted + s];
            *price = if per > 0.0 { unit / per } else { f64::NAN };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_has_a_ceiling() {
        // A = 1000 against a limit of 1000: half the limit.
        assert!((gain(1000.0, 1000.0) - 500.0).abs() < 1e-9);
        assert!((gain(1.0, 1e12) - 1.0).abs() < 1e-9);
        assert!(gain(1e12, 1000.0) <= 1000.0);
    }

    #[test]
    fn hosts_move_machines_to_open_models_as_demand_comes() {
        let mut p = MarketParameters::from_values(&mut |_| 1.0);
        (p.service_share_adjustment, p.serving_utilisation_target) = (0.03, 0.85);
        (p.serving_share_floor, p.self_host_share) = (0.02, 0.4);
        // The first month: nobody asked yet.
        assert!((host_share(&p, 0.0, 0.0) - 0.02).abs() < 1e-12);
        // Twice as much wanted as there is, or more: 0.02 + 0.03 · 1.15 = 0.054 5.
        assert!((host_share(&p, 0.02, 2.0) - 0.0545).abs() < 1e-12);
        assert!((host_share(&p, 0.02, 9.0) - 0.0545).abs() < 1e-12);
        // Never more than clients leave.
        assert!((host_share(&p, 0.39, 2.0) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_lead_is_counted_from_the_best_rival_within_reach() {
        let p =
            MarketParameters { quality_weight: 2.0, ..MarketParameters::from_values(&mut |_| 1.0) };
        let t = Trading {
            developers: (0..3).map(crate::entities::FirmId::at).collect(),
            home: vec![0, 0, 1],
            abroad: vec![true, false, true],
            best: vec![26.0, 25.0, 25.5],
            // Country 0: all in reach of a third; country 1: nobody foreign.
            access: vec![1.0, 1.0, 1.0 / 3.0, 0.0, 0.0, 1.0],
            ..Trading::default()
        };
        // Of 25.0 whole and 25.5 + ln(1/3)/2 = 24.951 the first.
        assert!((best_rival(&p, &t, 0) - 25.0).abs() < 1e-12);
        assert!((best_rival(&p, &t, 1) - 26.0).abs() < 1e-12);
        // The third has its market to itself.
        assert_eq!(best_rival(&p, &t, 2), f64::NEG_INFINITY);
    }

    #[test]
    fn idleness_stops_at_the_floor_and_leaves_price_wars_alone() {
        let mut p = MarketParameters::from_values(&mut |_| 1.0);
        (p.scarcity_low, p.scarcity_high, p.scarcity_speed) = (-0.4, 2.0, 0.1);
        // Idle: ln(e^-3) is clipped at -2, a step of -0.2: from -0.3 to -0.5, held at -0.4.
        assert!((scarcer(&p, -0.3, maths::exp(-3.0)) + 0.4).abs() < 1e-12);
        // A price war took it to -2.5: idle machines neither lower nor lift it.
        assert!((scarcer(&p, -2.5, 0.0) + 2.5).abs() < 1e-12);
        // Pressure e: up by 0.1 from wherever it is, not above the top.
        assert!((scarcer(&p, -2.5, maths::exp(1.0)) + 2.4).abs() < 1e-12);
        assert!((scarcer(&p, 1.95, maths::exp(1.0)) - 2.0).abs() < 1e-12);
    }
}
