//! How events, their chains of causes and trees of effects are written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::record::causes::{Branch, Log};
use crate::record::cell::{human, printable};

/// `#812 2026-11 application_denied us-bis → bytedance, 12000 chips`.
pub(super) fn headline(log: &Log, at: usize) -> String {
    let entry = &log.entries()[at];
    let mut line = format!("#{} {} {}", entry.id, entry.month, entry.kind);
    for (mark, id) in [(" ", &entry.subject), (" → ", &entry.object)] {
        if !id.is_empty() {
            line.push_str(mark);
            line.push_str(id);
        }
    }
    if entry.quantity.is_finite() && !entry.unit.is_empty() {
        let _ = write!(line, ", {} {}", human(entry.quantity), entry.unit);
    }
    printable(&line).into_owned()
}

fn sentence(log: &Log, at: usize) -> Option<String> {
    let said = &log.entries()[at].text;
    (!said.is_empty()).then(|| printable(said).into_owned())
}

/// The event and its causes, one step further right each, with their sentences.
pub(super) fn chain(log: &Log, at: usize, margin: &str, text: &mut String) {
    for (step, place) in log.chain(at).enumerate() {
        let indent = format!("{margin}{}", "   ".repeat(step));
        let because = if step == 0 { "" } else { "← " };
        let _ = writeln!(text, "{indent}{because}{}", headline(log, place));
        if let Some(said) = sentence(log, place) {
            let _ = writeln!(text, "{indent}     {said}");
        }
        for behind in log.besides(place) {
            let _ = writeln!(text, "{indent}     besides: {}", headline(log, behind));
        }
    }
}

fn span(log: &Log, members: &[usize]) -> String {
    let month = |at: Option<&usize>| at.map(|at| log.entries()[*at].month);
    match (month(members.first()), month(members.last())) {
        (Some(a), Some(b)) if a != b => format!("{a} to {b}"),
        (Some(a), _) => a.to_string(),
        _ => String::new(),
    }
}

fn quantities(sums: &BTreeMap<String, f64>) -> String {
    sums.iter().fold(String::new(), |mut line, (unit, sum)| {
        let _ = write!(line, ", {} {}", human(*sum), printable(unit));
        line
    })
}

pub(super) fn branch_line(log: &Log, branch: &Branch) -> String {
    format!(
        "{} × {}, {}{}",
        printable(&branch.kind),
        branch.members.len(),
        span(log, &branch.members),
        quantities(&branch.quantities)
    )
}

/// What follows from `members`, kind by kind, `depth` generations deep.
pub(super) fn tree(log: &Log, members: &[usize], depth: usize, margin: &str, text: &mut String) {
    let branches = log.branches(members);
    if depth == 0 {
        let below: usize = members.iter().map(|at| log.descendants(*at)).sum();
        if below > 0 {
            let _ = writeln!(text, "{margin}… {below} more; see further with --depth");
        }
        return;
    }
    for (place, branch) in branches.iter().enumerate() {
        let last = place + 1 == branches.len();
        let (joint, below) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
        let _ = writeln!(text, "{margin}{joint}{}", branch_line(log, branch));
        if let [only] = branch.members.as_slice()
            && let Some(said) = sentence(log, *only)
        {
            let _ = writeln!(text, "{margin}{below}     #{} {said}", log.entries()[*only].id);
        }
        tree(log, &branch.members, depth - 1, &format!("{margin}{below}"), text);
    }
}
