//! Figures of a firm: a month against a year before, and the course of one of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::firm::Case;
use super::names::{did_you_mean, listed};
use crate::record::archive::{Sheet, value};
use crate::record::cell::{human, printable};

/// What to show of a firm first: label, and words one of which its metrics' names hold.
const FIGURES: [(&str, &[&str]); 7] = [
    ("Shadow price and access", &["kappa", "shadow", "access", "denial"]),
    ("Compute", &["compute", "h100e", "power_mw", "utilisation"]),
    ("Chips waited for", &["backlog", "waiting", "escrow", "unspent", "delivered", "ordered"]),
    (
        "Capability and efficiency",
        &["lag", "capability", "quality", "a_train", "a_serve", "efficiency", "density", "staff"],
    ),
    ("Serving", &["cost_per", "price", "tokens", "payback"]),
    ("Spending", &["capex", "intensity"]),
    ("Money", &["revenue", "cash", "debt", "value", "margin"]),
];

impl Case<'_> {
    /// Figures of the month against twelve months before.
    pub(super) fn figures(&self, firms: &Sheet, text: &mut String) {
        let Some(now) = firms.row(self.month, self.firm) else {
            text.push_str("It has no figures in this month.\n");
            return;
        };
        let before = firms.row(self.month - 12, self.firm);
        let _ = writeln!(
            text,
            "\n{:<40}{:>12}{:>12}{:>10}  unit",
            "Figure",
            self.month.to_string(),
            (self.month - 12).to_string(),
            "change"
        );
        let mut shown = BTreeSet::new();
        for (label, words) in FIGURES {
            let mut titled = false;
            for (at, name) in firms.header.iter().enumerate().skip(2) {
                let wanted = words.iter().any(|word| name.contains(word));
                let today = number(now, at);
                if wanted && today.is_finite() && shown.insert(at) {
                    if !titled {
                        let _ = writeln!(text, "  {label}");
                        titled = true;
                    }
                    let past = before.map_or(f64::NAN, |row| number(row, at));
                    let _ = writeln!(
                        text,
                        "    {name:<36}{:>12}{:>12}{:>10}  {}",
                        human(today),
                        human(past),
                        change(past, today),
                        self.archive.unit("firms", name)
                    );
                }
            }
        }
        if shown.is_empty() {
            text.push_str("  none of the figures shown here is measured; see firms.csv\n");
        }
    }

    /// One metric through the window, and the largest step.
    pub(super) fn course(
        &self,
        firms: &Sheet,
        metric: &str,
        text: &mut String,
    ) -> Result<(), String> {
        let Some(at) = firms.column(metric) else {
            let names = || firms.header.iter().skip(2).map(String::as_str);
            return Err(format!(
                "no column `{}` in firms.csv{}\n{}",
                printable(metric),
                did_you_mean(metric, names()),
                listed("Columns", names())
            ));
        };
        let _ = writeln!(text, "\n{metric}, {}", self.archive.unit("firms", metric));
        let mut last = f64::NAN;
        let mut month = self.since;
        while month <= self.month {
            let today = firms.row(month, self.firm).map_or(f64::NAN, |row| number(row, at));
            let touched = self.touching(month, month).len();
            let note = if touched == 0 { String::new() } else { format!("  {touched} events") };
            let step = change(last, today);
            let _ = writeln!(text, "  {month}  {:>12}{step:>10}{note}", human(today));
            last = today;
            month = month + 1;
        }
        Ok(())
    }
}

pub(super) fn number(row: &[String], at: usize) -> f64 {
    row.get(at).and_then(|cell| value(cell)).unwrap_or(f64::NAN)
}

/// The change from `past` to `today` in per cent; a dash where it means nothing.
fn change(past: f64, today: f64) -> String {
    if !past.is_finite() || !today.is_finite() || past == 0.0 || past.signum() != today.signum() {
        return "–".to_owned();
    }
    let percent = (today / past - 1.0) * 100.0;
    if percent.abs() < 1000.0 {
        format!("{percent:+.1} %")
    } else {
        format!("× {}", human(today / past))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shares_of_the_past() {
        assert_eq!(change(2.0, 3.0), "+50.0 %");
        assert_eq!(change(1.0, 20.0), "× 20");
        assert_eq!(change(0.0, 1.0), "–");
        assert_eq!(change(f64::NAN, 1.0), "–");
    }
}
