//! A placebo for difference in differences: how often does the method find an effect where there is none?
//!
//! Under common random numbers a placebo cannot fail: twins without a rule are one. What can fail is the method that a
//! researcher without twins would use. So in a world without controls each seed draws a fake date and a fake group of firms; of each developer
//! i, `dᵢ` is the mean of ln A_train + ln A_serve in the months after the date less that in as many before (one
//! number before, one after: serial correlation would make intervals too narrow, Bertrand, Duflo and Mullainathan 2004). The effect is the mean of d in the
//! group less that outside it, and Welch's interval at 90 % leaves out 0 in a tenth of the seeds if it is honest.
//! With the real groups in place of drawn ones it tests whether their trends are parallel, which nobody promises.

use std::collections::BTreeMap;

use crate::calendar::Month;
use crate::entities::firm::Group;
use crate::maths;
use crate::metric::Scope;
use crate::random::key_from;
use crate::study::statistics::{Moments, welch};
use crate::study::{Draws, Failed, Plan, Store};

/// Months on either side of the fake date.
const WINDOW: i32 = 12;
/// Purpose of the draws.
const KEY: u64 = 0x0070_6c61_6365_626f;
/// The metrics whose sum is looked at.
const METRICS: [&str; 2] = ["ln_a_train", "ln_a_serve"];

/// Which firms are called treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Half of the developers, drawn by seed.
    Drawn,
    /// Those of the constrained group.
    Real,
}

/// How often the method found an effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Seeds.
    pub seeds: u64,
    /// Those in which it found one.
    pub found: u64,
}

impl Rate {
    /// The share of seeds.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.found as f64 / self.seeds as f64
    }

    /// Half the width of its 90 % interval (normal).
    #[must_use]
    pub fn half_width(&self) -> f64 {
        let p = self.share();
        maths::normal_quantile(0.95) * (p * (1.0 - p) / self.seeds as f64).sqrt()
    }
}

/// Whether Welch's 90 % interval of the difference of means leaves out 0; none with fewer than two on a side.
#[must_use]
pub fn differs(inside: &[f64], outside: &[f64]) -> Option<bool> {
    if inside.len() < 2 || outside.len() < 2 {
        return None;
    }
    let moments = |values: &[f64]| {
        let mut moments = Moments::default();
        for x in values {
            moments.add(*x);
        }
        moments
    };
    let (inside, outside) = (moments(inside), moments(outside));
    Some((inside.mean() - outside.mean()).abs() > welch(&inside, &outside))
}

/// Members that are called treated: half of them, by drawn keys.
fn drawn(seed: u64, members: usize) -> Vec<bool> {
    let mut keys: Vec<(u64, usize)> =
        (0..members).map(|i| (key_from(&[KEY, seed, 1, i as u64]), i)).collect();
    keys.sort_unstable();
    let mut treated = vec![false; members];
    for (_, member) in keys.into_iter().take(members / 2) {
        treated[member] = true;
    }
    treated
}

/// How often difference in differences finds an effect of nothing, over the runs of a study's first arm.
///
/// # Errors
/// When the study does not record both efficiencies of firms month by month, or the system refuses.
pub fn rate(plan: &Plan, store: &Store, groups: Groups) -> Result<Rate, Failed> {
    let panel = plan.record.panels.iter().find(|panel| panel.scope == Scope::Firm);
    let columns: Option<Vec<usize>> = panel.and_then(|panel| {
        let column = |name: &'static str| panel.metrics.iter().position(|(_, m)| m.name == name);
        METRICS.into_iter().map(column).collect()
    });
    let (Some(columns), 1) = (columns, plan.record.every) else {
        return Err(Failed::Input(format!(
            "`{}` does not record ln_a_train and ln_a_serve of firms in every month",
            plan.name
        )));
    };
    let (first, last) = plan.span;
    let room = last - first + 1 - 2 * WINDOW;
    if room < 1 {
        return Err(Failed::Input(format!("`{}` is shorter than two windows", plan.name)));
    }
    let firms = &plan.bases[plan.arms[0].base].definition.firms;
    let members: Vec<(&str, bool)> = firms
        .iter()
        .filter(|row| row.developer)
        .map(|row| (row.id.as_str(), row.group == Group::Constrained))
        .collect();
    let policies = plan.policies.len() as u64;
    let date = |seed: u64| first + WINDOW + (key_from(&[KEY, seed, 0]) % room as u64) as i32;
    // Sums before and after the date, by draw and member.
    let mut sums: BTreeMap<u64, Vec<[f64; 2]>> = BTreeMap::new();
    Draws::open(plan, store)?.panel(Scope::Firm, &mut |run, month, id, values| {
        if !run.is_multiple_of(policies) {
            return;
        }
        let (Some(member), Ok(month)) =
            (members.iter().position(|(known, _)| *known == id), month.parse::<Month>())
        else {
            return;
        };
        let draw = run / policies;
        let from = month - date(plan.draw(draw).seed);
        if (-WINDOW..WINDOW).contains(&from) {
            let sums = sums.entry(draw).or_insert_with(|| vec![[0.0; 2]; members.len()]);
            let value: f64 = columns.iter().map(|column| values[*column]).sum();
            sums[member][usize::from(from >= 0)] += value;
        }
    })?;
    let mut rate = Rate { seeds: 0, found: 0 };
    for (draw, sums) in &sums {
        let treated = match groups {
            Groups::Drawn => drawn(plan.draw(*draw).seed, members.len()),
            Groups::Real => members.iter().map(|(_, constrained)| *constrained).collect(),
        };
        let change = |wanted: bool| -> Vec<f64> {
            let of = sums.iter().zip(&treated).filter(|(_, treated)| **treated == wanted);
            of.map(|([before, after], _)| (after - before) / f64::from(WINDOW)).collect()
        };
        if let Some(found) = differs(&change(true), &change(false)) {
            rate.seeds += 1;
            rate.found += u64::from(found);
        }
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(parts: &[u64]) -> f64 {
        maths::normal_quantile(crate::random::uniform(key_from(parts)))
    }

    #[test]
    fn nothing_is_found_in_a_tenth_of_the_seeds_and_something_in_most() {
        let found = |effect: f64| {
            (0..400)
                .filter(|seed| {
                    let treated = drawn(*seed, 14);
                    let of = |wanted: bool| -> Vec<f64> {
                        (0..14)
                            .filter(|i| treated[*i] == wanted)
                            .map(|i| normal(&[*seed, i as u64]) + if wanted { effect } else { 0.0 })
                            .collect()
                    };
                    differs(&of(true), &of(false)) == Some(true)
                })
                .count()
        };
        let nothing = found(0.0);
        assert!((28..=52).contains(&nothing), "{nothing} of 400");
        assert!(found(2.0) > 360);
    }

    #[test]
    fn half_of_the_members_are_drawn_others_each_time() {
        assert_eq!(drawn(1, 9).iter().filter(|t| **t).count(), 4);
        assert_ne!(drawn(1, 9), drawn(2, 9));
    }
}
