use bevy_ecs::prelude::{Entity, World};
use bevy_ecs::system::RunSystemOnce;

use super::guidance::guidance_target;
use super::stance::pinned;
use super::*;
use crate::calendar::Month;
use crate::entities::boards::{Fears, Frontier};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::regulator::{Regulator, RegulatorRow, Stance};
use crate::entities::rule::fixtures::{book, catalogue, chip, h100, minima, row, rule};
use crate::entities::rule::{Rule, Rulebook, Treatment};
use crate::entities::{Clock, CountryId, RegimeId, RegulatorId, Roster, RuleId, Switches};
use crate::random::Luck;

fn parameters() -> PolicyParameters {
    PolicyParameters::from_values(&mut |name| {
        let given = [
            ("stance_speed", 0.1),
            ("stance_gap_response", 0.01),
            ("stance_lobby_response", 0.5),
            ("election_stance_low", 0.2),
            ("election_stance_high", 0.9),
            ("review_interval_months", 1.0),
            ("stance_trigger", 0.05),
            ("threshold_stance_slope", 2.0),
            ("rule_lead_months", 2.0),
            ("hazard_base", -4.0),
            ("hazard_stance_slope", 3.0),
            ("hazard_gap_slope", 0.1),
            ("feared_tightening", 0.8),
            ("guidance_floor", 0.05),
            ("guidance_speed", 0.5),
            ("chip_share_of_ai_capex", 0.6),
            ("enforcement_stance_slope", 1.0),
        ];
        given.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, x)| *x)
    })
}

fn regulator(path: &[&str]) -> (Regulator, Stance) {
    let row = RegulatorRow {
        id: "us-bis".into(),
        name: String::new(),
        country: "usa".into(),
        regime: "controls".into(),
        stance: 0.5,
        stance_from: Some(Month::new(2022, 1)),
        stance_path: path.iter().map(|w| (*w).to_owned()).collect(),
        elections: Vec::new(),
        decisions_per_month: 10.0,
        other_caseload: 0.0,
        enforcement: 0.4,
        target_lag_months: 12.0,
        source: String::new(),
    };
    let stance = opening_stance(&row, &Luck::new(1));
    let regulator =
        Regulator { id: RegulatorId(0), country: CountryId(0), regime: RegimeId(0), row };
    (regulator, stance)
}

/// Two countries, one regulator, one rule of 2022-10 on deliveries to country 1, the H100.
fn world(now: Month, path: &[&str]) -> (World, Entity) {
    let mut world = World::new();
    let catalogue =
        catalogue(vec![h100(), chip("small", [Some(2300.0), Some(1.0), Some(64.0), Some(800.0)])]);
    let clause = minima([Some(4800.0), None, None, None]);
    let mut row = row("us-2022-10", Treatment::PresumptionOfDenial);
    row.from = Month::new(2022, 12);
    world.insert_resource(book(vec![rule(0, row, vec![clause])], &catalogue));
    let regulator = world.spawn(regulator(path)).id();
    let countries: Vec<Entity> = (0..2).map(|_| world.spawn_empty().id()).collect();
    world.insert_resource(Roster { countries, regulators: vec![regulator], ..Roster::default() });
    world.insert_resource(parameters());
    world.insert_resource(Clock { start: Month::new(2022, 1), now, end: Month::new(2035, 12) });
    world.insert_resource(Switches::default());
    world.insert_resource(Fears::new(2, 2, 0));
    world.insert_resource(Frontier { lag_months: 10.0, ..Frontier::default() });
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(catalogue);
    (world, regulator)
}

fn step(world: &mut World) {
    world.run_system_once(enact_rules).unwrap();
    world.run_system_once(judge_hazard).unwrap();
    world.run_system_once(move_stance).unwrap();
    world.run_system_once(publish_fears).unwrap();
    world.run_system_once(publish_strengths).unwrap();
}

#[test]
fn nothing_is_felt_before_the_announcement_and_fear_precedes_force() {
    let (mut world, _) = world(Month::new(2022, 9), &["2022-01=0.5"]);
    step(&mut world);
    assert_eq!(world.resource::<Fears>().hazard, [0.0, 0.0]);
    assert!(world.resource::<Chronicle>().events().is_empty());
    assert!(!world.resource::<Rulebook>().regime_begun[0]);

    world.resource_mut::<Clock>().now = Month::new(2022, 10);
    step(&mut world);
    let fears = world.resource::<Fears>();
    assert_eq!(fears.hazard, [0.0, 1.0]);
    assert_eq!(fears.announced[0], [0.0, 1.0]);
    assert_eq!(fears.announced[1], [0.0, 0.0], "the rule does not catch the small chip");
    // 4800 e^-0.8 = 2157 < 2300: feared, though not announced.
    assert_eq!(fears.feared[1], [0.0, 1.0]);
    assert_eq!(fears.enforcement, [0.0, 0.0]);
    assert!(!world.resource::<Rulebook>().rules[0].in_force);

    world.resource_mut::<Clock>().now = Month::new(2022, 12);
    step(&mut world);
    let fears = world.resource::<Fears>();
    assert!(world.resource::<Rulebook>().rules[0].in_force);
    assert_eq!(fears.announced[0], [0.0, 0.0]);
    // Λ(−4 + 3 · 0.5 + 0.1 · (12 − 10)) = Λ(−2.3) = 0.0911
    assert!((fears.hazard[1] - 0.0911).abs() < 1e-4, "{}", fears.hazard[1]);
    assert!((fears.enforcement[1] - 0.4).abs() < 1e-12);
}

#[test]
fn without_enforcement_rules_are_announced_and_never_bind() {
    let (mut world, _) = world(Month::new(2022, 12), &["2022-01=0.5"]);
    world.resource_mut::<Switches>().enforcement = false;
    step(&mut world);
    let rule = &world.resource::<Rulebook>().rules[0];
    assert!(rule.announced && !rule.in_force);
}

#[test]
fn an_inactive_regime_neither_frightens_nor_moves() {
    let (mut world, regulator) = world(Month::new(2022, 12), &[]);
    {
        let mut book = world.resource_mut::<Rulebook>();
        book.regime_active[0] = false;
        book.rules[0].exists = false;
    }
    step(&mut world);
    assert_eq!(world.resource::<Fears>().hazard, [0.0, 0.0]);
    assert_eq!(world.get::<Stance>(regulator).unwrap().h, 0.5);
}

#[test]
fn stance_follows_its_equation() {
    let (mut world, regulator) = world(Month::new(2022, 9), &[]);
    world.get_mut::<Stance>(regulator).unwrap().h_star = 0.9;
    step(&mut world);
    // 0.5 + 0.1 (0.9 − 0.5) + 0.01 (12 − 10) − 0 = 0.56
    assert!((world.get::<Stance>(regulator).unwrap().h - 0.56).abs() < 1e-12);
}

#[test]
fn a_moved_stance_issues_a_rule_that_replaces_the_last_both_ways() {
    // Tighter: factor e^(−2 · 0.3) = 0.5488; 4800 → 2634 > 2300.
    let (mut world, _) =
        world(Month::new(2022, 12), &["2022-01=0.5", "2022-12=0.8", "2023-03=0.1"]);
    step(&mut world);
    {
        let book = world.resource::<Rulebook>();
        assert_eq!(book.rules.len(), 2);
        let new = &book.rules[1];
        assert_eq!(new.row.id, "us-bis-2022-12");
        let threshold = new.clauses[0].bounds[0].threshold;
        assert!((threshold - 2634.30).abs() < 0.1, "{threshold}");
        assert!(!new.in_force && new.announced);
    }
    world.resource_mut::<Clock>().now = Month::new(2023, 2);
    step(&mut world);
    let book = world.resource::<Rulebook>();
    assert!(!book.rules[0].in_force && book.rules[1].in_force);
    // Looser: factor e^(2 · 0.7) = 4.055; 2634.3 → 10 682: the H100 stays caught, not a chip of 10 000.
    world.resource_mut::<Clock>().now = Month::new(2023, 3);
    step(&mut world);
    world.resource_mut::<Clock>().now = Month::new(2023, 5);
    step(&mut world);
    let book = world.resource::<Rulebook>();
    let in_force: Vec<_> = book.rules.iter().filter(|r| r.in_force).collect();
    assert_eq!(in_force.len(), 1);
    let threshold = in_force[0].clauses[0].bounds[0].threshold;
    assert!((threshold - 10_682.6).abs() < 1.0, "{threshold}");
}

#[test]
fn guidance_falls_with_maturity_to_its_floor() {
    // 0.05 + (0.35 − 0.05)(1 − 0.5) = 0.20
    assert!((guidance_target(0.05, 0.35, 0.5) - 0.20).abs() < 1e-12);
    assert_eq!(guidance_target(0.05, 0.35, 3.0), 0.05);
    assert_eq!(guidance_target(0.05, 0.35, 0.0), 0.35);
    assert_eq!(guidance_target(0.05, 0.0, 0.0), 0.0);
}

#[test]
fn a_pinned_path_holds_until_its_next_word() {
    let path = ["2023-01=0.2".to_owned(), "2024-01=0.6".to_owned()];
    assert_eq!(pinned(&path, Month::new(2022, 12)), None);
    assert_eq!(pinned(&path, Month::new(2023, 12)), Some(0.2));
    assert_eq!(pinned(&path, Month::new(2024, 1)), Some(0.6));
}

#[test]
fn who_replaces_a_rule_replaces_its_successor() {
    let (mut world, _) = world(Month::new(2022, 12), &["2022-01=0.9"]);
    let clause = minima([Some(4800.0), None, None, None]);
    let mut old = row("us-2022-10", Treatment::PresumptionOfDenial);
    old.from = Month::new(2022, 10);
    // Rules that end are not issued anew, nor those that are still to come.
    let mut milder = row("us-2022-11", Treatment::Notify);
    (milder.from, milder.until) = (Month::new(2022, 11), Some(Month::new(2024, 1)));
    let mut later = row("us-2023-06", Treatment::Notify);
    (later.announced, later.from) = (Month::new(2023, 6), Month::new(2023, 6));
    let mut rules: Vec<Rule> = [old, milder, later]
        .into_iter()
        .enumerate()
        .map(|(n, row)| rule(n, row, vec![clause.clone()]))
        .collect();
    rules[1].replaces.push(RuleId(0));
    rules[2].replaces.push(RuleId(0));
    let book = book(rules, world.resource::<Catalogue>());
    world.insert_resource(book);
    step(&mut world);
    let rules = &world.resource::<Rulebook>().rules;
    assert_eq!(rules.len(), 4, "one successor");
    assert_eq!(rules[3].caused_by, Some(RuleId(0)));
    assert_eq!(rules[1].replaces, [RuleId(0), RuleId(3)]);
    assert_eq!(rules[2].replaces, [RuleId(0), RuleId(3)]);
}
