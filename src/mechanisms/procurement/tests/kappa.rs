//! What the shadow price answers to.

use bevy_ecs::prelude::World;

use super::world::{NOW, kappa, purse, run, sku, world, world_with};
use crate::entities::boards::{ChipMarket, GreyMarket, GreyMarkets};
use crate::entities::chip::Origin;
use crate::entities::licence::{Application, LicenceBook, Outcome, Quotas};
use crate::entities::order::{Channel, Clearance, OrderBook};
use crate::entities::rule::{Rulebook, Treatment};
use crate::entities::{CountryId, FirmId, RegulatorId, RuleId, SkuId, Switches, VendorId};
use crate::maths;
use crate::mechanisms::procurement::Channels;
use crate::random::{Luck, Purpose};
use crate::units::Money;

#[test]
fn kappa_is_one_without_rules_and_queues() {
    let mut world = world(None);
    run(&mut world);
    assert_eq!((kappa(&mut world, 0), kappa(&mut world, 1)), (1.0, 1.0));
}

#[test]
fn kappa_is_the_ratio_of_hard_minima() {
    // Reference 20 000 / 1.0 = 20 000 per H100e. Denied at home, open abroad: 20 000 × 1.25 = 25 000;
    // domestic 10 000 / 0.25 = 40 000. κ = 25 / 20 = 1.25; κ̄ = 1 + 0.25 / 10.
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.25).abs() < 1e-12);
    assert!((purse(&world, 0).kappa_lagged - 1.025).abs() < 1e-12);
    assert_eq!(kappa(&mut world, 1), 1.0);
    // Without own sites abroad the domestic chip is what is left: κ = 40 / 20 = 2.
    world.resource_mut::<Switches>().offshore = false;
    run(&mut world);
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
    // Brokers at twice the list price: 40 000 too; a premium of 0.5 gives 30 000, κ = 1.5.
    world.resource_mut::<GreyMarkets>().markets.push(GreyMarket {
        country: CountryId(0),
        ln_premium: maths::ln(0.5),
        offered_usd: vec![],
        filled: 1.0,
        landed: 0,
        landed_total: 0,
        landed_h100e: 0.0,
        landed_h100e_total: 0.0,
        seized: 0,
        luck: Luck::new(1).stream(Purpose::Seizure, 1),
    });
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.5).abs() < 1e-12);
    assert_eq!(world.resource::<GreyMarkets>().markets[0].offered_usd.len(), 1);
}

#[test]
fn kappa_is_largest_when_nothing_is_open() {
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    let mut switches = world.resource_mut::<Switches>();
    switches.offshore = false;
    switches.domestic_chips = false;
    run(&mut world);
    assert_eq!(kappa(&mut world, 0), 8.0);
    assert!(world.resource::<OrderBook>().orders.iter().all(|o| o.buyer == FirmId(1)));
    // The money waits: a month's million, whole.
    assert_eq!(purse(&world, 0).unspent, Money::from_amount(1e6, 0.01));
    // It would all have gone to nv but for hw's part, which the switch closed for both.
    assert!(world.resource::<Channels>().lost_usd > 999_999.0);
}

#[test]
fn an_identical_sku_leaves_kappa_and_its_vendors_share_alone() {
    let twice = vec![
        sku("hw", 0, 10_000.0, 0.25, 4000.0),
        sku("nv", 1, 20_000.0, 1.0, 16_000.0),
        sku("nv-again", 1, 20_000.0, 1.0, 16_000.0),
    ];
    let (mut one, mut two) = (world(None), world_with(None, twice));
    for world in [&mut one, &mut two] {
        world.resource_mut::<ChipMarket>().wait_months.fill(4.0);
        run(world);
    }
    // A wait of 4 months at 5 % a month: κ = 1.2 for everybody, "shortage raises everybody's κ".
    for world in [&mut one, &mut two] {
        assert!((kappa(world, 0) - 1.2).abs() < 1e-12);
        assert!((kappa(world, 1) - 1.2).abs() < 1e-12);
    }
    let domestic =
        |world: &World| world.resource::<Channels>().placed_usd[Channel::Domestic as usize];
    assert!((domestic(&one) - domestic(&two)).abs() < 20_000.0);
}

#[test]
fn an_equal_tax_and_an_equal_shortage_give_the_same_kappa() {
    // A duty of 20 % by rule, let through on notice, against four months' wait at 5 %: κ = 1.2 both
    // ways. The domestic chip at 40 000 is no way out.
    let mut taxed = world(Some((Treatment::Notify, 4800.0)));
    taxed.resource_mut::<Rulebook>().rules[0].row.duty = 0.2;
    taxed.resource_mut::<Switches>().offshore = false;
    run(&mut taxed);
    assert!((kappa(&mut taxed, 0) - 1.2).abs() < 1e-12);
    let order =
        taxed.resource::<OrderBook>().orders.iter().find(|o| o.sku == SkuId(1)).unwrap().clone();
    assert_eq!(order.fee, Money::from_amount(4000.0, 0.01));
    assert_eq!(order.set_aside, Money::from_amount(24_000.0, 0.01));
    let mut short = world(None);
    short.resource_mut::<ChipMarket>().wait_months.fill(4.0);
    run(&mut short);
    assert!((kappa(&mut short, 0) - kappa(&mut taxed, 0)).abs() < 1e-12);
}

#[test]
fn risk_of_denial_mixes_the_treatment_with_what_was_decided() {
    // Logit 0 case by case: P₀ = 0.5 with weight 10. Ten decisions, nine granted in full:
    // (10 · 0.5 + 9) / (10 + 10) = 0.7. Cost 20 000 · (1 + 0.05 · 2) / 0.7 = 31 428.6.
    let mut world = world(Some((Treatment::CaseByCase, 4800.0)));
    world.resource_mut::<Switches>().offshore = false;
    for n in 0..10 {
        let granted = if n == 0 { 0 } else { 5 };
        world.resource_mut::<LicenceBook>().applications.push(Application {
            id: n,
            order: n,
            rule: RuleId(0),
            regulator: RegulatorId(0),
            vendor: VendorId(1),
            buyer: FirmId(0),
            sku: SkuId(1),
            units: 5,
            granted,
            shipped: 0,
            filed: NOW - 3,
            due: NOW - 2,
            decided: Some(NOW - 1),
            expires: None,
            odds: 0.5,
            outcome: Outcome::Approved,
            conditions: "",
            event: None,
            placed: NOW - 4,
            key: n,
        });
    }
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.1 / 0.7).abs() < 1e-9);
    let book = world.resource::<OrderBook>();
    let order = book.orders.iter().find(|o| o.sku == SkuId(1) && o.buyer == FirmId(0)).unwrap();
    assert_eq!(order.clearance, Clearance::Pending);
    // A quota that is used up closes: κ falls back on the domestic chip.
    let quota = world.resource::<Rulebook>().rules[0].id;
    world.resource_mut::<Quotas>().by_buyer.insert((quota, FirmId(0), NOW.year()), 45);
    let mut rulebook = world.resource_mut::<Rulebook>();
    rulebook.rules[0].row.treatment = Treatment::Quota;
    rulebook.rules[0].row.cap_units = Some(45.0);
    rulebook.revision += 1;
    run(&mut world);
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
}

#[test]
fn a_variant_is_sold_only_where_its_parent_may_not_be() {
    let mut cut = sku("nv-cut", 1, 15_000.0, 0.9, 2000.0);
    cut.parent = Some(SkuId(1));
    cut.row.origin = Origin::Designed;
    let skus =
        vec![sku("hw", 0, 10_000.0, 0.25, 4000.0), sku("nv", 1, 20_000.0, 1.0, 16_000.0), cut];
    let bought = |treatment| {
        let mut world = world_with(treatment, skus.clone());
        run(&mut world);
        let kappa = kappa(&mut world, 0);
        (world.resource::<OrderBook>().orders.iter().any(|o| o.sku == SkuId(2)), kappa)
    };
    assert_eq!(bought(None), (false, 1.0));
    // The cut at 15 000 / 0.9 = 16 667 is cheaper than the reference: κ stays at its floor.
    assert_eq!(bought(Some((Treatment::Deny, 4800.0))), (true, 1.0));
}
