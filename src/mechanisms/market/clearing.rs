//! Choice among offers, rationing at posted prices, and payment.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{MarketParameters, TIERS, Trading};
use crate::entities::boards::{Offers, SELF_HOSTED};
use crate::entities::country::{Country, Demand};
use crate::entities::firm::{Compute, Firm};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::{CountryId, Roster, Settings};
use crate::maths;
use crate::units::Money;

/// Rounds of rationing and spilling.
const PASSES: usize = 3;

/// Lets every country choose among hosted tiers, its own open models, and nothing:
/// shares of tokens, `Σ over options + nothing = 1`.
pub(crate) fn choose(
    p: Res<MarketParameters>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    mut trading: ResMut<Trading>,
    offers: Res<Offers>,
    mut countries: Query<(&Country, &mut Demand)>,
) {
    let t = &mut *trading;
    let (hosted, options, lambda) = (t.hosted, t.options(), p.nest_dissimilarity);
    let developers = t.developers.len();
    // Value of each hosted option to somebody to whom all developers are alike,
    // over λ and relative to the best; `floor` is spent by now and serves as buffer.
    let mut best_quality = f64::NEG_INFINITY;
    for k in 0..options {
        if t.quality[k] > best_quality {
            best_quality = t.quality[k];
        }
    }
    let (mut best, mut best_ln_price) = (f64::NEG_INFINITY, 0.0);
    for k in 0..hosted {
        let price = offers.price_usd_m[k];
        t.ln_price[k] = if price > 0.0 { ln_price_of(price, settings.quantum) } else { f64::NAN };
        t.floor[k] = if t.quality[k].is_finite() && price > 0.0 {
            let turned_away = 1.0 - t.served[offers.firm[k].index()];
            p.quality_weight * (t.quality[k] - best_quality)
                - p.price_weight * t.ln_price[k]
                - p.ration_penalty * turned_away
        } else {
            f64::NEG_INFINITY
        };
        if t.floor[k] > best {
            best = t.floor[k];
            best_ln_price = t.ln_price[k];
        }
    }
    for c in 0..t.open_price.len() / SELF_HOSTED {
        for s in 0..SELF_HOSTED {
            let price = t.open_price[c * SELF_HOSTED + s];
            if !best.is_finite() && price > 0.0 {
                best_ln_price = ln_price_of(price, settings.quantum);
                best = p.quality_weight * (t.quality[hosted + s] - best_quality)
                    - p.price_weight * best_ln_price;
            }
        }
    }
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let demand = &mut *demand;
        let c = country.id.index();
        let row = &mut t.shares[c * options..(c + 1) * options];
        let poor = p.price_weight * p.price_weight_poor * country.row.infrastructure_constraint;
        let geography = &t.geography[c * developers..(c + 1) * developers];
        let (values, prices) = (&t.floor[..hosted], &t.ln_price[..hosted]);
        let habits = &mut demand.habit[..options];
        for (k, (weight, habit)) in row.iter_mut().zip(habits).enumerate() {
            let d = k / TIERS;
            let (value, place) = if k < hosted && !t.abroad[d] && t.home[d] != c {
                (f64::NEG_INFINITY, 0.0)
            } else if k < hosted {
                let dearer = if poor > 0.0 && prices[k].is_finite() {
                    poor * (prices[k] - best_ln_price)
                } else {
                    0.0
                };
                (values[k] - best - dearer, geography[d])
            } else {
                let s = k - hosted;
                let price = t.open_price[c * SELF_HOSTED + s];
                if price > 0.0 {
                    let ln_price = ln_price_of(price, settings.quantum);
                    let value = p.quality_weight * (t.quality[k] - best_quality)
                        - p.price_weight * ln_price
                        - poor * (ln_price - best_ln_price)
                        - p.ration_penalty * (1.0 - t.host_served[c]);
                    (value - best, t.open_geography[c * developers + t.origin[s]])
                } else {
                    (f64::NEG_INFINITY, 0.0)
                }
            };
            *habit = if !value.is_finite() {
                f64::NEG_INFINITY
            } else if habit.is_finite() {
                p.lock * *habit + (1.0 - p.lock) * (value / lambda + place)
            } else {
                value / lambda + place - p.entry_gap
            };
            *weight = *habit;
        }
        // Who knows nobody whose models are within reach buys nothing.
        let mut unaware = 1.0;
        for d in 0..developers {
            let hosted_here = row[d * TIERS..(d + 1) * TIERS].iter().any(|u| u.is_finite());
            let open_here = (hosted..options).any(|k| t.origin[k - hosted] == d && row[k].is_finite());
            let reach = if open_here {
                1.0
            } else if hosted_here {
                t.access[c * developers + d]
            } else {
                0.0
            };
            unaware *= 1.0 - reach * demand.awareness[t.developers[d].index()];
        }
        let aware = 1.0 - unaware;
        // Shares within each nest, times the share of the nest.
        let mut nests = [f64::NEG_INFINITY; 2];
        for (n, (from, to)) in [(0, hosted), (hosted, options)].into_iter().enumerate() {
            let most = row[from..to].iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if !most.is_finite() {
                row[from..to].fill(0.0);
                continue;
            }
            for u in &mut row[from..to] {
                *u -= most;
            }
            maths::exp_slice(&mut row[from..to]);
            let mut sum = 0.0;
            for (k, share) in row[from..to].iter_mut().enumerate() {
                let d = if from == 0 { k / TIERS } else { t.origin[k] };
                *share *= demand.awareness[t.developers[d].index()];
                if from == 0 {
                    *share *= t.access[c * developers + d];
                }
                sum += *share;
            }
            if sum > 0.0 {
                for share in &mut row[from..to] {
                    *share /= sum;
                }
                // Among those who know somebody.
                nests[n] = lambda * (maths::ln(sum / aware) + most);
            }
        }
        let top = nests[0].max(nests[1]).max(-p.outside_gap);
        let weights = [nests[0], nests[1], -p.outside_gap].map(|v| maths::exp(v - top));
        let sum = weights[0] + weights[1] + weights[2];
        for share in &mut row[..hosted] {
            *share *= aware * weights[0] / sum;
        }
        for share in &mut row[hosted..] {
            *share *= aware * weights[1] / sum;
        }
        t.nothing[c] = 1.0 - aware * (weights[0] + weights[1]) / sum;
    }
}

/// Serves what was chosen at posted prices: pools of compute ration alike, part of the money
/// turned away spills to free compute, in at most three passes.
pub(crate) fn clear(
    p: Res<MarketParameters>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    mut trading: ResMut<Trading>,
    mut offers: ResMut<Offers>,
    mut ledger: ResMut<Ledger>,
    mut firms: Query<(&Firm, &mut Compute)>,
    mut countries: Query<(&Country, &mut Demand)>,
    mut free: bevy_ecs::prelude::Local<(Vec<f64>, Vec<f64>, Vec<f64>)>,
    mut tables: bevy_ecs::prelude::Local<(Vec<f64>, Vec<usize>)>,
) {
    let (t, offers) = (&mut *trading, &mut *offers);
    let (hosted, options) = (t.hosted, t.options());
    let nations = roster.countries.len();
    // Pools: firms, then countries. Compute free, wanted in this pass, share served.
    let (left, wanted, served) = &mut *free;
    let pools = roster.firms.len() + nations;
    for list in [&mut *left, &mut *wanted, &mut *served] {
        list.clear();
        list.resize(pools, 0.0);
    }
    for (firm, compute) in firms.iter_many(&roster.firms).flatten() {
        if firm.row.developer {
            left[firm.id.index()] = compute.serving_h100e.max(0.0);
        }
    }
    for (country, demand) in countries.iter_many(&roster.countries).flatten() {
        let c = country.id.index();
        left[roster.firms.len() + c] = demand.self_host_h100e;
        t.purse[c] = demand.spend_usd_year / 12.0 * (1.0 - t.nothing[c]);
        t.unserved[c] = 0.0;
    }
    // Price and pool of each option in each country, `[country][option]`.
    let (prices, pool) = &mut *tables;
    prices.clear();
    pool.clear();
    for c in 0..nations {
        prices.extend_from_slice(&offers.price_usd_m[..hosted]);
        prices.extend_from_slice(&t.open_price[c * SELF_HOSTED..(c + 1) * SELF_HOSTED]);
        pool.extend(offers.firm[..hosted].iter().map(|firm| firm.index()));
        pool.extend([roster.firms.len() + c; SELF_HOSTED]);
    }
    t.used.fill(0.0);
    t.pressure.fill(0.0);
    t.served.fill(1.0);
    t.host_pressure.fill(0.0);
    for pass in 0..PASSES {
        wanted.fill(0.0);
        for c in 0..nations {
            let row = c * options..(c + 1) * options;
            // Whoever found all that was wanted asks for no more.
            if pass > 0 && t.purse[c] == 0.0 {
                t.wanted[row].fill(0.0);
                continue;
            }
            let (prices, pool) = (&prices[row.clone()], &pool[row.clone()]);
            let (shares, tokens) = (&t.shares[row.clone()], &mut t.wanted[row]);
            let mut money = 0.0;
            for ((tokens, share), (price, at)) in
                tokens.iter_mut().zip(shares).zip(prices.iter().zip(pool))
            {
                let open = *share > 0.0 && (pass == 0 || left[*at] > 0.0);
                *tokens = if open { *share } else { 0.0 };
                if open {
                    money += share * price;
                }
            }
            let scale = if money > 0.0 { t.purse[c] / money } else { 0.0 };
            for ((tokens, per_h100e), at) in tokens.iter_mut().zip(&t.per_h100e).zip(pool) {
                if *tokens > 0.0 {
                    *tokens *= scale;
                    wanted[*at] += *tokens / per_h100e;
                }
            }
            if money <= 0.0 {
                t.unserved[c] += t.purse[c];
                t.purse[c] = 0.0;
            }
        }
        for at in 0..pools {
            if pass == 0 {
                let pressure = if left[at] > 0.0 { wanted[at] / left[at] } else { 0.0 };
                if at < roster.firms.len() {
                    t.pressure[at] = pressure;
                } else {
                    t.host_pressure[at - roster.firms.len()] = pressure;
                }
            }
            served[at] = if wanted[at] > left[at] { left[at] / wanted[at] } else { 1.0 };
            left[at] = if wanted[at] >= left[at] { 0.0 } else { left[at] - wanted[at] };
            if pass == 0 {
                if at < roster.firms.len() {
                    t.served[at] = served[at];
                } else {
                    t.host_served[at - roster.firms.len()] = served[at];
                }
            }
        }
        for c in 0..nations {
            if pass > 0 && t.purse[c] == 0.0 {
                continue;
            }
            let row = c * options..(c + 1) * options;
            let (prices, pool) = (&prices[row.clone()], &pool[row.clone()]);
            let (tokens, used) = (&t.wanted[row.clone()], &mut t.used[row]);
            let mut turned_away = 0.0;
            for ((tokens, used), (price, at)) in
                tokens.iter().zip(used).zip(prices.iter().zip(pool))
            {
                if *tokens > 0.0 {
                    let got = tokens * served[*at];
                    *used += got;
                    turned_away += (tokens - got) * price;
                }
            }
            let again = if pass + 1 < PASSES { p.spill_share * turned_away } else { 0.0 };
            t.purse[c] = again;
            t.unserved[c] += turned_away - again;
        }
    }
    // Payment, tokens and utilisation.
    offers.tokens_m.fill(0.0);
    offers.revenue_usd.fill(0.0);
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let demand = &mut *demand;
        let c = country.id.index();
        let (mut tokens, mut value, mut paid, mut constrained) = (0.0, 0.0, 0.0, 0.0);
        let relative = if p.price_weight > 0.0 { p.quality_weight / p.price_weight } else { 0.0 };
        let row = c * options..(c + 1) * options;
        let of_country = t.used[row.clone()].iter().zip(&prices[row.clone()]);
        for (k, (used, price)) in of_country.map(|(used, price)| (*used, *price)).enumerate() {
            if used <= 0.0 {
                continue;
            }
            tokens += used;
            paid += used * price;
            let ln_price = if k < hosted { t.ln_price[k] } else { ln_price_of(price, settings.quantum) };
            value += used * (ln_price - relative * t.quality[k]);
            if t.constrained[t.developer(k)] {
                constrained += used;
            }
            if k < hosted {
                offers.tokens_m[k] += used;
                offers.revenue_usd[k] += used * price;
            }
        }
        let history = &mut demand.ln_price_history;
        history.rotate_right(1);
        history[0] = if tokens > 0.0 { value / tokens } else { history[1] };
        let bought = 1.0 - t.nothing[c];
        for (share, used) in demand.share[..options].iter_mut().zip(&t.used[row]) {
            *share = if tokens > 0.0 { used / tokens * bought } else { 0.0 };
        }
        demand.share[options] = if tokens > 0.0 { t.nothing[c] } else { 1.0 };
        demand.tokens_m = tokens;
        demand.constrained_tokens_m = constrained;
        demand.paid_usd = paid;
        demand.unserved_usd = t.unserved[c];
        // Hosts of open models are paid by what they contribute.
        let open: f64 = (hosted..options)
            .map(|k| {
                let used = t.used[c * options + k];
                if used > 0.0 { used * prices[c * options + k] } else { 0.0 }
            })
            .sum();
        if open > 0.0 && demand.self_host_h100e > 0.0 {
            for (_, host, h100e) in t.hosts.iter().filter(|h| h.0 == CountryId::at(c)) {
                let usd = open * h100e / demand.self_host_h100e;
                ledger.pay(
                    Account::Outside(Outside::Users),
                    Account::Firm(*host),
                    Money::from_amount(usd, settings.quantum),
                    Purpose::Tokens,
                );
            }
        }
    }
    for k in 0..hosted {
        ledger.pay(
            Account::Outside(Outside::Users),
            Account::Firm(offers.firm[k]),
            Money::from_amount(offers.revenue_usd[k], settings.quantum),
            Purpose::Tokens,
        );
    }
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute))) = each.fetch_next() {
        let i = firm.id.index();
        let (mut had, mut spare) = (0.0, 0.0);
        if firm.row.developer {
            (had, spare) = (compute.serving_h100e.max(0.0), left[i]);
        } else {
            for (country, _, h100e) in t.hosts.iter().filter(|h| h.1.index() == i) {
                let at = roster.firms.len() + country.index();
                let pooled: f64 = t.hosts.iter().filter(|h| h.0 == *country).map(|h| h.2).sum();
                had += h100e;
                spare += if pooled > 0.0 { left[at] * h100e / pooled } else { 0.0 };
            }
            let wanted: f64 = t
                .hosts
                .iter()
                .filter(|h| h.1.index() == i)
                .map(|h| h.2 * t.host_pressure[h.0.index()])
                .sum();
            t.pressure[i] = if had > 0.0 { wanted / had } else { 0.0 };
        }
        compute.demand_pressure = t.pressure[i];
        compute.utilisation = if had > 0.0 { ((had - spare) / had).clamp(0.0, 1.0) } else { 0.0 };
    }
}

/// ln of a price in quanta of the ledger: only differences are felt, and so currency is a unit.
fn ln_price_of(price: f64, quantum: f64) -> f64 {
    maths::ln(price / quantum)
}
