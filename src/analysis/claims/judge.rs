//! From effects to verdicts.
//!
//! With e the signed effect, positive in the direction of the claim, m the margin, [low, high] the 90 % t-interval
//! of the mean of e over seeds, and p the share of draws of the parameters in which e > m:
//!
//! - **refuted**: high < m, or p ≤ 1/3;
//! - **supported**: low > m and p ≥ 2/3;
//! - **undecided**: anything else, and a claim without draws of the parameters. More seeds narrow the interval, not p: they alone
//!   can never support a claim.
//!
//! A claim of cause is supported only if, besides, the effect is within the margin of nothing in every null
//! arm, grows with the dose (the mean over draws of each draw's least-squares slope is above 0 with its interval), is gone without
//! the mechanisms that it needs, and is not had by scarcity without a rule. A claim with several outcomes holds where it holds
//! for all: one that is refuted refutes it.

use super::evidence::{Effect, Evidence};
use super::file::{Causes, Claim, Contrast, Measure, Measured, Set};
use super::flips::{self, short};
use crate::study::Failed;

/// Share of draws from which a claim holds in the prior.
pub const HOLDS: f64 = 2.0 / 3.0;
/// Share of draws up to which it is refuted.
pub const FAILS: f64 = 1.0 / 3.0;
/// How close equal scarcity is meant to come to the treated arm's compute.
pub const MATCHED: f64 = 0.02;

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not hold.
    Refuted,
    /// The runs do not say.
    Undecided,
    /// It holds.
    Supported,
}

impl Verdict {
    /// The word of the tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuted => "refuted",
            Self::Undecided => "undecided",
            Self::Supported => "supported",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Test {
    /// Kind: main, prior, null, dose, knockout, scarcity, match.
    pub part: &'static str,
    /// The arm.
    pub arm: String,
    /// What it is compared with.
    pub counterfactual: String,
    /// What is measured.
    pub outcome: String,
    /// Its unit.
    pub unit: String,
    /// Mean and interval, in the outcome's own direction.
    pub effect: Effect,
    /// Whether it was passed; none: it decides nothing.
    pub passed: Option<bool>,
    /// In words.
    pub explanation: String,
}

/// A claim and what came of it.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Position of the claim in its set.
    pub claim: usize,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// The effect on the first outcome, over seeds.
    pub effect: Effect,
    /// Draws of the parameters.
    pub draws: usize,
    /// Share of them in which it holds; not a number without any.
    pub share: f64,
    /// The part of the parameter space in which it flips; none: no single parameter parts it.
    pub flips: Option<flips::Split>,
    /// Mechanisms without which the effect is not beyond the margin.
    pub dies_without: Vec<String>,
    /// All that was looked at.
    pub tests: Vec<Test>,
}

/// The verdict on one outcome, before what a claim of cause asks besides.
#[must_use]
pub fn decide(effect: &Effect, margin: f64, share: f64) -> Verdict {
    if effect.falls_short(margin) || share <= FAILS {
        Verdict::Refuted
    } else if effect.exceeds(margin) && share >= HOLDS {
        Verdict::Supported
    } else {
        Verdict::Undecided
    }
}

/// Judges every claim of a set.
///
/// # Errors
/// When the system refuses.
pub fn judge(set: &Set, evidence: &mut Evidence<'_>) -> Result<Vec<Ruling>, Failed> {
    set.claims.iter().enumerate().map(|(at, claim)| one(at, claim, evidence)).collect()
}

fn one(at: usize, claim: &Claim, evidence: &mut Evidence<'_>) -> Result<Ruling, Failed> {
    let mut tests = Vec::new();
    let mut effects = Vec::new();
    let mut holds: Option<Vec<Option<bool>>> = None;
    for measure in &claim.measures {
        let effect = Effect::of(&evidence.signed(&measure.main, measure)?);
        tests.push(main_test(measure, &effect, evidence));
        effects.push(effect);
        let Some(prior) = &measure.prior else { continue };
        let each: Vec<Option<bool>> = evidence
            .signed(prior, measure)?
            .into_iter()
            .map(|x| x.is_finite().then_some(x > measure.margin))
            .collect();
        holds = Some(match holds {
            None => each,
            // It holds where it holds for all; a draw without a value says nothing.
            Some(so_far) => {
                so_far.iter().zip(&each).map(|(a, b)| a.zip(*b).map(|(a, b)| a && b)).collect()
            }
        });
    }
    let known: Vec<(usize, bool)> = holds
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(row, held)| held.map(|held| (row, held)))
        .collect();
    let share = known.iter().filter(|(_, held)| *held).count() as f64 / known.len() as f64;
    let prior = claim.measures.iter().find_map(|measure| measure.prior.as_ref());
    let mut flip = None;
    if let Some(contrast) = prior {
        let draws = &evidence.draws[contrast.measured.plan];
        let numbers: Vec<u64> = known.iter().map(|(row, _)| draws.numbers[*row]).collect();
        let columns = flips::columns(draws.plan, &numbers);
        let held: Vec<bool> = known.iter().map(|(_, held)| *held).collect();
        flip = flips::find(&columns, &held);
        tests.push(prior_test(contrast, share, known.len(), evidence));
    }

    let mut verdict = Verdict::Supported;
    for (measure, effect) in claim.measures.iter().zip(&effects) {
        verdict = verdict.min(decide(effect, measure.margin, share));
    }
    let mut reasons = reasons(claim, &effects, share, known.len(), prior.is_some());
    let mut dies_without = Vec::new();
    for measure in &claim.measures {
        let Some(causes) = &measure.cause else { continue };
        let (asked, dies) = causal(measure, causes, evidence)?;
        // What is refuted already needs no more reasons; the table of tests tells the rest.
        if verdict > Verdict::Refuted {
            for test in &asked {
                let failed = test.passed == Some(false);
                if failed && test.part != "match" {
                    verdict = Verdict::Undecided;
                }
                if failed && !reasons.contains(&test.explanation) {
                    reasons.push(test.explanation.clone());
                }
            }
        }
        tests.extend(asked);
        for mechanism in dies {
            // Of several outcomes, it is enough that one dies.
            if !dies_without.contains(&mechanism) {
                dies_without.push(mechanism);
            }
        }
    }
    if verdict == Verdict::Refuted {
        dies_without.clear();
    }
    let first = &claim.measures[0];
    Ok(Ruling {
        claim: at,
        verdict,
        reason: reasons.join("; "),
        effect: effects[0].unsigned(first.sign),
        draws: known.len(),
        share,
        flips: flip,
        dies_without,
        tests,
    })
}

/// A number with its interval, in the outcome's own direction.
pub(super) fn interval(effect: &Effect) -> String {
    format!("{} ({} to {})", short(effect.mean), short(effect.low), short(effect.high))
}

/// What an effect must be, in words.
fn wanted(measure: &Measure) -> String {
    let side = if measure.sign > 0.0 { "above" } else { "below" };
    format!("{side} {} {}", short(measure.sign * measure.margin), measure.unit)
}

fn reasons(
    claim: &Claim,
    effects: &[Effect],
    share: f64,
    draws: usize,
    has_prior: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (measure, effect) in claim.measures.iter().zip(effects) {
        let said = interval(&effect.unsigned(measure.sign));
        let verb = if effect.exceeds(measure.margin) {
            "is"
        } else if effect.falls_short(measure.margin) {
            "is not"
        } else {
            "may or may not be"
        };
        reasons.push(format!("{} {said} {verb} {}", measure.name, wanted(measure)));
    }
    reasons.push(if !has_prior {
        "no draws of the parameters were named, and seeds alone support nothing".to_owned()
    } else if share >= HOLDS {
        format!("it holds in {:.0} % of {draws} draws of the parameters", share * 100.0)
    } else if share <= FAILS {
        format!(
            "it holds in {:.0} % of {draws} draws of the parameters, a third or less",
            share * 100.0
        )
    } else if share.is_nan() {
        "no draw of the parameters has a value".to_owned()
    } else {
        format!(
            "it holds in {:.0} % of {draws} draws of the parameters, less than two thirds",
            share * 100.0
        )
    });
    reasons
}

/// Names of the arms of a contrast.
fn names(of: &Contrast, evidence: &Evidence<'_>) -> (String, String) {
    let plan = evidence.draws[of.measured.plan].plan;
    let name = |arm: usize| plan.arms[arm].name.clone();
    (name(of.treated), of.counterfactual.map_or_else(String::new, name))
}

fn main_test(measure: &Measure, effect: &Effect, evidence: &Evidence<'_>) -> Test {
    let (arm, counterfactual) = names(&measure.main, evidence);
    let passed = effect.exceeds(measure.margin);
    Test {
        part: "main",
        arm,
        counterfactual,
        outcome: measure.name.clone(),
        unit: measure.unit.clone(),
        effect: effect.unsigned(measure.sign),
        passed: Some(passed),
        explanation: format!("over {} seeds; wanted {}", effect.n, wanted(measure)),
    }
}

fn prior_test(of: &Contrast, share: f64, draws: usize, evidence: &Evidence<'_>) -> Test {
    let (arm, counterfactual) = names(of, evidence);
    // Wilson's interval of a share.
    let (n, z) = (draws as f64, crate::maths::normal_quantile(1.0 - (1.0 - 0.9) / 2.0));
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    Test {
        part: "prior",
        arm,
        counterfactual,
        outcome: "share of draws in which the claim holds".to_owned(),
        unit: "share".to_owned(),
        effect: Effect { n: draws as u64, mean: share, low: middle - half, high: middle + half },
        passed: Some(share >= HOLDS),
        explanation: format!("over {draws} draws of the parameters; wanted two thirds"),
    }
}

/// What a claim of cause asks besides, and the mechanisms that the effect dies without.
fn causal(
    measure: &Measure,
    causes: &Causes,
    evidence: &mut Evidence<'_>,
) -> Result<(Vec<Test>, Vec<String>), Failed> {
    let mut tests = Vec::new();
    let counterfactual = causes.main.counterfactual;
    let contrast = |treated: usize, against: Option<usize>| Contrast {
        measured: causes.main.measured.clone(),
        treated,
        counterfactual: against,
    };
    let mut test = |part, of: &Contrast, effect: &Effect, passed, explanation, e: &Evidence<'_>| {
        let (arm, counterfactual) = names(of, e);
        tests.push(Test {
            part,
            arm,
            counterfactual,
            outcome: measure.name.clone(),
            unit: measure.unit.clone(),
            effect: effect.unsigned(measure.sign),
            passed,
            explanation,
        });
    };
    let main_values = evidence.signed(&causes.main, measure)?;
    let main = Effect::of(&main_values);

    for arm in &causes.null {
        let of = contrast(*arm, counterfactual);
        let effect = Effect::of(&evidence.signed(&of, measure)?);
        let margin = measure.margin.abs();
        let passed = effect.is_nothing(margin);
        let (name, said) = (names(&of, evidence).0, interval(&effect.unsigned(measure.sign)));
        let verb = if passed { "is within" } else { "is not within" };
        let words =
            format!("null arm {name}: {} {said} {verb} {} of nothing", measure.name, short(margin));
        test("null", &of, &effect, Some(passed), words, evidence);
    }

    if causes.doses.len() > 1 {
        let mut curve = vec![(0.0, vec![0.0; main_values.len()])];
        for (arm, dose) in &causes.doses {
            curve.push((*dose, evidence.signed(&contrast(*arm, counterfactual), measure)?));
        }
        let slopes: Vec<f64> = (0..main_values.len()).map(|draw| slope(&curve, draw)).collect();
        let effect = Effect::of(&slopes);
        let passed = effect.exceeds(0.0);
        let means: Vec<String> = curve
            .iter()
            .map(|(dose, values)| {
                format!("{} at {dose}", short(Effect::of(values).unsigned(measure.sign).mean))
            })
            .collect();
        let verb = if passed { "grows with the dose" } else { "does not grow with the dose" };
        let words = format!("{} {verb}: {}", measure.name, means.join(", "));
        let of = contrast(causes.main.treated, counterfactual);
        test("dose", &of, &effect, Some(passed), words, evidence);
    }

    let mut dies = Vec::new();
    for (mechanism, arm, twin, must_go) in &causes.knockouts {
        let of = contrast(*arm, Some(*twin));
        let effect = Effect::of(&evidence.signed(&of, measure)?);
        let gone = !effect.exceeds(measure.margin);
        if gone && main.exceeds(measure.margin) {
            dies.push(mechanism.clone());
        }
        let said = interval(&effect.unsigned(measure.sign));
        let words = match (gone, must_go) {
            (true, _) => format!("without {mechanism} the effect is gone: {said}"),
            (false, true) => format!("without {mechanism} the effect stays: {said}"),
            (false, false) => format!("survives without {mechanism}: {said}"),
        };
        test("knockout", &of, &effect, must_go.then_some(gone), words, evidence);
    }

    if let Some(arm) = causes.scarcity {
        let of = contrast(arm, counterfactual);
        let values = evidence.signed(&of, measure)?;
        let effect = Effect::of(&values);
        let more: Vec<f64> = main_values.iter().zip(&values).map(|(a, b)| a - b).collect();
        let more = Effect::of(&more);
        let same = effect.exceeds(measure.margin) && !more.exceeds(measure.margin.max(0.0));
        let said = interval(&effect.unsigned(measure.sign));
        let words = if same {
            format!("scarcity, not the rule: the same want of compute without a rule does {said}")
        } else {
            format!("the same want of compute without a rule does {said}")
        };
        test("scarcity", &of, &effect, Some(!same), words, evidence);
        let of = contrast(causes.main.treated, Some(arm));
        let words = "what the rule does beyond the same want of compute".to_owned();
        test("scarcity", &of, &more, None, words, evidence);
        if let Some((name, numbers)) = &causes.matched {
            let measured = Measured { plan: causes.main.measured.plan, numbers: numbers.clone() };
            let gap = gap(evidence, &measured, causes.main.treated, arm)?;
            let passed = gap.high <= MATCHED;
            let words = if passed {
                format!(
                    "{name} of the scarce arm is within {:.0} % of the treated one",
                    MATCHED * 100.0
                )
            } else {
                format!(
                    "equal scarcity is approximate: {name} is {:.0} % off on average, {:.0} % is meant",
                    gap.mean * 100.0,
                    MATCHED * 100.0
                )
            };
            tests.push(Test {
                part: "match",
                arm: names(&of, evidence).1,
                counterfactual: names(&of, evidence).0,
                outcome: name.clone(),
                unit: "ratio".to_owned(),
                effect: gap,
                passed: Some(passed),
                explanation: words,
            });
        }
    }
    Ok((tests, dies))
}

/// Mean over months and draws of |x / y − 1|.
fn gap(
    evidence: &mut Evidence<'_>,
    of: &Measured,
    treated: usize,
    scarce: usize,
) -> Result<Effect, Failed> {
    let values = evidence.values(of)?;
    let draws = values.first().map_or(0, |values| values.draws());
    let mean = |draw: usize| {
        let gaps: Vec<f64> = values
            .iter()
            .map(|v| (v.at(draw, scarce) / v.at(draw, treated) - 1.0).abs())
            .filter(|x| x.is_finite())
            .collect();
        gaps.iter().sum::<f64>() / gaps.len() as f64
    };
    Ok(Effect::of(&(0..draws).map(mean).collect::<Vec<f64>>()))
}

/// The least-squares slope of a draw's effects on their doses.
fn slope(curve: &[(f64, Vec<f64>)], draw: usize) -> f64 {
    let n = curve.len() as f64;
    let mean_dose = curve.iter().map(|(dose, _)| dose).sum::<f64>() / n;
    let mean = curve.iter().map(|(_, values)| values[draw]).sum::<f64>() / n;
    let over: f64 = curve.iter().map(|(d, v)| (d - mean_dose) * (v[draw] - mean)).sum();
    let under: f64 = curve.iter().map(|(d, _)| (d - mean_dose) * (d - mean_dose)).sum();
    over / under
}
