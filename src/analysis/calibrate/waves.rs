//! A wave as a study: its points are a table, its outcomes the observations that may be fitted to.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Simulated, fit_rows, value};
use crate::analysis::hindcast::{last_month, named, quoted};
use crate::record::CsvText;
use crate::study::{Factor, Failed, Plan, Store, outcomes};
use crate::world::Definition;
use crate::world::observation::ObservationRow;

/// The waves of a calibration as studies.
#[derive(Clone, Debug)]
pub struct Waves<'a> {
    /// The world: a name, a folder or a file.
    pub world: &'a std::path::Path,
    /// The same, read.
    pub definition: &'a Definition,
    /// Seeds a point.
    pub seeds: u64,
}

/// Between the first seeds of two waves.
const SEEDS_A_WAVE: u64 = 1_000_000_000;

/// The study of wave `number` with these points, and its table; none where there is nothing to fit to.
#[must_use]
pub fn wave_study(
    waves: &Waves<'_>,
    number: usize,
    factors: &[Factor],
    points: &[Vec<f64>],
) -> Option<Vec<(PathBuf, String)>> {
    let rows = fit_rows(&waves.definition.observations);
    let owned: Vec<ObservationRow> = rows.iter().map(|row| (*row).clone()).collect();
    let months = last_month(&owned)? - waves.definition.head.start + 1;
    let (world, folder) = named(waves.world);
    let id = &waves.definition.head.id;
    let mut text = String::new();
    let _ = writeln!(text, "title = {}", quoted(&format!("Calibration of {id}, wave {number}")));
    let _ = writeln!(text, "months = {months}");
    let _ = writeln!(
        text,
        "seeds = {{ from = {}, count = {}, by_scenario = true }}",
        1 + SEEDS_A_WAVE * number as u64,
        waves.seeds
    );
    let _ = writeln!(text, "\n[arms.world]\nworld = {}", quoted(&world));
    let _ = writeln!(text, "\n[uncertainties]\nprior = \"all\"");
    let table = format!("wave-{number}.csv");
    let _ = writeln!(text, "\n[sampling]\nmethod = \"table\"\ntable = {}", quoted(&table));
    let _ = writeln!(text, "\n[record]\nmetrics = []");
    for row in rows {
        let _ = writeln!(
            text,
            "\n[outcomes.{}]\nobservation = {}",
            quoted(&format!("{}{}", crate::study::OBSERVED, row.id)),
            quoted(&row.id)
        );
    }
    let mut csv = CsvText::new(factors.iter().map(|f| f.name.as_str()));
    for point in points {
        for (factor, u) in factors.iter().zip(point) {
            csv.number(value(factor, *u));
        }
        csv.end();
    }
    let csv = String::from_utf8_lossy(&csv.into_bytes()).into_owned();
    Some(vec![
        (folder.join(format!("calibrate-{id}-wave-{number}.toml")), text),
        (folder.join(table), csv),
    ])
}

impl Waves<'_> {
    /// What the runs of a wave say, a mean over seeds each.
    ///
    /// # Errors
    /// When the study is not complete, or cannot be read.
    pub fn read(&self, plan: &Plan, store: &Store) -> Result<Simulated, Failed> {
        let outcomes = outcomes(plan, store)?;
        let columns: Vec<Vec<f64>> =
            (0..plan.record.outcomes.len()).map(|at| outcomes.of(at, 0)).collect();
        let seeds = usize::try_from(self.seeds).unwrap_or(1).max(1);
        let of = |point: usize, column: &Vec<f64>| {
            let values = column[point * seeds..(point + 1) * seeds].iter();
            let known: Vec<f64> = values.copied().filter(|x| x.is_finite()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        let values = (0..outcomes.draws() / seeds)
            .map(|point| columns.iter().map(|column| of(point, column)).collect())
            .collect();
        Ok(Simulated { values })
    }
}
