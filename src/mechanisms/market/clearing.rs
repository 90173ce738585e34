//! Choice among offers, rationing at posted prices, and payment.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{MarketParameters, TIERS, Trading};
use crate::entities::boards::{Offers, SELF_HOSTED};
use crate::entities::country::{Country, Demand};
use crate::entities::firm::{Compute, Firm};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::{Roster, Settings};
use crate::maths;
use crate::units::Money;

/// Rounds of rationing and spilling.
const PASSES: usize = 3;

/// Buffers of [`choose`].
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Value of each hosted option over λ to somebody to whom all developers are alike, relative to the
    /// best; minus infinity: not on offer.
    value: Vec<f64>,
    /// ln of its price over that of the best, over λ.
    dearer: Vec<f64>,
    /// Whether a country can run a developer's weights, `[developer]`.
    runs: Vec<bool>,
}

/// Lets every country choose among hosted tiers, its own open models, and nothing:
/// shares of tokens, `Σ over options + nothing = 1`.
pub(crate) fn choose(
    p: Res<MarketParameters>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    mut trading: ResMut<Trading>,
    offers: Res<Offers>,
    mut countries: Query<(&Country, &mut Demand)>,
    mut buffers: Local<Choice>,
) {
    let t = &mut *trading;
    let Choice { value, dearer, runs } = &mut *buffers;
    let (hosted, options, lambda) = (t.hosted, t.options(), p.nest_dissimilarity);
    let developers = t.developers.len();
    let mut best_quality = f64::NEG_INFINITY;
    for k in 0..options {
        if t.quality[k] > best_quality {
            best_quality = t.quality[k];
        }
    }
    value.clear();
    let (mut best, mut best_ln_price) = (f64::NEG_INFINITY, 0.0);
    for k in 0..hosted {
        let price = offers.price_usd_m[k];
        t.ln_price[k] = if price > 0.0 { ln_price_of(price, settings.quantum) } else { f64::NAN };
        value.push(if t.quality[k].is_finite() && price > 0.0 {
            let turned_away = 1.0 - t.served[offers.firm[k].index()];
            p.quality_weight * (t.quality[k] - best_quality)
                - p.price_weight * t.ln_price[k]
                - p.ration_penalty * turned_away
        } else {
            f64::NEG_INFINITY
        });
        if value[k] > best {
            best = value[k];
            best_ln_price = t.ln_price[k];
        }
    }
    if !best.is_finite() {
        for (at, price) in t.open_price.iter().enumerate() {
            if !best.is_finite() && *price > 0.0 {
                best_ln_price = ln_price_of(*price, settings.quantum);
                best = p.quality_weight * (t.quality[hosted + at % SELF_HOSTED] - best_quality)
                    - p.price_weight * best_ln_price;
            }
        }
    }
    dearer.clear();
    for (value, ln_price) in value.iter_mut().zip(&t.ln_price) {
        *value = (*value - best) / lambda;
        dearer.push((ln_price - best_ln_price) / lambda);
    }
    let (lock, fresh, entry_gap) = (p.lock, 1.0 - p.lock, p.entry_gap);
    // Nothing is above minus infinity that is not a number.
    let follow = |habit: &mut f64, target: f64| {
        *habit = if target > f64::NEG_INFINITY {
            if *habit > f64::NEG_INFINITY {
                lock * *habit + fresh * target
            } else {
                target - entry_gap
            }
        } else {
            f64::NEG_INFINITY
        };
        *habit
    };
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let demand = &mut *demand;
        let c = country.id.index();
        let poor = p.price_weight * p.price_weight_poor * country.row.infrastructure_constraint;
        let here = c * developers..(c + 1) * developers;
        let (geography, access) = (&t.geography[here.clone()], &t.access[here.clone()]);
        let open_geography = &t.open_geography[here];
        let (hosted_habits, open_habits) = demand.habit[..options].split_at_mut(hosted);
        let row = &mut t.shares[c * options..(c + 1) * options];
        let (hosted_row, open_row) = row.split_at_mut(hosted);
        runs.clear();
        runs.resize(developers, false);
        // The highest habit of each nest: open models, hosted tiers. Weights are the share of users who know an option
        // and whom it reaches.
        let mut most = [f64::NEG_INFINITY; 2];
        for (s, (habit, weight)) in open_habits.iter_mut().zip(&mut *open_row).enumerate() {
            let price = t.open_price[c * SELF_HOSTED + s];
            let target = if price > 0.0 {
                let ln_price = ln_price_of(price, settings.quantum);
                let value = p.quality_weight * (t.quality[hosted + s] - best_quality)
                    - p.price_weight * ln_price
                    - poor * (ln_price - best_ln_price)
                    - p.ration_penalty * (1.0 - t.host_served[c]);
                (value - best) / lambda + open_geography[t.origin[s]]
            } else {
                f64::NEG_INFINITY
            };
            let habit = follow(habit, target);
            *weight = 0.0;
            if habit > f64::NEG_INFINITY {
                let d = t.origin[s];
                runs[d] = true;
                most[0] = habit.max(most[0]);
                *weight = demand.awareness[t.developers[d].index()];
            }
        }
        // Who knows nobody whose models are within reach buys nothing.
        let mut unaware = 1.0;
        let of_developers =
            hosted_habits.chunks_exact_mut(TIERS).zip(hosted_row.chunks_exact_mut(TIERS));
        let worth = value.chunks_exact(TIERS).zip(dearer.chunks_exact(TIERS));
        for (d, ((habits, weights), (value, dearer))) in of_developers.zip(worth).enumerate() {
            let (knows, access) = (demand.awareness[t.developers[d].index()], access[d]);
            let within_reach = t.abroad[d] || t.home[d] == c;
            let mut on_offer = false;
            for tier in 0..TIERS {
                let target = if within_reach {
                    value[tier] - poor * dearer[tier] + geography[d]
                } else {
                    f64::NEG_INFINITY
                };
                let habit = follow(&mut habits[tier], target);
                weights[tier] = 0.0;
                if habit > f64::NEG_INFINITY {
                    on_offer = true;
                    most[1] = habit.max(most[1]);
                    weights[tier] = knows * access;
                }
            }
            if runs[d] {
                unaware *= 1.0 - knows;
            } else if on_offer {
                unaware *= 1.0 - access * knows;
            }
        }
        let aware = 1.0 - unaware;
        // Shares within each nest, times the share of the nest.
        let mut sums = [0.0; 2];
        let mut worth = [f64::NEG_INFINITY, f64::NEG_INFINITY, -p.outside_gap];
        let nests = [(&mut *open_row, &*open_habits), (&mut *hosted_row, &*hosted_habits)];
        for (n, (weights, habits)) in nests.into_iter().enumerate() {
            for (weight, habit) in weights.iter_mut().zip(habits) {
                // Nobody takes what nobody knows.
                if *weight > 0.0 {
                    *weight *= maths::exp(habit - most[n]);
                    sums[n] += *weight;
                }
            }
            if sums[n] > 0.0 {
                // Among those who know somebody.
                worth[n] = lambda * (maths::ln(sums[n] / aware) + most[n]);
            }
        }
        let top = worth[0].max(worth[1]).max(worth[2]);
        let weights = worth.map(|v| maths::exp(v - top));
        let sum = weights[0] + weights[1] + weights[2];
        for (n, shares) in [open_row, hosted_row].into_iter().enumerate() {
            let of_nest = if sums[n] > 0.0 { aware * weights[n] / sum / sums[n] } else { 0.0 };
            for share in shares {
                *share *= of_nest;
            }
        }
        t.nothing[c] = 1.0 - aware * (weights[0] + weights[1]) / sum;
    }
}

/// Tables of [`clear`]. All options of one pool of compute are served alike, so rationing is a matter of pools: a
/// developer's is one for its tiers, a country's hosts' one for its open models. What is used of each option follows.
#[derive(Debug, Default)]
pub(crate) struct Clearing {
    /// Tokens of an H100e-month (one over them), price, and ln of the price less what quality is worth,
    /// `[hosted option]`; 0 where nothing is on offer.
    h100e: Vec<f64>,
    price: Vec<f64>,
    ln_worth: Vec<f64>,
    /// Compute and money for one unit of tokens of a country, and units served, `[country][developer]`.
    compute: Vec<f64>,
    money: Vec<f64>,
    served: Vec<f64>,
    /// The same of hosts, `[country]`.
    host_compute: Vec<f64>,
    host_money: Vec<f64>,
    host_served: Vec<f64>,
    /// Money for open models over the compute of hosts, `[country]`.
    open_usd: Vec<f64>,
    /// Pools of developers, `[developer]`, and of hosts, `[country]`.
    pools: Pools,
    hosts: Pools,
    /// Units that a country wants in this pass, `[country]`.
    scale: Vec<f64>,
}

/// Pools of compute, each of which serves all that want it alike.
#[derive(Debug, Default)]
struct Pools {
    left: Vec<f64>,
    wanted: Vec<f64>,
    /// 1 where there is something to have in this pass, else 0; parts of it that are served and turned away.
    open: Vec<f64>,
    got: Vec<f64>,
    refused: Vec<f64>,
}

impl Pools {
    /// Opens the month: `left` is all there is.
    fn fill(&mut self, left: impl Iterator<Item = f64>) {
        self.left.clear();
        self.left.extend(left);
        for list in [&mut self.wanted, &mut self.open, &mut self.got, &mut self.refused] {
            list.clear();
            list.resize(self.left.len(), 0.0);
        }
    }

    /// Opens a pass: in the first everybody asks, later only where something is left.
    fn open(&mut self, pass: usize) {
        self.wanted.fill(0.0);
        for (open, left) in self.open.iter_mut().zip(&self.left) {
            *open = f64::from(u8::from(pass == 0 || *left > 0.0));
        }
    }

    /// Serves what is wanted as far as it goes, and tells of each pool how much compute was wanted over what there
    /// was, and the share served.
    fn serve(&mut self, mut tell: impl FnMut(usize, f64, f64)) {
        for at in 0..self.left.len() {
            let (left, wanted) = (self.left[at], self.wanted[at]);
            let served = if wanted > left { left / wanted } else { 1.0 };
            self.left[at] = if wanted >= left { 0.0 } else { left - wanted };
            self.got[at] = self.open[at] * served;
            self.refused[at] = self.open[at] * (1.0 - served);
            tell(at, if left > 0.0 { wanted / left } else { 0.0 }, served);
        }
    }
}

impl Clearing {
    /// Adds up what countries want of each pool.
    fn open(&mut self, t: &Trading, offers: &Offers, relative: f64) {
        self.h100e.clear();
        self.price.clear();
        self.ln_worth.clear();
        for (k, price) in offers.price_usd_m[..t.hosted].iter().enumerate() {
            let on_offer = *price > 0.0 && t.per_h100e[k] > 0.0;
            let or_zero = |x: f64| if on_offer { x } else { 0.0 };
            self.h100e.push(or_zero(1.0 / t.per_h100e[k]));
            self.price.push(or_zero(*price));
            self.ln_worth.push(or_zero(t.ln_price[k] - relative * t.quality[k]));
        }
        self.compute.clear();
        self.money.clear();
        self.host_compute.clear();
        self.host_money.clear();
        let (h100e, prices) = (self.h100e.chunks_exact(TIERS), self.price.chunks_exact(TIERS));
        for (shares, open_prices) in
            t.shares.chunks_exact(t.options()).zip(t.open_price.chunks_exact(SELF_HOSTED))
        {
            let (hosted, open) = shares.split_at(t.hosted);
            for ((shares, h100e), prices) in
                hosted.chunks_exact(TIERS).zip(h100e.clone()).zip(prices.clone())
            {
                let (mut compute, mut money) = (0.0, 0.0);
                for tier in 0..TIERS {
                    compute += shares[tier] * h100e[tier];
                    money += shares[tier] * prices[tier];
                }
                self.compute.push(compute);
                self.money.push(money);
            }
            let (mut compute, mut money) = (0.0, 0.0);
            for ((share, price), per) in open.iter().zip(open_prices).zip(&t.per_h100e[t.hosted..])
            {
                if *share > 0.0 {
                    compute += share / per;
                    money += share * price;
                }
            }
            self.host_compute.push(compute);
            self.host_money.push(money);
        }
        self.served.clear();
        self.served.resize(self.money.len(), 0.0);
        for list in [&mut self.host_served, &mut self.open_usd, &mut self.scale] {
            list.clear();
            list.resize(self.host_money.len(), 0.0);
        }
    }

    /// One pass: what is wanted at posted prices, what is served, and what of the rest is spent again.
    fn pass(&mut self, pass: usize, p: &MarketParameters, t: &mut Trading) {
        let developers = self.pools.left.len();
        self.pools.open(pass);
        self.hosts.open(pass);
        self.scale.fill(0.0);
        for (c, scale) in self.scale.iter_mut().enumerate() {
            // Whoever found all that was wanted asks for no more.
            if pass > 0 && t.purse[c] == 0.0 {
                continue;
            }
            let row = c * developers..(c + 1) * developers;
            let mut money = self.hosts.open[c] * self.host_money[c];
            for (open, usd) in self.pools.open.iter().zip(&self.money[row.clone()]) {
                money += open * usd;
            }
            if money <= 0.0 {
                t.unserved[c] += t.purse[c];
                t.purse[c] = 0.0;
                continue;
            }
            *scale = t.purse[c] / money;
            self.hosts.wanted[c] = *scale * self.hosts.open[c] * self.host_compute[c];
            let asked = self.pools.open.iter().zip(&self.compute[row]);
            for (wanted, (open, compute)) in self.pools.wanted.iter_mut().zip(asked) {
                *wanted += *scale * open * compute;
            }
        }
        self.pools.serve(|d, pressure, served| {
            if pass == 0 {
                let firm = t.developers[d].index();
                (t.pressure[firm], t.served[firm]) = (pressure, served);
            }
        });
        self.hosts.serve(|c, pressure, served| {
            if pass == 0 {
                (t.host_pressure[c], t.host_served[c]) = (pressure, served);
            }
        });
        for (c, scale) in self.scale.iter().enumerate().filter(|(_, scale)| **scale != 0.0) {
            let row = c * developers..(c + 1) * developers;
            self.host_served[c] += scale * self.hosts.got[c];
            for (served, got) in self.served[row.clone()].iter_mut().zip(&self.pools.got) {
                *served += scale * got;
            }
            let mut turned_away = self.hosts.refused[c] * self.host_money[c];
            for (refused, money) in self.pools.refused.iter().zip(&self.money[row]) {
                turned_away += refused * money;
            }
            turned_away *= scale;
            let again = if pass + 1 < PASSES { p.spill_share * turned_away } else { 0.0 };
            t.purse[c] = again;
            t.unserved[c] += turned_away - again;
        }
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
    mut books: Local<Clearing>,
) {
    let (t, offers, books) = (&mut *trading, &mut *offers, &mut *books);
    let (hosted, options, developers) = (t.hosted, t.options(), t.developers.len());
    let relative = if p.price_weight > 0.0 { p.quality_weight / p.price_weight } else { 0.0 };
    books.open(t, offers, relative);
    t.pressure.fill(0.0);
    t.served.fill(1.0);
    let developing = t.developers.iter().map(|firm| roster.firms[firm.index()]);
    let developing = firms.iter_many(developing).flatten();
    books.pools.fill(developing.map(|(_, compute)| compute.serving_h100e.max(0.0)));
    let nations = countries.iter_many(&roster.countries).flatten();
    books.hosts.fill(nations.map(|(_, demand)| demand.self_host_h100e));
    for (country, demand) in countries.iter_many(&roster.countries).flatten() {
        let c = country.id.index();
        t.purse[c] = demand.spend_usd_year / 12.0 * (1.0 - t.nothing[c]);
        t.unserved[c] = 0.0;
    }
    for pass in 0..PASSES {
        books.pass(pass, &p, t);
    }
    // Payment, tokens and utilisation.
    offers.tokens_m.fill(0.0);
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let demand = &mut *demand;
        let c = country.id.index();
        let row = c * options..(c + 1) * options;
        let (shares, open_shares) = t.shares[row.clone()].split_at(hosted);
        let (used, open_used) = t.used[row.clone()].split_at_mut(hosted);
        let (mut tokens, mut value, mut paid, mut constrained) = (0.0, 0.0, 0.0, 0.0);
        let of_developers = used.chunks_exact_mut(TIERS).zip(shares.chunks_exact(TIERS));
        let sold = offers.tokens_m.chunks_exact_mut(TIERS).zip(books.ln_worth.chunks_exact(TIERS));
        for (d, ((used, shares), (sold, ln_worth))) in of_developers.zip(sold).enumerate() {
            let at = c * developers + d;
            let served = books.served[at];
            let mut here = 0.0;
            for tier in 0..TIERS {
                used[tier] = shares[tier] * served;
                here += used[tier];
                value += used[tier] * ln_worth[tier];
                sold[tier] += used[tier];
            }
            tokens += here;
            paid += served * books.money[at];
            constrained += if t.constrained[d] { here } else { 0.0 };
        }
        // Money for open models.
        let host_served = books.host_served[c];
        let open = host_served * books.host_money[c];
        paid += open;
        for (s, (used, share)) in open_used.iter_mut().zip(open_shares).enumerate() {
            *used = share * host_served;
            if *used > 0.0 {
                tokens += *used;
                let ln_price = ln_price_of(t.open_price[c * SELF_HOSTED + s], settings.quantum);
                value += *used * (ln_price - relative * t.quality[hosted + s]);
                constrained += if t.constrained[t.origin[s]] { *used } else { 0.0 };
            }
        }
        let history = &mut demand.ln_price_history;
        history.rotate_right(1);
        history[0] = if tokens > 0.0 { value / tokens } else { history[1] };
        let bought = if tokens > 0.0 { (1.0 - t.nothing[c]) / tokens } else { 0.0 };
        for (share, used) in demand.share[..options].iter_mut().zip(&t.used[row]) {
            *share = used * bought;
        }
        demand.share[options] = if tokens > 0.0 { t.nothing[c] } else { 1.0 };
        demand.tokens_m = tokens;
        demand.constrained_tokens_m = constrained;
        demand.paid_usd = paid;
        demand.unserved_usd = t.unserved[c];
        books.open_usd[c] =
            if demand.self_host_h100e > 0.0 { open / demand.self_host_h100e } else { 0.0 };
    }
    // Hosts of open models are paid by what they contribute.
    for (country, host, h100e) in &t.hosts {
        let usd = books.open_usd[country.index()] * h100e;
        if usd > 0.0 {
            ledger.pay(
                Account::Outside(Outside::Users),
                Account::Firm(*host),
                Money::from_amount(usd, settings.quantum),
                Purpose::Tokens,
            );
        }
    }
    for ((revenue, tokens), price) in
        offers.revenue_usd.iter_mut().zip(&offers.tokens_m).zip(&books.price)
    {
        *revenue = tokens * price;
    }
    // What a developer's tiers earn is one payment.
    for (tiers, revenue) in
        offers.firm.chunks_exact(TIERS).zip(offers.revenue_usd.chunks_exact(TIERS))
    {
        let earned = revenue.iter().map(|usd| Money::from_amount(*usd, settings.quantum)).sum();
        ledger.pay(
            Account::Outside(Outside::Users),
            Account::Firm(tiers[0]),
            earned,
            Purpose::Tokens,
        );
    }
    // What all hosts of a country have; the buffer is spent.
    let pooled = &mut books.scale;
    pooled.fill(0.0);
    for (country, _, h100e) in &t.hosts {
        pooled[country.index()] += h100e;
    }
    let mut left_over = books.pools.left.iter();
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute))) = each.fetch_next() {
        let i = firm.id.index();
        let (mut had, mut spare) = (0.0, 0.0);
        if firm.row.developer {
            // Developers stand in the order of firms.
            let left = left_over.next().copied().unwrap_or(0.0);
            (had, spare) = (compute.serving_h100e.max(0.0), left);
        } else {
            let mut wanted = 0.0;
            for (country, _, h100e) in t.hosts.iter().filter(|h| h.1.index() == i) {
                let at = country.index();
                let left = books.hosts.left[at];
                had += h100e;
                spare += if pooled[at] > 0.0 { left * h100e / pooled[at] } else { 0.0 };
                wanted += h100e * t.host_pressure[at];
            }
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
