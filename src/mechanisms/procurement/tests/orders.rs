//! What is ordered, for how much, and where to.

use super::world::{NOW, kappa, purse, run, world};
use crate::entities::boards::{Fears, PowerPlans};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::order::{Clearance, OrderBook};
use crate::entities::rule::Treatment;
use crate::entities::site::Halls;
use crate::entities::{Clock, FirmId, Roster, SkuId, Switches};
use crate::mechanisms::procurement::Channels;
use crate::units::Money;

#[test]
fn shares_follow_cost_with_the_channel_elasticity() {
    // Import 20 000, domestic 40 000, elasticity 2: odds 1 : 1/4, shares 0.8 and 0.2 of 1 M USD:
    // 40 and 20 chips, 0.04 and 0.02 MW at 1 kW: within 1 MW.
    let mut world = world(None);
    run(&mut world);
    let orders = &world.resource::<OrderBook>().orders;
    let units = |sku: u16| -> i64 {
        orders.iter().filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(sku)).map(|o| o.open).sum()
    };
    assert_eq!((units(1), units(0)), (40, 20));
    assert!(orders.iter().all(|o| o.clearance == Clearance::NotNeeded));
}

#[test]
fn a_rule_that_catches_nothing_does_exactly_nothing() {
    let outcome = |treatment: Option<(Treatment, f64)>, fear: f64| {
        let mut world = world(treatment);
        world.resource_mut::<Fears>().hazard.fill(fear);
        run(&mut world);
        let orders: Vec<_> = world
            .resource::<OrderBook>()
            .orders
            .iter()
            .map(|o| (o.buyer, o.sku, o.site, o.open, o.set_aside, o.clearance))
            .collect();
        (orders, purse(&world, 0).unspent, purse(&world, 0).kappa.to_bits())
    };
    let free = outcome(None, 0.0);
    assert_eq!(free, outcome(Some((Treatment::Deny, 1e9)), 0.0));
    // Fear of a rule that would catch no SKU changes nothing either.
    assert_eq!(free, outcome(None, 0.5));
    assert_eq!(free, outcome(Some((Treatment::Allow, 4800.0)), 0.5));
}

#[test]
fn an_announced_clause_pulls_orders_forward_within_cash() {
    let mut world = world(None);
    world.resource_mut::<Fears>().announced[1][0] = 1.0;
    // Cash of 10 M: ψ · hazard · share = 1 · 1 · 0.8 of a million more, all on the caught SKU.
    let ten = Money::from_amount(10e6, 0.01);
    let mut ledger = world.resource_mut::<Ledger>();
    let from = Account::Outside(Outside::Investors);
    ledger.pay(from, Account::Firm(FirmId(0)), ten, Purpose::Opening);
    run(&mut world);
    let channels = world.resource::<Channels>();
    assert!((channels.ahead_usd - 800_000.0).abs() < 1.0);
    let units: i64 = world
        .resource::<OrderBook>()
        .orders
        .iter()
        .filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(1))
        .map(|o| o.open)
        .sum();
    assert_eq!(units, 80);
    // Without cash or credit nobody can: 40 as planned.
    let mut poor = super::world::world(None);
    poor.resource_mut::<Fears>().announced[1][0] = 1.0;
    run(&mut poor);
    assert_eq!(poor.resource::<Channels>().ahead_usd, 0.0);
}

#[test]
fn guidance_caps_imports_and_the_rest_goes_to_others() {
    // Unguided shares 0.8 and 0.2; a quarter let in: 0.2 imports, 0.8 domestic: 80 chips.
    let mut world = world(None);
    world.resource_mut::<Switches>().offshore = false;
    world.resource_mut::<Fears>().import_allowed[0] = 0.25;
    run(&mut world);
    let orders = &world.resource::<OrderBook>().orders;
    let units = |sku: u16| -> i64 {
        orders.iter().filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(sku)).map(|o| o.open).sum()
    };
    assert_eq!((units(1), units(0)), (10, 80));
    // κ sees 20 000 / 0.25 = 80 000 against 40 000 domestic: 2.
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_powered_is_not_ordered() {
    // Sites of 10 kW: 10 chips of 1 kW each, two sites of firm 0. 40 + 20 are wanted.
    let mut world = world(None);
    let sites = world.resource::<Roster>().sites.clone();
    for site in sites {
        world.get_mut::<Halls>(site).unwrap().power_mw = 0.01;
    }
    run(&mut world);
    let ordered: i64 = world
        .resource::<OrderBook>()
        .orders
        .iter()
        .filter(|o| o.buyer == FirmId(0))
        .map(|o| o.open)
        .sum();
    assert_eq!(ordered, 20);
    // What it would have drawn is planned for: 60 chips, half at either site, smoothed over one month.
    assert!((world.resource::<PowerPlans>().planned_mw_month[0] - 0.03).abs() < 1e-9);
}

#[test]
fn escrow_is_what_open_orders_set_aside() {
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    for month in 0..6 {
        world.resource_mut::<Clock>().now = NOW + month;
        run(&mut world);
        for (firm, total) in [(0_u16, 0), (1, 1)] {
            let book = world.resource::<OrderBook>();
            let open: Money = book
                .orders
                .iter()
                .filter(|o| o.buyer == FirmId(firm))
                .map(|o| o.set_aside.times(o.open))
                .sum();
            let purse = purse(&world, total);
            assert_eq!(purse.escrow, open);
            // Nothing was paid yet: all budgets so far are either set aside or unspent.
            let budgets = Money::from_amount(1e6, 0.01).times(i64::from(month) + 1);
            assert_eq!(purse.escrow + purse.unspent, budgets);
        }
    }
}
