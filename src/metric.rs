//! Declared metrics: the only numbers that leave a run by the month.
//!
//! A room declares what it measures with [`metrics!`](crate::metrics) and writes
//! the value into [`Readings`] in its own systems. Output tables, their order and
//! `docs/outputs.md` follow from the declarations.

use std::sync::atomic::{AtomicUsize, Ordering};

use bevy_ecs::prelude::Resource;

/// What a metric is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One value a month for the whole world: `series.csv`.
    World,
    /// One value a month and firm: `firms.csv`.
    Firm,
    /// One value a month and vendor: `vendors.csv`.
    Vendor,
    /// One value a month and country: `countries.csv`.
    Country,
    /// One value a month and SKU: `chips.csv`.
    Sku,
    /// One value a month and fab, memory or packaging line: `lines.csv`.
    Line,
}

impl Scope {
    /// Every scope, in the order of the output tables.
    pub const ALL: [Self; 6] =
        [Self::World, Self::Firm, Self::Vendor, Self::Country, Self::Sku, Self::Line];

    /// The output table that holds metrics of this scope, without extension.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::World => "series",
            Self::Firm => "firms",
            Self::Vendor => "vendors",
            Self::Country => "countries",
            Self::Sku => "chips",
            Self::Line => "lines",
        }
    }
}

/// A declared metric.
#[derive(Debug)]
pub struct Metric {
    /// Column name in the output.
    pub name: &'static str,
    /// Unit, as written in the documentation; `1` for a pure number.
    pub unit: &'static str,
    /// What the number is, with its formula where it has one.
    pub definition: &'static str,
    /// What it is measured on.
    pub scope: Scope,
    /// Number of its own in this process, from 1; 0: not given yet.
    number: AtomicUsize,
}

impl Metric {
    /// Declares a metric; use the [`metrics!`](crate::metrics) macro.
    #[must_use]
    pub const fn new(
        scope: Scope,
        name: &'static str,
        unit: &'static str,
        definition: &'static str,
    ) -> Self {
        Self { name, unit, definition, scope, number: AtomicUsize::new(0) }
    }

    /// A number of its own in this process, given at first sight. Only boards use it, to find the
    /// metric's column: no result depends on who came first.
    #[inline]
    fn number(&self) -> usize {
        let number = self.number.load(Ordering::Relaxed);
        if number == 0 { self.be_numbered() } else { number }
    }

    #[cold]
    #[inline(never)]
    fn be_numbered(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Of two threads that meet here the first to write decides.
        match self.number.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => next,
            Err(given) => given,
        }
    }
}

/// Declares the metrics of a room and the list `METRICS` of all of them.
///
/// ```
/// frugality::metrics! {
///     World { BACKLOG = "backlog_units", "chips", "Units ordered and not yet shipped."; }
///     Firm { CASH = "cash_usd", "USD", "Cash at the end of the month."; }
/// }
/// assert_eq!(METRICS.len(), 2);
/// assert_eq!(BACKLOG.unit, "chips");
/// assert_eq!(CASH.name, "cash_usd");
/// ```
#[macro_export]
macro_rules! metrics {
    ($($scope:ident { $($id:ident = $name:literal, $unit:literal, $definition:literal;)* })*) => {
        $($(
            #[doc = $definition]
            pub static $id: $crate::metric::Metric = $crate::metric::Metric::new(
                $crate::metric::Scope::$scope, $name, $unit, $definition,
            );
        )*)*
        /// Every metric that this room writes.
        pub static METRICS: &[&$crate::metric::Metric] = &[$($(&$id,)*)*];
    };
}

/// The values of the month that is being simulated. A value that no system
/// wrote this month is not a number and leaves an empty cell.
#[derive(Resource, Debug)]
pub struct Readings {
    metrics: &'static [&'static Metric],
    by_scope: [Table; Scope::ALL.len()],
    /// Column of each metric in the table of its scope, by the metric's number.
    columns: Vec<usize>,
}

#[derive(Debug, Default)]
struct Table {
    metrics: Vec<&'static Metric>,
    rows: usize,
    values: Vec<f64>,
}

impl Table {
    /// Makes room for `row` and writes there. Kept apart, so that what writes most is short.
    #[cold]
    #[inline(never)]
    fn widen(&mut self, row: usize, at: usize, value: f64) {
        self.rows = row + 1;
        self.values.resize(self.metrics.len() * self.rows, f64::NAN);
        self.values[at] = value;
    }
}

#[cold]
#[inline(never)]
fn unknown(metric: &Metric) -> ! {
    panic!("`{}` is not a metric of this board", metric.name)
}

impl Readings {
    /// An empty board for `metrics`, with as many rows a scope as there are
    /// members (`rows` in the order of [`Scope::ALL`]; the world's is 1).
    #[must_use]
    pub fn new(metrics: &'static [&'static Metric], rows: [usize; 6]) -> Self {
        let mut columns = Vec::new();
        let by_scope = Scope::ALL.map(|scope| {
            let rows = rows[scope as usize];
            let of_scope: Vec<_> = metrics.iter().copied().filter(|m| m.scope == scope).collect();
            for (column, metric) in of_scope.iter().enumerate() {
                let number = metric.number();
                if number >= columns.len() {
                    columns.resize(number + 1, usize::MAX);
                }
                columns[number] = column;
            }
            let values = vec![f64::NAN; of_scope.len() * rows];
            Table { metrics: of_scope, rows, values }
        });
        Self { metrics, by_scope, columns }
    }

    /// The column of `metric` in the table of its scope.
    #[inline]
    fn column(&self, metric: &Metric) -> usize {
        match self.columns.get(metric.number()) {
            Some(&column) if column != usize::MAX => column,
            _ => unknown(metric),
        }
    }

    /// Every declared metric, in the order of declaration.
    #[must_use]
    pub const fn metrics(&self) -> &'static [&'static Metric] {
        self.metrics
    }

    /// Forgets last month's values.
    pub fn clear(&mut self) {
        for table in &mut self.by_scope {
            table.values.fill(f64::NAN);
        }
    }

    /// Makes room for members that came in during the run (new SKUs).
    pub fn grow(&mut self, scope: Scope, rows: usize) {
        let table = &mut self.by_scope[scope as usize];
        if rows > table.rows {
            table.rows = rows;
            table.values.resize(table.metrics.len() * rows, f64::NAN);
        }
    }

    /// Writes a world metric.
    #[inline]
    pub fn set(&mut self, metric: &Metric, value: f64) {
        self.set_for(metric, 0, value);
    }

    /// Writes the value of `metric` for member `row` of its scope.
    ///
    /// # Panics
    /// When the board was not made for `metric`: a bug of ours.
    #[inline]
    pub fn set_for(&mut self, metric: &Metric, row: usize, value: f64) {
        let column = self.column(metric);
        let table = &mut self.by_scope[metric.scope as usize];
        let width = table.metrics.len();
        let at = row * width + column;
        if let Some(cell) = table.values.get_mut(at) {
            *cell = value;
            return;
        }
        table.widen(row, at, value);
    }

    /// This month's value of a world metric (not a number if unwritten).
    #[must_use]
    pub fn get(&self, metric: &Metric) -> f64 {
        self.get_for(metric, 0)
    }

    /// This month's value of `metric` for member `row`.
    ///
    /// # Panics
    /// When the board was not made for `metric`: a bug of ours.
    #[must_use]
    pub fn get_for(&self, metric: &Metric, row: usize) -> f64 {
        let table = &self.by_scope[metric.scope as usize];
        let at = row * table.metrics.len() + self.column(metric);
        table.values.get(at).copied().unwrap_or(f64::NAN)
    }

    /// The metrics of a scope, and the rows of its table this month.
    #[must_use]
    pub fn table(&self, scope: Scope) -> (&[&'static Metric], usize) {
        let table = &self.by_scope[scope as usize];
        (&table.metrics, table.rows)
    }

    /// Whether a value of a scope is infinite. Asked of thousands of values each month, so without a branch for each.
    #[must_use]
    pub fn any_infinite(&self, scope: Scope) -> bool {
        let values = &self.by_scope[scope as usize].values;
        values.iter().fold(false, |found, value| found | value.is_infinite())
    }

    /// The values of member `row`, in the order of the scope's metrics.
    #[must_use]
    pub fn row(&self, scope: Scope, row: usize) -> &[f64] {
        let table = &self.by_scope[scope as usize];
        let width = table.metrics.len();
        table.values.get(row * width..(row + 1) * width).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    metrics! {
        World { BACKLOG = "backlog", "chips", "Ordered and not shipped."; }
        Firm {
            CASH = "cash", "USD", "Cash.";
            DEBT = "debt", "USD", "Debt.";
        }
    }

    #[test]
    fn values_are_found_where_they_were_written() {
        let mut readings = Readings::new(METRICS, [1, 2, 0, 0, 0, 0]);
        readings.set(&BACKLOG, 3.0);
        readings.set_for(&DEBT, 1, 9.0);
        assert_eq!(readings.get(&BACKLOG), 3.0);
        assert_eq!(readings.row(Scope::Firm, 1)[1], 9.0);
        assert!(readings.get_for(&CASH, 1).is_nan());
        readings.clear();
        assert!(readings.get(&BACKLOG).is_nan());
    }

    #[test]
    fn boards_of_other_metrics_do_not_disturb_each_other() {
        static FEWER: [&Metric; 1] = [&DEBT];
        let mut all = Readings::new(METRICS, [1, 1, 0, 0, 0, 0]);
        let mut fewer = Readings::new(&FEWER, [0, 1, 0, 0, 0, 0]);
        all.set_for(&DEBT, 0, 1.0);
        fewer.set_for(&DEBT, 0, 2.0);
        assert_eq!((all.get_for(&DEBT, 0), fewer.get_for(&DEBT, 0)), (1.0, 2.0));
        assert!(all.get_for(&CASH, 0).is_nan());
        assert_eq!(fewer.row(Scope::Firm, 0), [2.0]);
    }

    #[test]
    #[should_panic(expected = "`cash` is not a metric of this board")]
    fn a_metric_that_a_board_does_not_have_is_refused() {
        static FEWER: [&Metric; 1] = [&DEBT];
        Readings::new(&FEWER, [0, 1, 0, 0, 0, 0]).set_for(&CASH, 0, 1.0);
    }
}
