//! What a run says about an observation: the same for tables in a folder and for a run that is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::outputs::{Gap, Outputs};
use super::{Ending, Page, Sink, columns};
use crate::entities::chip::Origin;
use crate::mechanisms;
use crate::metric::Scope;
use crate::world::observation::{Aggregate, ObservationRow};

/// What one run says about an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The model's value, in the unit of the observation.
    pub value: f64,
    /// Whether a variant scripted by the world counts in it.
    pub scripted: bool,
}

/// The number that `row` asks for, from one run.
///
/// # Errors
/// Why the run has no such number.
pub fn measure(run: &Outputs, row: &ObservationRow) -> Result<Measured, Gap> {
    let table = run.table(&row.table)?;
    let members = table.select(&row.members)?;
    let window = (row.from, row.to);
    let variant = ("origin", Origin::HistoricalVariant.word());
    let scripted = table.any_counts(&members, variant, &row.metric, window);
    let months = table.monthly(&members, &row.metric, row.across, window)?;
    let known = || months.iter().copied().flatten();
    // A pattern that selects nothing is a true nothing; empty cells of members are not.
    let nothing = members.is_empty();
    let or_empty = |x: Option<f64>| x.or(nothing.then_some(0.0)).ok_or(Gap::Empty);
    let some = || if known().next().is_some() || nothing { Ok(()) } else { Err(Gap::Empty) };
    let sum = |values: &[Option<f64>]| values.iter().copied().flatten().sum::<f64>();
    let when = |best: fn(f64, f64) -> bool| {
        let mut found: Option<(usize, f64)> = None;
        for (step, x) in months.iter().enumerate().filter_map(|(i, x)| Some((i, (*x)?))) {
            if found.is_none_or(|(_, so_far)| best(x, so_far)) {
                found = Some((step, x));
            }
        }
        found.map(|(step, _)| step as f64).ok_or(Gap::Empty)
    };
    let value = match row.aggregate {
        Aggregate::Sum => some().map(|()| sum(&months))?,
        Aggregate::Mean | Aggregate::Annual => {
            some()?;
            let mean = sum(&months) / known().count().max(1) as f64;
            if row.aggregate == Aggregate::Annual { 12.0 * mean } else { mean }
        }
        Aggregate::Last => or_empty(months.last().copied().flatten())?,
        Aggregate::Largest => or_empty(known().reduce(f64::max))?,
        Aggregate::Smallest => or_empty(known().reduce(f64::min))?,
        Aggregate::Ratio => {
            some()?;
            let per = row.per.as_deref().unwrap_or(&row.metric);
            let of = if row.per_members.is_empty() { &row.members } else { &row.per_members };
            let window = (row.per_from.unwrap_or(row.from), row.per_to.unwrap_or(row.to));
            let divisor = table.monthly(&table.select(of)?, per, row.across, window)?;
            let divisor = sum(&divisor);
            if divisor == 0.0 {
                return Err(Gap::Divisor);
            }
            sum(&months) / divisor
        }
        Aggregate::FirstAboveZero => {
            some()?;
            let first = months.iter().position(|x| x.is_some_and(|x| x > 0.0));
            first.unwrap_or(months.len()) as f64
        }
        Aggregate::MonthOfLargest => when(|x, so_far| x > so_far)?,
        Aggregate::MonthOfSmallest => when(|x, so_far| x < so_far)?,
    };
    let value = value * row.factor;
    if value.is_finite() { Ok(Measured { value, scripted }) } else { Err(Gap::Empty) }
}

/// Keeps, while a run goes on, what some observations need of it.
#[derive(Clone, Debug)]
pub struct Observer {
    outputs: Outputs,
    /// What is kept of each scope: columns by position, and their names.
    kept: Vec<(Scope, Vec<usize>, Vec<&'static str>)>,
}

impl Observer {
    /// An observer for `rows`.
    #[must_use]
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a ObservationRow>) -> Self {
        let mut wanted: BTreeMap<Scope, BTreeSet<&str>> = BTreeMap::new();
        for row in rows {
            let scope = Scope::ALL.into_iter().find(|scope| scope.table() == row.table);
            let Some(scope) = scope else { continue };
            let names = wanted.entry(scope).or_default();
            names.insert(&row.metric);
            names.extend(row.per.as_deref());
        }
        let kept = wanted
            .into_iter()
            .map(|(scope, names)| {
                let all = columns(mechanisms::all_metrics(), scope).enumerate();
                let (at, names) =
                    all.filter(|(_, m)| names.contains(m.name)).map(|(at, m)| (at, m.name)).unzip();
                (scope, at, names)
            })
            .collect();
        Self { outputs: Outputs::empty("run"), kept }
    }

    /// The tables, once the run has ended.
    #[must_use]
    pub fn finish(mut self, ending: &Ending) -> Outputs {
        if self.kept.iter().any(|(scope, ..)| *scope == Scope::Sku) {
            let described =
                self.outputs.describe(Scope::Sku.table(), &ending.skus_csv().into_bytes());
            debug_assert_eq!(described, Ok(()), "what a run says of its chips can be read");
        }
        self.outputs
    }
}

impl Sink for Observer {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        for (scope, at, names) in &self.kept {
            for (id, values) in page.rows(*scope) {
                let values = at.iter().map(|at| values[*at]).collect();
                self.outputs.push(scope.table(), names, id, page.month, values);
            }
        }
        Ok(())
    }
}
