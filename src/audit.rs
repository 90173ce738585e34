//! The books that must balance: the last system of the month that can stop a run.
//!
//! Each law is one function below; the first that fails is put into
//! [`FirstBreach`], and the run stops there. Counts and money are whole, so these
//! laws hold exactly; shares and power are compared with a tolerance for rounding.
//!
//! | law | left | right |
//! |---|---|---|
//! | chips, by SKU | made | inventory + on the way + warehouse + installed + seized + retired + written off |
//! | dies, by vendor and die | received | in stock + packaged |
//! | memory, by vendor | received | in stock + packaged |
//! | money | sum of all balances | 0 |
//! | money, by account | balance | sum of its flows |
//! | escrow, by firm | escrow | sum over open orders of open units × money set aside |
//! | fleet, by site, once a year | installed, by SKU | sum over cohorts |
//! | power, by site | drawn | at most connected |
//! | compute, by firm | core + serving + training + experiments | 1 |
//! | research, by firm | shares of direction | 1 |
//! | licences, each | shipped | at most granted, granted at most applied for |
//! | licences | pending | filed and not decided |
//! | finite | every reading and every stock | finite, stocks not negative |

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::entities::breach::{Breach, FirstBreach};
use crate::entities::chip::Catalogue;
use crate::entities::firm::{Compute, Finance, Firm, Lab, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::licence::{LicenceBook, Outcome};
use crate::entities::line::Parts;
use crate::entities::order::OrderBook;
use crate::entities::site::{Halls, Kind, Retirements, Site};
use crate::entities::{Clock, Roster};
use crate::metric::{Readings, Scope};
use crate::units::{Count, Money};

/// Rounding allowed on shares, and relative on power.
const ROUNDING: f64 = 1e-9;

/// In how many months the fleet of every site is counted anew: all others work with its sums.
const MONTHS: usize = 12;

type Law = Result<(), (&'static str, String, String, String)>;

#[inline]
fn equal<T: PartialEq + ToString>(
    law: &'static str,
    entity: impl FnOnce() -> String,
    left: T,
    right: T,
) -> Law {
    if left == right { Ok(()) } else { Err((law, entity(), left.to_string(), right.to_string())) }
}

#[inline]
fn at_most<T: PartialOrd + ToString>(
    law: &'static str,
    entity: impl FnOnce() -> String,
    left: T,
    right: T,
) -> Law {
    if left <= right { Ok(()) } else { Err((law, entity(), left.to_string(), right.to_string())) }
}

fn near_one(law: &'static str, entity: impl FnOnce() -> String, left: f64) -> Law {
    if (left - 1.0).abs() <= ROUNDING {
        Ok(())
    } else {
        Err((law, entity(), left.to_string(), "1".to_owned()))
    }
}

/// Checks every law and keeps the first breach.
pub(crate) fn check_books(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    parts: Res<Parts>,
    book: Res<OrderBook>,
    licences: Res<LicenceBook>,
    ledger: Res<Ledger>,
    retirements: Res<Retirements>,
    readings: Res<Readings>,
    sites: Query<(&Site, &Halls)>,
    firms: Query<(&Firm, &Purse, &Compute, &Lab, &Finance)>,
    mut first: ResMut<FirstBreach>,
    mut placed: Local<Vec<Count>>,
    (mut escrow, mut kinds): (Local<Vec<Money>>, Local<Vec<Kind>>),
    mut ended: Local<usize>,
) {
    let month = clock.elapsed().unsigned_abs() as usize;
    let found = chips(&roster, &catalogue, &parts, &book, &retirements, &sites, &mut placed)
        .and_then(|()| dies_and_memory(&parts))
        .and_then(|()| money(&ledger))
        .and_then(|()| actors(month, &roster, &book, &sites, &firms, (&mut escrow, &mut kinds)))
        .and_then(|()| papers(&licences, &mut ended))
        .and_then(|()| finite(&readings));
    if let Err((law, entity, left, right)) = found {
        first.note(Breach { month: clock.now, law, entity, left, right });
    }
}

fn chips(
    roster: &Roster,
    catalogue: &Catalogue,
    parts: &Parts,
    book: &OrderBook,
    retirements: &Retirements,
    sites: &Query<(&Site, &Halls)>,
    placed: &mut Vec<Count>,
) -> Law {
    placed.clone_from(&parts.inventory);
    for shipment in &book.shipments {
        placed[shipment.sku.index()] += shipment.units;
    }
    for (_, halls) in sites.iter_many(&roster.sites).flatten() {
        for kind in halls.fleet.kinds() {
            placed[kind.sku.index()] += kind.count;
        }
        for cohort in &halls.warehouse {
            placed[cohort.sku.index()] += cohort.count;
        }
    }
    for (sku, entry) in catalogue.iter() {
        let i = sku.index();
        let name = || entry.id.clone();
        at_most("no negative stock of chips", name, 0, parts.inventory[i])?;
        let accounted = placed[i] + book.seized[i] + retirements.retired[i] + parts.written_off[i];
        equal("chips made are somewhere", name, parts.made[i], accounted)?;
    }
    Ok(())
}

fn dies_and_memory(parts: &Parts) -> Law {
    for (vendor, stocks) in parts.dies.iter().enumerate() {
        for (die, stock) in stocks.iter().enumerate() {
            let name = || format!("vendor {vendor}, die {die}");
            at_most("no negative stock of dies", name, 0, *stock)?;
            let used = parts.dies_used[vendor][die];
            equal(
                "dies received are in stock or packaged",
                name,
                parts.dies_in[vendor][die],
                stock + used,
            )?;
        }
        let name = || format!("vendor {vendor}");
        let stock = parts.memory_gb[vendor];
        at_most("no negative stock of memory", name, 0, stock)?;
        equal(
            "memory received is in stock or packaged",
            name,
            parts.memory_in[vendor],
            stock + parts.memory_used[vendor],
        )?;
    }
    Ok(())
}

fn money(ledger: &Ledger) -> Law {
    equal("payments have a payer and a payee", || "ledger".to_owned(), ledger.sum(), 0)?;
    if let Some((slot, balance, flows)) = ledger.misposted() {
        return equal("balances are sums of flows", || format!("account {slot}"), balance, flows);
    }
    Ok(())
}

fn actors(
    month: usize,
    roster: &Roster,
    book: &OrderBook,
    sites: &Query<(&Site, &Halls)>,
    firms: &Query<(&Firm, &Purse, &Compute, &Lab, &Finance)>,
    (escrow, kinds): (&mut Vec<Money>, &mut Vec<Kind>),
) -> Law {
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        let allowed = halls.power_mw * (1.0 + ROUNDING) + ROUNDING;
        let name = || site.row.id.clone();
        at_most("installed power is connected power", name, halls.drawn_mw, allowed)?;
        let negative = halls.warehouse.iter().any(|c| c.count < 0);
        equal("no negative cohort", name, negative, false)?;
        // Each site's turn comes once a year.
        if site.id.index() % MONTHS == month % MONTHS {
            equal("a fleet is the sum of its cohorts", name, halls.fleet.adds_up(kinds), true)?;
        }
    }
    escrow.clear();
    escrow.resize(roster.firms.len(), Money::ZERO);
    for order in &book.orders {
        escrow[order.buyer.index()] += order.set_aside.times(order.open);
    }
    for (firm, purse, compute, lab, finance) in firms.iter_many(&roster.firms).flatten() {
        let name = || firm.row.id.clone();
        equal("escrow covers open orders", name, purse.escrow, escrow[firm.id.index()])?;
        at_most("no negative unspent budget", name, Money::ZERO, purse.unspent)?;
        near_one(
            "uses of compute sum to one",
            name,
            compute.core_share
                + compute.serving_share
                + compute.training_share
                + compute.experiment_share,
        )?;
        near_one("directions of research sum to one", name, lab.direction.iter().sum())?;
        for value in [
            purse.kappa,
            lab.staff,
            lab.ln_a_train,
            lab.ln_a_serve,
            lab.possible_capability,
            compute.serving_h100e,
            compute.training_h100e,
            compute.experiments_h100e,
            finance.ai_capex_usd_year,
            finance.debt_usd,
            finance.value_usd,
        ] {
            equal("state is finite", name, value.is_finite(), true)?;
        }
        at_most("the shadow price is at least one", name, 1.0 - ROUNDING, purse.kappa)?;
    }
    Ok(())
}

/// `ended` applications at the head of the book were in order when they ended; they no longer change.
fn papers(licences: &LicenceBook, ended: &mut usize) -> Law {
    let over = |outcome| {
        matches!(outcome, Outcome::Denied | Outcome::Withdrawn | Outcome::Expired | Outcome::Used)
    };
    let mut pending = 0;
    let mut all_over = true;
    for application in licences.applications.iter().skip(*ended) {
        let name = || format!("application {}", application.id);
        at_most("shipped is granted", name, application.shipped, application.granted)?;
        at_most("granted was applied for", name, application.granted, application.units)?;
        let waits = application.outcome == Outcome::Pending;
        equal("what is decided is not pending", name, application.decided.is_none(), waits)?;
        pending += usize::from(waits);
        all_over &= over(application.outcome);
        *ended += usize::from(all_over);
    }
    equal(
        "pending applications are listed",
        || "licences".to_owned(),
        licences.pending.len(),
        pending,
    )
}

fn finite(readings: &Readings) -> Law {
    // The name of what is wrong is only looked for where something is.
    for scope in Scope::ALL.into_iter().filter(|scope| readings.any_infinite(*scope)) {
        let (metrics, rows) = readings.table(scope);
        for row in 0..rows {
            for (metric, value) in metrics.iter().zip(readings.row(scope, row)) {
                let name = || format!("{} of {} {row}", metric.name, scope.table());
                equal("readings are finite", name, value.is_infinite(), false)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bevy_ecs::prelude::World;
    use bevy_ecs::system::RunSystemOnce as _;

    use super::*;
    use crate::entities::licence::Application;
    use crate::entities::{FirmId, RegulatorId, RuleId, SkuId, VendorId};
    use crate::random::Luck;

    /// The reference world after its first half-year.
    fn lived() -> World {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let loaded = crate::world::load(&path, &[], &crate::mechanisms::declared_parameters())
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        let mut world = crate::world::populate::populate(&loaded.definition, Luck::new(1), false);
        let start = loaded.definition.head.start;
        world.insert_resource(Clock { start, now: start, end: start + 5 });
        crate::run::play(&mut world, &mut crate::month::schedule(), &mut ())
            .unwrap_or_else(|stopped| panic!("{stopped}"));
        world
    }

    /// The law that the audit finds broken after `spoil`, if any.
    fn broken(spoil: &dyn Fn(&mut World)) -> Option<&'static str> {
        let mut world = lived();
        spoil(&mut world);
        world.run_system_once(check_books).expect("the audit runs");
        world.resource::<FirstBreach>().0.as_ref().map(|breach| breach.law)
    }

    /// Changes a component of the firm or site at `at`.
    fn change<C: bevy_ecs::component::Component<Mutability = bevy_ecs::component::Mutable>>(
        of: fn(&Roster) -> &Vec<bevy_ecs::prelude::Entity>,
        how: fn(&mut C),
    ) -> impl Fn(&mut World) {
        move |world| {
            let entity = of(world.resource::<Roster>())[0];
            how(&mut world.get_mut::<C>(entity).expect("a component"));
        }
    }

    fn application() -> Application {
        Application {
            id: 0,
            order: 0,
            rule: RuleId(0),
            regulator: RegulatorId(0),
            vendor: VendorId(0),
            buyer: FirmId(0),
            sku: SkuId(0),
            units: 10,
            granted: 5,
            shipped: 5,
            placed: crate::calendar::Month::new(2022, 1),
            key: 0,
            filed: crate::calendar::Month::new(2022, 2),
            due: crate::calendar::Month::new(2022, 3),
            decided: Some(crate::calendar::Month::new(2022, 3)),
            expires: None,
            odds: 1.0,
            outcome: Outcome::Used,
            conditions: "",
            event: None,
        }
    }

    fn filed(how: fn(&mut Application)) -> impl Fn(&mut World) {
        move |world| {
            let mut of = application();
            how(&mut of);
            world.resource_mut::<LicenceBook>().applications.push(of);
        }
    }

    /// Every law, with a book spoilt so that it must be found broken.
    #[test]
    fn every_law_can_fail() {
        let sites: fn(&Roster) -> &Vec<bevy_ecs::prelude::Entity> = |roster| &roster.sites;
        let firms: fn(&Roster) -> &Vec<bevy_ecs::prelude::Entity> = |roster| &roster.firms;
        let spoilt: Vec<(&str, Box<dyn Fn(&mut World)>)> = vec![
            ("chips made are somewhere", Box::new(|w| w.resource_mut::<Parts>().made[0] += 1)),
            (
                "chips made are somewhere",
                Box::new(|w| w.resource_mut::<OrderBook>().seized[0] += 1),
            ),
            (
                "chips made are somewhere",
                Box::new(|w| w.resource_mut::<Retirements>().retired[0] += 1),
            ),
            (
                "no negative stock of chips",
                Box::new(|w| {
                    let mut parts = w.resource_mut::<Parts>();
                    let stock = parts.inventory[0] + 1;
                    parts.inventory[0] -= stock;
                    parts.made[0] -= stock;
                }),
            ),
            (
                "dies received are in stock or packaged",
                Box::new(|w| w.resource_mut::<Parts>().dies_in[0][0] += 1),
            ),
            ("no negative stock of dies", Box::new(|w| w.resource_mut::<Parts>().dies[0][0] = -1)),
            (
                "memory received is in stock or packaged",
                Box::new(|w| w.resource_mut::<Parts>().memory_in[0] += 1),
            ),
            (
                "no negative stock of memory",
                Box::new(|w| w.resource_mut::<Parts>().memory_gb[0] = -1),
            ),
            (
                "payments have a payer and a payee",
                Box::new(|w| w.resource_mut::<Ledger>().lose_a_payee()),
            ),
            ("balances are sums of flows", Box::new(|w| w.resource_mut::<Ledger>().mispost())),
            (
                "installed power is connected power",
                Box::new(change::<Halls>(sites, |halls| halls.drawn_mw = halls.power_mw + 1.0)),
            ),
            (
                "a fleet is the sum of its cohorts",
                Box::new(|w| {
                    for entity in w.resource::<Roster>().sites.clone() {
                        let mut halls = w.get_mut::<Halls>(entity).expect("halls");
                        halls.fleet.lose_a_chip();
                    }
                }),
            ),
            (
                "escrow covers open orders",
                Box::new(change::<Purse>(firms, |p| p.escrow += Money::from_amount(1.0, 1.0))),
            ),
            (
                "no negative unspent budget",
                Box::new(change::<Purse>(firms, |p| p.unspent = Money::from_amount(-1.0, 1.0))),
            ),
            (
                "uses of compute sum to one",
                Box::new(change::<Compute>(firms, |c| c.core_share += 0.01)),
            ),
            (
                "directions of research sum to one",
                Box::new(change::<Lab>(firms, |lab| lab.direction[0] += 0.01)),
            ),
            ("state is finite", Box::new(change::<Lab>(firms, |lab| lab.staff = f64::NAN))),
            (
                "the shadow price is at least one",
                Box::new(change::<Purse>(firms, |p| p.kappa = 0.5)),
            ),
            ("shipped is granted", Box::new(filed(|a| a.shipped = 6))),
            ("granted was applied for", Box::new(filed(|a| a.granted = 11))),
            ("what is decided is not pending", Box::new(filed(|a| a.decided = None))),
            (
                "pending applications are listed",
                Box::new(filed(|a| {
                    a.decided = None;
                    a.outcome = Outcome::Pending;
                })),
            ),
            (
                "readings are finite",
                Box::new(|w| {
                    let mut readings = w.resource_mut::<Readings>();
                    let metric = readings.metrics()[0];
                    readings.set_for(metric, 0, f64::INFINITY);
                }),
            ),
        ];
        assert_eq!(broken(&|_| {}), None, "books that nobody spoilt");
        for (law, spoil) in &spoilt {
            assert_eq!(broken(spoil), Some(*law));
        }
    }
}
