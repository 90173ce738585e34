//! A firm in a month: its figures, its licences, and what touched it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::figures::number;
use super::names::{did_you_mean, listed};
use crate::calendar::Month;
use crate::record::Archive;
use crate::record::causes::Log;
use crate::record::cell::{human, printable};

pub(super) struct Case<'a> {
    pub(super) archive: &'a Archive,
    pub(super) log: &'a Log,
    pub(super) firm: &'a str,
    pub(super) month: Month,
    /// The month before the window begins.
    pub(super) since: Month,
}

impl Case<'_> {
    pub(super) fn explain(&self, metric: Option<&str>, text: &mut String) -> Result<(), String> {
        let firms = self.archive.sheet("firms")?;
        let ids = firms.ids();
        if !ids.contains(&self.firm) {
            return Err(format!(
                "no firm `{}` in firms.csv{}\n{}",
                printable(self.firm),
                did_you_mean(self.firm, ids.iter().copied()),
                listed("Firms", ids.iter().copied())
            ));
        }
        if let Some((first, last)) = self.archive.span()
            && !(first..=last).contains(&self.month)
        {
            return Err(format!("the run goes from {first} to {last}; {} is outside", self.month));
        }
        let _ = writeln!(text, "{} in {}", printable(self.firm), self.month);
        self.figures(&firms, text);
        if let Some(metric) = metric {
            self.course(&firms, metric, text)?;
        }
        self.licences(text)?;
        self.events(text);
        Ok(())
    }

    /// Applications for the firm that were filed or decided in the window.
    fn licences(&self, text: &mut String) -> Result<(), String> {
        let sheet = self.archive.sheet("licences")?;
        let columns = ["buyer", "filed", "decided", "outcome", "units", "granted", "sku"];
        let at = columns.map(|name| sheet.column(name));
        let [
            Some(buyer),
            Some(filed),
            Some(decided),
            Some(outcome),
            Some(units),
            Some(granted),
            Some(sku),
        ] = at
        else {
            return Ok(());
        };
        let mut by: BTreeMap<(&str, &str), (usize, f64, f64)> = BTreeMap::new();
        for row in sheet.rows.iter().filter(|row| row[buyer] == self.firm) {
            let inside =
                |cell: &str| cell.parse().is_ok_and(|m: Month| m > self.since && m <= self.month);
            if inside(&row[filed]) || inside(&row[decided]) {
                let sums = by.entry((&row[sku], &row[outcome])).or_default();
                sums.0 += 1;
                sums.1 += number(row, units);
                sums.2 += number(row, granted);
            }
        }
        if !by.is_empty() {
            let _ = writeln!(
                text,
                "\nLicence applications filed or decided, {} to {}, as they stood at the end of the run",
                self.since + 1,
                self.month
            );
            for ((sku, outcome), (n, units, granted)) in by {
                let _ = writeln!(
                    text,
                    "  {sku:<28} {outcome:<10} × {n}: {} chips asked for, {} granted",
                    human(units),
                    human(granted)
                );
            }
        }
        Ok(())
    }

    pub(super) fn touching(&self, from: Month, to: Month) -> Vec<usize> {
        let of = |at: &usize| {
            let entry = &self.log.entries()[*at];
            entry.month >= from && entry.month <= to && entry.touches(self.firm)
        };
        (0..self.log.entries().len()).filter(of).collect()
    }
}
