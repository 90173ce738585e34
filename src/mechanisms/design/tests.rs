//! Cuts and generations worked by hand, and a variant from rule to sale.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::cuts::{BANDWIDTH, COMPUTE, EVERYTHING, INTERCONNECT, attributes, cut, effort, worth};
use super::generations::{interval, next_generation};
use super::variants::annuity;
use super::*;
use crate::entities::DieId;
use crate::entities::chip::{Attribute, Die, Origin};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::Country;
use crate::entities::ledger::Ledger;
use crate::entities::rule::fixtures::{book, catalogue, chip, h100, minima, row, rule};
use crate::entities::rule::{Bound, Clause, Treatment};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::metric::Readings;
use crate::random::Luck;
use crate::schema::blank;

fn parameters() -> DesignParameters {
    DesignParameters::from_values(&mut |name| {
        let given = [
            ("cut_margin_interconnect", 1.0 / 3.0),
            ("cut_margin", 0.013),
            ("cut_months_interconnect", 2.0),
            ("cut_months_bandwidth", 3.0),
            ("cut_months_compute", 4.0),
            ("cut_cost_interconnect_usd", 20e6),
            ("cut_cost_bandwidth_usd", 50e6),
            ("cut_cost_compute_usd", 100e6),
            ("interconnect_value_exponent", 0.08),
            ("variant_price_exponent", 0.6),
            ("generation_performance", 2.1),
            ("generation_dies", 1.3),
            ("generation_price", 1.3),
            ("generation_life_months", 33.0),
            ("generation_bandwidth", 1.5),
            ("generation_interconnect", 1.5),
            ("generation_memory", 1.5),
        ];
        given.iter().find(|(n, _)| *n == name).map_or(1.0, |(_, x)| *x)
    })
}

fn between(attribute: Attribute, low: f64, high: f64) -> [Bound; 2] {
    [
        Bound { attribute, threshold: low, at_least: true },
        Bound { attribute, threshold: high, at_least: false },
    ]
}

/// The two tiers of October 2023.
fn october_2023() -> Vec<Clause> {
    let mut tier = Clause::default();
    tier.bounds.extend(between(Attribute::Tpp, 2400.0, 4800.0));
    tier.bounds.extend(between(Attribute::PerformanceDensity, 1.6, 5.92));
    let mut dense = minima([Some(1600.0), None, None, None]);
    dense.bounds.extend(between(Attribute::PerformanceDensity, 3.2, 5.92));
    vec![
        minima([Some(4800.0), None, None, None]),
        minima([Some(1600.0), Some(5.92), None, None]),
        tier,
        dense,
    ]
}

#[test]
fn october_2022_is_met_by_a_cut_of_interconnect_to_400() {
    let clauses = [minima([Some(4800.0), None, Some(600.0), None])];
    let a100 = [Some(4992.0), Some(6.04), Some(600.0), Some(2039.0)];
    let (cut, touched) = cut(&parameters(), clauses.iter(), true, a100, INTERCONNECT).unwrap();
    // 600 · (1 − 1/3) = 400
    assert!((cut[2].unwrap() - 400.0).abs() < 1e-9);
    assert_eq!((cut[0], touched), (Some(4992.0), INTERCONNECT));
    assert_eq!(effort(&parameters(), touched), (2, 20e6));
}

#[test]
fn october_2023_is_met_by_a_cut_of_compute_below_the_notification_tier() {
    let clauses = october_2023();
    let p = parameters();
    let h100 = attributes(&h100().row);
    assert!(cut(&p, clauses.iter(), true, h100, INTERCONNECT).is_none());
    let (cut, touched) = cut(&p, clauses.iter(), true, h100, COMPUTE).unwrap();
    // 2400 · 0.987 = 2368.8 TPP; density 19.45 · 2368.8 / 15832 = 2.91 < 3.2
    assert!((cut[0].unwrap() - 2368.8).abs() < 0.1, "{cut:?}");
    assert!((cut[1].unwrap() - 2.910).abs() < 0.001, "{cut:?}");
    assert_eq!(cut[3], Some(3350.0), "bandwidth is kept: the chip stays good at serving");
    assert_eq!(effort(&p, touched), (4, 100e6));
}

#[test]
fn a_bandwidth_clause_on_top_asks_for_a_second_cut() {
    let mut clauses = october_2023();
    clauses.push(minima([None, None, None, Some(1400.0)]));
    let p = parameters();
    let h100 = attributes(&h100().row);
    assert!(cut(&p, clauses.iter(), true, h100, COMPUTE).is_none());
    let (cut, touched) = cut(&p, clauses.iter(), true, h100, COMPUTE | BANDWIDTH).unwrap();
    // 1400 · 0.987 = 1381.8
    assert!((cut[3].unwrap() - 1381.8).abs() < 0.1);
    assert_eq!(effort(&p, touched), (4, 150e6));
}

#[test]
fn an_unpublished_attribute_cannot_be_cut_below_a_minimum() {
    let clause = minima([None, Some(5.92), None, None]);
    let chip = [Some(9000.0), None, Some(900.0), Some(3000.0)];
    assert!(cut(&parameters(), [&clause].into_iter(), true, chip, EVERYTHING).is_none());
}

#[test]
fn sales_are_discounted_from_the_launch_to_the_horizon() {
    // No discount: 18 − 4 = 14 months.
    assert!((annuity(0.0, 4, 18.0) - 14.0).abs() < 1e-12);
    // 12 % a year: d = 1.12^(−1/12) = 0.990600; d³ + d⁴ = 0.972065 + 0.962928 = 1.934993
    assert!((annuity(0.12, 2, 4.0) - 1.934_99).abs() < 1e-4);
    assert_eq!(annuity(0.12, 20, 18.0), 0.0);
}

#[test]
fn worth_of_the_compute_cut_is_that_of_its_work() {
    let p = parameters();
    let catalogue = catalogue(vec![h100()]);
    let parent = h100().row;
    let mut row = parent.clone();
    let kept: f64 = 2368.8 / 15_832.0;
    row.tflops_16bit *= kept;
    row.tops_8bit *= kept;
    // train 0.1496, serve 0.1496^½ = 0.3868: their mean is 0.2682.
    let share = worth(&p, &row, &catalogue) / worth(&p, &parent, &catalogue);
    assert!((share - 0.2682).abs() < 0.001, "{share}");
}

#[test]
fn each_generation_has_a_date_of_its_own() {
    let mut p = parameters();
    (p.generation_interval_months, p.generation_spread_months) = (24.0, 6.0);
    let luck = Luck::new(3);
    let launches = (0..8).map(|n| Month::new(2028 + 2 * n, 9));
    let intervals: Vec<i32> = launches.map(|l| interval(&p, &luck, "nvidia", l)).collect();
    assert!(intervals.iter().all(|months| (18..=30).contains(months)), "{intervals:?}");
    assert!(intervals.iter().any(|months| *months != intervals[0]), "{intervals:?}");
    p.generation_spread_months = 0.0;
    assert_eq!(interval(&p, &luck, "nvidia", Month::new(2028, 9)), 24);
}

#[test]
fn generations_grow_from_the_last_one() {
    let p = parameters();
    let mut last = chip("rubin", [Some(140_000.0), Some(86.0), Some(3600.0), Some(22_000.0)]);
    last.row.dies_per_chip = 2;
    // Its successor is priced from what it sells for, not from its launch price.
    last.price_usd = 0.5 * last.row.price_usd;
    let next = next_generation(&p, "nvidia", &last, Month::new(2028, 9));
    assert!((next.price_usd - 0.5 * last.row.price_usd * p.generation_price).abs() < 1e-6);
    // A price below cost is not repeated.
    last.price_usd = 0.0;
    let floor = next_generation(&p, "nvidia", &last, Month::new(2028, 9));
    let cost = last.row.unit_cost_usd * p.generation_price;
    assert!((floor.price_usd - cost * p.generation_lowest_markup).abs() < 1e-6);
    assert_eq!(next.id, "nvidia-2028-09");
    assert_eq!(next.dies_per_chip, 3); // 2 · 1.3 = 2.6
    assert!((next.tpp.unwrap() - 294_000.0).abs() < 1e-6);
    // 86 · 2.1 · 2/3 = 120.4
    assert!((next.performance_density.unwrap() - 120.4).abs() < 1e-9);
    assert_eq!(next.end, Some(Month::new(2031, 6)));
    assert_eq!(next.origin, Origin::Extrapolated);
}

/// A vendor of one chip at home, and a country that buys from it, before a rule on that chip.
fn vendor_before_a_rule() -> World {
    let mut world = World::new();
    let a100 = chip("a100", [Some(4992.0), Some(6.04), Some(600.0), Some(2039.0)]);
    let catalogue = catalogue(vec![a100]);
    let clause = minima([Some(4800.0), None, Some(600.0), None]);
    let mut october = rule(0, row("us-2022-10", Treatment::PresumptionOfDenial), vec![clause]);
    october.event = Some(EventId(77));
    world.insert_resource(book(vec![october], &catalogue));
    let nvidia =
        Vendor { id: VendorId(0), home: CountryId(0), captive: None, row: blank("nvidia") };
    let vendor = world.spawn((nvidia, Sales::default())).id();
    let mut countries = Vec::new();
    for at in 0..2 {
        let row = blank(["usa", "chn"][at]);
        countries.push(world.spawn(Country { id: CountryId::at(at), row }).id());
    }
    world.insert_resource(Roster { countries, vendors: vec![vendor], ..Roster::default() });
    let mut p = parameters();
    p.variant_horizon_months = 18.0;
    p.generation_interval_months = 600.0;
    p.design_discount_rate = 0.12;
    (p.demand_smoothing, p.demand_fading) = (0.0, 0.0);
    let luck = Luck::new(1);
    let mut designs = opening_book(1, 2);
    designs.demand[0][1] = 200e6;
    world.insert_resource(designs);
    world.insert_resource(p);
    world.insert_resource(luck);
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: true });
    world.insert_resource(Switches::default());
    world.insert_resource(Ledger::new(0, 1));
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Readings::new(METRICS, [1, 0, 1, 2, 1, 0]));
    world.insert_resource(Fears::new(1, 2, 1));
    let (mut parts, mut orders) = (Parts::default(), OrderBook::default());
    let mut market = ChipMarket::default();
    parts.add_sku();
    orders.add_sku();
    market.add_sku();
    world.insert_resource(parts);
    world.insert_resource(orders);
    world.insert_resource(market);
    world.insert_resource(Retirements { retired: vec![0] });
    world.insert_resource(catalogue);
    world
}

/// A month of design: kinds and causes of all events so far, SKUs, and the sum of the ledger.
fn step(world: &mut World, now: Month) -> (Vec<(&'static str, Option<EventId>)>, Vec<Sku>, i128) {
    world.insert_resource(Clock { start: Month::new(2022, 1), now, end: Month::new(2035, 12) });
    let mut book = world.resource_mut::<Rulebook>();
    if now >= Month::new(2022, 10) && !book.rules[0].announced {
        book.rules[0].announced = true;
        book.rules[0].in_force = true;
        book.revision += 1;
    }
    world.run_system_once(watch_demand).unwrap();
    world.run_system_once(continue_roadmaps).unwrap();
    world.run_system_once(finish_variants).unwrap();
    world.run_system_once(open_and_close_sales).unwrap();
    world.run_system_once(start_variants).unwrap();
    let kinds: Vec<_> =
        world.resource::<Chronicle>().events().iter().map(|e| (e.kind, e.cause)).collect();
    (kinds, world.resource::<Catalogue>().skus.clone(), world.resource::<Ledger>().sum())
}

#[test]
fn a_generation_is_announced_ahead_and_has_a_die_of_its_own() {
    let mut world = vendor_before_a_rule();
    world.resource_mut::<Catalogue>().dies = vec![Die { row: blank("ga100") }];
    world.resource_mut::<DesignParameters>().generation_notice_months = 2.0;
    let launch = Month::new(2022, 6);
    world.resource_mut::<DesignBook>().next[0] = Some((SkuId(0), launch));
    assert!(step(&mut world, Month::new(2022, 3)).0.is_empty());
    let (kinds, skus, _) = step(&mut world, Month::new(2022, 4));
    assert_eq!(kinds, [("sku_announced", None)]);
    assert_eq!((skus[1].row.launch, skus[1].on_sale, skus[1].die), (launch, false, DieId(1)));
    let dies = &world.resource::<Catalogue>().dies;
    assert_eq!(
        (dies[1].row.id.as_str(), skus[1].row.die.as_str()),
        ("nvidia-2022-06", "nvidia-2022-06")
    );
    assert!(step(&mut world, launch).1[1].on_sale);
}

#[test]
fn a_rule_starts_a_project_and_the_project_a_variant_with_its_parents_dies() {
    let mut world = vendor_before_a_rule();
    let mut step = |now| step(&mut world, now);
    // Nothing before the announcement, though the quarter ends.
    assert!(step(Month::new(2022, 9)).0.is_empty());
    let (kinds, _, sum) = step(Month::new(2022, 10));
    assert_eq!(kinds, [("variant_started", Some(EventId(77)))]);
    assert_eq!(sum, 0);
    // In the catalogue, so that it can be built for its launch, but not for sale.
    let (_, skus, _) = step(Month::new(2022, 11));
    assert_eq!(skus.iter().map(|sku| sku.on_sale).collect::<Vec<_>>(), [true, false]);
    assert_eq!(skus[1].row.launch, Month::new(2022, 12));
    assert!(skus[1].approved_units_month > 0.0);
    let (kinds, skus, _) = step(Month::new(2022, 12));
    assert_eq!(kinds[1], ("variant_launched", Some(EventId(0))));
    let variant = &skus[1];
    assert_eq!(variant.id, "a100-cut-interconnect-us-2022-10");
    assert_eq!((variant.die, variant.parent, variant.on_sale), (skus[0].die, Some(SkuId(0)), true));
    assert!((variant.row.interconnect_gbps.unwrap() - 400.0).abs() < 1e-9);
    // One is enough: no second project while the first is free of every clause.
    assert_eq!(step(Month::new(2023, 3)).0.len(), 2);
}
