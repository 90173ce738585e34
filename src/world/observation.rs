//! What really happened, to score a run against. The model never reads it.

use crate::calendar::Month;
use crate::schema::{choice, month, number, optional, text};

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
        /// Mean × 12: an annual rate.
        Annual = "annual",
        /// Largest over the months.
        Largest = "largest",
        /// Smallest over the months.
        Smallest = "smallest",
        /// Months from `from` until the metric first exceeds zero.
        FirstAboveZero = "first_above_zero",
    }
}

crate::table! {
    /// Observations of what really happened.
    pub struct ObservationRow in "observations" {
        /// The quantity, for people.
        quantity: String = text(),
        /// Family of observations that are not independent; scores are weighted by family.
        family: String = text(),
        /// Output table: series, firms, vendors, countries, chips or lines.
        table: String = choice(&["series", "firms", "vendors", "countries", "chips", "lines"]),
        /// Ids of the members whose metric is summed (empty for `series`).
        members: Vec<String> = optional(crate::schema::words()),
        /// The metric.
        metric: String = text(),
        /// The metric of the same table that `ratio` divides by.
        per: Option<String> = optional(text()),
        /// How months become one number.
        aggregate: Aggregate = choice(Aggregate::WORDS),
        /// First month.
        from: Month = month(),
        /// Last month.
        to: Month = month(),
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
        /// Inputs that largely determine it, dated after 2023 or otherwise; empty: none.
        inputs: Option<String> = optional(text()),
        /// Where it was read.
        source: String = text(),
    }
}
