//! The answer in three sentences, from the numbers and from nothing else.

use std::fmt::Write as _;

use super::effects::{Effects, Estimate, Side, varied};
use super::folder::Folder;
use super::html::{rounded, signed};
use crate::maths;

/// Percent in one.
const PERCENT: f64 = 100.0;

/// What other parts of the page found, for the last sentence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Verdicts: supported, refuted, undecided.
    pub verdicts: Option<(usize, usize, usize)>,
    /// Observations inside the hindcast's 90 % bands, and all of them.
    pub covered: Option<(usize, usize)>,
}

/// The sentences.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The word that sums it up.
    pub word: &'static str,
    /// Three sentences.
    pub sentences: [String; 3],
}

/// `2035-12` as people say it.
#[must_use]
pub fn month_name(month: &str) -> String {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let name = month.split_once('-').and_then(|(year, month)| {
        Some((year, NAMES.get(month.parse::<usize>().ok()?.checked_sub(1)?)?))
    });
    name.map_or_else(|| month.to_owned(), |(year, name)| format!("{name} {year}"))
}

/// The study that the answer rests on: one that varies what nobody knows before one that varies luck only,
/// then the one with most draws.
fn main_study<'a>(folders: &[Folder], all: &'a [Effects]) -> Option<&'a Effects> {
    let rank = |effects: &&Effects| {
        let uncertain = !folders[effects.folder].factors("uncertainties").is_empty();
        let pairs = effects.frame.number("pairs", effects.frame.rows() - 1);
        (uncertain, if pairs.is_finite() { pairs as u64 } else { 0 })
    };
    let mut best: Option<&Effects> = None;
    for effects in all.iter().filter(|e| e.levers.is_empty()) {
        let has = |name: &str| !effects.path(&effects.treated(), name).is_empty();
        if has("efficiency_gap") && best.is_none_or(|best| rank(&effects) > rank(&best)) {
            best = Some(effects);
        }
    }
    best
}

/// An interval and the share of draws, in words.
fn uncertain(estimate: &Estimate, scale: f64) -> String {
    let (share, word) =
        if estimate.effect >= 0.0 { (estimate.above, "higher") } else { (estimate.below, "lower") };
    format!(
        "90 % interval {} to {}; {word} in {} % of {} draws",
        signed(estimate.low * scale),
        signed(estimate.high * scale),
        rounded(share * PERCENT),
        rounded(estimate.pairs)
    )
}

fn direction(effect: f64) -> &'static str {
    if effect >= 0.0 { "higher" } else { "lower" }
}

/// Writes the answer; none without a study to rest it on.
#[must_use]
pub fn answer(folders: &[Folder], all: &[Effects], known: Known) -> Option<Answer> {
    let effects = main_study(folders, all)?;
    let folder = &folders[effects.folder];
    let arm = effects.treated();
    let last = |name: &str| effects.path(&arm, name).pop();
    let (month, premium) = last("efficiency_gap")?;
    let markets = ["third_market_share_poor", "third_market_share"]
        .iter()
        .find_map(|name| Some((*name, last(name)?.1)));
    let sides = [Some(premium.side()), markets.map(|(_, share)| share.side())];
    let any = |side: Side| sides.iter().flatten().any(|own| *own == side);
    let word = match (any(Side::Above), any(Side::Below), any(Side::Open)) {
        (true, false, false) => "Yes, in this model",
        (false, true, _) => "No, not in this model",
        (true, true, _) => "In part, in this model",
        _ => "Undecided",
    };
    let place = |name: &str| {
        if name == "third_market_share_poor" {
            "third markets that are short of power, chips or infrastructure"
        } else {
            "third markets"
        }
    };
    let percent = (maths::exp(premium.effect) - 1.0) * PERCENT;
    let mut first = format!(
        "By {}, the controls leave the efficiency of constrained developers, relative to that of unconstrained ones, {} % {} than without controls ({} ln; {})",
        month_name(&month),
        rounded(percent.abs()),
        direction(premium.effect),
        signed(premium.effect),
        uncertain(&premium, 1.0),
    );
    if let Some((name, share)) = markets {
        let _ = write!(
            first,
            ", and their share of tokens in {} {} percentage points {} ({})",
            place(name),
            rounded((share.effect * PERCENT).abs()),
            direction(share.effect),
            uncertain(&share, PERCENT),
        );
    }
    first.push('.');

    let mut second = String::new();
    if let Some((name, _)) = markets {
        let path = effects.path(&arm, name);
        let months = |side: Side| path.iter().filter(|(_, e)| e.side() == side).count();
        second = format!(
            "Of the {} months recorded, the interval of that effect on their market share lies wholly above zero in {} and wholly below in {}",
            path.len(),
            months(Side::Above),
            months(Side::Below),
        );
    }
    if let Some((_, lag)) = last("capability_lag_months") {
        let _ = write!(
            second,
            "{}the constrained frontier comes to trail {} months {} than without controls ({})",
            if second.is_empty() { "" } else { "; " },
            rounded(lag.effect.abs()),
            if lag.effect >= 0.0 { "further" } else { "less" },
            uncertain(&lag, 1.0)
        );
    }
    if second.is_empty() {
        "Neither market shares nor the capability lag were recorded".clone_into(&mut second);
    }
    second.push('.');

    let claims = match known.verdicts {
        Some((supported, refuted, undecided)) => format!(
            "of {} claims put to the test {supported} are supported, {refuted} refuted and {undecided} undecided",
            supported + refuted + undecided
        ),
        None => "no claim has been put to its full test (`frugality claims`)".to_owned(),
    };
    let hindcast = match known.covered {
        Some((inside, of)) => {
            format!(
                "the 90 % bands of the model's forecasts held {inside} of {of} observations of 2022 to 2025"
            )
        }
        None => {
            "no hindcast is at hand to say how well the model meets what was observed".to_owned()
        }
    };
    let third = format!(
        "What is not known: these draws vary {}; {claims}; and {hindcast}.",
        varied(folder)
    );
    Some(Answer { word, sentences: [first, second, third] })
}
