//! The event log as a forest: every event hangs on its cause.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::Month;
use crate::entities::chronicle::{Event, EventId};

/// An event, from a run or read back from its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Id.
    pub id: u32,
    /// When.
    pub month: Month,
    /// What kind of thing.
    pub kind: String,
    /// Who, or to whom.
    pub subject: String,
    /// With what; may be empty.
    pub object: String,
    /// How much; not a number if it has no size.
    pub quantity: f64,
    /// Unit of the quantity.
    pub unit: String,
    /// Id of the cause.
    pub cause: Option<u32>,
    /// Ids of what stands behind the cause.
    pub besides: Vec<u32>,
    /// One sentence.
    pub text: String,
}

impl Entry {
    /// Whether it happened to `id`, through it or with it.
    #[must_use]
    pub fn touches(&self, id: &str) -> bool {
        self.subject == id || self.object == id
    }
}

/// A log that was checked: ids ascend, and causes come before their effects.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    /// Position of each entry's cause.
    cause: Vec<Option<usize>>,
    /// Positions of the entries that name this one as their cause.
    effects: Vec<Vec<usize>>,
    /// Number of entries that descend from this one.
    descendants: Vec<usize>,
}

/// Events of one kind that follow from the events of the line above.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Their kind.
    pub kind: String,
    /// Positions in the log.
    pub members: Vec<usize>,
    /// Sum of the quantities by unit.
    pub quantities: BTreeMap<String, f64>,
}

impl Log {
    /// Builds the forest.
    ///
    /// # Errors
    /// When ids do not ascend, or a cause, or what stands behind it, is missing or not earlier than its effect.
    pub fn new(entries: Vec<Entry>) -> Result<Self, String> {
        let mut cause = Vec::with_capacity(entries.len());
        let mut effects = vec![Vec::new(); entries.len()];
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 && entries[at - 1].id >= entry.id {
                return Err(format!("event {} does not follow {}", entry.id, entries[at - 1].id));
            }
            let place = match entry.cause {
                None => None,
                Some(id) => match entries[..at].binary_search_by_key(&id, |e| e.id) {
                    Ok(place) => Some(place),
                    Err(_) => {
                        return Err(format!(
                            "event {} names a cause, {id}, that is not an earlier event",
                            entry.id
                        ));
                    }
                },
            };
            if let Some(id) = entry
                .besides
                .iter()
                .find(|id| entries[..at].binary_search_by_key(*id, |e| e.id).is_err())
            {
                return Err(format!(
                    "event {} names {id} besides its cause, which is not an earlier event",
                    entry.id
                ));
            }
            if let Some(place) = place {
                effects[place].push(at);
            }
            cause.push(place);
        }
        let mut descendants = vec![0; entries.len()];
        for at in (0..entries.len()).rev() {
            if let Some(place) = cause[at] {
                descendants[place] += descendants[at] + 1;
            }
        }
        Ok(Self { entries, cause, effects, descendants })
    }

    /// The forest of a run's own log.
    ///
    /// # Errors
    /// When the log breaks its own rules: a bug of ours.
    pub fn of_events(events: &[Event]) -> Result<Self, String> {
        let entry = |e: &Event| Entry {
            id: e.id.0,
            month: e.month,
            kind: e.kind.to_owned(),
            subject: e.subject.clone(),
            object: e.object.clone(),
            quantity: e.quantity,
            unit: e.unit.to_owned(),
            cause: e.cause.map(|EventId(id)| id),
            besides: e.besides.iter().map(|EventId(id)| *id).collect(),
            text: e.text.clone(),
        };
        Self::new(events.iter().map(entry).collect())
    }

    /// Every entry, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The position of the entry with this id.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |e| e.id).ok()
    }

    /// The positions of what stands behind an entry's cause.
    pub fn besides(&self, at: usize) -> impl Iterator<Item = usize> {
        self.entries[at].besides.iter().filter_map(|id| self.find(*id))
    }

    /// The position of an entry's cause.
    #[must_use]
    pub fn cause(&self, at: usize) -> Option<usize> {
        self.cause[at]
    }

    /// Positions from the entry to its root, both included.
    pub fn chain(&self, at: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(at), |place| self.cause[*place])
    }

    /// The position of the entry's root: itself if it has no cause.
    #[must_use]
    pub fn root(&self, at: usize) -> usize {
        self.chain(at).last().unwrap_or(at)
    }

    /// Number of entries that descend from this one.
    #[must_use]
    pub fn descendants(&self, at: usize) -> usize {
        self.descendants[at]
    }

    /// Positions of the entries with the most descendants, most first, at most `n`.
    #[must_use]
    pub fn most_consequential(&self, n: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.entries.len()).collect();
        places.sort_by_key(|at| (std::cmp::Reverse(self.descendants[*at]), *at));
        places.retain(|at| self.descendants[*at] > 0);
        places.truncate(n);
        places
    }

    /// Positions of the events that a person would tell first, at most `n`: those from which the most
    /// different things follow, a thing being a kind of event happening to somebody. Of a chain only
    /// one event is told, and of rules that replace each other only the first.
    #[must_use]
    pub fn most_telling(&self, n: usize) -> Vec<usize> {
        let mut things: Vec<BTreeSet<(&str, &str)>> = vec![BTreeSet::new(); self.entries.len()];
        for at in (0..self.entries.len()).rev() {
            if let Some(place) = self.cause[at] {
                let mut below = std::mem::take(&mut things[at]);
                below.insert((&self.entries[at].kind, &self.entries[at].subject));
                things[place].extend(&below);
                things[at] = below;
            }
        }
        let mut places: Vec<usize> =
            (0..self.entries.len()).filter(|at| !things[*at].is_empty()).collect();
        places.sort_by_key(|at| (std::cmp::Reverse(things[*at].len()), *at));
        let mut told: Vec<usize> = Vec::new();
        for at in places {
            let kin = |other: &usize| {
                self.chain(at).any(|x| x == *other) || self.chain(*other).any(|x| x == at)
            };
            if told.len() < n && !told.iter().any(kin) {
                told.push(at);
            }
        }
        told
    }

    /// What follows at once from `members`, by kind, most frequent first.
    #[must_use]
    pub fn branches(&self, members: &[usize]) -> Vec<Branch> {
        let effects = members.iter().flat_map(|at| &self.effects[*at]).copied();
        let mut branches = self.grouped(effects.collect());
        branches.sort_by_key(|b| std::cmp::Reverse(b.members.len()));
        branches
    }

    /// Entries by kind, in the order of the kinds' names.
    #[must_use]
    pub fn grouped(&self, mut members: Vec<usize>) -> Vec<Branch> {
        members.sort_unstable();
        let mut by_kind: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for at in members {
            by_kind.entry(&self.entries[at].kind).or_default().push(at);
        }
        let branch = |(kind, members): (&str, Vec<usize>)| Branch {
            kind: kind.to_owned(),
            quantities: self.quantities(&members),
            members,
        };
        by_kind.into_iter().map(branch).collect()
    }

    /// The sum of the quantities of `members` by unit, entries without one left out.
    #[must_use]
    pub fn quantities(&self, members: &[usize]) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for entry in members.iter().map(|at| &self.entries[*at]) {
            if entry.quantity.is_finite() && !entry.unit.is_empty() {
                *sums.entry(entry.unit.clone()).or_insert(0.0) += entry.quantity;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u32, kind: &str, cause: Option<u32>, quantity: f64) -> Entry {
        Entry {
            id,
            month: Month::new(2022, 10),
            kind: kind.to_owned(),
            subject: "a".to_owned(),
            object: String::new(),
            quantity,
            unit: "chips".to_owned(),
            cause,
            besides: Vec::new(),
            text: String::new(),
        }
    }

    /// 0 ← 1 ← 3, 0 ← 2, and 5 alone (4 was never logged).
    fn log() -> Log {
        Log::new(vec![
            entry(0, "rule", None, f64::NAN),
            entry(1, "filed", Some(0), 10.0),
            entry(2, "filed", Some(0), 5.0),
            entry(3, "denied", Some(1), 10.0),
            entry(5, "other", None, 1.0),
        ])
        .unwrap()
    }

    #[test]
    fn chains_end_at_the_root() {
        let log = log();
        assert_eq!(log.chain(3).collect::<Vec<_>>(), [3, 1, 0]);
        assert_eq!((log.root(3), log.root(4)), (0, 4));
        assert_eq!(log.find(5), Some(4));
        assert_eq!(log.find(4), None);
    }

    #[test]
    fn what_stands_behind_a_cause_happened_before() {
        let mut entries = log().entries().to_vec();
        entries[3].besides = vec![0, 2];
        let known = Log::new(entries.clone()).unwrap();
        assert_eq!(known.besides(3).collect::<Vec<_>>(), [0, 2]);
        entries[3].besides = vec![5];
        let refused = Log::new(entries).unwrap_err();
        assert_eq!(refused, "event 3 names 5 besides its cause, which is not an earlier event");
    }

    #[test]
    fn descendants_are_counted_through_generations() {
        let log = log();
        let counts: Vec<usize> = (0..5).map(|at| log.descendants(at)).collect();
        assert_eq!(counts, [3, 1, 0, 0, 0]);
        assert_eq!(log.most_consequential(5), [0, 1]);
        // Event 1 stands on the chain of event 0.
        assert_eq!(log.most_telling(5), [0]);
        let branches = log.branches(&[0]);
        assert_eq!(branches.len(), 1);
        assert_eq!(
            (branches[0].members.as_slice(), branches[0].quantities["chips"]),
            ([1, 2].as_slice(), 15.0)
        );
    }

    #[test]
    fn a_log_that_contradicts_itself_is_refused() {
        let later = Log::new(vec![entry(0, "a", Some(1), 0.0), entry(1, "b", None, 0.0)]);
        assert_eq!(later.unwrap_err(), "event 0 names a cause, 1, that is not an earlier event");
        let twice = Log::new(vec![entry(1, "a", None, 0.0), entry(1, "b", None, 0.0)]);
        assert_eq!(twice.unwrap_err(), "event 1 does not follow 1");
    }
}
