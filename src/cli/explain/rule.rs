//! A rule: everything that descends from its events.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::lines::{chain, tree};
use super::names::{did_you_mean, listed};
use crate::record::causes::Log;
use crate::record::cell::printable;

pub(super) fn explain_rule(
    log: &Log,
    rule: &str,
    depth: usize,
    text: &mut String,
) -> Result<(), String> {
    let about: Vec<usize> = (0..log.entries().len())
        .filter(|at| {
            let entry = &log.entries()[*at];
            entry.kind.starts_with("rule") && entry.touches(rule)
        })
        .collect();
    if about.is_empty() {
        let known: BTreeSet<&str> = log
            .entries()
            .iter()
            .filter(|e| e.kind.starts_with("rule"))
            .flat_map(|e| [e.subject.as_str(), e.object.as_str()])
            .filter(|id| !id.is_empty())
            .collect();
        return Err(format!(
            "no event of a rule `{}` in this run{}\n{}",
            printable(rule),
            did_you_mean(rule, known.iter().copied()),
            listed("Rules and regulators with events", known.into_iter())
        ));
    }
    // An event of the rule that follows from another of them belongs to its tree.
    let tops: Vec<usize> = about
        .iter()
        .copied()
        .filter(|at| !log.chain(*at).skip(1).any(|above| about.contains(&above)))
        .collect();
    let below: usize = tops.iter().map(|at| log.descendants(*at)).sum();
    let _ = writeln!(text, "{}: {below} events descend from it", printable(rule));
    text.push_str("A line holds all events of a kind that follow from those of the line above.\n");
    for at in tops {
        text.push('\n');
        chain(log, at, "", text);
        tree(log, &[at], depth, "  ", text);
    }
    Ok(())
}
