//! Verdicts on claims, and the tests behind each.

use std::fmt::Write as _;

use super::Failed;
use super::figure::{Section, table};
use super::folder::Folder;
use super::frame::Frame;
use super::html::{self, escaped, prose, rounded, signed};

/// Supported, refuted, undecided.
pub type Counts = (usize, usize, usize);

const PERCENT: f64 = 100.0;

/// The verdicts, and how many there are of each kind.
///
/// # Errors
/// When a table cannot be read.
pub fn section(folders: &[Folder]) -> Result<(Section, Option<Counts>), Failed> {
    let mut section = Section::new("verdicts", "The verdicts");
    let mut all: Option<Counts> = None;
    for folder in folders.iter().filter(|folder| folder.claims) {
        let Some((frame, source)) = folder.table("verdicts", &[])? else { continue };
        if let Some(column) = frame.lacks(&["claim", "verdict"]) {
            section.missing(
                &format!(
                    "{} has no column `{column}`, so its verdicts cannot be shown.",
                    source.path
                ),
                "frugality claims",
            );
            continue;
        }
        let tests = folder.table("tests", &[])?;
        let (supported, refuted, undecided) = all.get_or_insert((0, 0, 0));
        let mut rows = Vec::new();
        for row in 0..frame.rows() {
            match frame.text("verdict", row).as_str() {
                "supported" => *supported += 1,
                "refuted" => *refuted += 1,
                _ => *undecided += 1,
            }
            rows.push(verdict(&frame, tests.as_ref().map(|(tests, _)| tests), row));
        }
        section.html.push_str(&table(
            "verdicts",
            &[
                "Claim",
                "Verdict",
                "Effect, 90 % interval",
                "Draws",
                "Holds in",
                "Flips where",
                "Dies without",
            ],
            &rows,
        ));
        let mut files = vec![source];
        files.extend(tests.map(|(_, source)| source));
        let _ = writeln!(
            section.html,
            "<div class=\"source\"><code>{}</code>{}</div>",
            html::escaped(&folder.told("frugality claims")),
            html::files(&files)
        );
    }
    if all.is_none() {
        section.missing(
            "No claims were given: nothing on this page has been put to the null arms, the dose and the knock-outs that a \
             verdict on a cause needs.",
            "frugality claims",
        );
    }
    Ok((section, all))
}

fn verdict(frame: &Frame, tests: Option<&Frame>, row: usize) -> Vec<String> {
    let text = |name: &str| frame.text(name, row);
    let number = |name: &str| frame.number(name, row);
    let claim = text("claim");
    let title = if text("title").is_empty() { claim.clone() } else { text("title") };
    let mut first = format!("<strong>{}</strong>", escaped(&title));
    if !text("sentence").is_empty() {
        let _ = write!(first, "<p class=\"sentence\">{}</p>", prose(&text("sentence")));
    }
    first.push_str(&why(&text("reason"), &claim, tests));
    if !text("sha256").is_empty() {
        let _ = write!(
            first,
            "<p class=\"hash\">{} · SHA-256 of the claim {}</p>",
            escaped(&claim),
            escaped(&text("sha256"))
        );
    }
    let word = text("verdict");
    let class = match word.as_str() {
        "supported" | "refuted" | "undecided" => word.as_str(),
        _ => "undecided",
    };
    // Shares in percentage points, as everywhere on the page.
    let (unit, scale) =
        if text("unit") == "share" { ("pp".to_owned(), PERCENT) } else { (text("unit"), 1.0) };
    let effect = if number("effect").is_finite() {
        let mut cell = format!(
            "<span class=\"whole\">{} <span class=\"unit\">{}</span><br>{} to {}</span>",
            escaped(&signed(number("effect") * scale)),
            escaped(&unit),
            escaped(&signed(number("low") * scale)),
            escaped(&signed(number("high") * scale))
        );
        let horizon = text("horizon");
        let outcome = [text("outcome"), horizon].join(" · ");
        let _ =
            write!(cell, "<br><span class=\"note\">{}", escaped(outcome.trim_matches([' ', '·'])));
        if number("margin").is_finite() {
            let _ = write!(cell, "<br>margin {}", escaped(&rounded(number("margin") * scale)));
        }
        cell.push_str("</span>");
        cell
    } else {
        "–".to_owned()
    };
    let draws = match (number("draws"), number("seeds")) {
        (draws, seeds) if draws.is_finite() && seeds.is_finite() => {
            format!("{}<br><span class=\"note\">{} seeds</span>", rounded(draws), rounded(seeds))
        }
        (draws, seeds) => escaped(&rounded(if draws.is_finite() { draws } else { seeds })),
    };
    let share = number("share_of_draws");
    let share = if share.is_finite() {
        format!("{} % <span class=\"note\">of draws</span>", rounded(share * PERCENT))
    } else {
        "–".to_owned()
    };
    let plain = |name: &str| {
        if text(name).is_empty() { "–".to_owned() } else { escaped(&text(name)) }
    };
    vec![
        first,
        format!("<span class=\"verdict {class}\">{}</span>", escaped(&word)),
        effect,
        draws,
        share,
        plain("flips_where"),
        plain("dies_without"),
    ]
}

/// Clauses of a reason that stand open; what follows is folded away with the tests.
const CLAUSES: usize = 2;

/// Why the verdict is what it is: the first clauses, then the others and the tests, folded away.
fn why(reason: &str, claim: &str, tests: Option<&Frame>) -> String {
    let clauses: Vec<&str> = reason.split("; ").filter(|clause| !clause.is_empty()).collect();
    let mut html = String::new();
    let shown = clauses.len().min(CLAUSES);
    if shown > 0 {
        let _ = write!(
            html,
            "<p class=\"reason\">{}.</p>",
            prose(clauses[..shown].join("; ").trim_end_matches('.'))
        );
    }
    let rest = html::joined(&clauses[shown..], |clause| format!("<li>{}</li>", prose(clause)));
    let (count, table) = tests.map_or((0, String::new()), |tests| parts(tests, claim));
    if rest.is_empty() && count == 0 {
        return html;
    }
    let more =
        if rest.is_empty() { String::new() } else { format!("<ul class=\"reason\">{rest}</ul>") };
    let tests = match count {
        0 => String::new(),
        1 => "1 test".to_owned(),
        count => format!("{count} tests"),
    };
    let summary = match (rest.is_empty(), tests.is_empty()) {
        (true, _) => tests,
        (false, true) => "More reasons".to_owned(),
        (false, false) => format!("More reasons, and {tests}"),
    };
    let _ =
        write!(html, "<details class=\"why\"><summary>{summary}</summary>{more}{table}</details>");
    html
}

/// The tests of one claim: how many, and a table of them.
fn parts(tests: &Frame, claim: &str) -> (usize, String) {
    let rows: Vec<Vec<String>> = (0..tests.rows())
        .filter(|row| tests.text("claim", *row) == claim)
        .map(|row| {
            let text = |name: &str| escaped(&tests.text(name, row));
            let number = |name: &str| tests.number(name, row);
            let effect = if number("effect").is_finite() {
                format!(
                    "{} ({} to {})",
                    signed(number("effect")),
                    signed(number("low")),
                    signed(number("high"))
                )
            } else {
                "–".to_owned()
            };
            let passed = match text("passed").as_str() {
                "true" | "1" | "yes" => "passed".to_owned(),
                "false" | "0" | "no" => "failed".to_owned(),
                "" => "open".to_owned(),
                other => other.to_owned(),
            };
            let arms = [text("arm"), text("counterfactual")].join(" – ");
            vec![
                text("part"),
                arms.trim_matches([' ', '–']).to_owned(),
                text("outcome"),
                effect,
                passed,
                text("explanation"),
            ]
        })
        .collect();
    if rows.is_empty() {
        return (0, String::new());
    }
    (rows.len(), table("tests", &["Test", "Arms", "Outcome", "Effect", "", "Why"], &rows))
}
