//! Event tests: what happened, and when, in worlds whose vendors must find variants themselves; and
//! whether the cause that history names is the cause in the model.
//!
//! Tests follow from the tables of the world:
//!
//! - **when**: each observation of a first month or of the month of a peak or trough; passed when the
//!   median of the draws is within the tolerance;
//! - **level**: each other observation of the family `events`, alike;
//! - **rises** or **falls**: each share of the family `domestic` seen at two dates or more: passed when the median
//!   of the differences within draws, last less first, has the sign of the observed one;
//! - **moved**: where a first variant was seen after a rule that the table of chips names as cause of a historical
//!   variant, the rule, those announced with it, and those that it replaces, are announced and in force [`MOVED_BY`] months later, under
//!   the same draws: the variant must come [`MOVED_BY`] ± [`MOVED_WITHIN`] months later in the median;
//! - **gone**: without these rules, no such variant may come in nine draws of ten;
//! - **order**: the medians of all dates come in the order of the observed ones.

use super::ensemble::Ensemble;
use super::setup::{VARIANTS, WORLD};
use crate::calendar::Month;
use crate::entities::chip::Origin;
use crate::entities::rule::RuleRow;
use crate::record::CsvText;
use crate::record::outputs::quantile;
use crate::world::Definition;
use crate::world::observation::{Aggregate, ObservationRow, Use};

/// Months by which a rule is moved.
pub const MOVED_BY: i32 = 9;
/// Months by which the variant's shift may differ from that.
pub const MOVED_WITHIN: i32 = 2;
/// Share of draws without a variant, at least, in a world without the rule.
const GONE: f64 = 0.9;
/// Before the id of an observation, in the name of its outcome that looks to the end of the run.
pub const LONG: &str = "to-end.";
/// Family of events.
const EVENTS: &str = "events";
/// Family of domestic supply.
const DOMESTIC: &str = "domestic";

/// A variant and the rules that history says it answered.
#[derive(Clone, Debug)]
pub struct Suspect<'a> {
    /// When it was seen.
    pub row: &'a ObservationRow,
    /// The rule, those announced with it, and those that it replaces.
    pub rules: Vec<&'a RuleRow>,
    /// Name of the arm in which they come later.
    pub arm_later: String,
    /// Name of the arm without them.
    pub arm_without: String,
}

/// The variants whose cause can be tested.
#[must_use]
pub fn suspects(definition: &Definition) -> Vec<Suspect<'_>> {
    let rule = |id: &str| definition.rules.iter().find(|rule| rule.id == id && rule.enabled);
    let mut found: Vec<Suspect<'_>> = Vec::new();
    let firsts = definition
        .observations
        .iter()
        .filter(|row| row.aggregate == Aggregate::FirstAboveZero && row.table == "chips");
    for row in firsts {
        let cause = definition
            .chips
            .iter()
            .filter(|chip| chip.origin == Origin::HistoricalVariant)
            .filter_map(|chip| rule(chip.caused_by.as_deref()?))
            .find(|rule| rule.announced == row.from);
        let Some(cause) = cause else { continue };
        let package = definition.rules.iter().filter(|rule| {
            rule.id != cause.id
                && rule.enabled
                && rule.issuer == cause.issuer
                && rule.kind == cause.kind
                && rule.announced == cause.announced
        });
        // What was replaced must not stand in for it.
        let replaced = cause.replaces.iter().filter_map(|id| rule(id));
        let rules: Vec<&RuleRow> = std::iter::once(cause)
            .chain(package)
            .chain(replaced.filter(|other| stands_in(other, cause, definition)))
            .collect();
        if found.iter().all(|other| other.rules[0].id != cause.id) {
            let (arm_later, arm_without) =
                (format!("later-{}", cause.id), format!("no-{}", cause.id));
            found.push(Suspect { row, rules, arm_later, arm_without });
        }
    }
    found
}

/// Whether `cause` is the first that replaces `rule`, and history knows no variant that answered `rule`.
fn stands_in(rule: &RuleRow, cause: &RuleRow, definition: &Definition) -> bool {
    let answered = definition.chips.iter().any(|chip| {
        chip.origin == Origin::HistoricalVariant && chip.caused_by.as_ref() == Some(&rule.id)
    });
    let earlier = definition.rules.iter().any(|other| {
        other.enabled && other.announced < cause.announced && other.replaces.contains(&rule.id)
    });
    !answered && !earlier
}

/// What a test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTest {
    /// When did it happen?
    When,
    /// How much of it?
    Level,
    /// Did it rise, or fall?
    Direction,
    /// Does it move with its cause?
    Moved,
    /// Does it vanish with its cause?
    Gone,
    /// Did all happen in order?
    Order,
}

impl EventTest {
    /// As tables write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::When => "when",
            Self::Level => "level",
            Self::Direction => "direction",
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::Order => "order",
        }
    }
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct EventResult {
    /// Id of the observation; empty for the order of all.
    pub id: String,
    /// What is asked.
    pub test: EventTest,
    /// What it is about.
    pub about: String,
    /// The arm.
    pub arm: String,
    /// Fit or test; of what history says. Counterfactuals are neither.
    pub role: Option<Use>,
    /// Unit of the numbers.
    pub unit: String,
    /// What really happened, or must happen.
    pub observed: f64,
    /// Lower end of what passes.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Values of the draws, sorted.
    pub values: Vec<f64>,
    /// Month from which dates count.
    pub from: Option<Month>,
    /// Share of draws that pass.
    pub share: f64,
    /// Whether it is passed.
    pub passed: bool,
}

impl EventResult {
    /// The quantile `p` of the draws.
    #[must_use]
    pub fn at(&self, p: f64) -> f64 {
        quantile(&self.values, p)
    }

    /// `x` as a month, where it is one.
    #[must_use]
    pub fn month(&self, x: f64) -> Option<Month> {
        let from = self.from?;
        x.is_finite().then(|| from + crate::maths::whole(x) as i32)
    }
}

/// Whether a row asks when.
fn asks_when(row: &ObservationRow) -> bool {
    matches!(
        row.aggregate,
        Aggregate::FirstAboveZero | Aggregate::MonthOfLargest | Aggregate::MonthOfSmallest
    )
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|x| x.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn share(values: &[f64], of: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|x| of(**x)).count() as f64 / values.len() as f64
}

/// The results of every test.
#[must_use]
pub fn results(ensemble: &Ensemble<'_>) -> Vec<EventResult> {
    let definition = ensemble.definition();
    let arm = if ensemble.has_arm(VARIANTS) { VARIANTS } else { WORLD };
    let mut all = Vec::new();
    for row in &definition.observations {
        let when = asks_when(row);
        if !when && row.family != EVENTS {
            continue;
        }
        let values = sorted(ensemble.observed(row, arm).into_iter());
        let inside = |x: f64| x >= row.low && x <= row.high;
        all.push(EventResult {
            id: row.id.clone(),
            test: if when { EventTest::When } else { EventTest::Level },
            about: row.quantity.clone(),
            arm: arm.to_owned(),
            role: Some(row.role),
            unit: row.unit.clone(),
            observed: row.value,
            low: row.low,
            high: row.high,
            from: when.then_some(row.from),
            share: share(&values, inside),
            passed: inside(quantile(&values, 1.0 / 2.0)),
            values,
        });
    }
    all.extend(directions(ensemble, arm));
    all.extend(order(&all));
    for suspect in suspects(definition) {
        all.extend(counterfactuals(ensemble, &suspect, arm));
    }
    all
}

/// Whether shares moved the way they did.
fn directions(ensemble: &Ensemble<'_>, arm: &str) -> Vec<EventResult> {
    let rows = &ensemble.definition().observations;
    let mut of: Vec<&ObservationRow> =
        rows.iter().filter(|row| row.family == DOMESTIC && row.unit == "share").collect();
    of.sort_by_key(|row| (row.quantity.as_str(), row.to));
    let of_quantity = of.chunk_by(|a, b| a.quantity == b.quantity);
    let tested = of_quantity.filter_map(|rows| Some((rows.first()?, rows.last()?)));
    tested
        .filter(|(first, last)| first.to < last.from && first.value != last.value)
        .map(|(first, last)| {
            let pairs = ensemble.observed(last, arm).into_iter().zip(ensemble.observed(first, arm));
            let values = sorted(pairs.map(|(last, first)| last - first));
            let observed = last.value - first.value;
            let same = |x: f64| x * observed > 0.0;
            let rises = observed > 0.0;
            EventResult {
                id: last.id.clone(),
                test: EventTest::Direction,
                about: format!(
                    "{}: {} from {} to {}",
                    last.quantity,
                    if rises { "rises" } else { "falls" },
                    first.to,
                    last.to
                ),
                arm: arm.to_owned(),
                role: Some(last.role),
                unit: last.unit.clone(),
                observed,
                low: if rises { 0.0 } else { f64::NEG_INFINITY },
                high: if rises { f64::INFINITY } else { 0.0 },
                from: None,
                share: share(&values, same),
                passed: same(quantile(&values, 1.0 / 2.0)),
                values,
            }
        })
        .collect()
}

/// Whether the medians of dates come in the order of the observed ones.
fn order(all: &[EventResult]) -> Option<EventResult> {
    let month = |r: &EventResult, x: f64| r.from.map(|from| f64::from(from.index()) + x);
    let dated = |r: &EventResult| {
        Some((month(r, r.observed)?, month(r, r.at(1.0 / 2.0)).filter(|x| x.is_finite())?))
    };
    let mut dates: Vec<(f64, f64)> = all.iter().filter_map(dated).collect();
    if dates.len() < 2 {
        return None;
    }
    dates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pairs = dates.windows(2).filter(|pair| pair[0].0 < pair[1].0);
    let (mut right, mut n) = (0.0, 0.0);
    for pair in pairs {
        n += 1.0;
        right += f64::from(pair[0].1 <= pair[1].1);
    }
    let first = all.first()?;
    Some(EventResult {
        id: String::new(),
        test: EventTest::Order,
        about: "Share of neighbouring dates whose medians come in the order of history".to_owned(),
        arm: first.arm.clone(),
        role: None,
        unit: "share".to_owned(),
        observed: 1.0,
        low: 1.0,
        high: 1.0,
        from: None,
        share: right / n,
        passed: right == n,
        values: vec![right / n],
    })
}

/// What becomes of a variant whose cause is moved, or taken away.
fn counterfactuals(ensemble: &Ensemble<'_>, suspect: &Suspect<'_>, arm: &str) -> Vec<EventResult> {
    let row = suspect.row;
    let name = format!("{LONG}{}", row.id);
    let of = |arm: &str| ensemble.outcome(&name, arm);
    let (Some((long, base)), Some((_, later)), Some((_, without))) =
        (of(arm), of(&suspect.arm_later), of(&suspect.arm_without))
    else {
        return Vec::new();
    };
    // One more than the last month that could have had one.
    let never = f64::from(long.to - long.from + 1) * long.factor;
    let came = |x: f64| x.is_finite() && x < never;
    let shift = base.iter().zip(&later).filter(|(a, b)| came(**a) && came(**b));
    let shift = sorted(shift.map(|(a, b)| b - a));
    let (low, high) = (MOVED_BY - MOVED_WITHIN, MOVED_BY + MOVED_WITHIN);
    let inside = |x: f64| x >= f64::from(low) && x <= f64::from(high);
    let gone: Vec<f64> = without.iter().copied().filter(|x| x.is_finite()).collect();
    let gone = share(&gone, |x| !came(x));
    let rules: Vec<&str> = suspect.rules.iter().map(|rule| rule.id.as_str()).collect();
    let rules = rules.join(" and ");
    let one = |test, about: String, arm: &str, unit: &str| EventResult {
        id: row.id.clone(),
        test,
        about,
        arm: arm.to_owned(),
        role: None,
        unit: unit.to_owned(),
        observed: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
        values: Vec::new(),
        from: None,
        share: f64::NAN,
        passed: false,
    };
    let about = format!("{}, when {rules} come {MOVED_BY} months later", row.quantity);
    let moved = EventResult {
        observed: f64::from(MOVED_BY),
        low: f64::from(low),
        high: f64::from(high),
        share: share(&shift, inside),
        passed: inside(quantile(&shift, 1.0 / 2.0)),
        values: shift,
        ..one(EventTest::Moved, about, &suspect.arm_later, "month")
    };
    let about = format!("{}: share of draws without one, without {rules}", row.quantity);
    let vanished = EventResult {
        observed: 1.0,
        low: GONE,
        high: 1.0,
        share: gone,
        passed: gone >= GONE,
        values: vec![gone],
        ..one(EventTest::Gone, about, &suspect.arm_without, "share")
    };
    vec![moved, vanished]
}

/// `event_tests.csv`.
#[must_use]
pub fn events_csv(results: &[EventResult]) -> CsvText {
    let mut csv = CsvText::new([
        "observation",
        "test",
        "about",
        "arm",
        "split",
        "unit",
        "observed",
        "low",
        "high",
        "median",
        "p05",
        "p95",
        "observed_month",
        "median_month",
        "draws",
        "share_within",
        "passed",
    ]);
    for r in results {
        let median = r.at(1.0 / 2.0);
        csv.text(&r.id)
            .text(r.test.word())
            .text(&r.about)
            .text(&r.arm)
            .text(r.role.map_or("", Use::word))
            .text(&r.unit)
            .number(r.observed)
            .number(r.low)
            .number(r.high)
            .number(median)
            .number(r.at(super::P05))
            .number(r.at(super::P95))
            .word(r.month(r.observed))
            .word(r.month(median))
            .word(Some(r.values.len()))
            .number(r.share)
            .word(Some(r.passed));
        csv.end();
    }
    csv
}
