//! The hottest kernel of a month, choice and rationing in the market for tokens, against a
//! twin written by hand on plain arrays.
//!
//! `cargo bench --bench market`. Every month of the reference world both are given the same
//! numbers; the bench stops unless the twin's answers are the model's, bit by bit. What it
//! prints is what the model pays for being systems of an ECS.

use std::io;
use std::path::Path;
use std::time::Duration;

use bevy_ecs::prelude::{Entity, World};
use cpu_time::ThreadTime;
use frugality::entities::boards::{Offers, SELF_HOSTED};
use frugality::entities::country::{Country, Demand};
use frugality::entities::firm::{Compute, Firm};
use frugality::entities::ledger::{Account, Ledger, Purpose};
use frugality::entities::{Clock, FirmId, Roster, Settings};
use frugality::maths;
use frugality::mechanisms::market::{MarketParameters, TIERS, Trading};
use frugality::month;
use frugality::random::Luck;
use frugality::record::{Page, Sink};
use frugality::run::play_by;
use frugality::world::load;
use frugality::world::populate::populate;

/// What the model may cost, in times of the twin.
const TARGET: f64 = 1.15;

/// Rounds of rationing and spilling, as in the model.
const PASSES: usize = 3;

/// How often either is run each month; the least time counts.
const REPEATS: usize = 5;

struct Nothing;

impl Sink for Nothing {
    fn month(&mut self, _: &Page<'_>) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    let loaded = load(&path, &[], &frugality::mechanisms::declared_parameters())
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    let months = loaded.definition.head.end - loaded.definition.head.start + 1;
    // Time of one run is short against the clock's: run the same world some times over.
    let (mut model, mut twin) = (vec![Duration::MAX; months as usize], Vec::new());
    twin.clone_from(&model);
    for _ in 0..REPEATS {
        let mut world = populate(&loaded.definition, Luck::new(1), false);
        let (start, end) = (loaded.definition.head.start, loaded.definition.head.end);
        world.insert_resource(Clock { start, now: start, end });
        let mut schedules = month::one_by_one();
        let mut at = 0;
        let mut month = |world: &mut World| {
            let mut arrays = None;
            for ((room, system, _), schedule) in month::PLAN.iter().zip(&mut schedules) {
                let kernel = *room == "market" && ["choose", "clear"].contains(system);
                if *system == "choose" && kernel {
                    let mut ready = Twin::of(world);
                    let begun = ThreadTime::now();
                    ready.choose();
                    ready.clear();
                    twin[at] = begun.elapsed().min(twin[at]);
                    arrays = Some((ready, Duration::ZERO));
                }
                let begun = ThreadTime::now();
                schedule.run(world);
                let Some((twin, time)) = arrays.as_mut().filter(|_| kernel) else { continue };
                *time += begun.elapsed();
                if *system == "clear" {
                    model[at] = (*time).min(model[at]);
                    twin.assert_same(world);
                }
            }
            at += 1;
        };
        play_by(&mut world, &mut month, &mut Nothing).expect("books that balance");
    }
    let sum = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() / f64::from(months);
    let (model, twin) = (sum(&model), sum(&twin));
    println!(
        "Choice and rationing: {:.1} µs a month, the twin on plain arrays {:.1} µs: {:.2} times \
         (target {TARGET}). {months} months alike to the bit.",
        1e6 * model,
        1e6 * twin,
        model / twin,
    );
}

/// Compute of a developer or of a country's hosts.
#[derive(Clone, Copy, Default)]
struct Pool {
    left: f64,
    wanted: f64,
    open: f64,
    got: f64,
    refused: f64,
}

/// The same kernel on plain arrays.
struct Twin {
    p: MarketParameters,
    quantum: f64,
    hosted: usize,
    options: usize,
    firms: usize,
    nations: usize,
    developers: Vec<usize>,
    constrained: Vec<bool>,
    origin: [usize; SELF_HOSTED],
    quality: Vec<f64>,
    per_h100e: Vec<f64>,
    firm_of: Vec<usize>,
    price: Vec<f64>,
    open_price: Vec<f64>,
    geography: Vec<f64>,
    open_geography: Vec<f64>,
    access: Vec<f64>,
    /// Share served last month, then this month's, `[firm]`.
    served: Vec<f64>,
    host_served: Vec<f64>,
    abroad: Vec<bool>,
    home: Vec<usize>,
    sells: Vec<bool>,
    serving: Vec<f64>,
    /// (country, firm, H100e).
    hosts: Vec<(usize, usize, f64)>,
    poverty: Vec<f64>,
    spend: Vec<f64>,
    self_host: Vec<f64>,
    awareness: Vec<f64>,
    habit: Vec<f64>,
    ln_price: Vec<f64>,
    value: Vec<f64>,
    dearer: Vec<f64>,
    shares: Vec<f64>,
    nothing: Vec<f64>,
    /// One over tokens of an H100e-month, and price; 0 where nothing is on offer, `[hosted option]`.
    h100e: Vec<f64>,
    posted: Vec<f64>,
    /// Compute and money for a unit of tokens, and units served, `[country × developer]`.
    compute: Vec<f64>,
    money: Vec<f64>,
    got: Vec<f64>,
    /// The same of hosts, `[country]`.
    host_compute: Vec<f64>,
    host_money: Vec<f64>,
    host_got: Vec<f64>,
    scale: Vec<f64>,
    /// Developers, then countries.
    pools: Vec<Pool>,
    used: Vec<f64>,
    purse: Vec<f64>,
    unserved: Vec<f64>,
    pressure: Vec<f64>,
    host_pressure: Vec<f64>,
    utilisation: Vec<f64>,
    sold: Vec<f64>,
    revenue: Vec<f64>,
    country_share: Vec<f64>,
    country_tokens: Vec<f64>,
    country_constrained: Vec<f64>,
    country_paid: Vec<f64>,
    country_ln_price: Vec<f64>,
    income: Vec<i64>,
}

impl Twin {
    /// What the model is about to be given.
    fn of(world: &mut World) -> Self {
        let roster = world.resource::<Roster>().clone();
        let of_country = |world: &World, read: &dyn Fn(&Country, &Demand) -> f64| -> Vec<f64> {
            let each = roster.countries.iter().map(|entity| {
                let entity = world.entity(*entity);
                let country = entity.get::<Country>().expect("a country");
                read(country, entity.get::<Demand>().expect("demand"))
            });
            each.collect()
        };
        let lists = |world: &World, read: &dyn Fn(&Demand) -> Vec<f64>| -> Vec<f64> {
            let demand = |entity: Entity| world.entity(entity).get::<Demand>().expect("demand");
            roster.countries.iter().flat_map(|entity| read(demand(*entity))).collect()
        };
        let firm = |world: &World, read: &dyn Fn(&Firm, &Compute) -> f64| -> Vec<f64> {
            let each = roster.firms.iter().map(|entity| {
                let entity = world.entity(*entity);
                let firm = entity.get::<Firm>().expect("a firm");
                read(firm, entity.get::<Compute>().expect("compute"))
            });
            each.collect()
        };
        let t = world.resource::<Trading>();
        let offers = world.resource::<Offers>();
        let (firms, nations) = (roster.firms.len(), roster.countries.len());
        let (hosted, options) = (t.hosted, t.hosted + SELF_HOSTED);
        let cells = nations * options;
        Self {
            p: world.resource::<MarketParameters>().clone(),
            quantum: world.resource::<Settings>().quantum,
            hosted,
            options,
            firms,
            nations,
            developers: t.developers.iter().map(|firm| firm.index()).collect(),
            constrained: t.constrained.clone(),
            origin: t.origin,
            quality: t.quality.clone(),
            per_h100e: t.per_h100e.clone(),
            firm_of: offers.firm.iter().map(|firm| firm.index()).collect(),
            price: offers.price_usd_m.clone(),
            open_price: t.open_price.clone(),
            geography: t.geography.clone(),
            open_geography: t.open_geography.clone(),
            access: t.access.clone(),
            served: t.served.clone(),
            host_served: t.host_served.clone(),
            abroad: t.abroad.clone(),
            home: t.home.clone(),
            sells: firm(world, &|firm, _| f64::from(u8::from(firm.row.developer)))
                .into_iter()
                .map(|sells| sells > 0.0)
                .collect(),
            serving: firm(world, &|_, compute| compute.serving_h100e),
            hosts: t.hosts.iter().map(|h| (h.0.index(), h.1.index(), h.2)).collect(),
            poverty: of_country(world, &|country, _| country.row.infrastructure_constraint),
            spend: of_country(world, &|_, demand| demand.spend_usd_year),
            self_host: of_country(world, &|_, demand| demand.self_host_h100e),
            awareness: lists(world, &|demand| demand.awareness.clone()),
            habit: lists(world, &|demand| demand.habit.clone()),
            country_ln_price: lists(world, &|demand| vec![demand.ln_price_history[0]]),
            ln_price: vec![f64::NAN; hosted],
            value: vec![f64::NAN; hosted],
            dearer: vec![f64::NAN; hosted],
            shares: vec![0.0; cells],
            nothing: vec![0.0; nations],
            h100e: vec![0.0; hosted],
            posted: vec![0.0; hosted],
            compute: vec![0.0; nations * t.developers.len()],
            money: vec![0.0; nations * t.developers.len()],
            got: vec![0.0; nations * t.developers.len()],
            host_compute: vec![0.0; nations],
            host_money: vec![0.0; nations],
            host_got: vec![0.0; nations],
            scale: vec![0.0; nations],
            pools: vec![Pool::default(); t.developers.len() + nations],
            used: vec![0.0; cells],
            purse: vec![0.0; nations],
            unserved: vec![0.0; nations],
            pressure: vec![0.0; firms],
            host_pressure: vec![0.0; nations],
            utilisation: vec![0.0; firms],
            sold: vec![0.0; hosted],
            revenue: vec![0.0; hosted],
            country_share: vec![0.0; nations * (options + 1)],
            country_tokens: vec![0.0; nations],
            country_constrained: vec![0.0; nations],
            country_paid: vec![0.0; nations],
            income: vec![0; firms],
        }
    }

    fn ln_price_of(&self, price: f64) -> f64 {
        maths::ln(price / self.quantum)
    }

    fn choose(&mut self) {
        let (hosted, options, developers) = (self.hosted, self.options, self.developers.len());
        let (p, lambda) = (self.p.clone(), self.p.nest_dissimilarity);
        let mut best_quality = f64::NEG_INFINITY;
        for quality in &self.quality {
            if *quality > best_quality {
                best_quality = *quality;
            }
        }
        let (mut best, mut best_ln_price) = (f64::NEG_INFINITY, 0.0);
        for k in 0..hosted {
            let price = self.price[k];
            self.ln_price[k] = if price > 0.0 { self.ln_price_of(price) } else { f64::NAN };
            self.value[k] = if self.quality[k].is_finite() && price > 0.0 {
                p.quality_weight * (self.quality[k] - best_quality)
                    - p.price_weight * self.ln_price[k]
                    - p.ration_penalty * (1.0 - self.served[self.firm_of[k]])
            } else {
                f64::NEG_INFINITY
            };
            if self.value[k] > best {
                best = self.value[k];
                best_ln_price = self.ln_price[k];
            }
        }
        for (at, price) in self.open_price.iter().enumerate() {
            if !best.is_finite() && *price > 0.0 {
                best_ln_price = self.ln_price_of(*price);
                best = p.quality_weight * (self.quality[hosted + at % SELF_HOSTED] - best_quality)
                    - p.price_weight * best_ln_price;
            }
        }
        for k in 0..hosted {
            self.value[k] = (self.value[k] - best) / lambda;
            self.dearer[k] = (self.ln_price[k] - best_ln_price) / lambda;
        }
        let follow = |habit: &mut f64, target: f64| {
            *habit = if !target.is_finite() {
                f64::NEG_INFINITY
            } else if habit.is_finite() {
                p.lock * *habit + (1.0 - p.lock) * target
            } else {
                target - p.entry_gap
            };
        };
        let mut runs = vec![false; developers];
        self.shares.fill(0.0);
        for c in 0..self.nations {
            let poor = p.price_weight * p.price_weight_poor * self.poverty[c];
            let habits = &mut self.habit[c * options..(c + 1) * options];
            let row = &mut self.shares[c * options..(c + 1) * options];
            let knows = |d: usize| self.awareness[c * self.firms + self.developers[d]];
            let access = &self.access[c * developers..(c + 1) * developers];
            runs.fill(false);
            let mut most = [f64::NEG_INFINITY; 2];
            for k in hosted..options {
                let origin = self.origin[k - hosted];
                let price = self.open_price[c * SELF_HOSTED + k - hosted];
                let target = if price > 0.0 {
                    let ln_price = maths::ln(price / self.quantum);
                    let value = p.quality_weight * (self.quality[k] - best_quality)
                        - p.price_weight * ln_price
                        - poor * (ln_price - best_ln_price)
                        - p.ration_penalty * (1.0 - self.host_served[c]);
                    (value - best) / lambda + self.open_geography[c * developers + origin]
                } else {
                    f64::NEG_INFINITY
                };
                follow(&mut habits[k], target);
                if habits[k].is_finite() {
                    runs[origin] = true;
                    most[0] = habits[k].max(most[0]);
                    row[k] = knows(origin);
                }
            }
            let mut unaware = 1.0;
            for d in 0..developers {
                let mut on_offer = false;
                for k in d * TIERS..(d + 1) * TIERS {
                    let here = (self.abroad[d] || self.home[d] == c) && self.value[k].is_finite();
                    let target = if here {
                        self.value[k] - poor * self.dearer[k] + self.geography[c * developers + d]
                    } else {
                        f64::NEG_INFINITY
                    };
                    follow(&mut habits[k], target);
                    if habits[k].is_finite() {
                        on_offer = true;
                        most[1] = habits[k].max(most[1]);
                        row[k] = knows(d) * access[d];
                    }
                }
                if runs[d] {
                    unaware *= 1.0 - knows(d);
                } else if on_offer {
                    unaware *= 1.0 - access[d] * knows(d);
                }
            }
            let aware = 1.0 - unaware;
            let nests = [(hosted, options), (0, hosted)];
            let mut sums = [0.0; 2];
            let mut worth = [f64::NEG_INFINITY, f64::NEG_INFINITY, -p.outside_gap];
            for (n, (from, to)) in nests.into_iter().enumerate() {
                for k in from..to {
                    if row[k] > 0.0 {
                        row[k] *= maths::exp(habits[k] - most[n]);
                        sums[n] += row[k];
                    }
                }
                if sums[n] > 0.0 {
                    worth[n] = lambda * (maths::ln(sums[n] / aware) + most[n]);
                }
            }
            let top = worth[0].max(worth[1]).max(worth[2]);
            let weights = worth.map(|v| maths::exp(v - top));
            let sum = weights[0] + weights[1] + weights[2];
            for (n, (from, to)) in nests.into_iter().enumerate() {
                let of_nest = if sums[n] > 0.0 { aware * weights[n] / sum / sums[n] } else { 0.0 };
                for share in &mut row[from..to] {
                    *share *= of_nest;
                }
            }
            self.nothing[c] = 1.0 - aware * (weights[0] + weights[1]) / sum;
        }
    }

    fn clear(&mut self) {
        let (hosted, options, developers) = (self.hosted, self.options, self.developers.len());
        for k in 0..hosted {
            let on_offer = self.price[k] > 0.0 && self.per_h100e[k] > 0.0;
            self.h100e[k] = if on_offer { 1.0 / self.per_h100e[k] } else { 0.0 };
            self.posted[k] = if on_offer { self.price[k] } else { 0.0 };
        }
        for c in 0..self.nations {
            for d in 0..developers {
                let (mut compute, mut money) = (0.0, 0.0);
                for k in d * TIERS..(d + 1) * TIERS {
                    let share = self.shares[c * options + k];
                    compute += share * self.h100e[k];
                    money += share * self.posted[k];
                }
                self.compute[c * developers + d] = compute;
                self.money[c * developers + d] = money;
            }
            for k in hosted..options {
                let share = self.shares[c * options + k];
                if share > 0.0 {
                    self.host_compute[c] += share / self.per_h100e[k];
                    self.host_money[c] += share * self.open_price[c * SELF_HOSTED + k - hosted];
                }
            }
            self.pools[developers + c].left = self.self_host[c];
            self.purse[c] = self.spend[c] / 12.0 * (1.0 - self.nothing[c]);
        }
        for d in 0..developers {
            self.pools[d].left = self.serving[self.developers[d]].max(0.0);
        }
        self.served.fill(1.0);
        for pass in 0..PASSES {
            self.ration(pass);
        }
        self.account();
        self.use_of_compute();
    }

    /// One pass: what is wanted, what is served, what spills.
    fn ration(&mut self, pass: usize) {
        let developers = self.developers.len();
        for pool in &mut self.pools {
            pool.open = f64::from(u8::from(pass == 0 || pool.left > 0.0));
            pool.wanted = 0.0;
        }
        for c in 0..self.nations {
            let host = developers + c;
            self.scale[c] = 0.0;
            if pass > 0 && self.purse[c] == 0.0 {
                continue;
            }
            let mut money = self.pools[host].open * self.host_money[c];
            for d in 0..developers {
                money += self.pools[d].open * self.money[c * developers + d];
            }
            if money <= 0.0 {
                self.unserved[c] += self.purse[c];
                self.purse[c] = 0.0;
                continue;
            }
            let scale = self.purse[c] / money;
            self.scale[c] = scale;
            self.pools[host].wanted = scale * self.pools[host].open * self.host_compute[c];
            for d in 0..developers {
                let pool = &mut self.pools[d];
                pool.wanted += scale * pool.open * self.compute[c * developers + d];
            }
        }
        for (at, pool) in self.pools.iter_mut().enumerate() {
            let (left, wanted) = (pool.left, pool.wanted);
            let served = if wanted > left { left / wanted } else { 1.0 };
            pool.left = if wanted >= left { 0.0 } else { left - wanted };
            pool.got = pool.open * served;
            pool.refused = pool.open * (1.0 - served);
            if pass == 0 {
                let pressure = if left > 0.0 { wanted / left } else { 0.0 };
                if at < developers {
                    self.pressure[self.developers[at]] = pressure;
                    self.served[self.developers[at]] = served;
                } else {
                    self.host_pressure[at - developers] = pressure;
                }
            }
        }
        for c in 0..self.nations {
            let (host, scale) = (self.pools[developers + c], self.scale[c]);
            if scale == 0.0 {
                continue;
            }
            self.host_got[c] += scale * host.got;
            let mut turned_away = host.refused * self.host_money[c];
            for d in 0..developers {
                self.got[c * developers + d] += scale * self.pools[d].got;
                turned_away += self.pools[d].refused * self.money[c * developers + d];
            }
            turned_away *= scale;
            let again = if pass + 1 < PASSES { self.p.spill_share * turned_away } else { 0.0 };
            self.purse[c] = again;
            self.unserved[c] += turned_away - again;
        }
    }

    fn pay(&mut self, firm: usize, usd: f64) {
        self.income[firm] += maths::whole(usd / self.quantum);
    }

    /// Tokens, prices and payment.
    fn account(&mut self) {
        let (hosted, options) = (self.hosted, self.options);
        let p = &self.p;
        let relative = if p.price_weight > 0.0 { p.quality_weight / p.price_weight } else { 0.0 };
        for c in 0..self.nations {
            let (mut tokens, mut value, mut paid, mut constrained) = (0.0, 0.0, 0.0, 0.0);
            for d in 0..self.developers.len() {
                let at = c * self.developers.len() + d;
                let mut here = 0.0;
                for k in d * TIERS..(d + 1) * TIERS {
                    let used = self.shares[c * options + k] * self.got[at];
                    self.used[c * options + k] = used;
                    here += used;
                    if self.posted[k] > 0.0 {
                        value += used * (self.ln_price[k] - relative * self.quality[k]);
                    }
                    self.sold[k] += used;
                }
                tokens += here;
                paid += self.got[at] * self.money[at];
                constrained += if self.constrained[d] { here } else { 0.0 };
            }
            let open = self.host_got[c] * self.host_money[c];
            paid += open;
            for k in hosted..options {
                let used = self.shares[c * options + k] * self.host_got[c];
                self.used[c * options + k] = used;
                if used > 0.0 {
                    tokens += used;
                    let ln_price = self.ln_price_of(self.open_price[c * SELF_HOSTED + k - hosted]);
                    value += used * (ln_price - relative * self.quality[k]);
                    let group = self.constrained[self.origin[k - hosted]];
                    constrained += if group { used } else { 0.0 };
                }
            }
            if tokens > 0.0 {
                self.country_ln_price[c] = value / tokens;
            }
            let shares = &mut self.country_share[c * (options + 1)..(c + 1) * (options + 1)];
            let bought = if tokens > 0.0 { (1.0 - self.nothing[c]) / tokens } else { 0.0 };
            for (share, used) in shares.iter_mut().zip(&self.used[c * options..]).take(options) {
                *share = used * bought;
            }
            shares[options] = if tokens > 0.0 { self.nothing[c] } else { 1.0 };
            self.country_tokens[c] = tokens;
            self.country_constrained[c] = constrained;
            self.country_paid[c] = paid;
            if open > 0.0 && self.self_host[c] > 0.0 {
                for at in 0..self.hosts.len() {
                    let (country, host, h100e) = self.hosts[at];
                    if country == c {
                        self.pay(host, open / self.self_host[c] * h100e);
                    }
                }
            }
        }
        for k in 0..hosted {
            self.revenue[k] = self.sold[k] * self.posted[k];
            self.pay(self.firm_of[k], self.revenue[k]);
        }
    }

    fn use_of_compute(&mut self) {
        for i in 0..self.firms {
            let (mut had, mut spare) = (0.0, 0.0);
            if self.sells[i] {
                let d = self.developers.iter().position(|firm| *firm == i).expect("a developer");
                (had, spare) = (self.serving[i].max(0.0), self.pools[d].left);
            } else {
                let mut wanted = 0.0;
                for (country, _, h100e) in self.hosts.iter().filter(|h| h.1 == i) {
                    let here = self.hosts.iter().filter(|h| h.0 == *country);
                    let pooled: f64 = here.map(|h| h.2).sum();
                    let left = self.pools[self.developers.len() + country].left;
                    had += h100e;
                    spare += if pooled > 0.0 { left * h100e / pooled } else { 0.0 };
                    wanted += h100e * self.host_pressure[*country];
                }
                self.pressure[i] = if had > 0.0 { wanted / had } else { 0.0 };
            }
            self.utilisation[i] =
                if had > 0.0 { ((had - spare) / had).clamp(0.0, 1.0) } else { 0.0 };
        }
    }

    /// Stops unless the model, which has run by now, says the same to the bit.
    fn assert_same(&self, world: &World) {
        fn same<'a>(what: &str, twin: &[f64], model: impl IntoIterator<Item = &'a f64>) {
            let model: Vec<f64> = model.into_iter().copied().collect();
            assert_eq!(twin.len(), model.len(), "{what}");
            for (at, (twin, model)) in twin.iter().zip(&model).enumerate() {
                let same = twin.to_bits() == model.to_bits() || (twin.is_nan() && model.is_nan());
                assert!(same, "{what} at {at}: {twin} against {model}");
            }
        }
        let t = world.resource::<Trading>();
        let offers = world.resource::<Offers>();
        same("shares", &self.shares, &t.shares);
        same("nothing", &self.nothing, &t.nothing);
        same("used", &self.used, &t.used);
        same("unserved", &self.unserved, &t.unserved);
        same("pressure", &self.pressure, &t.pressure);
        same("served", &self.served, &t.served);
        same("sold", &self.sold, &offers.tokens_m);
        same("revenue", &self.revenue, &offers.revenue_usd);
        let roster = world.resource::<Roster>();
        let ledger = world.resource::<Ledger>();
        for (c, entity) in roster.countries.iter().enumerate() {
            let demand = world.entity(*entity).get::<Demand>().expect("demand");
            let options = self.options;
            same("habit", &self.habit[c * options..(c + 1) * options], &demand.habit);
            let shares = &self.country_share[c * (options + 1)..(c + 1) * (options + 1)];
            same("share", shares, &demand.share);
            let of_twin = [
                self.country_tokens[c],
                self.country_constrained[c],
                self.country_paid[c],
                self.country_ln_price[c],
            ];
            let of_model = [
                demand.tokens_m,
                demand.constrained_tokens_m,
                demand.paid_usd,
                demand.ln_price_history[0],
            ];
            same("country", &of_twin, &of_model);
        }
        for (i, entity) in roster.firms.iter().enumerate() {
            let compute = world.entity(*entity).get::<Compute>().expect("compute");
            same("utilisation", &[self.utilisation[i]], &[compute.utilisation]);
            let income = ledger.this_month(Account::Firm(FirmId::at(i)), Purpose::Tokens);
            assert_eq!(self.income[i], income.quanta(), "income of firm {i}");
        }
    }
}
