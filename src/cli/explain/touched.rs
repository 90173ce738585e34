//! What touched a firm: by kind and root, what stands on the chains, and the root that weighs most.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::figures::number;
use super::firm::Case;
use super::lines::{branch_line, chain};
use crate::calendar::Month;
use crate::record::causes::Branch;
use crate::record::cell::{human, printable};

impl Case<'_> {
    /// What touched the firm in the window: by kind and root, and the root that weighs most.
    pub(super) fn events(&self, text: &mut String) {
        let from = self.since + 1;
        let members = self.touching(from, self.month);
        if members.is_empty() {
            let _ = write!(text, "\nNo event touched it from {from} to {}", self.month);
            let earlier = self.touching(Month::new(0, 1), self.since);
            match earlier.last() {
                Some(at) => {
                    let _ = writeln!(text, "; the last one before was");
                    chain(self.log, *at, "  ", text);
                    text.push_str("Look further back with --months N.\n");
                }
                None => text.push_str(", nor before.\n"),
            }
            return;
        }
        // What was filed and then decided is told once, at the end of its chain.
        let told: BTreeSet<usize> =
            members.iter().flat_map(|at| self.log.chain(*at).skip(1)).collect();
        let _ = writeln!(text, "\nWhat touched it, {from} to {}, with its causes", self.month);
        let mut groups: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
        for at in members.iter().copied().filter(|at| !told.contains(at)) {
            let kind = self.log.entries()[at].kind.as_str();
            groups.entry((self.log.root(at), kind)).or_default().push(at);
        }
        for ((_, kind), of_group) in &groups {
            let branch = Branch {
                kind: (*kind).to_owned(),
                quantities: self.log.quantities(of_group),
                members: of_group.clone(),
            };
            let _ = writeln!(text, "\n  {}", branch_line(self.log, &branch));
            if of_group.len() > 1 {
                text.push_str("    the largest of them:\n");
            }
            chain(self.log, self.largest(of_group), "    ", text);
        }
        self.things(&members, text);
        self.binding(&members, text);
    }

    fn largest(&self, members: &[usize]) -> usize {
        let size = |at: usize| self.log.entries()[at].quantity.abs();
        members.iter().copied().fold(members[0], |best, at| {
            if size(at) > size(best) || (size(best).is_nan() && !size(at).is_nan()) {
                at
            } else {
                best
            }
        })
    }

    /// The state this month of chips, lines and vendors that stand on the chains.
    fn things(&self, members: &[usize], text: &mut String) {
        const SAID: [&str; 9] = [
            "price",
            "wait",
            "backlog",
            "yield",
            "capacity",
            "utilisation",
            "inventory",
            "output",
            "shipped",
        ];
        let mut ids = BTreeSet::new();
        for at in members {
            for place in self.log.chain(*at) {
                let entry = &self.log.entries()[place];
                ids.extend([entry.subject.as_str(), entry.object.as_str()]);
            }
        }
        let mut titled = false;
        for table in ["chips", "lines", "vendors"] {
            let Ok(sheet) = self.archive.sheet(table) else { continue };
            for id in &ids {
                let Some(row) = sheet.row(self.month, id) else { continue };
                let cells = sheet.header.iter().enumerate().skip(2).filter_map(|(at, name)| {
                    let x = number(row, at);
                    let said = x.is_finite() && SAID.iter().any(|word| name.contains(word));
                    said.then(|| format!("{name} {}", human(x)))
                });
                let cells: Vec<String> = cells.collect();
                if !cells.is_empty() {
                    if !titled {
                        let _ = writeln!(text, "\nWhat stands on these chains, in {}", self.month);
                        titled = true;
                    }
                    let _ = writeln!(text, "  {id}: {}", printable(&cells.join(", ")));
                }
            }
        }
    }

    /// The root with the largest quantity behind it, in the unit that most events
    /// carry, the last step of each chain counted; roots that are the firm's own doing only when there is no other.
    fn binding(&self, members: &[usize], text: &mut String) {
        let mut units: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in members.iter().map(|at| &self.log.entries()[*at]) {
            if entry.quantity.is_finite() && !entry.unit.is_empty() {
                *units.entry(&entry.unit).or_insert(0) += 1;
            }
        }
        let unit = units.iter().fold(None, |best: Option<(&str, usize)>, (unit, n)| {
            if best.is_none_or(|(_, most)| *n > most) { Some((unit, *n)) } else { best }
        });
        let Some((unit, _)) = unit else { return };
        // What was filed and then denied is one thing: only the last step of a chain counts.
        let of_unit = |at: usize| self.log.entries()[at].unit == unit;
        let earlier: BTreeSet<usize> = members
            .iter()
            .filter(|at| of_unit(**at))
            .flat_map(|at| self.log.chain(*at).skip(1))
            .collect();
        let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
        for at in members {
            let entry = &self.log.entries()[*at];
            if of_unit(*at) && entry.quantity.is_finite() && !earlier.contains(at) {
                *weights.entry(self.log.root(*at)).or_insert(0.0) += entry.quantity.abs();
            }
        }
        let foreign = |root: usize| !self.log.entries()[root].touches(self.firm);
        let only_own = !weights.keys().any(|root| foreign(*root));
        let heaviest = weights.iter().filter(|(root, _)| only_own || foreign(**root)).fold(
            None,
            |best: Option<(usize, f64)>, (root, weight)| {
                if best.is_none_or(|(_, most)| *weight > most) {
                    Some((*root, *weight))
                } else {
                    best
                }
            },
        );
        let Some((root, weight)) = heaviest else { return };
        let total: f64 = weights.values().sum();
        let _ = writeln!(
            text,
            "\nBinding cause: {} of the {} {unit} in these events descend from",
            human(weight),
            human(total)
        );
        chain(self.log, root, "  ", text);
        if only_own {
            text.push_str("  (its own doing: no cause outside the firm is on record)\n");
        }
    }
}
