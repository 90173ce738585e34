//! Tests of research: numbers worked by hand, docking with the closed form, switches.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::measures::*;
use super::*;
use crate::calendar::Month;
use crate::entities::boards::{Frontier, Offers};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Firm, Group, Purse};
use crate::entities::script::{Script, ShockKind};
use crate::entities::{Clock, FirmId, Roster, Settings, Switches};
use crate::metric::Readings;
use crate::units::Money;

/// Parameters of the tests: a plausible world.
const VALUES: &[(&str, f64)] = &[
    ("absorption_half_input", 0.1),
    ("direction_elasticity", 0.3),
    ("direction_odds", 1.0),
    ("direction_train_share", 0.5),
    ("distillation_ceiling", 1.0),
    ("distillation_fading", 1.0),
    ("distillation_lag", 6.0),
    ("distillation_rate", 0.4),
    ("experiment_scale", 0.0),
    ("g_quality", 0.3),
    ("g_serve", 1.1),
    ("g_train", 1.04),
    ("ideas_harder", 0.3),
    ("learning_by_serving_rate", 0.03),
    ("paradigm_chance_after", 4.0),
    ("paradigm_months_fast", 2.0),
    ("paradigm_months_slow", 5.0),
    ("paradigm_rate", 0.2),
    ("paradigm_size", 0.5),
    ("quality_fading", 0.6),
    ("reallocation_limit", 0.5),
    ("reallocation_rate", 0.3),
    ("reallocation_speed", 0.1),
    ("research_labour_weight", 0.5),
    ("research_noise", 0.05),
    ("research_returns", 0.5),
    ("research_substitution", 2.58),
    ("spillover_closed", 0.6),
    ("spillover_lag_closed", 12.0),
    ("spillover_lag_systems", 12.0),
    ("spillover_lag_open", 3.0),
    ("spillover_speed", 0.95),
    ("staff_growth_fade_years", 3.0),
    ("staff_growth_late", 0.06),
    ("staff_growth_years", 4.0),
    ("wage_growth", 0.06),
    ("wage_slope", 1.0),
    ("wage_usd_year", 1_000_000.0),
];

pub(crate) fn parameters() -> ResearchParameters {
    ResearchParameters::from_values(&mut |name| {
        VALUES.iter().find(|(known, _)| *known == name).expect("a test value").1
    })
}

/// Everything that spreads, wanders or answers switched off: the bare law.
fn bare() -> (ResearchParameters, Switches) {
    let p = ResearchParameters { research_noise: 0.0, paradigm_rate: 0.0, ..parameters() };
    let switches = Switches {
        direction: false,
        reallocation: false,
        spillover: false,
        distillation: false,
        learning_by_serving: false,
        paradigms: false,
        ..Switches::default()
    };
    (p, switches)
}

fn purse(kappa: f64) -> Purse {
    Purse {
        unspent: Money::ZERO,
        escrow: Money::ZERO,
        kappa,
        kappa_lagged: kappa,
        reallocated: Money::ZERO,
        shortfall: 0.0,
        event: None,
    }
}

const START: Month = Month::new(2022, 1);

/// A world of `firms`, each with a purse at `kappa` and `experiments` H100e.
fn world(
    p: ResearchParameters,
    switches: Switches,
    frontier: Vec<FrontierRow>,
    firms: &[(FirmRow, f64, f64)],
) -> World {
    let mut world = World::new();
    let luck = Luck::new(7);
    let rows: Vec<FirmRow> = firms.iter().map(|(row, _, _)| row.clone()).collect();
    world.insert_resource(start(&p, &frontier, &rows, &luck));
    let mut roster = Roster::default();
    for (i, (row, experiments, kappa)) in firms.iter().enumerate() {
        let compute = Compute {
            experiments_h100e: *experiments,
            owned_train_h100e: *experiments,
            ..Compute::default()
        };
        let firm =
            Firm { id: FirmId::at(i), home: crate::entities::CountryId(0), row: row.clone() };
        let entity = world.spawn((firm, compute, purse(*kappa), lab(row, &p, &luck)));
        roster.firms.push(entity.id());
    }
    world.insert_resource(roster);
    world.insert_resource(Clock { start: START, now: START, end: START + 167 });
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: true });
    world.insert_resource(Frontier::default());
    world.insert_resource(Offers::default());
    world.insert_resource(Script { frontier, ..Script::default() });
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(switches);
    world.insert_resource(luck);
    world.insert_resource(p);
    world
}

fn month_passes(world: &mut World) {
    world.run_system_once(hire).unwrap();
    world.run_system_once(spread_paradigms).unwrap();
    world.run_system_once(advance).unwrap();
    let mut clock = world.resource_mut::<Clock>();
    clock.now = clock.now + 1;
}

fn lab_of(world: &World, i: usize) -> &Lab {
    world.get::<Lab>(world.resource::<Roster>().firms[i]).unwrap()
}

fn lone(staff_growth: f64) -> FirmRow {
    FirmRow { research_staff: 1.0, staff_growth, ..FirmRow::example("lone", Group::Neither) }
}

/// With everything that spreads or answers off, `dA/A = θ (sR)^λ A^(−β) dt`; for constant R
/// `A(t)^β = A₀^β + β θ (sR)^λ t`. With no record R = 1 and θ (s⁰)^λ = g.
#[test]
fn docks_with_the_closed_form_of_constant_input() {
    let (p, switches) = bare();
    let (g, beta) = (p.g_train, p.ideas_harder);
    let mut world = world(p, switches, Vec::new(), &[(lone(0.0), 1.0, 3.0)]);
    for _ in 0..48 {
        month_passes(&mut world);
    }
    // β = 0.3, g = 1.04, t = 4: ln(1 + 0.3 · 1.04 · 4)/0.3 = ln(2.248)/0.3 = 2.700 1.
    let closed = maths::ln(1.0 + beta * g * 4.0) / beta;
    assert!((closed - 2.7001).abs() < 1e-3);
    let ln_a = lab_of(&world, 0).ln_a_train;
    assert!((ln_a / closed - 1.0).abs() < 0.01, "{ln_a} {closed}");
    assert_eq!(lab_of(&world, 0).gain_train[0], ln_a);
}

/// With R growing at g_R, growth of A settles at λ g_R/β.
#[test]
fn steady_growth_is_returns_times_input_growth_over_difficulty() {
    let (mut p, switches) = bare();
    p.staff_growth_years = 1000.0;
    p.research_substitution = 1.0;
    p.research_labour_weight = 1.0;
    let expected = p.research_returns * 0.6 / p.ideas_harder;
    let mut world = world(p, switches, Vec::new(), &[(lone(0.6), 1.0, 1.0)]);
    for _ in 0..480 {
        month_passes(&mut world);
    }
    let before = lab_of(&world, 0).ln_a_train;
    for _ in 0..12 {
        month_passes(&mut world);
    }
    let growth = lab_of(&world, 0).ln_a_train - before;
    // λ = ½, g_R = 0.6, β = 0.3: 1 a year.
    assert!((expected - 1.0).abs() < 1e-12);
    assert!((growth - expected).abs() < 0.02, "{growth}");
}

/// The observed frontier as the reference world has it, roughly.
pub(crate) fn record() -> Vec<FrontierRow> {
    let row = |month: Month, staff: Option<f64>, k: Option<f64>, run: Option<f64>| FrontierRow {
        id: month.to_string(),
        month,
        capability: None,
        staff,
        experiments_h100e: k,
        log10_largest_run: run,
        source: "test".to_owned(),
    };
    vec![
        row(START, Some(250.0), Some(2500.0), Some(24.07)),
        row(Month::new(2022, 4), None, None, Some(24.40)),
        row(Month::new(2023, 1), Some(350.0), Some(9000.0), None),
        row(Month::new(2023, 3), None, None, Some(25.32)),
        row(Month::new(2023, 12), Some(600.0), Some(43_000.0), Some(25.70)),
        row(Month::new(2024, 12), Some(1100.0), Some(200_000.0), None),
        row(Month::new(2025, 2), None, None, Some(26.58)),
        row(Month::new(2025, 12), Some(1800.0), Some(700_000.0), None),
    ]
}

/// A lab that has what the observed frontier had grows as the observed frontier did, in every
/// regime of the research function.
#[test]
fn a_lab_on_the_observed_frontier_grows_as_observed() {
    for (sigma, chi) in [(2.58, 0.0), (1.0, 0.0), (0.1, 0.0), (0.1, 1.0)] {
        let (mut p, switches) = bare();
        p.research_substitution = sigma;
        p.experiment_scale = chi;
        let (g_train, g_serve, g_quality) = (p.g_train, p.g_serve, p.g_quality);
        let observed = law::observed(&record());
        assert_eq!(observed.len(), 48);
        let mut world = world(p, switches, record(), &[(lone(0.0), 1.0, 1.0)]);
        let entity = world.resource::<Roster>().firms[0];
        for (_, inputs) in &observed {
            world.get_mut::<Lab>(entity).unwrap().staff = maths::exp(inputs.ln_staff);
            world.get_mut::<Compute>(entity).unwrap().experiments_h100e =
                maths::exp(inputs.ln_experiments);
            world.resource_mut::<Frontier>().log10_largest_run = inputs.log10_run;
            world.run_system_once(advance).unwrap();
            let mut clock = world.resource_mut::<Clock>();
            clock.now = clock.now + 1;
        }
        let lab = lab_of(&world, 0);
        let quality = lab.gain_quality[0];
        for (ln_a, g) in
            [(lab.ln_a_train, g_train), (lab.ln_a_serve, g_serve), (quality, g_quality)]
        {
            let error = ln_a / (4.0 * g) - 1.0;
            println!("σ {sigma} χ {chi}: growth {:.3} a year, {g} observed", ln_a / 4.0);
            assert!(error.abs() < 0.02, "σ {sigma} χ {chi}: {error}");
        }
    }
}

#[test]
fn spillover_by_hand() {
    // Leader: open, ln A = 1, history at the start lag 3 months: 1 − 1.04 · 2/12 (the month before the
    // run holds the start value, lag 3 is two months earlier) = 0.826 667.
    // Follower: ln A = 0, R = 1 (no record, one person, one H100e): absorption 1/(1 + 0.1) = 0.909 091;
    // 0.95 · 0.909 091 · 0.826 667/12 = 0.059 495.
    let (p, mut switches) = bare();
    switches.spillover = true;
    let leader = FirmRow {
        open_weights: true,
        ln_a_train: 1.0,
        research_staff: 0.0,
        ..FirmRow::example("leader", Group::Unconstrained)
    };
    let firms = [(leader.clone(), 0.0, 1.0), (lone(0.0), 1.0, 1.0)];
    let mut open = world(p.clone(), switches, Vec::new(), &firms);
    month_passes(&mut open);
    assert!((lab_of(&open, 1).gain_train[1] - 0.059_495).abs() < 1e-5);
    // Closed: lag 12, o = 0.6: 0.6 · (1 − 1.04 · 11/12) = 0.028 · …: 0.95/1.1 · 0.028/12 = 0.002 015.
    let closed = FirmRow { open_weights: false, ..leader.clone() };
    let mut shut =
        world(p.clone(), switches, Vec::new(), &[(closed, 0.0, 1.0), (lone(0.0), 1.0, 1.0)]);
    month_passes(&mut shut);
    assert!((lab_of(&shut, 1).gain_train[1] - 0.002_015).abs() < 1e-5);
    // Who develops nothing publishes nothing.
    let user = FirmRow { developer: false, ..leader };
    let mut none = world(p, switches, Vec::new(), &[(user, 0.0, 1.0), (lone(0.0), 1.0, 1.0)]);
    month_passes(&mut none);
    assert_eq!(lab_of(&none, 1).gain_train[1], 0.0);
}

#[test]
fn the_past_is_remembered_month_by_month() {
    // An open leader that jumps by 1 in month 1 is seen at lag 3 from month 4 on, not before.
    let (p, mut switches) = bare();
    switches.spillover = true;
    let leader = FirmRow {
        open_weights: true,
        ln_a_train: -9.0,
        research_staff: 0.0,
        ..FirmRow::example("leader", Group::Unconstrained)
    };
    let mut world = world(p, switches, Vec::new(), &[(leader, 0.0, 1.0), (lone(0.0), 1.0, 1.0)]);
    let entity = world.resource::<Roster>().firms[0];
    for month in 0..8 {
        if month == 1 {
            world.get_mut::<Lab>(entity).unwrap().ln_a_train = 9.0;
        }
        let before = lab_of(&world, 1).gain_train[1];
        month_passes(&mut world);
        let gained = lab_of(&world, 1).gain_train[1] > before;
        assert_eq!(gained, month >= 4, "month {month}");
    }
}

#[test]
fn scarcity_turns_research_only_where_the_switch_is_on() {
    let (p, mut switches) = bare();
    let mut off = world(p.clone(), switches, Vec::new(), &[(lone(0.0), 1.0, 4.0)]);
    month_passes(&mut off);
    switches.direction = true;
    let mut on = world(p, switches, Vec::new(), &[(lone(0.0), 1.0, 4.0)]);
    month_passes(&mut on);
    assert_eq!(lab_of(&off, 0).direction, [0.25, 0.25, 0.5]);
    // 4^0.3 = 1.515 717: frugal share 1.515 717/2.515 717 = 0.602 499.
    let s = lab_of(&on, 0).direction;
    assert!((s[0] + s[1] - 0.602_499).abs() < 1e-6);
    assert!(lab_of(&on, 0).ln_a_serve > lab_of(&off, 0).ln_a_serve);
    assert!(lab_of(&on, 0).quality_bonus < lab_of(&off, 0).quality_bonus);
}

#[test]
fn distillation_by_hand() {
    // q̂* six months ago 25, own 24: φ · 1/12 = 0.4/12 = 0.033 333 in the first month; then fading
    // 1 · 0.033 333/12 = 0.002 778 comes off: 0.063 889.
    let (p, mut switches) = bare();
    switches.distillation = true;
    let mut world = world(p, switches, Vec::new(), &[(lone(0.0), 1.0, 1.0)]);
    let entity = world.resource::<Roster>().firms[0];
    world.get_mut::<Lab>(entity).unwrap().possible_capability = 24.0;
    world.insert_resource(Frontier {
        first: START - 24,
        before: 24,
        best: vec![25.0; 30],
        ..Frontier::default()
    });
    month_passes(&mut world);
    assert!((lab_of(&world, 0).distilled - 0.033_333).abs() < 1e-6);
    month_passes(&mut world);
    assert!((lab_of(&world, 0).distilled - 0.063_889).abs() < 1e-6);
    assert_eq!(lab_of(&world, 0).gain_train[1], 0.0);
    // The ceiling holds.
    for _ in 0..3 {
        world.get_mut::<Lab>(entity).unwrap().possible_capability = 1.0;
        world.get_mut::<Lab>(entity).unwrap().distilled = 0.99;
        month_passes(&mut world);
        assert!(lab_of(&world, 0).distilled <= 1.0);
    }
}

#[test]
fn serving_under_rationing_teaches_after_a_year() {
    // Tokens double every month: ln(2^12) = 8.317 8 after a year; κ̄ = 2: 0.03 · ½ · 8.317 8/12 = 0.010 397.
    let (p, mut switches) = bare();
    switches.learning_by_serving = true;
    let mut world = world(p, switches, Vec::new(), &[(lone(0.0), 1.0, 2.0)]);
    let mut tokens = 1.0;
    for month in 0..13 {
        world.insert_resource(Offers {
            firm: vec![FirmId(0)],
            tokens_m: vec![tokens],
            ..Offers::default()
        });
        month_passes(&mut world);
        tokens *= 2.0;
        let learnt = lab_of(&world, 0).gain_serve[2];
        if month < 12 {
            assert_eq!(learnt, 0.0);
        } else {
            assert!((learnt - 0.010_397).abs() < 1e-5, "{learnt}");
        }
    }
}

#[test]
fn unspent_money_hires_and_every_dollar_is_accounted_for() {
    // 10 planned, 12 M USD unspent, wage 1 M: wanted 0.3 · 12 = 3.6; speed 0.1: 0.36 in the first
    // month, below the limit of 0.5 · 10/12 = 0.416 7. Pay 0.36/12 · 1 M = 30 000 USD.
    let (p, mut switches) = bare();
    switches.reallocation = true;
    let row = FirmRow { research_staff: 10.0, ..FirmRow::example("a", Group::Constrained) };
    let mut world = world(p, switches, Vec::new(), &[(row, 1.0, 2.0)]);
    let entity = world.resource::<Roster>().firms[0];
    let all = Money::from_amount(12e6, 0.01);
    world.get_mut::<Purse>(entity).unwrap().unspent = all;
    world.run_system_once(hire).unwrap();
    let purse = world.get::<Purse>(entity).unwrap();
    assert!((lab_of(&world, 0).staff - 10.36).abs() < 1e-9);
    assert_eq!(purse.reallocated, Money::from_amount(30_000.0, 0.01));
    assert_eq!(purse.unspent + purse.reallocated, all);
    // Nothing unspent: the people cannot be kept.
    world.get_mut::<Purse>(entity).unwrap().unspent = Money::ZERO;
    world.run_system_once(hire).unwrap();
    assert_eq!(lab_of(&world, 0).reallocated_staff, 0.0);
    assert_eq!(world.get::<Purse>(entity).unwrap().reallocated, Money::ZERO);
}

fn shock(name: &str, month: Month, subjects: &[&str], quantity: f64) -> ShockRow {
    ShockRow {
        id: format!("{name}-{month}"),
        name: name.to_owned(),
        month,
        kind: ShockKind::Paradigm,
        subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
        quantity,
        months: None,
        caused_by: None,
        source: "test".to_owned(),
    }
}

#[test]
fn a_paradigm_spreads_within_months_and_once() {
    let (mut p, mut switches) = bare();
    switches.paradigms = true;
    p.quality_fading = 0.0;
    p.g_quality = 0.0;
    let firm = |id: &str| FirmRow { research_staff: 1.0, ..FirmRow::example(id, Group::Neither) };
    let idle = FirmRow { research_staff: 0.0, ..firm("d") };
    let firms =
        [(firm("a"), 1.0, 1.0), (firm("b"), 1.0, 1.0), (firm("c"), 1.0, 1.0), (idle, 0.0, 1.0)];
    let mut world = world(p, switches, Vec::new(), &firms);
    let mut script = Script {
        shocks: vec![
            shock("reasoning", START + 1, &["a"], 0.5),
            shock("reasoning", START + 2, &["c"], 0.5),
        ],
        ..Script::default()
    };
    script.happened = vec![None; 2];
    world.insert_resource(script);
    let bonus = |world: &World, i: usize| lab_of(world, i).quality_bonus;
    month_passes(&mut world);
    assert_eq!(bonus(&world, 0), 0.0);
    month_passes(&mut world);
    assert_eq!([bonus(&world, 0), bonus(&world, 1), bonus(&world, 2)], [0.5, 0.0, 0.0]);
    month_passes(&mut world);
    // Named by a later row of the same name: there at once, and not twice.
    assert_eq!([bonus(&world, 0), bonus(&world, 2)], [0.5, 0.5]);
    // R = 1: 5 − 3/1.1 = 2.27 months, so 0.44 of the way in the first.
    assert!((bonus(&world, 1) - 0.5 / (5.0 - 3.0 / 1.1)).abs() < 1e-9);
    for _ in 0..6 {
        month_passes(&mut world);
    }
    assert!((0..3).all(|i| (bonus(&world, i) - 0.5).abs() < 1e-12));
    assert_eq!(bonus(&world, 3), 0.0, "without a lab there is nothing to learn with");
    let reached =
        world.resource::<Chronicle>().events().iter().filter(|e| e.kind == "paradigm_reached");
    assert_eq!(reached.count(), 1);
}

#[test]
fn paradigms_by_chance_come_late_and_to_somebody() {
    let (mut p, mut switches) = bare();
    switches.paradigms = true;
    p.paradigm_rate = 12.0;
    p.paradigm_chance_after = 1.0;
    let firms = [(lone(0.0), 1.0, 1.0)];
    let mut world = world(p, switches, Vec::new(), &firms);
    for _ in 0..12 {
        month_passes(&mut world);
    }
    assert_eq!(lab_of(&world, 0).gain_quality[1], 0.0);
    month_passes(&mut world);
    assert_eq!(lab_of(&world, 0).gain_quality[1], 0.5);
}

#[test]
fn sources_add_up_and_gaps_are_means_by_weight() {
    let p = parameters();
    let firm = |id: &str, group, ln_a| FirmRow {
        ln_a_train: ln_a,
        ln_a_serve: ln_a,
        ..FirmRow::example(id, group)
    };
    let firms = [
        (firm("a", Group::Constrained, -1.0), 300.0, 2.0),
        (firm("b", Group::Constrained, -2.0), 100.0, 2.0),
        (firm("c", Group::Unconstrained, 0.0), 900.0, 1.0),
    ];
    let mut world = world(p, Switches::default(), record(), &firms);
    world.insert_resource(Readings::new(METRICS, [1, 3, 0, 0, 0, 0]));
    world.run_system_once(hire).unwrap();
    world.run_system_once(measure).unwrap();
    // (300 · −1 + 100 · −2)/400 = −1.25; best −1.
    let readings = world.resource::<Readings>();
    assert!((readings.get(&EFFICIENCY_GAP_TRAIN) + 1.25).abs() < 1e-12);
    assert!((readings.get(&EFFICIENCY_GAP_TRAIN_BEST) + 1.0).abs() < 1e-12);
    assert!((readings.get(&EFFICIENCY_GAP) + 2.5).abs() < 1e-12);
    for _ in 0..120 {
        month_passes(&mut world);
    }
    for (i, (row, _, _)) in firms.iter().enumerate() {
        let lab = lab_of(&world, i);
        assert!(
            (row.ln_a_train + lab.gain_train.iter().sum::<f64>() - lab.ln_a_train).abs() < 1e-9
        );
        assert!(
            (row.ln_a_serve + lab.gain_serve.iter().sum::<f64>() - lab.ln_a_serve).abs() < 1e-9
        );
        assert!((lab.gain_quality.iter().sum::<f64>() - lab.quality_bonus).abs() < 1e-9);
    }
}

#[test]
fn a_firm_more_changes_nobody_elses_luck() {
    let p = ResearchParameters { paradigm_rate: 0.0, ..parameters() };
    let switches = Switches { spillover: false, ..Switches::default() };
    let firm = |id: &str| FirmRow::example(id, Group::Neither);
    let noise = |firms: &[(FirmRow, f64, f64)], i| {
        let mut world = world(p.clone(), switches, record(), firms);
        for _ in 0..5 {
            month_passes(&mut world);
        }
        lab_of(&world, i).gain_train[2].to_bits()
    };
    let alone = noise(&[(firm("b"), 5.0, 1.0)], 0);
    let joined = noise(&[(firm("a"), 5.0, 1.0), (firm("b"), 5.0, 1.0)], 1);
    assert_eq!(alone, joined);
}
