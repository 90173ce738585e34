//! The same kernel on plain arrays.
//!
//! - here: what it is given, and whether it answered as the model did;
//! - `choice`: shares of tokens;
//! - `rationing`: what of them is served, and paid.

mod choice;
mod rationing;

use bevy_ecs::prelude::{Entity, World};
use frugality::entities::boards::{Offers, SELF_HOSTED};
use frugality::entities::country::{Country, Demand};
use frugality::entities::firm::{Compute, Firm};
use frugality::entities::ledger::{Account, Ledger, Purpose};
use frugality::entities::{FirmId, Roster, Settings};
use frugality::maths;
use frugality::mechanisms::market::{MarketParameters, Trading};

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
pub(crate) struct Twin {
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
    pub(crate) fn of(world: &mut World) -> Self {
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

    /// Stops unless the model, which has run by now, says the same to the bit.
    pub(crate) fn assert_same(&self, world: &World) {
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
