//! Tests of training: numbers worked by hand, lags, runs and releases.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::frontiers::*;
use super::law::*;
use super::measures::*;
use super::runs::*;
use super::*;
use crate::entities::boards::Frontier;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Firm, FirmRow, Group, Lab};
use crate::entities::model::{ModelBook, Tier};
use crate::entities::script::{FrontierRow, Script, ShockKind, ShockRow};
use crate::entities::{Clock, FirmId, Roster, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose};

/// Parameters of the tests: a plausible world.
const VALUES: &[(&str, f64)] = &[
    ("cluster_reference_h100e", 8_000.0),
    ("cluster_size_penalty", 0.03),
    ("equal_quality_dex", 26.0),
    ("interconnect_penalty", 0.08),
    ("interconnect_reference_gbps", 900.0),
    ("ln_a_base", -1.6),
    ("mfu", 0.38),
    ("model_age_months", 18.0),
    ("post_training_months", 3.0),
    ("release_gain_dex", 0.35),
    ("release_noise_dex", 0.1),
    ("run_months", 4.0),
    ("run_pause_months", 4.0),
    ("run_step_dex", 1.0),
    ("scale_dependent_share", 0.6),
    ("scale_reference_log10_flop", 25.0),
    ("serving_reference_log10_flop", 24.53),
    ("serving_size_exponent", 0.4),
    ("small_tier_compute", 0.1),
    ("small_tier_loss_dex", 0.6),
    ("small_tier_tokens", 3.0),
    ("smallest_run_log10_flop", 22.5),
    ("tokens_m_per_h100e_month", 418.0),
];

pub(crate) fn parameters() -> TrainingParameters {
    TrainingParameters::from_values(&mut |name| {
        VALUES.iter().find(|(known, _)| *known == name).expect("a test value").1
    })
}

const START: Month = Month::new(2022, 1);

#[test]
fn compute_of_a_run_by_hand() {
    // 10^18 FLOP/s · 0.38 · 2 628 000 s = 9.9864e23 a month; below N₀ and with full links no penalty.
    let p = parameters();
    let mut compute = Compute {
        training_flop_s: 1e18,
        training_h100e: 1000.0,
        training_interconnect_gbps: 900.0,
        ..Compute::default()
    };
    assert!((monthly_flop(&p, &compute) / 9.9864e23 - 1.0).abs() < 1e-9);
    // Links of 400 GB/s: (4/9)^0.08 = 0.937 189; four times N₀: 4^−0.03 = 0.959 264.
    compute.training_interconnect_gbps = 400.0;
    compute.training_h100e = 32_000.0;
    let ratio = monthly_flop(&p, &compute) / 9.9864e23;
    assert!((ratio - 0.937_189 * 0.959_264).abs() < 1e-5, "{ratio}");
    // Unknown links cost nothing; no compute yields nothing.
    compute.training_interconnect_gbps = 0.0;
    assert!((monthly_flop(&p, &compute) / 9.9864e23 - 0.959_264).abs() < 1e-5);
    assert_eq!(monthly_flop(&p, &Compute::default()), 0.0);
}

#[test]
fn gains_pay_near_their_scale() {
    // ln A = 2.4, base −1.6: 0.6 · 4 = 2.4 at stake. At C_ref half of it is lost, at 100 C_ref
    // nothing, at C_ref/100 all.
    let p = parameters();
    for (log10_flop, expected) in [(25.0, 1.2), (27.0, 2.4), (28.0, 2.4), (23.0, 0.0), (21.0, 0.0)]
    {
        assert!((effective_ln_a(&p, true, 2.4, log10_flop) - expected).abs() < 1e-12);
        assert_eq!(effective_ln_a(&p, false, 2.4, log10_flop), 2.4);
    }
    // Below the base nothing is at stake: laggards gain nothing.
    assert_eq!(effective_ln_a(&p, true, -2.0, 21.0), -2.0);
}

#[test]
fn the_run_of_a_quality_is_the_inverse() {
    let p = parameters();
    for ln_a in [-1.0, 0.5, 4.0, 8.0] {
        for log10_flop in [21.0, 22.9, 24.0, 25.5, 27.2, 29.0] {
            let quality = log10_flop + dex(effective_ln_a(&p, true, ln_a, log10_flop)) + 0.3;
            let run = run_of_quality(&p, true, quality, ln_a, 0.3);
            assert!((run - log10_flop).abs() < 1e-9, "{ln_a} {log10_flop} {run}");
        }
    }
}

#[test]
fn tokens_follow_the_size_of_the_run() {
    // The reference run: τ₀ = 418. A hundred times the compute: 100^−0.4 = 0.158 489.
    let p = parameters();
    assert!((tokens(&p, 24.53, Tier::Big) - 418.0).abs() < 1e-9);
    assert!((tokens(&p, 26.53, Tier::Big) - 418.0 * 0.158_489).abs() < 1e-3);
    assert!((tokens(&p, 24.53, Tier::Small) - 3.0 * 418.0).abs() < 1e-9);
}

#[test]
fn lags_are_read_off_the_leaders_history() {
    let leader = [20.0, 21.0, 23.0, 24.0];
    // 22 was reached halfway between months 1 and 2, that is 1.5 months before month 3.
    assert!((months_since(&leader, 22.0) - 1.5).abs() < 1e-12);
    assert_eq!(months_since(&leader, 23.0), 1.0);
    assert_eq!(months_since(&leader, 19.0), 3.0);
    assert_eq!(months_since(&leader, 24.0), 0.0);
    assert_eq!(months_since(&leader, 25.0), 0.0);
    assert_eq!(months_since(&[], 25.0), 0.0);
    let follower = [19.0, 20.0, 21.0, 22.0];
    assert!((lag((&leader, 24.0), (&follower, 22.0)) - 1.5).abs() < 1e-12);
    assert!((lag((&follower, 22.0), (&leader, 24.0)) + 1.5).abs() < 1e-12);
    // Nobody there until month 2.
    let late = [f64::NEG_INFINITY, f64::NEG_INFINITY, 23.0, 24.0];
    assert_eq!(months_since(&late, 22.0), 1.0);
}

#[test]
fn the_first_month_moves_the_table_to_meet_it() {
    let mut history = vec![20.0, 22.0, 23.5];
    record(&mut history, Some((3, 24.0)), Some(24.5));
    assert_eq!(history, [20.5, 22.5, 24.0, 24.5]);
    record(&mut history, None, Some(24.2));
    record(&mut history, None, None);
    assert_eq!(history[4..], [24.5, 24.5], "a capability once reached is not lost");
}

fn row(month: Month, capability: f64, run: f64) -> FrontierRow {
    FrontierRow {
        id: month.to_string(),
        month,
        capability: Some(capability),
        staff: None,
        experiments_h100e: None,
        log10_largest_run: Some(run),
        source: "test".to_owned(),
    }
}

fn world(p: TrainingParameters, firms: &[(FirmRow, f64)], script: Script) -> World {
    let mut world = World::new();
    let luck = Luck::new(3);
    let switches = Switches::default();
    let rows: Vec<FirmRow> = firms.iter().map(|(row, _)| row.clone()).collect();
    let (memory, book) = start(&p, &switches, &rows, &script.shocks, &luck, START);
    world.insert_resource(frontier(&script.frontier, &rows, &book, START));
    world.insert_resource(memory);
    world.insert_resource(book);
    let mut roster = Roster::default();
    for (i, (row, flop_s)) in firms.iter().enumerate() {
        let compute = Compute {
            training_flop_s: *flop_s,
            training_h100e: *flop_s / 989e12,
            training_interconnect_gbps: 900.0,
            ..Compute::default()
        };
        let lab = Lab {
            ln_a_train: row.ln_a_train,
            ln_a_serve: row.ln_a_serve,
            ..Lab::at_rest(luck.stream(Purpose::Research, 1))
        };
        let firm =
            Firm { id: FirmId::at(i), home: crate::entities::CountryId(0), row: row.clone() };
        roster.firms.push(world.spawn((firm, compute, lab)).id());
    }
    world.insert_resource(roster);
    world.insert_resource(Clock { start: START, now: START, end: START + 167 });
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(switches);
    world.insert_resource(script);
    world.insert_resource(p);
    world.insert_resource(Readings::new(METRICS, [1, firms.len(), 0, 0, 0, 0]));
    world
}

fn month_passes(world: &mut World) {
    world.run_system_once(assess_capability).unwrap();
    world.run_system_once(release_models).unwrap();
    world.run_system_once(start_runs).unwrap();
    world.run_system_once(measure).unwrap();
    let mut clock = world.resource_mut::<Clock>();
    clock.now = clock.now + 1;
}

#[test]
fn capability_and_lag_by_hand() {
    // U: 10^19.2 FLOP/s · 0.38 · 2 628 000 s · 4 months = 10^(19.2 + 6.601 556) = 10^25.801 556, from
    // 16 025 H100e: size (16 025/8000)^−0.03 = −0.009 053 dex. C: a hundredth, below N₀, so 23.801 556.
    let p = TrainingParameters { scale_dependent_share: 0.0, ..parameters() };
    let table = Script {
        frontier: vec![row(START - 24, 22.0, 22.0), row(START, 24.0, 24.0)],
        ..Script::default()
    };
    let us = FirmRow::example("u", Group::Unconstrained);
    let cn = FirmRow { open_weights: true, ..FirmRow::example("c", Group::Constrained) };
    let firms = [(us, maths::exp10(19.2)), (cn, maths::exp10(17.2))];
    let mut world = world(p, &firms, table);
    month_passes(&mut world);
    let readings = world.resource::<Readings>();
    assert!((readings.get_for(&CAPABILITY, 0) - 25.792_5).abs() < 1e-3);
    assert!((readings.get_for(&CAPABILITY, 1) - 23.801_6).abs() < 1e-3);
    // The table's slope is 1 dex a year: 1.990 9 dex are 23.89 months.
    assert!(
        (readings.get(&CAPABILITY_LAG) - 23.89).abs() < 0.02,
        "{}",
        readings.get(&CAPABILITY_LAG)
    );
    // The open developer is the constrained one: the same lag.
    assert!((readings.get(&OPEN_LAG) - readings.get(&CAPABILITY_LAG)).abs() < 1e-9);
    let board = world.resource::<Frontier>();
    assert_eq!(board.months_simulated(), 1);
    assert_eq!(board.best.len(), 25);
    assert!((board.best_at(START - 12).unwrap() - 24.792_5).abs() < 1e-3);
    assert_eq!(board.best_at(START - 25), None);
    assert_eq!(board.best_at(START + 1), None);
}

#[test]
fn runs_start_end_and_are_offered() {
    let p = TrainingParameters { release_noise_dex: 0.0, run_pause_months: 0.0, ..parameters() };
    let firm = FirmRow { open_weights: true, ..FirmRow::example("a", Group::Constrained) };
    let mut world = world(p, &[(firm, 1e18)], Script::default());
    for _ in 0..7 {
        month_passes(&mut world);
        assert_eq!(world.resource::<ModelBook>().runs.len(), 1);
        assert!(world.resource::<ModelBook>().models.is_empty());
    }
    // Four months of training and three of post-training: released in month 7, at what was possible.
    month_passes(&mut world);
    let book = world.resource::<ModelBook>();
    assert_eq!(book.models.len(), 2);
    assert_eq!(book.deployed[0], [Some(0), Some(1)]);
    assert_eq!(book.best_open, Some(0));
    let (big, small) = (&book.models[0], &book.models[1]);
    let readings = world.resource::<Readings>();
    assert!((big.quality - readings.get_for(&CAPABILITY, 0)).abs() < 1e-9);
    assert!((big.quality - small.quality - 0.6).abs() < 1e-12);
    assert!((big.log10_flop - small.log10_flop - 1.0).abs() < 1e-12);
    assert!(small.tokens_m_per_h100e > big.tokens_m_per_h100e);
    assert!(book.runs.is_empty(), "nothing better can be trained");
    assert_eq!(world.resource::<Frontier>().log10_largest_run, big.log10_flop);
    let events = world.resource::<Chronicle>().events();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["run_started", "model_released"]);
    assert_eq!(events[1].cause, Some(events[0].id));
    assert_eq!(big.event, Some(events[1].id));
    // The same algorithms a little later do not start a run; an old model alone does not either.
    for _ in 0..40 {
        month_passes(&mut world);
    }
    assert_eq!(world.resource::<ModelBook>().models.len(), 2);
    // Better algorithms do.
    let entity = world.resource::<Roster>().firms[0];
    world.get_mut::<Lab>(entity).unwrap().ln_a_train = 4.0;
    for _ in 0..8 {
        month_passes(&mut world);
    }
    let book = world.resource::<ModelBook>();
    assert_eq!(book.models.len(), 4);
    assert_eq!(book.deployed[0], [Some(2), Some(3)]);
}

#[test]
fn scripted_runs_are_released_when_the_script_says() {
    let shock = ShockRow {
        id: "run".to_owned(),
        name: "run".to_owned(),
        month: START,
        kind: ShockKind::TrainingRun,
        subjects: vec!["a".to_owned()],
        quantity: 25.32,
        months: Some(14),
        caused_by: None,
        source: "test".to_owned(),
    };
    let script = Script { shocks: vec![shock], happened: vec![None], ..Script::default() };
    let firms = [
        (
            FirmRow {
                deployed_log10_flop: Some(23.5),
                ..FirmRow::example("a", Group::Unconstrained)
            },
            1e18,
        ),
        (FirmRow::example("b", Group::Unconstrained), 0.0),
    ];
    let mut world = world(parameters(), &firms, script);
    assert_eq!(world.resource::<Frontier>().log10_largest_run, 23.5);
    for _ in 0..14 {
        month_passes(&mut world);
        assert_eq!(world.resource::<Frontier>().log10_largest_run, 23.5);
    }
    month_passes(&mut world);
    assert_eq!(world.resource::<Clock>().now, Month::new(2023, 4));
    assert_eq!(world.resource::<Frontier>().log10_largest_run, 25.32);
    assert_eq!(world.resource::<Frontier>().log10_largest_run_group, [0.0, 25.32]);
    assert_eq!(world.resource::<ModelBook>().deployed[1], [None, None]);
}

#[test]
fn a_world_without_anybody_passes() {
    let mut world = world(parameters(), &[], Script::default());
    for _ in 0..3 {
        month_passes(&mut world);
    }
    assert_eq!(world.resource::<Frontier>().lag_months, 0.0);
}

#[test]
fn equal_quality_tokens_reward_progress_alone() {
    let p = parameters();
    let at = |ln_train: f64, ln_serve: f64, bonus: f64| {
        let run = run_of_quality(&p, false, 26.0, ln_train, bonus);
        ln_serve - p.serving_size_exponent * run * std::f64::consts::LN_10
    };
    // ς = 0.4: one ln of training efficiency is worth 0.4 ln of tokens, one of serving 1, one dex of
    // quality 0.921.
    assert!((at(1.0, 0.0, 0.0) - at(0.0, 0.0, 0.0) - 0.4).abs() < 1e-9);
    assert!((at(0.0, 1.0, 0.0) - at(0.0, 0.0, 0.0) - 1.0).abs() < 1e-9);
    assert!((at(0.0, 0.0, 1.0) - at(0.0, 0.0, 0.0) - 0.921_034).abs() < 1e-5);
}

fn opening(kind: ShockKind, month: Month) -> ShockRow {
    ShockRow {
        id: format!("{}-{month}", kind.word()),
        name: "opening".to_owned(),
        month,
        kind,
        subjects: vec!["a".to_owned()],
        quantity: 1.0,
        months: None,
        caused_by: None,
        source: "test".to_owned(),
    }
}

#[test]
fn runs_grow_by_steps() {
    let p = parameters();
    // A step above its own 10^23, or one below the largest, 10^25.3: the latter is more.
    assert!((dared(&p, 23.0, 25.3) - 24.3).abs() < 1e-12);
    assert!((dared(&p, 24.0, 24.5) - 25.0).abs() < 1e-12);
    // A newcomer starts where the world was a step ago.
    assert!((dared(&p, 0.0, 25.3) - 24.3).abs() < 1e-12);
    assert_eq!(dared(&p, 0.0, 0.0), f64::INFINITY);
    // 10^19 FLOP/s yield 10^25.6 in four months, but with 10^22.6 behind it the firm dares 10^23.6.
    let firm =
        FirmRow { deployed_log10_flop: Some(22.6), ..FirmRow::example("a", Group::Constrained) };
    let p = TrainingParameters { run_pause_months: 0.0, ..p };
    let mut world = world(p, &[(firm, 1e19)], Script::default());
    month_passes(&mut world);
    assert!((world.resource::<ModelBook>().runs[0].log10_flop - 23.6).abs() < 1e-9);
}

#[test]
fn nobody_trains_before_the_laboratory_opens_nor_publishes_before_the_service() {
    let p = TrainingParameters { run_pause_months: 0.0, ..parameters() };
    let firm = FirmRow {
        open_weights: true,
        deployed_log10_flop: Some(22.6),
        ..FirmRow::example("a", Group::Constrained)
    };
    let shocks = vec![opening(ShockKind::Lab, START + 3), opening(ShockKind::Service, START + 12)];
    let script = Script { shocks, happened: vec![None; 2], ..Script::default() };
    let mut world = world(p, &[(firm, 1e18)], script);
    for _ in 0..3 {
        month_passes(&mut world);
        assert!(world.resource::<ModelBook>().runs.is_empty());
    }
    month_passes(&mut world);
    assert_eq!(world.resource::<ModelBook>().runs.len(), 1);
    // Released seven months later, for research only: the service opens in month 12.
    for _ in 0..7 {
        month_passes(&mut world);
    }
    let book = world.resource::<ModelBook>();
    assert_eq!(book.models.len(), 4);
    assert!(book.models.iter().all(|model| !model.open));
    assert_eq!(book.best_open, None);
}

#[test]
fn the_lag_of_releases_stands_still_between_releases() {
    // U released 10^24 and C 10^23 (A = 1, no part of it depends on scale): the table rose by a dex a year,
    // so C trails by twelve months, and by one more with every month in which nobody releases anything.
    let p = TrainingParameters { scale_dependent_share: 0.0, ..parameters() };
    let table = Script {
        frontier: vec![row(START - 24, 22.0, 22.0), row(START, 24.0, 24.0)],
        ..Script::default()
    };
    let example = |id: &str, group, flop| FirmRow {
        ln_a_train: 0.0,
        deployed_log10_flop: Some(flop),
        ..FirmRow::example(id, group)
    };
    let firms = [
        (example("c", Group::Constrained, 23.0), 0.0),
        (example("u", Group::Unconstrained, 24.0), 0.0),
    ];
    let mut world = world(p, &firms, table);
    for month in 0..3 {
        month_passes(&mut world);
        let lag = world.resource::<Readings>().get(&RELEASED_LAG);
        assert!((lag - 12.0 - f64::from(month)).abs() < 1e-9, "{lag}");
    }
}

#[test]
fn scripted_releases_have_no_noise() {
    // GPT-4 is a fact: 25.32 + log10 A_eff (0 here) whatever the luck.
    let shock =
        ShockRow { months: Some(2), quantity: 25.32, ..opening(ShockKind::TrainingRun, START) };
    let script = Script { shocks: vec![shock], happened: vec![None], ..Script::default() };
    let p =
        TrainingParameters { release_noise_dex: 1.0, scale_dependent_share: 0.0, ..parameters() };
    let firm = FirmRow { ln_a_train: 0.0, ..FirmRow::example("a", Group::Unconstrained) };
    let mut world = world(p, &[(firm, 0.0)], script);
    for _ in 0..3 {
        month_passes(&mut world);
    }
    assert!((world.resource::<ModelBook>().models[0].quality - 25.32).abs() < 1e-12);
}
