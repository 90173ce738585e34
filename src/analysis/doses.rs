//! Dose and response: what each dose changes against dose nought, and where it turns.
//!
//! Of a study with a lever of numbers that its counterfactual moves, `e(d)` is the mean over draws of
//! `y(dose d) − y(counterfactual dose)` within draws, with its t-interval and the 5 % and 95 % points over draws.
//! A curve *turns* where it has its largest (or least) value neither at the first nor at the last dose: the turning point is
//! the vertex of the parabola through that dose and its neighbours. It counts as a turn when at least nine in ten resamples
//! of the draws (bootstrap, Efron 1979) turn the same way; its 90 % interval is that of the resamples' vertices.

use crate::random::key_from;
use crate::record::CsvText;
use crate::record::folder::Document;
use crate::record::outputs::quantile;
use crate::study::plan::Policy;
use crate::study::statistics::Moments;
use crate::study::{Draws, Failed, Plan, Store, Values};

/// Resamples of the draws.
const RESAMPLES: u64 = 400;
/// Share of them that must turn.
const LEVEL: f64 = 0.9;
/// Purpose of the resamples' draws.
const KEY: u64 = 0x646f_7365;

/// What a dose does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The dose.
    pub dose: f64,
    /// Draws that have a value at every dose.
    pub draws: u64,
    /// Mean at this dose.
    pub mean: f64,
    /// Mean of the differences from the counterfactual dose.
    pub effect: f64,
    /// Ends of its 90 % interval.
    pub interval: (f64, f64),
    /// 5 % and 95 % points of the differences over draws.
    pub band: (f64, f64),
}

/// Where a curve turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Whether it is a peak, else a trough.
    pub peak: bool,
    /// Share of resamples that turn this way.
    pub share: f64,
    /// Median, 5 % and 95 % points of their turning points.
    pub at: (f64, f64, f64),
}

impl Turn {
    /// Whether it is more than chance.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.share >= LEVEL
    }
}

/// The response of one outcome.
#[derive(Clone, Debug)]
pub struct Response {
    /// The study.
    pub study: String,
    /// The arm, and what its other levers are, `import_guidance=on`.
    pub arm: String,
    /// The lever of doses.
    pub lever: String,
    /// The outcome.
    pub outcome: String,
    /// Its unit.
    pub unit: String,
    /// Points, by dose.
    pub points: Vec<Point>,
    /// The likelier turn.
    pub turn: Turn,
}

/// The lever of numbers that the counterfactual moves.
fn lever(plan: &Plan) -> Option<usize> {
    let design = &plan.design;
    let moved = |at: usize, policy: &Policy| {
        policy.against.is_some_and(|twin| {
            let twin = plan.policies[twin].lever_row;
            design.lever(at, policy.lever_row) != design.lever(at, twin)
        })
    };
    (0..design.levers.len()).find(|at| {
        design.levers[*at].is_numeric() && plan.policies.iter().any(|policy| moved(*at, policy))
    })
}

/// The responses of a study's outcomes to its doses.
///
/// # Errors
/// When the study has no doses or is not complete, or the system refuses.
pub fn of(plan: &Plan, store: &Store) -> Result<Vec<Response>, Failed> {
    let Some(lever) = lever(plan) else {
        return Err(Failed::Input(format!(
            "`{}` has no doses: a lever of numbers that the counterfactual moves, as in counterfactual = {{ stringency = 0 }}",
            plan.name
        )));
    };
    let design = &plan.design;
    let dose = |policy: usize| {
        design.levers[lever].number(design.lever(lever, plan.policies[policy].lever_row))
    };
    // Policies that share arm and other levers, each with its counterfactual.
    let mut curves: Vec<(usize, Vec<usize>)> = Vec::new();
    for (at, policy) in plan.policies.iter().enumerate() {
        let twin = policy.against.unwrap_or(at);
        match curves.iter_mut().find(|(of, _)| *of == twin) {
            Some((_, doses)) => doses.push(at),
            None => curves.push((twin, vec![at])),
        }
    }
    for (twin, doses) in &mut curves {
        if !doses.contains(twin) {
            doses.push(*twin);
        }
        doses.sort_by(|a, b| dose(*a).total_cmp(&dose(*b)));
    }
    let draws = Draws::open(plan, store)?;
    let mut responses = Vec::new();
    for (at, outcome) in plan.record.outcomes.iter().enumerate() {
        let values = draws.outcome(at)?;
        for (twin, policies) in &curves {
            let (levels, differences) = differences(&values, *twin, policies);
            let doses: Vec<f64> = policies.iter().map(|policy| dose(*policy)).collect();
            responses.push(Response {
                study: plan.name.clone(),
                arm: arm(plan, *twin, lever),
                lever: design.levers[lever].name.clone(),
                outcome: outcome.name.clone(),
                unit: outcome.unit.clone(),
                points: points(&doses, &levels, &differences),
                turn: turn(&doses, &differences),
            });
        }
    }
    Ok(responses)
}

fn arm(plan: &Plan, policy: usize, lever: usize) -> String {
    let of = plan.policies[policy];
    let mut name = plan.arms[of.arm].name.clone();
    for (at, factor) in plan.design.levers.iter().enumerate().filter(|(at, _)| *at != lever) {
        let label = factor.label(plan.design.lever(at, of.lever_row));
        for part in [" ", &factor.name, "=", &label] {
            name.push_str(part);
        }
    }
    name
}

/// Values and differences by draw, a dose each, of the draws that have all of them.
fn differences(values: &Values, twin: usize, policies: &[usize]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    (0..values.draws())
        .map(|draw| {
            let levels: Vec<f64> = policies.iter().map(|policy| values.at(draw, *policy)).collect();
            let without = values.at(draw, twin);
            let differences = levels.iter().map(|x| x - without).collect();
            (levels, differences)
        })
        .filter(|(_, differences): &(_, Vec<f64>)| differences.iter().all(|x| x.is_finite()))
        .unzip()
}

fn points(doses: &[f64], levels: &[Vec<f64>], differences: &[Vec<f64>]) -> Vec<Point> {
    let point = |(at, dose): (usize, &f64)| {
        let (mut mean, mut effect) = (Moments::default(), Moments::default());
        for (level, difference) in levels.iter().zip(differences) {
            mean.add(level[at]);
            effect.add(difference[at]);
        }
        let mut sorted: Vec<f64> = differences.iter().map(|draw| draw[at]).collect();
        sorted.sort_by(f64::total_cmp);
        let half = effect.half_width();
        Point {
            dose: *dose,
            draws: effect.n(),
            mean: mean.mean(),
            effect: effect.mean(),
            interval: (effect.mean() - half, effect.mean() + half),
            band: (quantile(&sorted, 0.05), quantile(&sorted, 0.95)),
        }
    };
    doses.iter().enumerate().map(point).collect()
}

/// The vertex of the parabola through the largest value and its neighbours; none at an end.
fn vertex(doses: &[f64], curve: &[f64]) -> Option<f64> {
    let mut top = 0;
    for (at, value) in curve.iter().enumerate() {
        if *value > curve[top] {
            top = at;
        }
    }
    if top == 0 || top + 1 == curve.len() {
        return None;
    }
    let (x0, x1, x2) = (doses[top - 1], doses[top], doses[top + 1]);
    let (a, b) = (curve[top] - curve[top - 1], curve[top] - curve[top + 1]);
    let (left, right) = (x1 - x0, x2 - x1);
    // Both sides fall away from the top, so the denominator is above 0 unless all three are level.
    let below = 2.0 * (a * right + b * left);
    Some(if below > 0.0 { x1 + (a * right * right - b * left * left) / below } else { x1 })
}

fn turn(doses: &[f64], differences: &[Vec<f64>]) -> Turn {
    let n = differences.len() as u64;
    let mut found: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for resample in 0..RESAMPLES {
        let mut curve = vec![0.0; doses.len()];
        for row in 0..n {
            let draw = &differences[(key_from(&[KEY, resample, row]) % n) as usize];
            for (sum, x) in curve.iter_mut().zip(draw) {
                *sum += x;
            }
        }
        found[0].extend(vertex(doses, &curve));
        for x in &mut curve {
            *x = -*x;
        }
        found[1].extend(vertex(doses, &curve));
    }
    let peak = found[0].len() >= found[1].len();
    let at = &mut found[usize::from(!peak)];
    at.sort_by(f64::total_cmp);
    let share = if n == 0 { 0.0 } else { at.len() as f64 / RESAMPLES as f64 };
    Turn { peak, share, at: (quantile(at, 0.5), quantile(at, 0.05), quantile(at, 0.95)) }
}

/// `dose_response.csv`: a row a response and dose.
#[must_use]
pub fn document(responses: &[Response]) -> Document {
    let header = [
        "study",
        "arm",
        "lever",
        "outcome",
        "unit",
        "dose",
        "draws",
        "mean",
        "effect",
        "low",
        "high",
        "p05",
        "p95",
        "turns",
        "turning_point",
        "turning_low",
        "turning_high",
        "share_of_resamples",
    ];
    let mut csv = CsvText::new(header);
    let mut rows = 0;
    for response in responses {
        let turn = &response.turn;
        let word = match (turn.counts(), turn.peak) {
            (false, _) => "no",
            (true, true) => "peak",
            (true, false) => "trough",
        };
        let at = if turn.counts() { turn.at } else { (f64::NAN, f64::NAN, f64::NAN) };
        for point in &response.points {
            csv.text(&response.study).text(&response.arm).text(&response.lever);
            csv.text(&response.outcome).text(&response.unit);
            csv.number(point.dose).number(point.draws as f64).number(point.mean);
            csv.number(point.effect).number(point.interval.0).number(point.interval.1);
            csv.number(point.band.0).number(point.band.1).text(word);
            csv.number(at.0).number(at.1).number(at.2).number(turn.share);
            csv.end();
            rows += 1;
        }
    }
    Document::table("dose_response.csv", csv.into_bytes(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vertex_of_a_parabola_is_where_it_turns() {
        let doses = [0.0, 0.1, 0.4, 0.5, 1.0];
        let curve: Vec<f64> = doses.iter().map(|d| 1.0 - (d - 0.37) * (d - 0.37)).collect();
        assert!((vertex(&doses, &curve).unwrap() - 0.37).abs() < 1e-12);
        assert_eq!(vertex(&doses, &doses), None);
        assert_eq!(vertex(&doses, &[0.0; 5]), None);
    }

    #[test]
    fn a_planted_turn_is_found_with_its_interval_and_a_line_does_not_turn() {
        let doses: Vec<f64> = (0..=10).map(|n| f64::from(n) / 10.0).collect();
        let noise = |draw: u64, at: usize| {
            (key_from(&[draw, at as u64]) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let planted = |f: &dyn Fn(f64) -> f64| -> Vec<Vec<f64>> {
            (0..100)
                .map(|draw| {
                    let one = |(at, d): (usize, &f64)| {
                        f(*d) + if at == 0 { 0.0 } else { 0.1 * noise(draw, at) }
                    };
                    doses.iter().enumerate().map(one).collect()
                })
                .collect()
        };
        let found = turn(&doses, &planted(&|d| d * (1.2 - d)));
        assert!(found.counts() && found.peak, "{found:?}");
        assert!(
            found.at.1 <= 0.6 && found.at.2 >= 0.6 && found.at.2 - found.at.1 < 0.25,
            "{found:?}"
        );
        let trough = turn(&doses, &planted(&|d| d * (d - 0.8)));
        assert!(trough.counts() && !trough.peak && (trough.at.0 - 0.4).abs() < 0.1, "{trough:?}");
        assert!(!turn(&doses, &planted(&|d| d)).counts());
    }
}
