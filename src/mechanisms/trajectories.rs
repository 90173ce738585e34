//! Research and training together, driven by a given path of compute: what a reader of the model
//! would look at first.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::{research, training};
use crate::calendar::Month;
use crate::entities::boards::{Frontier, Offers};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Firm, FirmRow, Group, Lab, Purse};
use crate::entities::model::ModelBook;
use crate::entities::script::{FrontierRow, Script, ShockKind, ShockRow};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, Switches};
use crate::maths;
use crate::random::Luck;
use crate::units::Money;

const START: Month = Month::new(2022, 1);
const MONTHS: i32 = 168;

/// id, group, open, staff, ln A_train, experiments in H100e.
const FIRMS: [(&str, Group, bool, f64, f64, f64); 14] = [
    ("alibaba", Group::Constrained, true, 150.0, -1.0, 1500.0),
    ("alphabet", Group::Unconstrained, false, 400.0, 0.0, 4000.0),
    ("amazon", Group::Unconstrained, false, 120.0, -0.5, 1000.0),
    ("anthropic", Group::Unconstrained, false, 60.0, 0.0, 500.0),
    ("baidu", Group::Constrained, false, 180.0, -1.0, 800.0),
    ("bytedance", Group::Constrained, false, 150.0, -1.0, 1500.0),
    ("deepseek", Group::Constrained, true, 40.0, -1.0, 600.0),
    ("meta", Group::Unconstrained, true, 200.0, -0.3, 2000.0),
    ("mistral", Group::Neither, true, 10.0, -0.9, 20.0),
    ("moonshot", Group::Constrained, true, 20.0, -1.1, 50.0),
    ("openai", Group::Unconstrained, false, 250.0, 0.1, 2500.0),
    ("tencent", Group::Constrained, false, 120.0, -1.1, 1000.0),
    ("xai", Group::Unconstrained, false, 10.0, -0.9, 50.0),
    ("zhipu", Group::Constrained, true, 60.0, -1.1, 100.0),
];

struct Case {
    /// Part of its compute that a constrained firm keeps in the end, and its shadow price then.
    keeps: f64,
    kappa: f64,
    switches: Switches,
    research: research::ResearchParameters,
}

impl Case {
    fn new(keeps: f64, kappa: f64) -> Self {
        Self {
            keeps,
            kappa,
            switches: Switches::default(),
            research: research::tests::parameters(),
        }
    }
}

/// A year of a trajectory.
#[derive(Clone, Copy, Debug)]
struct Year {
    lag: f64,
    open_lag: f64,
    frontier: f64,
    ln_a: f64,
    gap: [f64; 2],
    quality: f64,
    distilled: f64,
}

fn shock(id: &str, kind: ShockKind, month: Month, subject: &str, quantity: f64) -> ShockRow {
    ShockRow {
        id: id.to_owned(),
        name: if kind == ShockKind::Paradigm { "reasoning".to_owned() } else { id.to_owned() },
        month,
        kind,
        subjects: vec![subject.to_owned()],
        quantity,
        months: Some(14),
        caused_by: None,
        source: "test".to_owned(),
    }
}

fn table() -> Vec<FrontierRow> {
    let mut rows = research::tests::record();
    rows[0].capability = Some(24.07);
    for (month, capability) in [
        (Month::new(2021, 8), 23.38),
        (Month::new(2020, 6), 22.78),
        (Month::new(2019, 2), 19.96),
        (Month::new(2018, 6), 17.63),
    ] {
        let row = FrontierRow {
            id: month.to_string(),
            month,
            capability: Some(capability),
            staff: None,
            experiments_h100e: None,
            log10_largest_run: None,
            source: "test".to_owned(),
        };
        rows.insert(0, row);
    }
    rows
}

fn mean(world: &World, roster: &[bevy_ecs::prelude::Entity], group: Group, axis: usize) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for entity in roster {
        let firm = world.get::<Firm>(*entity).unwrap();
        let lab = world.get::<Lab>(*entity).unwrap();
        if firm.row.group == group {
            sum += lab.weight * [lab.ln_a_train, lab.ln_a_serve][axis];
            weight += lab.weight;
        }
    }
    sum / weight
}

fn run(case: &Case) -> Vec<Year> {
    let mut world = World::new();
    let luck = Luck::new(11);
    let training = training::tests::parameters();
    let mut rows = Vec::new();
    for (id, group, open_weights, research_staff, ln_a, _) in FIRMS {
        rows.push(FirmRow {
            open_weights,
            research_staff,
            staff_growth: 0.45,
            ln_a_train: ln_a,
            ln_a_serve: ln_a * 0.8,
            ..FirmRow::example(id, group)
        });
    }
    let script = Script {
        shocks: vec![
            shock("gpt-4", ShockKind::TrainingRun, START, "openai", 25.32),
            shock("o1", ShockKind::Paradigm, Month::new(2024, 9), "openai", 0.5),
            shock("r1", ShockKind::Paradigm, Month::new(2025, 1), "deepseek", 0.5),
        ],
        happened: vec![None; 3],
        frontier: table(),
        ..Script::default()
    };
    let (memory, book) =
        training::start(&training, &case.switches, &rows, &script.shocks, &luck, START);
    world.insert_resource(training::frontier(&script.frontier, &rows, &book, START));
    world.insert_resource(memory);
    world.insert_resource(book);
    world.insert_resource(research::start(&case.research, &script.frontier, &rows, &luck));
    world.insert_resource(script);
    let mut roster = Roster::default();
    for (i, row) in rows.iter().enumerate() {
        let purse = Purse {
            unspent: Money::ZERO,
            escrow: Money::ZERO,
            kappa: 1.0,
            kappa_lagged: 1.0,
            reallocated: Money::ZERO,
            shortfall: 0.0,
            event: None,
        };
        let firm = Firm { id: FirmId::at(i), home: CountryId(0), row: row.clone() };
        let lab = research::lab(row, &case.research, &luck);
        roster.firms.push(world.spawn((firm, purse, Compute::default(), lab)).id());
    }
    let entities = roster.firms.clone();
    world.insert_resource(roster);
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: true });
    world.insert_resource(Offers::default());
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(case.switches);
    world.insert_resource(luck);
    world.insert_resource(case.research.clone());
    world.insert_resource(training);

    let mut years = Vec::new();
    for month in 0..MONTHS {
        let now = START + month;
        world.insert_resource(Clock { start: START, now, end: START + MONTHS - 1 });
        let t = f64::from(month) / 12.0;
        // 3 times a year to 2026, fading after.
        let late = (t - 4.0).max(0.0);
        let ln_growth = 1.1 * t.min(4.0) + 1.1 * 4.0 * (1.0 - maths::exp(-late / 4.0));
        let bite = ((t - 0.8) / 2.0).clamp(0.0, 1.0);
        for (i, entity) in entities.iter().enumerate() {
            let scarce = FIRMS[i].1 == Group::Constrained;
            let kept = if scarce { 1.0 - (1.0 - case.keeps) * bite } else { 1.0 };
            let experiments = FIRMS[i].5 * maths::exp(ln_growth) * kept;
            let mut compute = world.get_mut::<Compute>(*entity).unwrap();
            compute.experiments_h100e = experiments;
            compute.owned_train_h100e = 2.5 * experiments;
            compute.training_h100e = experiments / 2.0;
            compute.training_flop_s = experiments / 2.0 * 989e12;
            compute.training_interconnect_gbps = if scarce { 400.0 } else { 900.0 };
            let mut purse = world.get_mut::<Purse>(*entity).unwrap();
            purse.kappa_lagged = if scarce { 1.0 + (case.kappa - 1.0) * bite } else { 1.0 };
        }
        world.run_system_once(research::hire).unwrap();
        world.run_system_once(research::spread_paradigms).unwrap();
        world.run_system_once(research::advance).unwrap();
        world.run_system_once(training::assess_capability).unwrap();
        world.run_system_once(training::release_models).unwrap();
        world.run_system_once(training::start_runs).unwrap();
        if now.month() == 12 {
            let board = world.resource::<Frontier>();
            let labs = || entities.iter().map(|entity| world.get::<Lab>(*entity).unwrap());
            years.push(Year {
                lag: board.lag_months,
                open_lag: board.open_lag_months,
                frontier: *board.best.last().unwrap(),
                ln_a: labs().map(|lab| lab.ln_a_train).fold(f64::MIN, f64::max),
                gap: [0, 1].map(|axis| {
                    mean(&world, &entities, Group::Constrained, axis)
                        - mean(&world, &entities, Group::Unconstrained, axis)
                }),
                quality: labs().map(|lab| lab.quality_bonus).fold(f64::MIN, f64::max),
                distilled: labs().map(|lab| lab.distilled).fold(f64::MIN, f64::max),
            });
        }
    }
    let book = world.resource::<ModelBook>();
    println!("{} models, best open {:?}", book.models.len() / 2, book.best_open);
    for entity in &entities {
        let firm = world.get::<Firm>(*entity).unwrap();
        let lab = world.get::<Lab>(*entity).unwrap();
        let runs = book.models.iter().filter(|m| m.firm == firm.id).count() / 2;
        println!(
            "{:>10} R {:7.2} staff {:7.0} lnA {:5.2} = {:5.2?} serve {:5.2} B {:4.2} D {:4.2} q {:5.2} C {:5.2} models {runs}",
            firm.row.id,
            lab.input,
            lab.staff,
            lab.ln_a_train,
            lab.gain_train,
            lab.ln_a_serve,
            lab.quality_bonus,
            lab.distilled,
            lab.possible_capability,
            lab.possible_log10_flop,
        );
    }
    years
}

fn print(title: &str, years: &[Year]) {
    println!("{title}");
    for (i, y) in years.iter().enumerate() {
        println!(
            "{} lag {:6.1} open {:6.1} frontier {:5.2} lnA {:5.2} gap {:+.3} {:+.3} B {:4.2} D {:4.2}",
            2022 + i,
            y.lag,
            y.open_lag,
            y.frontier,
            y.ln_a,
            y.gap[0],
            y.gap[1],
            y.quality,
            y.distilled
        );
    }
}

/// Treated minus free, ln A_train and ln A_serve, year by year.
fn premium(treated: &[Year], free: &[Year]) -> Vec<[f64; 2]> {
    treated.iter().zip(free).map(|(a, b)| [a.gap[0] - b.gap[0], a.gap[1] - b.gap[1]]).collect()
}

#[test]
fn followers_trail_by_months_and_the_frontier_moves_about_a_dex_a_year() {
    let years = run(&Case::new(0.4, 2.0));
    print("treated", &years);
    for year in &years[1..4] {
        assert!((2.0..20.0).contains(&year.lag), "{year:?}");
        assert!((1.0..15.0).contains(&year.open_lag), "{year:?}");
    }
    let (first, last) = (&years[0], &years[13]);
    let speed = (last.frontier - first.frontier) / 13.0;
    assert!((0.5..1.5).contains(&speed), "{speed} dex a year");
    let speed = (last.ln_a - first.ln_a) / 13.0;
    assert!((0.5..1.5).contains(&speed), "{speed} ln a year");
    assert!(years.iter().all(|year| year.distilled <= 1.0 && year.quality < 5.0));
}

#[test]
fn scarcity_costs_experiments_and_turns_research() {
    let free = run(&Case::new(1.0, 1.0));
    print("free", &free);
    let base = run(&Case::new(0.4, 2.0));
    let with = |change: fn(&mut Case)| {
        let mut case = Case::new(0.4, 2.0);
        change(&mut case);
        let mut twin = Case::new(1.0, 1.0);
        change(&mut twin);
        premium(&run(&case), &run(&twin))
    };
    let last = |years: &[[f64; 2]]| years[8];
    let plain = premium(&base, &free);
    // Nothing before the bite (month 10 of 2022, in the third year fully).
    assert!(plain[0][0].abs() < 0.01);
    let straight = with(|case| case.research.direction_elasticity = 0.0);
    let turned = with(|case| case.research.direction_elasticity = 0.6);
    let alone = with(|case| case.switches.spillover = false);
    let copied = with(|case| case.switches.distillation = false);
    for (name, years) in [
        ("ε 0.3", &plain),
        ("ε 0", &straight),
        ("ε 0.6", &turned),
        ("no spillover", &alone),
        ("no distillation", &copied),
    ] {
        println!("{name:>16} {:?}", years.iter().map(|y| y[1]).collect::<Vec<_>>());
    }
    assert!(last(&straight)[1] < last(&plain)[1] && last(&plain)[1] < last(&turned)[1]);
    assert!(last(&alone)[1] < last(&plain)[1], "spillover limits what is lost");
    // Imitation is no efficiency: without distillation every ln A is the same to the bit (χ = 0).
    assert_eq!(copied, plain);
    // Scarcity alone, without any loss of compute, favours frugality.
    let dear = run(&Case::new(1.0, 2.0));
    let gain = premium(&dear, &free);
    assert!(gain[8][0] > 0.0 && gain[8][1] > 0.0, "{:?}", gain[8]);
    // Complements that need scale lose most.
    let scale = with(|case| {
        case.research.research_substitution = 0.1;
        case.research.experiment_scale = 1.0;
    });
    println!("{:>16} {:?}", "(0.1, 1)", scale.iter().map(|y| y[1]).collect::<Vec<_>>());
    assert!(last(&scale)[1] < last(&plain)[1]);
}
