//! Verdicts as tables: for people on a terminal, and as files.

use std::fmt::Write as _;

use serde_json::json;

use super::file::{Claim, Set};
use super::flips::short;
use super::judge::{Ruling, interval};
use crate::analysis::doses;
use crate::record::CsvText;
use crate::record::cell::printable;
use crate::record::folder::Document;
use crate::study::{Failed, Plan, Store};

/// Marks the file that says what a folder of verdicts rests on.
pub const FORMAT: &str = "frugality-claims/1";

/// Columns of `verdicts.csv`.
const VERDICTS: [&str; 18] = [
    "claim",
    "title",
    "sentence",
    "verdict",
    "outcome",
    "unit",
    "horizon",
    "effect",
    "low",
    "high",
    "margin",
    "seeds",
    "draws",
    "share_of_draws",
    "flips_where",
    "dies_without",
    "sha256",
    "reason",
];

/// Columns of `tests.csv`.
const TESTS: [&str; 12] = [
    "claim",
    "part",
    "arm",
    "counterfactual",
    "outcome",
    "unit",
    "draws",
    "effect",
    "low",
    "high",
    "passed",
    "explanation",
];

fn flips_where(ruling: &Ruling) -> String {
    ruling.flips.as_ref().map_or_else(String::new, super::flips::Split::words)
}

fn verdicts(set: &Set, rulings: &[Ruling]) -> Document {
    let mut csv = CsvText::new(VERDICTS);
    for ruling in rulings {
        let claim = &set.claims[ruling.claim];
        let first = &claim.measures[0];
        csv.text(&claim.name).text(&claim.title).text(&claim.sentence).text(ruling.verdict.word());
        csv.text(&first.name).text(&first.unit).text(&first.horizon);
        csv.number(ruling.effect.mean).number(ruling.effect.low).number(ruling.effect.high);
        csv.number(first.sign * first.margin).number(ruling.effect.n as f64);
        csv.number(ruling.draws as f64).number(ruling.share).text(&flips_where(ruling));
        csv.text(&ruling.dies_without.join(" ")).text(&claim.sha256).text(&ruling.reason);
        csv.end();
    }
    Document::table("verdicts.csv", csv.into_bytes(), rulings.len() as u64)
}

fn tests(set: &Set, rulings: &[Ruling]) -> Document {
    let mut csv = CsvText::new(TESTS);
    let mut rows = 0;
    for ruling in rulings {
        for test in &ruling.tests {
            csv.text(&set.claims[ruling.claim].name).text(test.part).text(&test.arm);
            csv.text(&test.counterfactual).text(&test.outcome).text(&test.unit);
            csv.number(test.effect.n as f64);
            csv.number(test.effect.mean).number(test.effect.low).number(test.effect.high);
            csv.word(test.passed).text(&test.explanation);
            csv.end();
            rows += 1;
        }
    }
    Document::table("tests.csv", csv.into_bytes(), rows)
}

/// The files of a folder of verdicts: `verdicts.csv`, `tests.csv`, `dose_response.csv` where a claim names a
/// curve, and `claims.json` with the command, the hashes of claims and of the plans of studies.
///
/// # Errors
/// When the system refuses.
pub fn documents(
    set: &Set,
    studies: &[(Plan, Store)],
    rulings: &[Ruling],
    (size, command): (&str, &str),
) -> Result<Vec<Document>, Failed> {
    let mut documents = vec![verdicts(set, rulings), tests(set, rulings)];
    let mut curves: Vec<usize> = set.claims.iter().filter_map(|claim| claim.curve).collect();
    curves.sort_unstable();
    curves.dedup();
    let mut responses = Vec::new();
    for curve in curves {
        let (plan, store) = &studies[curve];
        responses.extend(doses::of(plan, store)?);
    }
    if !responses.is_empty() {
        documents.push(doses::document(&responses));
    }
    let study = |(plan, store): &(Plan, Store)| {
        json!({
            "study": plan.name,
            "plan": plan.hash,
            "folder": store.root().file_name().unwrap_or_default().to_string_lossy(),
            "runs": plan.runs(),
        })
    };
    let claim = |ruling: &Ruling| {
        let claim = &set.claims[ruling.claim];
        json!({
            "claim": claim.name,
            "sha256": claim.sha256,
            "verdict": ruling.verdict.word(),
            "study": studies[claim.measures[0].main.measured.plan].0.hash,
        })
    };
    let about = json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "size": size,
        "command": command,
        "claims": rulings.iter().map(claim).collect::<Vec<_>>(),
        "studies": studies.iter().map(study).collect::<Vec<_>>(),
    });
    documents.push(Document::new("claims.json", format!("{about:#}\n")));
    Ok(documents)
}

/// Verdicts for a terminal.
#[must_use]
pub fn overview(set: &Set, rulings: &[Ruling]) -> String {
    let mut text = String::new();
    for ruling in rulings {
        let claim: &Claim = &set.claims[ruling.claim];
        let first = &claim.measures[0];
        let _ = writeln!(
            text,
            "{:<9}  {}: {}",
            ruling.verdict.word(),
            printable(&claim.name),
            printable(&claim.title)
        );
        let _ = writeln!(
            text,
            "           {} {} {} at {}, {} seeds; margin {}",
            first.name,
            interval(&ruling.effect),
            first.unit,
            first.horizon,
            ruling.effect.n,
            short(first.sign * first.margin),
        );
        if ruling.draws > 0 {
            let _ = writeln!(
                text,
                "           holds in {:.0} % of {} draws of the parameters",
                ruling.share * 100.0,
                ruling.draws
            );
        }
        if ruling.flips.is_some() {
            let _ = writeln!(text, "           flips where {}", flips_where(ruling));
        }
        if !ruling.dies_without.is_empty() {
            let _ = writeln!(text, "           dies without {}", ruling.dies_without.join(", "));
        }
        let _ = writeln!(text, "           {}", printable(&ruling.reason));
    }
    text
}
