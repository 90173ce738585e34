//! The chips installed in a data centre.

use super::SkuId;
use crate::units::{Count, Money};

/// Chips of one SKU installed in one quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// The SKU.
    pub sku: SkuId,
    /// Quarter of installation ([`crate::calendar::Month::quarter`]).
    pub quarter: i32,
    /// Chips.
    pub count: Count,
    /// What was paid for one, all fees included.
    pub paid: Money,
}

/// All cohorts of one SKU, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The SKU.
    pub sku: SkuId,
    /// Chips.
    pub count: Count,
    /// What was paid for all of them.
    pub paid: Money,
}

/// Installed chips by cohort, and their sums by SKU. A site has some thirty cohorts of seven kinds, and nearly
/// all that is asked of it is a matter of kinds; counts and money are whole, so the sums are exact.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    cohorts: Vec<Cohort>,
    kinds: Vec<Kind>,
}

impl Fleet {
    /// Cohorts, oldest quarter first.
    #[must_use]
    pub fn cohorts(&self) -> &[Cohort] {
        &self.cohorts
    }

    /// Sums by SKU, none of them empty.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Adds chips to the cohort of the same SKU and quarter, if there is one; what was paid is averaged.
    /// Nothing that is installed may be of a later quarter.
    pub fn add(&mut self, new: Cohort) {
        let mut same = self.cohorts.iter_mut().rev().take_while(|c| c.quarter >= new.quarter);
        let added = if let Some(old) = same.find(|c| c.sku == new.sku && c.quarter == new.quarter) {
            let before = old.paid.times(old.count);
            let weight = new.count as f64 / (old.count + new.count) as f64;
            old.paid = old.paid + (new.paid - old.paid).scaled(weight);
            old.count += new.count;
            old.paid.times(old.count) - before
        } else {
            self.cohorts.push(new);
            new.paid.times(new.count)
        };
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.sku == new.sku) {
            kind.count += new.count;
            kind.paid += added;
        } else {
            self.kinds.push(Kind { sku: new.sku, count: new.count, paid: added });
        }
    }

    /// Takes as many chips out of each cohort of a quarter before `quarter`, oldest first, as `leaving` says.
    pub fn take_out_before(&mut self, quarter: i32, leaving: impl FnMut(&Cohort) -> Count) {
        let old = self.cohorts.partition_point(|cohort| cohort.quarter < quarter);
        self.take_out_of_first(old, leaving);
    }

    /// Takes as many chips out of each cohort, oldest first, as `leaving` says.
    pub fn take_out(&mut self, leaving: impl FnMut(&Cohort) -> Count) {
        self.take_out_of_first(self.cohorts.len(), leaving);
    }

    fn take_out_of_first(&mut self, n: usize, mut leaving: impl FnMut(&Cohort) -> Count) {
        let mut emptied = false;
        for cohort in &mut self.cohorts[..n] {
            let count = leaving(cohort).min(cohort.count);
            if count > 0 {
                cohort.count -= count;
                emptied |= cohort.count == 0;
                if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.sku == cohort.sku) {
                    kind.count -= count;
                    kind.paid -= cohort.paid.times(count);
                }
            }
        }
        // In most months of a quarter some of a cohort leave, and none of all.
        if emptied {
            self.cohorts.retain(|cohort| cohort.count > 0);
            self.kinds.retain(|kind| kind.count > 0);
        }
    }

    /// Whether the sums are those of the cohorts, and no cohort is empty or less; `rest` is a buffer.
    pub fn adds_up(&self, rest: &mut Vec<Kind>) -> bool {
        rest.clone_from(&self.kinds);
        for cohort in &self.cohorts {
            let Some(kind) = rest.iter_mut().find(|kind| kind.sku == cohort.sku) else {
                return false;
            };
            kind.count -= cohort.count;
            kind.paid -= cohort.paid.times(cohort.count);
        }
        self.cohorts.iter().all(|cohort| cohort.count > 0)
            && rest.iter().all(|kind| kind.count == 0 && kind.paid == Money::ZERO)
    }

    /// Loses a chip from the cohorts and not from the sums.
    #[cfg(test)]
    pub(crate) fn lose_a_chip(&mut self) {
        if let Some(cohort) = self.cohorts.first_mut() {
            cohort.count -= 1;
        }
    }
}

impl FromIterator<Cohort> for Fleet {
    fn from_iter<I: IntoIterator<Item = Cohort>>(cohorts: I) -> Self {
        let mut fleet = Self::default();
        cohorts.into_iter().for_each(|cohort| fleet.add(cohort));
        fleet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Whatever comes in and goes out, the sums are those of the cohorts.
        #[test]
        fn kinds_are_the_sums_of_cohorts(
            steps in proptest::collection::vec((0_u16..4, 1_i64..500, 1_i64..40_000, 0_i64..300), 0..40),
        ) {
            let mut fleet = Fleet::default();
            let mut chips = 0;
            for (step, (sku, count, dollars, leave)) in (0_i32..).zip(steps) {
                let quarter = step / 3;
                let paid = Money::from_amount(dollars as f64, 0.01);
                fleet.add(Cohort { sku: SkuId(sku), quarter, count, paid });
                chips += count;
                // Some leave, of some kinds.
                let mut left = leave;
                fleet.take_out(|cohort| {
                    let out = if cohort.sku.0 == sku { 0 } else { left.min(cohort.count) };
                    left -= out;
                    out
                });
                chips -= leave - left;
                if count % 7 == 0 {
                    // Of the youngest of them a half, rounded down.
                    fleet.take_out_before(quarter - 2, |cohort| {
                        let whole = cohort.quarter < quarter - 3;
                        let out = if whole { cohort.count } else { cohort.count / 2 };
                        chips -= out;
                        out
                    });
                    proptest::prop_assert!(
                        fleet.cohorts().first().is_none_or(|cohort| cohort.quarter >= quarter - 3)
                    );
                }
                proptest::prop_assert!(fleet.adds_up(&mut Vec::new()));
                let here: Count = fleet.kinds().iter().map(|kind| kind.count).sum();
                proptest::prop_assert_eq!(here, chips);
                proptest::prop_assert!(fleet.cohorts().is_sorted_by_key(|cohort| cohort.quarter));
            }
        }
    }
}
