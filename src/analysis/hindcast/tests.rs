use super::*;
use crate::calendar::Month;
use crate::record::observed::{Measured, measure};
use crate::world::observation::{Across, Aggregate, Confidence, Use};

fn row(id: &str, aggregate: Aggregate, metric: &str) -> ObservationRow {
    ObservationRow {
        id: id.into(),
        quantity: id.into(),
        family: "family".into(),
        table: "series".into(),
        members: Vec::new(),
        across: Across::Sum,
        metric: metric.into(),
        per: None,
        per_members: Vec::new(),
        aggregate,
        from: Month::new(2022, 1),
        to: Month::new(2022, 4),
        per_from: None,
        per_to: None,
        factor: 1.0,
        value: 10.0,
        low: 8.0,
        high: 14.0,
        unit: "unit".into(),
        role: Use::Fit,
        confidence: Confidence::High,
        inputs: Vec::new(),
        source: "by hand".into(),
    }
}

fn run(series: &str) -> Outputs {
    let mut run = Outputs::empty("hand-made");
    run.add("series", series.as_bytes()).unwrap();
    run
}

const SERIES: &str = "month,a,b\n2022-01,0,2\n2022-02,3,4\n2022-03,5,\n2022-04,2,4\n";

fn value(aggregate: Aggregate, metric: &str) -> Result<f64, Gap> {
    measure(&run(SERIES), &row("x", aggregate, metric)).map(|m| m.value)
}

#[test]
fn months_become_one_number() {
    // a = 0, 3, 5, 2; b = 2, 4, nothing, 4.
    assert_eq!(value(Aggregate::Sum, "a"), Ok(10.0));
    assert_eq!(value(Aggregate::Mean, "a"), Ok(2.5));
    assert_eq!(value(Aggregate::Annual, "a"), Ok(30.0));
    assert_eq!(value(Aggregate::Last, "a"), Ok(2.0));
    assert_eq!(value(Aggregate::Largest, "a"), Ok(5.0));
    assert_eq!(value(Aggregate::Smallest, "a"), Ok(0.0));
    assert_eq!(value(Aggregate::FirstAboveZero, "a"), Ok(1.0));
    assert_eq!(value(Aggregate::MonthOfLargest, "a"), Ok(2.0));
    assert_eq!(value(Aggregate::MonthOfSmallest, "a"), Ok(0.0));
    // The mean of b leaves the empty month out: (2 + 4 + 4) / 3.
    assert_eq!(value(Aggregate::Mean, "b"), Ok(10.0 / 3.0));
    // The first of equal peaks counts.
    assert_eq!(value(Aggregate::MonthOfLargest, "b"), Ok(1.0));
    assert_eq!(value(Aggregate::Sum, "c"), Err(Gap::Metric("c".into())));
}

#[test]
fn ratios_divide_sums_over_their_own_months() {
    let mut ratio = row("x", Aggregate::Ratio, "a");
    ratio.per = Some("b".into());
    // (0 + 3 + 5 + 2) / (2 + 4 + 4)
    assert_eq!(measure(&run(SERIES), &ratio).unwrap().value, 1.0);
    ratio.per_from = Some(Month::new(2022, 2));
    ratio.per_to = Some(Month::new(2022, 2));
    ratio.factor = 100.0;
    // 100 × 10 / 4
    assert_eq!(measure(&run(SERIES), &ratio).unwrap().value, 250.0);
    ratio.per_from = Some(Month::new(2022, 3));
    ratio.per_to = Some(Month::new(2022, 3));
    assert_eq!(measure(&run(SERIES), &ratio).unwrap_err(), Gap::Divisor);
}

#[test]
fn nothing_ever_above_zero_is_late_not_missing() {
    let flat = run("month,a\n2022-01,0\n2022-02,0\n2022-03,0\n2022-04,0\n");
    let row = row("x", Aggregate::FirstAboveZero, "a");
    // Four months without: at least four months late.
    assert_eq!(measure(&flat, &row).unwrap().value, 4.0);
}

#[test]
fn a_pattern_without_variants_is_zero_and_a_short_run_is_missing() {
    let mut run = Outputs::empty("hand-made");
    let chips = "month,id,parent,origin,shipped\n\
        2022-01,h100,,roadmap,4\n2022-02,h100,,roadmap,4\n2022-03,h100,,roadmap,4\n2022-04,h100,,roadmap,4\n";
    run.add("chips", chips.as_bytes()).unwrap();
    let mut row = row("x", Aggregate::Sum, "shipped");
    row.table = "chips".into();
    row.members = vec!["parent:h100".into()];
    assert_eq!(measure(&run, &row).unwrap(), Measured { value: 0.0, scripted: false });
    row.aggregate = Aggregate::FirstAboveZero;
    assert_eq!(measure(&run, &row).unwrap().value, 4.0);
    row.to = Month::new(2022, 5);
    let covers = Gap::Months(Month::new(2022, 1), Month::new(2022, 4));
    assert_eq!(measure(&run, &row).unwrap_err(), covers);
    row.table = "firms".into();
    assert_eq!(measure(&run, &row).unwrap_err(), Gap::Table("firms".into()));
}

#[test]
fn a_scripted_variant_is_an_input() {
    let mut run = Outputs::empty("hand-made");
    let chips = "month,id,parent,origin,shipped\n\
        2022-01,h100,,roadmap,4\n2022-01,h800,h100,historical_variant,9\n";
    run.add("chips", chips.as_bytes()).unwrap();
    let mut row = row("x", Aggregate::Sum, "shipped");
    row.table = "chips".into();
    row.to = row.from;
    row.members = vec!["parent:h100".into()];
    let scores = score(&[run], &[row]);
    assert_eq!(scores[0].model(), 9.0);
    assert_eq!(scores[0].inputs, [SCRIPTED_VARIANT]);
}

#[test]
fn tolerances_may_be_lopsided() {
    let row = row("x", Aggregate::Sum, "a");
    // 10 with 8 to 14: a tolerance is 2 below and 4 above.
    assert_eq!(z(&row, 10.0), 0.0);
    assert_eq!(z(&row, 12.0), 0.5);
    assert_eq!(z(&row, 7.0), -1.5);
    let at_most = ObservationRow { value: 0.0, low: 0.0, high: 0.2, ..row };
    assert_eq!(z(&at_most, 0.1), 0.5);
    // Nothing below zero is allowed: half of the whole tolerance is the measure.
    assert_eq!(z(&at_most, -0.1), -1.0);
}

fn dated(value: f64, months: i32, unit: &str) -> ObservationRow {
    let to = Month::new(2022, 1) + months;
    ObservationRow {
        id: format!("q{months}"),
        quantity: "q".into(),
        value,
        low: value / 2.0,
        high: value * 2.0,
        to,
        from: to,
        unit: unit.into(),
        ..row("q", Aggregate::Last, "a")
    }
}

#[test]
fn naive_forecasts_use_what_came_before() {
    let of = |rows: &[ObservationRow]| naive(rows, None);
    let levels = [dated(2.0, 0, "bn"), dated(4.0, 6, "bn"), dated(50.0, 18, "bn")];
    let forecasts = of(&levels);
    assert_eq!(forecasts[0], None);
    let second = Naive { kind: NaiveKind::Constant, value: 2.0, horizon: 6, spread: None };
    assert_eq!(forecasts[1], Some(second));
    // Doubled in six months, so quadrupled in the next twelve: 16.
    let third = forecasts[2].unwrap();
    assert_eq!((third.kind, third.horizon), (NaiveKind::LastGrowth, 12));
    assert!((third.value - 16.0).abs() < 1e-9, "{}", third.value);
    // One who knows nothing after January 2022 says that all stays.
    let early = naive(&levels, Some(Month::new(2022, 1)));
    assert_eq!(early[2].unwrap().value, 2.0);
    let shares = [dated(0.2, 0, "share"), dated(0.1, 6, "share"), dated(0.3, 18, "share")];
    let constant = Naive { kind: NaiveKind::Constant, value: 0.1, horizon: 12, spread: None };
    assert_eq!(of(&shares)[2], Some(constant));
}

#[test]
fn naive_forecasts_are_as_wide_as_they_were_wrong() {
    // Constant forecasts of a share, each a year ahead and half a tolerance off, up and down.
    let values = [0.4, 0.6, 0.4, 0.6, 0.4];
    let rows: Vec<ObservationRow> = (0..)
        .zip(values)
        .map(|(year, value)| {
            let mut row = dated(value, 12 * year, "share");
            (row.low, row.high) = (row.value - 0.4, row.value + 0.4);
            row
        })
        .collect();
    let last = naive(&rows, None)[4].unwrap();
    // Three errors of half a tolerance over a year: σ = 0.5 / 0.6745.
    assert!((last.spread.unwrap() - 0.5 / 0.6745).abs() < 1e-9);
    assert!((last.width().unwrap() - 2.0 * 1.644_854 * 0.5 / 0.6745).abs() < 1e-4);
    // Of a normal forecast with x = (y − μ)/σ = ∓0.6745: σ (x (2Φ(x) − 1) + 2 φ(x) − 1/√π)
    // = 0.7413 (0.6745 · 0.5 + 2 · 0.31778 − 0.56419) = 0.3029.
    assert!((last.crps(&rows[4]) - 0.3029).abs() < 3e-3, "{}", last.crps(&rows[4]));
    // Two errors say nothing yet.
    assert_eq!(naive(&rows, None)[2].unwrap().spread, None);
}

#[test]
fn families_and_quantities_weigh_the_same() {
    let of = |id: &str, quantity: &str, family: &str, metric: &str, value: f64| ObservationRow {
        quantity: quantity.into(),
        family: family.into(),
        value,
        low: value - 1.0,
        high: value + 1.0,
        ..row(id, Aggregate::Last, metric)
    };
    // Last values: a = 2, b = 4.
    let observations = [
        of("1", "q1", "f1", "a", 2.0),
        of("2", "q1", "f1", "a", 9.0),
        of("3", "q2", "f1", "b", 4.5),
        of("4", "q3", "f2", "b", 9.0),
        of("5", "q4", "f2", "nowhere", 1.0),
    ];
    let scores = score(&[run(SERIES)], &observations);
    let all = tally(&scores);
    assert_eq!((all.scored, all.inside, all.missing), (4, 2, 1));
    // f1: mean of q1 (1 of 2) and q2 (1 of 1) = 3/4; f2: q3, 0 of 1. Mean 3/8.
    assert_eq!(all.share, Some(0.375));
    // q4 counts as outside: f2 stays 0.
    assert_eq!(all.share_strict, Some(0.375));
    // z: 0, −7, −0.5, −5; median of −7, −5, −0.5, 0 is −2.75.
    assert_eq!(all.bias, Some(-2.75));
    let only_f2 = tally(scores.iter().filter(|s| s.row.family == "f2"));
    assert_eq!((only_f2.share, only_f2.share_strict), (Some(0.0), Some(0.0)));
    assert_eq!(tally(&[]), Tally::default());
    // One run has no band.
    assert_eq!(all.covered, None);
}

#[test]
fn an_ensemble_is_scored_by_its_median_and_spread() {
    let last = |a: f64| run(&format!("month,a\n2022-01,0\n2022-04,{a}\n"));
    let observation = row("x", Aggregate::Last, "a");
    let scores = score(&[last(14.0), last(10.0), last(6.0)], std::slice::from_ref(&observation));
    let score_of = &scores[0];
    assert_eq!(score_of.values, [6.0, 10.0, 14.0]);
    assert_eq!(score_of.verdict, Verdict::Inside);
    assert!(score_of.covered() && score_of.covered_by_runs());
    // z = −2, 0, 1: mean |z| = 1; Σ|zᵢ − zⱼ| = 2 (2 + 3 + 1) = 12; CRPS = 1 − 12 / 18 = 1/3.
    assert!((crps(&[-2.0, 0.0, 1.0]) - 1.0 / 3.0).abs() < 1e-12);
    // Runs that hit the mark are scored as the normal error of an observation is: σ (√2 − 1)/√π, σ = 1/1.645.
    let exact = score(&[last(10.0), last(10.0)], std::slice::from_ref(&observation)).remove(0);
    assert!((exact.crps() - 0.142).abs() < 5e-3, "{}", exact.crps());
    assert!((exact.width() - 2.0).abs() < 0.1, "{}", exact.width());
    // Runs that agree off the mark have no band; what would be observed of them has: z = 0.5 is in it, z = 1.5 is not.
    let agreed = |a: f64| score(&[last(a), last(a)], std::slice::from_ref(&observation)).remove(0);
    let (near, far) = (agreed(12.0), agreed(16.0));
    assert_eq!((near.covered_by_runs(), near.covered()), (false, true));
    assert_eq!((far.covered_by_runs(), far.covered()), (false, false));
    // One run that lacks the metric makes the row missing.
    let scores = score(&[last(10.0), run("month,b\n2022-01,0\n2022-04,1\n")], &[observation]);
    assert_eq!(scores[0].verdict, Verdict::Missing(Gap::Metric("a".into()), 1));
    assert!(scores[0].values.is_empty());
}

#[test]
fn the_page_and_the_table_say_the_same() {
    let mut later = row("later", Aggregate::Last, "a");
    later.role = Use::Test;
    later.inputs = vec!["rules".into()];
    let observations = [row("sum", Aggregate::Sum, "a"), row("gone", Aggregate::Sum, "c"), later];
    let runs = [run(SERIES)];
    let scores = score(&runs, &observations);
    let page = text(&runs, &scores);
    for expected in [
        "FIT: ends by January 2024",
        "TEST: later",
        "sum [unit]",
        "inside",
        "missing",
        "* later [unit]",
        "OUTSIDE",
        "series: no metric c",
        "free of inputs",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let table = csv(&scores).unwrap();
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains("gone,family,fit,gone,2022-01,2022-04,unit,10,8,14,,,,,,missing,,,,,"));
    assert!(table.contains("sum,family,fit,sum,2022-01,2022-04,unit,10,8,14,10,10,10,0,0.14"));
    // (2 − 10) / 2 = −4; far off, the error of an observation takes σ/√π = 0.34 from the score.
    assert!(table.contains("later,family,test,later,2022-01,2022-04,unit,10,8,14,2,2,2,-4,3.6"));
    let verdict = |id: &str, word: &str| {
        let mut lines = table.lines();
        lines.any(|line| line.starts_with(id) && line.contains(&format!(",{word},")))
    };
    assert!(verdict("sum,", "inside") && verdict("later,", "outside"), "{table}");
}
