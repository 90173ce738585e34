//! Does every row of the design leave every world whole?

use std::collections::BTreeSet;

use super::factors::Bases;
use super::{Plan, Policy};
use crate::study::design::{Factor, Pick};
use crate::study::file::StudyFile;
use crate::world::{Address, Problems};

/// Rows of a design whose worlds are checked as a whole, at most; cells alone are checked always.
const MOST_CHECKED: usize = 2000;

/// Checks that every row of the design leaves every world whole. Parameters and mechanisms
/// were checked one by one and touch nothing else; what other cells say together is checked here, once
/// for each combination of them.
pub(super) fn check(study: &StudyFile, bases: &Bases, plan: &Plan, problems: &mut Problems) {
    let lone = |factor: &Factor| {
        factor.targets.iter().all(|target| match target {
            Address::Switch(_) => true,
            Address::Cell { table, column, .. } => *table == "parameters" && *column == 0,
        })
    };
    let design = &plan.design;
    let levers: Vec<usize> =
        (0..design.levers.len()).filter(|i| !lone(&design.levers[*i])).collect();
    let uncertainties: Vec<usize> =
        (0..design.uncertainties.len()).filter(|i| !lone(&design.uncertainties[*i])).collect();
    if levers.is_empty() && uncertainties.is_empty() {
        return;
    }
    let key = |pick: Pick| match pick {
        Pick::Level(at) => at as u64,
        Pick::Number(x) => x.to_bits(),
    };
    let distinct = |n: u64, of: &dyn Fn(u64) -> Vec<u64>| {
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for row in 0..n {
            if rows.len() < MOST_CHECKED && seen.insert(of(row)) {
                rows.push(row);
            }
        }
        rows
    };
    let lever_rows = distinct(design.lever_rows, &|row| {
        levers.iter().map(|i| key(design.lever(*i, row))).collect()
    });
    let scenarios = distinct(design.scenarios, &|row| {
        uncertainties.iter().map(|i| key(design.uncertainty(*i, row))).collect()
    });
    for (at, arm) in plan.arms.iter().enumerate() {
        if plan.arms[..at].iter().any(|other| other.base == arm.base) {
            continue;
        }
        let mut definition = plan.bases[arm.base].definition.clone();
        for lever_row in &lever_rows {
            for scenario in &scenarios {
                design.apply(&mut definition, *lever_row, *scenario);
                if let Err(refusal) = bases.loaded[arm.base].recheck(&definition) {
                    let row = row_words(
                        plan,
                        Policy { arm: at, lever_row: *lever_row, against: None },
                        *scenario,
                        &levers,
                        &uncertainties,
                    );
                    let message = format!("{row}: {}", refusal.lines.join("; "));
                    problems.add(study.origin, "", message);
                    return;
                }
            }
        }
    }
}

fn row_words(
    plan: &Plan,
    policy: Policy,
    scenario: u64,
    levers: &[usize],
    uncertainties: &[usize],
) -> String {
    let design = &plan.design;
    let levers = levers.iter().map(|i| {
        let factor = &design.levers[*i];
        format!("{} = {}", factor.name, factor.label(design.lever(*i, policy.lever_row)))
    });
    let uncertainties = uncertainties.iter().map(|i| {
        let factor = &design.uncertainties[*i];
        format!("{} = {}", factor.name, factor.label(design.uncertainty(*i, scenario)))
    });
    let words: Vec<String> = levers.chain(uncertainties).collect();
    format!("arm {} with {}", plan.arms[policy.arm].name, words.join(", "))
}
