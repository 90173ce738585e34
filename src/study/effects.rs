//! What each policy changes against its counterfactual: differences within draws, month by month.

use std::sync::Arc;

use super::draws;
use super::plan::Plan;
use super::shard::Commit;
use super::statistics::{LEVEL, Paired};
use super::store::{Failed, Store};
use super::table::{Batch, Column, Kind};
use super::tables::{self, Table, unit_of};

/// Bytes that sums of effects may take at once.
const SUMS_BYTES: usize = 48 << 20;

/// The table of effects.
#[must_use]
pub fn table(plan: &Plan) -> Table {
    let percent = LEVEL * 100.0;
    let word = |name: &str, definition: &str| Column::new(name, "word", definition, Kind::Text);
    let number = |name: &str, unit: &str, definition: String| {
        Column::new(name, unit, &definition, Kind::Number)
    };
    let mut columns = vec![word("arm", "Name of the arm.")];
    columns.extend(plan.design.levers.iter().map(tables::of_factor));
    columns.extend([
        word("counterfactual", "Name of the arm that it is compared with."),
        word("outcome", "An outcome of the table of runs, or a metric of the table of series."),
        Column::new("month", "month", "The month, YYYY-MM; empty for an outcome of the run.", Kind::Text),
        word("unit", "Unit of the outcome."),
        Column::new("pairs", "number", "Draws that have a value under both.", Kind::Whole),
        number("mean", "see unit", "Mean under the policy.".into()),
        number("mean_counterfactual", "see unit", "Mean under the counterfactual.".into()),
        number("effect", "see unit", "Mean of the differences within draws, policy less counterfactual.".into()),
        number("low", "see unit", format!("Low end of the {percent:.0} % t-interval of the effect, from the differences.")),
        number("high", "see unit", "Its high end.".into()),
        number("share_above", "share", "Share of draws in which the policy gives more.".into()),
        number("share_below", "share", "Share of draws in which it gives less.".into()),
        number("low_unpaired", "see unit", format!("Low end of the {percent:.0} % interval of the same effect without pairs (Welch).")),
        number("high_unpaired", "see unit", "Its high end.".into()),
        number("narrower", "ratio", "Width of the unpaired interval over that of the paired one: what shared luck bought; the square of it is how many times more draws one would have needed.".into()),
    ]);
    Table { name: "effects", about: "a row a policy, outcome and month", columns }
}

fn row(
    plan: &Plan,
    policy: usize,
    outcome: &Arc<str>,
    month: Option<&Arc<str>>,
    sums: &Paired,
    batch: &mut Batch,
) {
    let of = plan.policies[policy];
    let Some(twin) = of.against else { return };
    let text = |text: &str| Some(Arc::from(text));
    let mut cells = batch.cells.iter_mut();
    let mut next = || cells.next().expect("a row has the cells of its table");
    next().text(text(&plan.arms[of.arm].name));
    for (at, lever) in plan.design.levers.iter().enumerate() {
        let pick = plan.design.lever(at, of.lever_row);
        let cells = next();
        if lever.is_numeric() {
            cells.number(lever.number(pick));
        } else {
            cells.text(text(&lever.label(pick)));
        }
    }
    next().text(text(&plan.arms[plan.policies[twin].arm].name));
    next().text(Some(Arc::clone(outcome)));
    next().text(month.cloned());
    next().text(text(unit_of(plan, outcome)));
    next().whole(i64::try_from(sums.difference.n()).ok());
    next().number(sums.treated.mean());
    next().number(sums.counterfactual.mean());
    let effect = sums.difference.mean();
    let (paired, unpaired) = (sums.difference.half_width(), sums.half_width_unpaired());
    next().number(effect);
    next().number(effect - paired);
    next().number(effect + paired);
    next().number(sums.share_above());
    next().number(sums.share_below());
    next().number(effect - unpaired);
    next().number(effect + unpaired);
    next().number(if paired > 0.0 { unpaired / paired } else { f64::NAN });
}

/// Policies that have a counterfactual.
fn treated(plan: &Plan) -> Vec<(usize, usize)> {
    let all = plan.policies.iter().enumerate();
    all.filter_map(|(at, policy)| Some((at, policy.against?))).collect()
}

/// Half the width of the paired interval of an outcome, a policy each.
pub(super) fn half_widths(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    outcome: usize,
) -> Result<Vec<f64>, Failed> {
    let sums = outcomes(plan, store, shards, &[outcome])?;
    Ok(sums.iter().map(|sums| sums[0].difference.half_width()).collect())
}

/// Sums of outcomes, `[treated policy][outcome]`.
fn outcomes(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    wanted: &[usize],
) -> Result<Vec<Vec<Paired>>, Failed> {
    let treated = treated(plan);
    let mut sums = vec![vec![Paired::default(); wanted.len()]; treated.len()];
    draws::outcomes(plan, store, shards, wanted, &mut |_, at, values| {
        for (sums, (policy, twin)) in sums.iter_mut().zip(&treated) {
            sums[at].add(values[*policy], values[*twin]);
        }
    })?;
    Ok(sums)
}

/// The effects of everything that was recorded, handed over in batches of rows.
pub(super) fn compute(
    plan: &Plan,
    store: &Store,
    commits: &[Commit],
    write: &mut dyn FnMut(&Batch) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let table = table(plan);
    let treated = treated(plan);
    if treated.is_empty() {
        return Ok(());
    }
    let shards: Vec<u64> = commits.iter().map(|commit| commit.shard).collect();
    let all: Vec<usize> = (0..plan.record.outcomes.len()).collect();
    let sums = outcomes(plan, store, &shards, &all)?;
    let mut batch = Batch::new(&table.columns);
    for (at, outcome) in plan.record.outcomes.iter().enumerate() {
        let name: Arc<str> = Arc::from(outcome.name.as_str());
        for (sums, (policy, _)) in sums.iter().zip(&treated) {
            row(plan, *policy, &name, None, &sums[at], &mut batch);
        }
    }
    write(&batch)?;

    let months: Vec<Arc<str>> =
        draws::months_kept(plan).iter().map(|month| Arc::from(month.to_string())).collect();
    let a_metric = treated.len() * months.len() * size_of::<Paired>();
    let at_once = (SUMS_BYTES / a_metric.max(1)).max(1);
    let metrics: Vec<usize> = (0..plan.record.series.len()).collect();
    for chunk in metrics.chunks(at_once) {
        let sums = series(plan, store, &shards, chunk, &treated, months.len())?;
        let mut batch = Batch::new(&table.columns);
        for (at, metric) in chunk.iter().enumerate() {
            let name: Arc<str> = Arc::from(plan.record.series[*metric].1.name);
            for (sums, (policy, _)) in sums.iter().zip(&treated) {
                for (n, month) in months.iter().enumerate() {
                    row(
                        plan,
                        *policy,
                        &name,
                        Some(month),
                        &sums[at * months.len() + n],
                        &mut batch,
                    );
                }
            }
        }
        write(&batch)?;
    }
    Ok(())
}

/// Sums of metrics, `[treated policy][metric × months + month]`.
fn series(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    metrics: &[usize],
    treated: &[(usize, usize)],
    months: usize,
) -> Result<Vec<Vec<Paired>>, Failed> {
    let mut sums = vec![vec![Paired::default(); metrics.len() * months]; treated.len()];
    draws::series(plan, store, shards, metrics, &mut |_, at, cells, draw| {
        for (sums, (policy, twin)) in sums.iter_mut().zip(treated) {
            let (Some(x), Some(y)) = (draw[*policy], draw[*twin]) else { continue };
            for n in 0..months {
                sums[at * months + n].add(cells.at(x + n), cells.at(y + n));
            }
        }
    })?;
    Ok(sums)
}
