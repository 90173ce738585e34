//! What a study recorded, draw by draw: the one way in which finished shards are read back.

use super::batch::needed;
use super::plan::Plan;
use super::shard::path;
use super::store::{Failed, Store, failed};
use super::table::{Cells, Reader};
use super::tables::{self, Table};
use crate::calendar::Month;
use crate::metric::Scope;

/// Values of one number: a row a draw, a column a policy. What a run lacks is not a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    policies: usize,
    cells: Vec<f64>,
}

impl Values {
    /// Values of so many policies, draw after draw.
    #[must_use]
    pub fn new(policies: usize, cells: Vec<f64>) -> Self {
        Self { policies: policies.max(1), cells }
    }

    /// Number of draws.
    #[must_use]
    pub fn draws(&self) -> usize {
        self.cells.len() / self.policies
    }

    /// The value of `policy` in the draw at position `draw`.
    #[must_use]
    pub fn at(&self, draw: usize, policy: usize) -> f64 {
        self.cells[draw * self.policies + policy]
    }
}

/// The finished draws of a study.
pub struct Draws<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    store: &'a Store,
    shards: Vec<u64>,
    /// Numbers of the draws, ascending.
    pub numbers: Vec<u64>,
}

impl<'a> Draws<'a> {
    /// The draws of a study that is complete.
    ///
    /// # Errors
    /// When shards are missing, or the system refuses.
    pub fn open(plan: &'a Plan, store: &'a Store) -> Result<Self, Failed> {
        let (shards, known) = needed(plan, store)?;
        let missing = shards.iter().filter(|shard| store.commit(plan, **shard).is_none()).count();
        if missing > 0 || !known {
            return Err(Failed::Input(format!(
                "{missing} of {} shards of `{}` are missing; finish them with `frugality study resume {}`",
                shards.len(),
                plan.name,
                store.root().display()
            )));
        }
        let shards: Vec<u64> = shards.into_iter().collect();
        let numbers = shards
            .iter()
            .flat_map(|shard| {
                let (from, to) = plan.draws_of_shard(*shard);
                from..to
            })
            .collect();
        Ok(Self { plan, store, shards, numbers })
    }

    fn empty(&self) -> Vec<f64> {
        vec![f64::NAN; self.numbers.len() * self.plan.policies.len()]
    }

    fn position(&self, draw: u64) -> usize {
        self.numbers.partition_point(|number| *number < draw) * self.plan.policies.len()
    }

    /// The values of the outcome at position `outcome`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn outcome(&self, outcome: usize) -> Result<Values, Failed> {
        let mut cells = self.empty();
        outcomes(self.plan, self.store, &self.shards, &[outcome], &mut |draw, _, values| {
            let at = self.position(draw);
            cells[at..at + values.len()].copy_from_slice(values);
        })?;
        Ok(Values::new(self.plan.policies.len(), cells))
    }

    /// The values of the metric at position `metric` of the series, in each of `months`, all of which
    /// are recorded.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn metric(&self, metric: usize, months: &[Month]) -> Result<Vec<Values>, Failed> {
        let kept = months_kept(self.plan);
        let at: Vec<usize> =
            months.iter().filter_map(|month| kept.iter().position(|m| m == month)).collect();
        let mut all = vec![self.empty(); at.len()];
        series(self.plan, self.store, &self.shards, &[metric], &mut |draw, _, cells, starts| {
            let first = self.position(draw);
            for (policy, start) in starts.iter().enumerate() {
                let Some(start) = start else { continue };
                for (values, month) in all.iter_mut().zip(&at) {
                    values[first + policy] = cells.at(start + month);
                }
            }
        })?;
        let policies = self.plan.policies.len();
        Ok(all.into_iter().map(|cells| Values::new(policies, cells)).collect())
    }

    /// The rows of the panel of `scope`, run by run: `visit` gets the run's number, the month, the
    /// member's id and the values of its metrics.
    ///
    /// # Errors
    /// When there is no such panel, or the system refuses.
    pub fn panel(
        &self,
        scope: Scope,
        visit: &mut dyn FnMut(u64, &str, &str, &[f64]),
    ) -> Result<(), Failed> {
        let tables = tables::panels(self.plan);
        let table = tables.iter().find(|table| table.name == scope.table());
        let Some(table) = table else {
            return Err(Failed::Input(format!(
                "`{}` records no table of {}",
                self.plan.name,
                scope.table()
            )));
        };
        each(self.store, &self.shards, table, &mut |_, reader| {
            for n in 0..reader.batches() {
                let batch = reader.batch(n)?;
                let [Cells::Whole(runs), Cells::Text(months), Cells::Text(ids), values @ ..] =
                    batch.cells.as_slice()
                else {
                    continue;
                };
                for row in 0..runs.len() {
                    let values: Vec<f64> = values.iter().map(|cells| cells.at(row)).collect();
                    let (run, month, id) = (&runs[row], &months[row], &ids[row]);
                    if let (Some(run), Some(month), Some(id)) = (run, month, id) {
                        visit(run.cast_unsigned(), month, id, &values);
                    }
                }
            }
            Ok(())
        })
    }
}

/// The months of the series.
#[must_use]
pub fn months_kept(plan: &Plan) -> Vec<Month> {
    let (first, last) = plan.span;
    let all = (0..=last - first).map(|n| first + n);
    all.filter(|month| plan.record.keeps(*month, last)).collect()
}

fn each(
    store: &Store,
    shards: &[u64],
    table: &Table,
    visit: &mut dyn FnMut(u64, &Reader) -> std::io::Result<()>,
) -> Result<(), Failed> {
    for shard in shards {
        let file = store.path(&path(*shard, table));
        let mut read = || visit(*shard, &Reader::open(&file, &table.columns)?);
        read().map_err(failed("read", &file))?;
    }
    Ok(())
}

/// Values of outcomes: `visit` gets the draw, the position among `wanted`, and a value a policy.
pub(super) fn outcomes(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    wanted: &[usize],
    visit: &mut dyn FnMut(u64, usize, &[f64]),
) -> Result<(), Failed> {
    let table = tables::runs(plan);
    let first = tables::outcomes_at(plan);
    let policies = plan.policies.len();
    each(store, shards, &table, &mut |shard, reader| {
        let mut draw = plan.draws_of_shard(shard).0;
        for batch in 0..reader.batches() {
            let mut rows = 0;
            for (at, outcome) in wanted.iter().enumerate() {
                let cells = reader.column(batch, first + outcome)?;
                rows = cells.len();
                let values: Vec<f64> = (0..rows).map(|row| cells.at(row)).collect();
                for (n, values) in values.chunks(policies).enumerate() {
                    visit(draw + n as u64, at, values);
                }
            }
            draw += (rows / policies) as u64;
        }
        Ok(())
    })
}

/// Values of metrics by month: `visit` gets the draw, the position among `metrics`, the cells of the metric,
/// and for each policy the row at which its months begin, none where it has none.
pub(super) fn series(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    metrics: &[usize],
    visit: &mut dyn FnMut(u64, usize, &Cells, &[Option<usize>]),
) -> Result<(), Failed> {
    let table = tables::series(plan);
    let policies = plan.policies.len() as u64;
    let months = months_kept(plan).len();
    each(store, shards, &table, &mut |shard, reader| {
        let (from, to) = plan.draws_of_shard(shard);
        for batch in 0..reader.batches() {
            let ids = reader.column(batch, 0)?;
            let starts = starts(&ids, from * policies, (to - from) * policies, months);
            for (at, metric) in metrics.iter().enumerate() {
                let cells = reader.column(batch, metric + 2)?;
                for (n, starts) in starts.chunks(policies as usize).enumerate() {
                    visit(from + n as u64, at, &cells, starts);
                }
            }
        }
        Ok(())
    })
}

/// The row at which each run of a shard begins; none for one without rows.
fn starts(ids: &Cells, first: u64, runs: u64, months: usize) -> Vec<Option<usize>> {
    let mut starts = vec![None; runs as usize];
    let Cells::Whole(ids) = ids else { return starts };
    for row in (0..ids.len()).step_by(months.max(1)) {
        if let Some(id) = ids[row]
            && let Ok(at) = usize::try_from(id - first.cast_signed())
            && let Some(start) = starts.get_mut(at)
        {
            *start = Some(row);
        }
    }
    starts
}
