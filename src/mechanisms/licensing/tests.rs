use bevy_ecs::prelude::{Entity, World};
use bevy_ecs::system::RunSystemOnce;

use super::odds::{chance, log_odds};
use super::*;
use crate::calendar::Month;
use crate::entities::chronicle::Chronicle;
use crate::entities::licence::{Application, LicenceBook, Outcome, Quotas};
use crate::entities::order::{Channel, Clearance, OrderBook};
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::Treatment;
use crate::entities::rule::fixtures::{book, catalogue, chip, h100, minima, row, rule};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{
    Clock, CountryId, FirmId, RegimeId, RegulatorId, RuleId, Settings, SiteId, SkuId, Switches,
    VendorId,
};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose};
use crate::schema::blank;
use crate::units::Money;

fn parameters() -> LicensingParameters {
    LicensingParameters::from_values(&mut |name| {
        let given = [
            ("odds_case_by_case", 2.24),
            ("odds_presumption_of_denial", -2.0),
            ("approval_tpp_slope", 0.5),
            ("approval_stance_slope", 2.0),
            ("approval_risk_slope", 1.0),
        ];
        given.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, x)| *x)
    })
}

fn application(buyer: u16, granted: Count) -> Application {
    Application {
        id: 0,
        order: 0,
        rule: RuleId(0),
        regulator: RegulatorId(0),
        vendor: VendorId(0),
        buyer: FirmId(buyer),
        sku: SkuId(0),
        units: granted,
        granted,
        shipped: 0,
        placed: Month::new(2026, 1),
        key: 0,
        filed: Month::new(2026, 2),
        due: Month::new(2026, 2),
        decided: None,
        expires: None,
        odds: 1.0,
        outcome: Outcome::Pending,
        conditions: "",
        event: None,
    }
}

#[test]
fn odds_fall_with_performance_stance_and_risk() {
    let p = parameters();
    let clause = minima([Some(4800.0), None, None, None]);
    let case = rule(0, row("a", Treatment::CaseByCase), vec![clause]);
    let at_threshold = chip("t", [Some(4800.0), None, None, None]);
    // Λ(2.24 − 2 · 0.7) = Λ(0.84) = 0.698: the base rate of FY2022.
    let base = maths::logistic(log_odds(&p, &case, &at_threshold, 0.7, 0.0).unwrap());
    assert!((base - 0.698).abs() < 0.001, "{base}");
    // ln(15832/4800) = 1.1934; 0.84 − 0.5967 − 1 = −0.7567
    let odds = log_odds(&p, &case, &h100(), 0.7, 1.0).unwrap();
    assert!((odds + 0.7567).abs() < 0.001, "{odds}");
    let notice = rule(0, row("b", Treatment::Notify), Vec::new());
    assert!(log_odds(&p, &notice, &h100(), 1.0, 1.0).is_none());
    let mut own = case.clone();
    own.row.odds = Some(6.0);
    assert!(log_odds(&p, &own, &h100(), 0.0, 0.0) > log_odds(&p, &case, &h100(), 0.0, 0.0));
}

#[test]
fn caps_are_never_exceeded() {
    let sku = h100();
    let mut row = row("a", Treatment::CaseByCase);
    row.cap_units = Some(1000.0);
    row.cap_units_buyer = Some(300.0);
    row.cap_tpp = Some(15_832.0 * 900.0);
    row.cap_home_share = Some(0.5);
    let rule = rule(0, row, Vec::new());
    let mut quotas = Quotas::default();
    let mut granted_by = [0; 8];
    for n in 0..80_u16 {
        let mut application = application(n % 8, 70);
        // 1700 shipped elsewhere: at most 850 under the relative cap.
        let shipped = [1700 + quotas.by_sku.values().sum::<Count>()];
        let chip = (application.sku, &sku);
        let room = quotas.room(&rule, application.buyer, chip, &shipped, 2026);
        application.granted = application.granted.min(room);
        granted_by[usize::from(n % 8)] += application.granted;
        quotas.use_up(rule.id, application.buyer, chip, application.granted, 2026);
    }
    assert_eq!(granted_by.iter().sum::<Count>(), 850);
    assert!(granted_by.iter().all(|n| *n <= 300));
    // A new year opens the annual caps, not the relative one.
    let chip = (SkuId(0), &sku);
    let left = quotas.room(&rule, FirmId(0), chip, &[1700 + 850], 2027);
    assert_eq!(left, 0);
    let mut other = rule;
    other.row.cap_home_share = None;
    assert_eq!(quotas.room(&other, FirmId(0), chip, &[1700], 2027), 300);
}

#[test]
fn what_is_refused_returns_to_the_budget() {
    let mut order = order();
    let mut purse = Purse {
        unspent: Money::ZERO,
        escrow: Money::from_amount(1300.0, 1.0),
        kappa: 1.0,
        kappa_lagged: 1.0,
        reallocated: Money::ZERO,
        shortfall: 0.0,
        event: None,
    };
    take_off(&mut order, 4, &mut purse);
    assert_eq!((order.open, purse.escrow.quanta(), purse.unspent.quanta()), (6, 780, 520));
    take_off(&mut order, 99, &mut purse);
    assert_eq!((order.open, purse.escrow.quanta(), purse.unspent.quanta()), (0, 0, 1300));
}

fn order() -> Order {
    Order {
        id: 0,
        buyer: FirmId(0),
        vendor: VendorId(0),
        sku: SkuId(0),
        site: SiteId(0),
        channel: Channel::Import,
        placed: Month::new(2026, 1),
        ordinal: 0,
        open: 10,
        shipped: 0,
        price: Money::from_amount(100.0, 1.0),
        set_aside: Money::from_amount(130.0, 1.0),
        fee: Money::ZERO,
        clearance: Clearance::Pending,
        cause: None,
    }
}

/// One buyer of country 1 with a site there, an open order of ten H100s of 2026-01, one rule.
fn world(treatment: Treatment) -> (World, Entity) {
    let mut world = World::new();
    let catalogue = catalogue(vec![h100()]);
    let mut rule = rule(0, row("a", treatment), vec![minima([Some(4800.0), None, None, None])]);
    rule.announced = true;
    rule.in_force = true;
    world.insert_resource(book(vec![rule], &catalogue));
    let money = |x| Money::from_amount(x, 1.0);
    let firm = Firm { id: FirmId(0), home: CountryId(1), row: blank("bytedance") };
    let purse = Purse {
        unspent: Money::ZERO,
        escrow: money(1300.0),
        kappa: 1.0,
        kappa_lagged: 1.0,
        reallocated: Money::ZERO,
        shortfall: 0.0,
        event: None,
    };
    let firm = world.spawn((firm, purse)).id();
    let site = Site { id: SiteId(0), owner: FirmId(0), country: CountryId(1), row: blank("s") };
    let site = world.spawn(site).id();
    let vendor =
        Vendor { id: VendorId(0), home: CountryId(0), captive: None, row: blank("nvidia") };
    let vendor = world.spawn((vendor, Sales::default())).id();
    let mut row: crate::entities::regulator::RegulatorRow = blank("us-bis");
    row.decisions_per_month = 5.0;
    let luck = Luck::new(3);
    let stance = Stance {
        h: 0.5,
        h_star: 0.5,
        h_last: 0.5,
        overdue: 0.0,
        luck: luck.stream(Purpose::Stance, 1),
    };
    let regulator =
        Regulator { id: RegulatorId(0), country: CountryId(0), regime: RegimeId(0), row };
    let regulator = world.spawn((regulator, stance)).id();
    let countries = (0..2).map(|_| world.spawn_empty().id()).collect();
    world.insert_resource(Roster {
        countries,
        regulators: vec![regulator],
        vendors: vec![vendor],
        firms: vec![firm],
        sites: vec![site],
        ..Roster::default()
    });
    let mut orders = OrderBook::default();
    orders.add_sku();
    orders.place(order());
    world.insert_resource(orders);
    let mut p = parameters();
    p.review_days_other = 60.0;
    p.review_days_constrained = 60.0;
    p.notice_days = 25.0;
    p.licence_months = 24.0;
    world.insert_resource(p);
    world.insert_resource(luck);
    world.insert_resource(catalogue);
    world.insert_resource(LicenceBook::default());
    world.insert_resource(Quotas::default());
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Switches::default());
    world.insert_resource(Settings { quantum: 1.0, endogenous_variants: true });
    world.insert_resource(Readings::new(METRICS, [1, 1, 1, 2, 1, 0]));
    (world, firm)
}

fn step(world: &mut World, now: Month) {
    world.insert_resource(Clock { start: Month::new(2022, 1), now, end: Month::new(2035, 12) });
    world.run_system_once(reclassify_orders).unwrap();
    world.run_system_once(settle_licences).unwrap();
    world.run_system_once(file_applications).unwrap();
    world.run_system_once(decide).unwrap();
    world.run_system_once(publish_caps).unwrap();
}

#[test]
fn an_order_is_never_decided_in_its_own_month_and_denial_pays_back() {
    let (mut world, firm) = world(Treatment::Deny);
    step(&mut world, Month::new(2026, 1));
    assert!(world.resource::<LicenceBook>().applications.is_empty());
    step(&mut world, Month::new(2026, 2));
    let licences = world.resource::<LicenceBook>();
    assert_eq!(licences.applications[0].outcome, Outcome::Denied);
    assert!(licences.pending.is_empty() && licences.live.is_empty());
    assert!(world.resource::<OrderBook>().orders.is_empty());
    let purse = world.get::<Purse>(firm).unwrap();
    assert_eq!((purse.escrow.quanta(), purse.unspent.quanta()), (0, 1300));
    let vendor = world.resource::<Roster>().vendors[0];
    // 10 chips · 100 USD · attach 1
    assert!((world.get::<Sales>(vendor).unwrap().lost_to_rules_usd - 1000.0).abs() < 1e-9);
    let kinds: Vec<_> = world.resource::<Chronicle>().events().iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["application_filed", "application_denied"]);
}

#[test]
fn notice_passes_in_the_next_month_and_a_used_licence_ends() {
    let (mut world, firm) = world(Treatment::Notify);
    step(&mut world, Month::new(2026, 1));
    step(&mut world, Month::new(2026, 2));
    assert_eq!(world.resource::<LicenceBook>().live.len(), 1);
    {
        let mut orders = world.resource_mut::<OrderBook>();
        let order = &mut orders.orders[0];
        assert_eq!(order.clearance, Clearance::Licensed { left: 10, expires: Month::new(2028, 2) });
        order.open = 0;
        order.shipped = 10;
        order.clearance = Clearance::Licensed { left: 0, expires: Month::new(2028, 2) };
        orders.close_finished();
    }
    step(&mut world, Month::new(2026, 3));
    let licence = &world.resource::<LicenceBook>().applications[0];
    assert_eq!((licence.outcome, licence.shipped, licence.granted), (Outcome::Used, 10, 10));
    assert_eq!(world.get::<Purse>(firm).unwrap().unspent, Money::ZERO);
}

#[test]
fn without_officers_a_due_application_waits_and_expired_licences_pay_back() {
    let (mut world, firm) = world(Treatment::CaseByCase);
    let regulator = world.resource::<Roster>().regulators[0];
    world.get_mut::<Regulator>(regulator).unwrap().row.decisions_per_month = 0.0;
    for month in 1..=12 {
        step(&mut world, Month::new(2026, month));
    }
    assert_eq!(world.resource::<LicenceBook>().pending.len(), 1);
    assert!((world.get::<Stance>(regulator).unwrap().overdue - 1.0).abs() < 1e-12);
    world.get_mut::<Regulator>(regulator).unwrap().row.decisions_per_month = 5.0;
    world.resource_mut::<Rulebook>().rules[0].row.odds = Some(20.0);
    step(&mut world, Month::new(2027, 1));
    let expires = world.resource::<LicenceBook>().applications[0].expires;
    assert_eq!(expires, Some(Month::new(2029, 1)));
    step(&mut world, Month::new(2029, 1));
    let licence = &world.resource::<LicenceBook>().applications[0];
    assert_eq!((licence.outcome, licence.shipped), (Outcome::Expired, 0));
    assert_eq!(world.get::<Purse>(firm).unwrap().unspent.quanta(), 1300);
}

#[test]
fn a_floor_under_approvals_is_the_dose_of_a_review() {
    let mut p = parameters();
    assert_eq!(chance(&p, -1.3).to_bits(), maths::logistic(-1.3).to_bits(), "0 changes nothing");
    // Half of all pass whatever they are; of the rest Λ(0) = ½ do.
    p.approval_floor = 0.5;
    assert!((chance(&p, 0.0) - 0.75).abs() < 1e-12);
    p.approval_floor = 1.0;
    assert_eq!(chance(&p, -9.0), 1.0);
}
