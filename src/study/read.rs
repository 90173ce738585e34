//! Outcomes of a study, read back from its shards.

use super::batch::needed;
use super::plan::Plan;
use super::shard::path;
use super::store::{Failed, Store, failed};
use super::table::Reader;
use super::tables;

/// The outcomes of every run that a study needs.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// `[outcome][run id]`; not a number where a run failed or has no such value.
    values: Vec<Vec<f64>>,
    policies: usize,
}

impl Outcomes {
    /// The values of outcome `outcome` under policy `policy`, a draw each.
    #[must_use]
    pub fn of(&self, outcome: usize, policy: usize) -> Vec<f64> {
        self.values[outcome].iter().skip(policy).step_by(self.policies).copied().collect()
    }

    /// How many draws there are.
    #[must_use]
    pub fn draws(&self) -> usize {
        self.values.first().map_or(0, |values| values.len() / self.policies)
    }
}

/// Reads the outcomes of a complete study.
///
/// # Errors
/// When shards are missing or damaged, or cannot be read.
pub fn outcomes(plan: &Plan, store: &Store) -> Result<Outcomes, Failed> {
    let (shards, known) = needed(plan, store)?;
    let whole = |shard: &u64| store.commit(plan, *shard).is_some_and(|c| store.holds(&c));
    if !known || !shards.iter().all(whole) {
        return Err(Failed::Input(format!(
            "shards of `{}` are missing or damaged; finish them with `frugality study resume {}`",
            store.root().display(),
            store.root().display()
        )));
    }
    let table = tables::runs(plan);
    let first = tables::outcomes_at(plan);
    let mut values = vec![Vec::new(); plan.record.outcomes.len()];
    for shard in shards {
        let file = store.path(&path(shard, &table));
        let mut read = || {
            let reader = Reader::open(&file, &table.columns)?;
            for batch in 0..reader.batches() {
                for (at, values) in values.iter_mut().enumerate() {
                    let cells = reader.column(batch, first + at)?;
                    values.extend((0..cells.len()).map(|row| cells.at(row)));
                }
            }
            Ok(())
        };
        read().map_err(failed("read", &file))?;
    }
    Ok(Outcomes { values, policies: plan.policies.len() })
}
