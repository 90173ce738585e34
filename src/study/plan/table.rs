//! A design made elsewhere: a CSV table of scenarios.

use std::path::Path;

use crate::parameters::Distribution;
use crate::study::design::{Domain, Factor, Pick};
use crate::study::file::{At, StudyFile, text_of};
use crate::world::{CSV_CAP, Problems, Sources, shown};

/// The columns of a design made elsewhere: a header of names of uncertainties, then a row a scenario.
pub(super) fn read(
    study: &StudyFile,
    file: &At<String>,
    uncertainties: &[Factor],
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Vec<Vec<Pick>>> {
    let name = &file.value;
    let outside = name.is_empty()
        || name.starts_with(['/', '\\', '~'])
        || name.contains("://")
        || name.contains('\\')
        || name.split('/').any(|part| part == ".." || part.is_empty());
    if outside {
        let message = "write a path below the study file's folder, with `/` between folders";
        problems.add(file.origin, "sampling.table", message);
        return None;
    }
    let path = study.folder.join(Path::new(name));
    let inside = format!("studies/{name}");
    let origin = text_of(&path, inside, 64 * CSV_CAP, &study.given, sources, problems)?;
    let text = sources.text(origin).to_owned();
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|cell| cell.trim().to_owned()).collect(),
        Err(error) => {
            problems.add(origin, "", error.to_string());
            return None;
        }
    };
    let mut fine = true;
    let mut order = Vec::new();
    for column in &header {
        let at = uncertainties.iter().position(|factor| factor.name == *column);
        if at.is_none() {
            let hint = problems.hint(column, uncertainties.iter().map(|f| f.name.as_str()));
            let message =
                format!("the column `{}` is not an uncertainty of the study{hint}", shown(column));
            problems.add(origin.at(0), "", message);
            fine = false;
        }
        order.push(at);
    }
    for (i, factor) in uncertainties.iter().enumerate() {
        match order.iter().filter(|at| **at == Some(i)).count() {
            1 => {}
            0 => {
                problems.add(origin.at(0), "", format!("no column `{}`", factor.name));
                fine = false;
            }
            _ => {
                problems.add(
                    origin.at(0),
                    "",
                    format!("the column `{}` stands twice", factor.name),
                );
                fine = false;
            }
        }
    }
    if !fine {
        return None;
    }
    let mut columns: Vec<Vec<Pick>> = vec![Vec::new(); uncertainties.len()];
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let at = error.position().map_or(0, |p| p.byte() as usize);
                problems.add(origin.at(at), "", error.to_string());
                return None;
            }
        };
        let at = record.position().map_or(0, |p| p.byte() as usize);
        // The record's position is that of the line break before it.
        let at =
            at + text.as_bytes()[at..].iter().take_while(|b| matches!(**b, b'\n' | b'\r')).count();
        for (cell, factor) in record.iter().zip(&order) {
            let Some(i) = *factor else { continue };
            match pick(&uncertainties[i], cell.trim()) {
                Ok(pick) => columns[i].push(pick),
                Err(message) => {
                    problems.add(origin.at(at), &uncertainties[i].name, message);
                    fine = false;
                }
            }
        }
    }
    if columns.first().is_none_or(Vec::is_empty) {
        if fine {
            problems.add(origin, "", "no rows");
        }
        return None;
    }
    fine.then_some(columns)
}

/// A cell of a design table as a value of its factor.
fn pick(factor: &Factor, cell: &str) -> Result<Pick, String> {
    match &factor.domain {
        Domain::Levels(levels) => factor.level(cell).map(Pick::Level).ok_or_else(|| {
            let labels: Vec<&str> = levels.iter().map(|level| level.label.as_str()).collect();
            format!("`{}` is not one of {}", shown(cell), labels.join(", "))
        }),
        Domain::Range { low, high, distribution } => {
            let x = cell.parse::<f64>().ok().filter(|x| x.is_finite());
            let Some(x) = x else {
                return Err(format!("`{}` is not a finite number", shown(cell)));
            };
            if x < *low || x > *high {
                return Err(format!("{x} is outside {low} to {high}"));
            }
            if *distribution == Distribution::Whole && x.fract() != 0.0 {
                return Err(format!("{x} is not a whole number"));
            }
            Ok(Pick::Number(x))
        }
    }
}
