//! What really happened, to score a run against. The model never reads it.
//!
//! Observations are a table of the world like any other, so that a variant can
//! replace them; only [`crate::analysis::hindcast`] looks at them.
//!
//! # Members
//! `members` and `per_members` say which rows of an output table count. Each word
//! is one of
//!
//! | word | rows |
//! |---|---|
//! | `nvidia-h100` | the row with this id |
//! | `*` | every row |
//! | `column:value` | rows whose text column `column` holds `value`, `vendor:huawei` say |
//! | `parent:nvidia-h100` | every variant of this SKU, historical or designed, variants of variants included |
//! | `cut:tpp` | variants below their parent in this numeric column |
//! | `a&b` | rows that both words select |
//! | `word@2024-01` | the same, counted from this month on |
//!
//! What a chip is (`vendor`, `parent`, `origin`, `tpp`, `interconnect_gbps`) is read from
//! `skus.csv` of the output folder, a row a SKU, or else from columns of the table itself.
//!
//! A row that several words select counts once. A word that names an unknown id
//! makes the observation *missing*; a pattern that selects nothing is a true
//! nothing (no variant was designed), and sums to zero.

use crate::calendar::Month;
use crate::schema::{Column, Kind, Row, Value, choice, month, number, optional, text, words};

crate::choice! {
    /// Whether an observation may be tuned to.
    pub enum Use {
        /// Ends by January 2024: parameters may be tuned to it.
        Fit = "fit",
        /// Later: only reported.
        Test = "test",
    }
}

crate::choice! {
    /// How far a source can be trusted.
    pub enum Confidence {
        /// A filing, a law, a firm's own count, or several sources that agree.
        High = "high",
        /// One careful estimate, or a report at second hand.
        Medium = "medium",
        /// A guess; never tuned to.
        Low = "low",
    }
}

crate::choice! {
    /// How the members of an observation become one number a month.
    pub enum Across {
        /// Sum.
        Sum = "sum",
        /// Mean.
        Mean = "mean",
        /// Median.
        Median = "median",
        /// Largest.
        Largest = "largest",
        /// Smallest.
        Smallest = "smallest",
    }
}

crate::choice! {
    /// How the months of an observation become one number.
    pub enum Aggregate {
        /// Sum over the months.
        Sum = "sum",
        /// Mean over the months.
        Mean = "mean",
        /// Value in the last month.
        Last = "last",
        /// Sum of the metric over the sum of `per`.
        Ratio = "ratio",
        /// Mean × 12: an annual rate of a monthly flow.
        Annual = "annual",
        /// Largest over the months.
        Largest = "largest",
        /// Smallest over the months.
        Smallest = "smallest",
        /// Months from `from` until the metric first exceeds zero; one more than the window has
        /// when it never does.
        FirstAboveZero = "first_above_zero",
        /// Months from `from` to the month with the largest value: when a peak came.
        MonthOfLargest = "month_of_largest",
        /// Months from `from` to the month with the smallest value: when a trough came.
        MonthOfSmallest = "month_of_smallest",
    }
}

crate::table! {
    /// Observations of what really happened.
    pub struct ObservationRow in "observations" {
        /// The quantity, for people; the same words for every date of one series.
        quantity: String = text(),
        /// Family of observations that are not independent; scores are weighted by family.
        family: String = text(),
        /// Output table: series, firms, vendors, countries, chips or lines.
        table: String = choice(&["series", "firms", "vendors", "countries", "chips", "lines"]),
        /// Rows of the table that count; empty for `series`.
        members: Vec<String> = optional(words()),
        /// How the members become one number a month.
        across: Across = choice(Across::WORDS),
        /// The metric.
        metric: String = text(),
        /// The metric of the same table that `ratio` divides by.
        per: Option<String> = optional(text()),
        /// Rows that the divisor is taken over; empty: the same as `members`.
        per_members: Vec<String> = optional(words()),
        /// How months become one number.
        aggregate: Aggregate = choice(Aggregate::WORDS),
        /// First month.
        from: Month = month(),
        /// Last month.
        to: Month = month(),
        /// First month of the divisor; empty: `from`.
        per_from: Option<Month> = optional(month()),
        /// Last month of the divisor; empty: `to`.
        per_to: Option<Month> = optional(month()),
        /// Factor that brings the metric to the unit of the observation.
        factor: f64 = number("see unit", -1e18, 1e18),
        /// Observed value.
        value: f64 = number("see unit", -1e18, 1e18),
        /// Lower end of the tolerance.
        low: f64 = number("see unit", -1e18, 1e18),
        /// Upper end of the tolerance.
        high: f64 = number("see unit", -1e18, 1e18),
        /// Unit of the value.
        unit: String = text(),
        /// Whether it may be tuned to.
        role: Use = choice(Use::WORDS),
        /// How far the source can be trusted.
        confidence: Confidence = choice(Confidence::WORDS),
        /// Inputs of the reference world that largely determine it, as `table`, `table.column`,
        /// `events:kind` or `parameters:name`; empty: none.
        inputs: Vec<String> = optional(words()),
        /// Where it was read, and what the tolerance rests on.
        source: String = text(),
    }
}

impl ObservationRow {
    /// Last month of what may be tuned to: NVIDIA's fiscal 2024 is the last to end.
    pub const FIT_ENDS: Month = Month::new(2024, 1);

    /// What is wrong with the row beyond its cells, in words; empty when nothing is.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, says: String| {
            if wrong {
                faults.push(says);
            }
        };
        fault(
            !(self.low <= self.value && self.value <= self.high),
            format!(
                "value {} lies outside its tolerance {} to {}",
                self.value, self.low, self.high
            ),
        );
        fault(self.from > self.to, format!("from {} is after to {}", self.from, self.to));
        fault(
            self.per_from.unwrap_or(self.from) > self.per_to.unwrap_or(self.to),
            "per_from is after per_to".to_owned(),
        );
        let fit = self.role == Use::Fit;
        fault(
            fit && self.to > Self::FIT_ENDS,
            format!("role fit, but it ends in {} and fits end by {}", self.to, Self::FIT_ENDS),
        );
        fault(
            fit && self.confidence == Confidence::Low,
            "role fit, but its confidence is low".to_owned(),
        );
        fault(
            (self.aggregate == Aggregate::Ratio) != self.per.is_some(),
            "`per` goes with the aggregate `ratio`, and only with it".to_owned(),
        );
        fault(
            self.per.is_none()
                && (!self.per_members.is_empty()
                    || self.per_from.is_some()
                    || self.per_to.is_some()),
            "per_members, per_from and per_to need `per`".to_owned(),
        );
        fault(
            (self.table == "series") != self.members.is_empty(),
            "members are given for every table but `series`".to_owned(),
        );
        fault(
            self.aggregate == Aggregate::FirstAboveZero
                && f64::from(self.to - self.from + 1) * self.factor <= self.high,
            "the window is too short to tell `never` from `in time`".to_owned(),
        );
        faults
    }
}

/// Reads an observations table on its own, for scoring against a file that is
/// not part of a world: the header is `id` and the columns of [`ObservationRow`].
///
/// # Errors
/// The line and column of the first cell that does not fit, in words.
pub fn read(csv: &[u8]) -> Result<Vec<ObservationRow>, String> {
    let mut reader = csv::ReaderBuilder::new().from_reader(csv);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let columns = ObservationRow::COLUMNS;
    let wanted = || std::iter::once("id").chain(columns.iter().map(|c| c.name));
    if !header.iter().eq(wanted()) {
        return Err(format!("the header must be {}", wanted().collect::<Vec<_>>().join(",")));
    }
    let mut rows: Vec<ObservationRow> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut values = Vec::with_capacity(columns.len());
        for (column, cell) in columns.iter().zip(record.iter().skip(1)) {
            let value = cell_value(column, cell)
                .map_err(|says| format!("line {line}, {}: {says}", column.name))?;
            values.push(value);
        }
        let id = record.get(0).unwrap_or_default().to_owned();
        if id.is_empty() || rows.iter().any(|row| row.id == id) {
            return Err(format!("line {line}: the id `{id}` is empty or used twice"));
        }
        rows.push(ObservationRow::build(id, &mut values.into_iter()));
    }
    Ok(rows)
}

fn cell_value(column: &Column, cell: &str) -> Result<Value, String> {
    if cell.is_empty() {
        return if column.optional {
            Ok(Value::Missing)
        } else {
            Err("the cell is empty".to_owned())
        };
    }
    match column.kind {
        Kind::Text => Ok(Value::Text(cell.to_owned())),
        Kind::Words => Ok(Value::List(cell.split_whitespace().map(str::to_owned).collect())),
        Kind::Month => cell.parse().map(Value::Month),
        Kind::Choice(words) if words.contains(&cell) => Ok(Value::Text(cell.to_owned())),
        Kind::Choice(words) => Err(format!("`{cell}` is none of {}", words.join(", "))),
        Kind::Number { low, high } => match cell.parse::<f64>() {
            Ok(x) if x >= low && x <= high => Ok(Value::Number(x)),
            _ => Err(format!("`{cell}` is not a number between {low} and {high}")),
        },
        Kind::Whole { .. } | Kind::Flag | Kind::Id(_) | Kind::Ids(_) => {
            Err("no such column in this table".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Vec<ObservationRow> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds/reference/observations.csv");
        read(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_reference_observations_are_sound() {
        let rows = reference();
        assert!(rows.len() > 150, "{}", rows.len());
        for row in &rows {
            assert_eq!(row.faults(), Vec::<String>::new(), "{}", row.id);
            assert!(row.to <= Month::new(2025, 12), "{}: dated after 2025", row.id);
            let role = if row.to <= ObservationRow::FIT_ENDS
                && row.from >= Month::new(2022, 1)
                && row.confidence != Confidence::Low
            {
                Use::Fit
            } else {
                Use::Test
            };
            assert_eq!(row.role, role, "{}", row.id);
        }
    }

    #[test]
    fn rows_of_one_series_share_family_unit_and_measure() {
        let rows = reference();
        for row in &rows {
            for other in rows.iter().filter(|other| other.quantity == row.quantity) {
                assert_eq!(row.family, other.family, "{} and {}", row.id, other.id);
                assert_eq!(row.unit, other.unit, "{} and {}", row.id, other.id);
                assert_eq!(row.metric, other.metric, "{} and {}", row.id, other.id);
                assert_eq!(row.factor, other.factor, "{} and {}", row.id, other.id);
            }
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_told_so() {
        let mut row = reference().remove(0);
        row.role = Use::Fit;
        row.to = Month::new(2025, 1);
        row.low = row.high + 1.0;
        let faults = row.faults().join("; ");
        assert!(faults.contains("outside its tolerance"), "{faults}");
        assert!(faults.contains("fits end by 2024-01"), "{faults}");
    }

    #[test]
    fn a_bad_cell_is_found_by_line_and_column() {
        let header = std::iter::once("id")
            .chain(ObservationRow::COLUMNS.iter().map(|c| c.name))
            .collect::<Vec<_>>()
            .join(",");
        let row = "x,q,f,series,,sum,m,,,sum,2022-01,2022-13,,,1,1,1,1,u,fit,high,,s";
        let error = read(format!("{header}\n{row}\n").as_bytes()).unwrap_err();
        assert!(error.starts_with("line 2, to: `2022-13` is not a month"), "{error}");
        assert!(read(b"id,quantity\n").unwrap_err().starts_with("the header must be id,quantity,"));
    }
}
