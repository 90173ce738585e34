use super::*;
use crate::calendar::Month;
use crate::world::observation::{Across, Aggregate, Confidence};

fn factor(name: String) -> Factor {
    Factor {
        name,
        unit: "1".into(),
        definition: String::new(),
        targets: Vec::new(),
        domain: Domain::Range { low: 1.0, high: 3.0, distribution: Distribution::Uniform },
    }
}

fn row(id: &str, family: &str, value: f64, role: Use) -> ObservationRow {
    let month = Month::new(2023, 1);
    ObservationRow {
        id: id.into(),
        quantity: id.into(),
        family: family.into(),
        table: "series".into(),
        members: Vec::new(),
        across: Across::Sum,
        metric: "m".into(),
        per: None,
        per_members: Vec::new(),
        aggregate: Aggregate::Last,
        from: month,
        to: month,
        per_from: None,
        per_to: None,
        factor: 1.0,
        value,
        low: value * 0.9,
        high: value * 1.1,
        unit: "units".into(),
        role,
        confidence: Confidence::High,
        inputs: Vec::new(),
        source: "by hand".into(),
    }
}

/// A simulator of two outputs with luck: x₀ x₁, and x₂ + x₃/4. The other parameters do nothing.
fn toy(wave: usize, points: &[Vec<f64>]) -> Simulated {
    let values = points
        .iter()
        .enumerate()
        .map(|(n, u)| {
            let x: Vec<f64> = u.iter().map(|u| 1.0 + 2.0 * u).collect();
            let luck = |k: u64| 0.05 * (uniform(key_from(&[9, wave as u64, n as u64, k])) - 0.5);
            vec![x[0] * x[1] * (1.0 + luck(0)), x[2] + x[3] / 4.0 + luck(1)]
        })
        .collect();
    Simulated { values }
}

const SETTINGS: Settings = Settings { waves: 3, points: 160, discrepancy: 0.3, seed: 1 };

fn planted() -> (Vec<Factor>, Calibration) {
    let factors: Vec<Factor> = (0..12).map(|j| factor(format!("x{j}"))).collect();
    // The truth: x₀ = 2.5, x₁ = 1.2, x₂ = 2.6, x₃ = 2: 3 and 3.1.
    let rows = [row("product", "a", 3.0, Use::Fit), row("sum", "b", 3.1, Use::Fit)];
    let rows: Vec<&ObservationRow> = rows.iter().collect();
    let mut simulate =
        |wave: usize, points: &[Vec<f64>]| Ok::<_, std::convert::Infallible>(toy(wave, points));
    let Ok(calibration) = calibrate(&factors, &rows, SETTINGS, &mut simulate);
    (factors, calibration)
}

#[test]
fn the_posterior_holds_a_planted_truth() {
    let (factors, calibration) = planted();
    assert!(calibration.effective() > 30.0, "{}", calibration.effective());
    let moved = moved(&calibration, &factors);
    for (j, truth) in [2.5, 1.2, 2.6, 2.0].into_iter().enumerate() {
        let m = &moved[j];
        assert!(m.posterior[0] <= truth && truth <= m.posterior[2], "{m:?}");
    }
    // The product is known, its factors are not.
    let products: Vec<f64> = calibration.draws.iter().map(|d| d[0] * d[1]).collect();
    let near: f64 = products
        .iter()
        .zip(&calibration.weights)
        .filter(|(x, _)| (**x - 3.0).abs() < 0.9)
        .map(|(_, w)| w)
        .sum();
    assert!(near > 0.9, "{near}");
    assert!(moved[2].moved && moved[2].variance < 0.5, "{:?}", moved[2]);
    assert!(moved[0].variance > 0.4 && moved[1].variance > 0.4);
    let text = page(&calibration, &factors, &SETTINGS, "test");
    assert!(text.contains("| `x0` | `x1` | -"), "{text}");
}

#[test]
fn what_no_observation_depends_on_keeps_its_prior() {
    let (factors, calibration) = planted();
    for m in &moved(&calibration, &factors)[4..] {
        assert!(!m.moved && m.distance < 0.2, "{m:?}");
        assert!((0.7..1.3).contains(&m.variance), "{m:?}");
    }
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let (factors, once) = planted();
    let (_, again) = planted();
    let bytes = |c: &Calibration| posterior_csv(c, &factors).into_bytes();
    assert_eq!(bytes(&once), bytes(&again));
    assert_eq!(once.draws.len(), SETTINGS.points);
}

#[test]
fn only_fit_rows_are_used_and_far_is_far() {
    let rows = [row("early", "a", 10.0, Use::Fit), row("late", "a", 10.0, Use::Test)];
    assert_eq!(fit_rows(&rows).len(), 1);
    // ln(11 / 10) is a tolerance above.
    assert!((error(&rows[0], 11.0) - 1.0).abs() < 1e-9);
    assert!((error(&rows[0], 9.0) + 1.0).abs() < 1e-9);
    assert_eq!(error(&rows[0], 0.0), -FAR);
    assert!(error(&rows[0], f64::NAN).is_nan());
}

#[test]
fn families_weigh_the_same() {
    let rows = [
        row("a", "one", 1.0, Use::Fit),
        row("b", "one", 1.0, Use::Fit),
        row("c", "two", 1.0, Use::Fit),
    ];
    let rows: Vec<&ObservationRow> = rows.iter().collect();
    let (names, families) = grouped(&rows);
    assert_eq!(names, ["one", "two"]);
    // 2² / 2 and 4² / 2: mean 5; then 1 / 2.
    assert_eq!(implausible(&families, &[2.0, 4.0, 1.0], &[2.0; 3]), [5.0, 0.5]);
    // A row that no run has does not count.
    assert_eq!(implausible(&families, &[2.0, f64::NAN, 1.0], &[2.0; 3]), [2.0, 0.5]);
}
