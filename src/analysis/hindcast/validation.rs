//! `docs/validation.md`, for a reader who wants to attack the model; and its short form for a terminal.

use std::fmt::Write as _;

use super::board::{ALL, Family, LateInput};
use super::events::{EventResult, EventTest};
use super::page::{digits, percent, period, tolerances};
use super::{Score, Verdict};
use crate::record::cell::printable;
use crate::world::observation::Use;

/// What a page is made from.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    /// Title of the world.
    pub world: &'a str,
    /// The command that makes the page.
    pub command: &'a str,
    /// Draws, runs of the study, and runs that failed.
    pub runs: (usize, u64, u64),
    /// Where parameters came from, in words.
    pub sampling: &'a str,
    /// Rows.
    pub scores: &'a [Score],
    /// Families.
    pub families: &'a [Family],
    /// Event tests.
    pub events: &'a [EventResult],
    /// Inputs after 2023.
    pub inputs: &'a [LateInput],
}

/// A share of rows that should be inside bands of 90 %, at least.
const COVERED: f64 = 0.8;
/// A share of families that should have skill, at least.
const SKILLED: f64 = 2.0 / 3.0;
/// A share of event tests that should pass, at least, besides the one of their order.
const PASSED: f64 = 3.0 / 5.0;

/// What was asked of a model worth believing, and what came of it.
struct Bar {
    coverage: Option<f64>,
    /// By the runs alone, observations taken to be exact.
    coverage_of_runs: Option<f64>,
    narrower: Option<(f64, f64)>,
    skilled: usize,
    compared: usize,
    /// The same against a forecaster who knows what the posterior knows.
    skilled_alike: usize,
    compared_alike: usize,
    events: (usize, usize),
    in_order: bool,
}

impl Bar {
    fn of(f: &Findings<'_>) -> Self {
        let all = f.family(ALL, Use::Test, false);
        let families =
            || f.families.iter().filter(|x| x.role == Use::Test && !x.free && x.name != ALL);
        let skills: Vec<f64> = families().filter_map(|x| x.tally.skill()).collect();
        let alike: Vec<f64> = families().filter_map(|x| x.skill_from_fit).collect();
        let better = |skills: &[f64]| skills.iter().filter(|skill| **skill > 0.0).count();
        Self {
            coverage: all.and_then(|x| x.tally.covered),
            coverage_of_runs: all.and_then(|x| x.tally.covered_by_runs),
            narrower: all.and_then(|x| x.width.zip(x.naive_width)),
            skilled: better(&skills),
            compared: skills.len(),
            skilled_alike: better(&alike),
            compared_alike: alike.len(),
            events: (f.events.iter().filter(|e| e.passed).count(), f.events.len()),
            in_order: f.events.iter().any(|e| e.test == EventTest::Order && e.passed),
        }
    }

    fn lines(&self) -> Vec<(String, bool)> {
        let covered = self.coverage.is_some_and(|c| c >= COVERED);
        let narrower = self.narrower.is_some_and(|(own, naive)| own < naive);
        let skilled = self.skilled as f64 >= SKILLED * self.compared as f64 && self.compared > 0;
        let widths = self.narrower.map_or_else(
            || "no naive forecast has a band".to_owned(),
            |(own, naive)| format!("{own:.1} against {naive:.1} tolerances"),
        );
        vec![
            (
                format!(
                    "90 % bands of the forecasts hold {} of the test rows (wanted: {}); bands of the draws alone, observations \
                     taken to be exact, hold {}",
                    percent(self.coverage),
                    percent(Some(COVERED)),
                    percent(self.coverage_of_runs)
                ),
                covered,
            ),
            (format!("Median width of these bands against naive ones: {widths}"), narrower),
            (
                format!(
                    "CRPS skill is positive in {} of {} families of test rows (wanted: two thirds) against one who \
                     knows every earlier row; in {} of {} against one who knows the fit rows only, as the model does",
                    self.skilled, self.compared, self.skilled_alike, self.compared_alike
                ),
                skilled,
            ),
            (
                format!(
                    "Event tests passed: {} of {} (wanted: three of five), and events come in the order of history: {}",
                    self.events.0,
                    self.events.1,
                    if self.in_order { "yes" } else { "no" }
                ),
                self.in_order && self.events.0 as f64 >= PASSED * self.events.1 as f64,
            ),
        ]
    }
}

impl Findings<'_> {
    fn family(&self, name: &str, role: Use, free: bool) -> Option<&Family> {
        self.families.iter().find(|f| f.name == name && f.role == role && f.free == free)
    }
}

/// A summary for a terminal.
#[must_use]
pub fn summary(f: &Findings<'_>) -> String {
    let mut text = String::new();
    let (draws, runs, failed) = f.runs;
    let _ =
        writeln!(text, "{}: {draws} draws ({}), {runs} runs, {failed} failed", f.world, f.sampling);
    for role in [Use::Fit, Use::Test] {
        let title = match role {
            Use::Fit => "FIT: rows that end by January 2024",
            Use::Test => "TEST: later rows; * free of inputs that determine them",
        };
        let _ = writeln!(
            text,
            "\n{title}\n  {:<20} {:>9} {:>8} {:>6} {:>6} {:>6} {:>7} {:>6}",
            "family", "inside", "covered", "bias", "CRPS", "naive", "skill", "width"
        );
        for free in [false, true] {
            for x in f.families.iter().filter(|x| x.role == role && x.free == free) {
                if free && x.name != ALL {
                    continue;
                }
                let t = &x.tally;
                let number =
                    |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
                let _ = writeln!(
                    text,
                    "  {:<20} {:>9} {:>8} {:>6} {:>6} {:>6} {:>7} {:>6}",
                    format!("{}{}", x.name, if free { "*" } else { "" }),
                    format!("{}/{}", t.inside, t.scored),
                    percent(t.covered),
                    tolerances(t.bias),
                    number(t.error),
                    number(t.error_naive),
                    t.skill().map_or_else(|| "–".to_owned(), |s| format!("{s:+.2}")),
                    number(x.width),
                );
            }
        }
    }
    let _ = writeln!(text, "\nEVENTS, with variants that vendors design themselves");
    for e in f.events {
        let _ = writeln!(
            text,
            "  {} {:<9} {}: {}",
            if e.passed { "passed" } else { "FAILED" },
            e.test.word(),
            printable(&e.about),
            happened(e)
        );
    }
    let _ = writeln!(text);
    for (line, met) in Bar::of(f).lines() {
        let _ = writeln!(text, "{} {line}", if met { "met    " } else { "NOT MET" });
    }
    text
}

/// When, or how much: of history and of the draws.
fn happened(e: &EventResult) -> String {
    let say = |x: f64| match e.month(x) {
        Some(month) if e.test == EventTest::When => month.to_string(),
        _ => digits(x),
    };
    let (median, low, high) = (e.at(1.0 / 2.0), e.at(super::P05), e.at(super::P95));
    let really = match e.test {
        EventTest::Moved | EventTest::Gone | EventTest::Order => "wanted",
        _ => "really",
    };
    if e.values.is_empty() {
        return format!("{really} {}, no draw has both", say(e.observed));
    }
    format!(
        "{really} {}, model {} ({} to {}); {} of draws within",
        say(e.observed),
        say(median),
        say(low),
        say(high),
        percent(Some(e.share).filter(|share| share.is_finite()))
    )
}

/// The page.
#[must_use]
pub fn page(f: &Findings<'_>) -> String {
    let mut page = String::new();
    let (draws, runs, failed) = f.runs;
    let _ = writeln!(
        page,
        "<!-- Made by `{}`; do not edit. -->\n\n# Would the model have told us what happened?\n",
        f.command
    );
    let _ = writeln!(
        page,
        "Started in January 2022 with the rules as they came, {draws} draws of the parameters ({}), {runs} runs with those of \
         the event tests, {failed} failed. Made by\n\n```\n{}\n```\n\nwhich also writes a table of every row \
         (`scoreboard.csv`), of families, of inputs, of events, and a figure a family. How rows are measured is told in \
         [CONTRIBUTING.md](../CONTRIBUTING.md) and `src/analysis/hindcast/`.\n",
        f.sampling, f.command
    );
    page.push_str(CAVEATS);
    page.push_str("\n## The bar\n\n| asked | met |\n|---|---|\n");
    for (line, met) in Bar::of(f).lines() {
        let _ = writeln!(page, "| {line} | {} |", if met { "yes" } else { "**no**" });
    }
    for role in [Use::Fit, Use::Test] {
        families_of(&mut page, f, role);
    }
    rows_of(&mut page, f);
    events_of(&mut page, f);
    inputs_of(&mut page, f);
    page
}

/// What every reader must know first.
const CAVEATS: &str = "\
## What to hold against these numbers

- **There is no clean hold-out.** Starting values were set by hand on rows that end by January 2024 (`fit`), while the
  later rows (`test`) were on the screen of those who chose mechanisms and values. Test rows were never fitted to by an
  algorithm; they were seen. A good score on them is weaker evidence than it looks, a bad one is as bad as it looks.
- **Inputs carry history.** Rules, launches of products, breakthroughs and openings of services after 2023 are fed in (listed
  below). Rows that such an input largely determines are marked, and every total is given without them.
- **Revenue of the large firms is an input**, so the family `firms` says next to nothing.
- **Rows are not independent.** Units, stocks and prices partly rest on the same revenue figures. Rows of a quantity,
  quantities of a family and families weigh the same.
- **The naive forecaster knows more than the model.** He is told every earlier observation up to the row he forecasts; the model is told
  none. `skill (fit)` compares with one who knows the fit rows only. His band is as wide as such forecasts of the same family were wrong
  before; where too few came before he gives a point, whose CRPS is its absolute error.
- **What is scored is the forecast of an observation**: draws of the model, each with the error of an observation around it, of which the
  tolerance is the 90 % band. The naive forecaster's band is as wide as forecasts of *observed* numbers were wrong, so that it has this
  error in it, too. What the draws cover without it is said beside.
- **A tolerance is a judgement** where the source gives no band; the `source` cell of each row says which.
";

fn families_of(page: &mut String, f: &Findings<'_>, role: Use) {
    let title = match role {
        Use::Fit => "Rows that end by January 2024 (fit)",
        Use::Test => "Later rows (test)",
    };
    let _ = writeln!(
        page,
        "\n## {title}\n\nCRPS, bias and widths in tolerances. *Inside*: median of the draws within the tolerance. *Covered*: observed \
         value within the 90 % band of its forecast; *by draws*: within that of the draws alone. *Skill*: 1 − CRPS / CRPS of the naive forecast.\n\n\
         | family | inside | covered | by draws | bias | CRPS | naive | skill | skill (fit) | width | naive |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for free in [false, true] {
        for x in f.families.iter().filter(|x| x.role == role && x.free == free) {
            if free && x.name != ALL {
                continue;
            }
            let t = &x.tally;
            let number = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
            let name = match (x.name.as_str(), free) {
                (ALL, false) => "**all**",
                (ALL, true) => "**all, free of inputs**",
                (name, _) => name,
            };
            let _ = writeln!(
                page,
                "| {name} | {}/{} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                t.inside,
                t.scored,
                percent(t.covered),
                percent(t.covered_by_runs),
                tolerances(t.bias),
                number(t.error),
                number(t.error_naive),
                tolerances(t.skill()),
                tolerances(x.skill_from_fit),
                number(x.width),
                number(x.naive_width),
            );
        }
    }
}

/// Test rows: right, wrong, and what cannot be told.
fn rows_of(page: &mut String, f: &Findings<'_>) {
    let test: Vec<&Score> = f.scores.iter().filter(|s| s.row.role == Use::Test).collect();
    let mut list = |title: &str, about: &str, of: &dyn Fn(&Score) -> bool| {
        let rows: Vec<&&Score> = test.iter().filter(|s| of(s)).collect();
        let _ =
            writeln!(page, "\n## {title}\n\n{about} {} of {} test rows.\n", rows.len(), test.len());
        if rows.is_empty() {
            return;
        }
        page.push_str("| family | quantity | when | observed | model (90 % band) | CRPS | naive |\n|---|---|---|---|---|---|---|\n");
        for s in rows {
            let (low, high) = s.band();
            let model = if s.missing() {
                "missing".to_owned()
            } else {
                format!("{} ({} to {})", digits(s.model()), digits(low), digits(high))
            };
            let number = |x: f64| if x.is_finite() { format!("{x:.2}") } else { "–".to_owned() };
            let _ = writeln!(
                page,
                "| {} | {}{} [{}] | {} | {} | {model} | {} | {} |",
                s.row.family,
                s.row.quantity.replace('|', "/"),
                if s.inputs.is_empty() { "" } else { " \\*" },
                s.row.unit,
                period(&s.row),
                digits(s.row.value),
                number(s.crps()),
                number(s.naive_crps().unwrap_or(f64::NAN)),
            );
        }
    };
    list(
        "What it gets right",
        "The median is within the tolerance and the observed value within the band of its forecast. \\* an input largely determines the row.",
        &|s| s.verdict == Verdict::Inside && s.covered(),
    );
    list(
        "What it gets wrong",
        "The observed value is outside the 90 % band of its forecast: no reading of the parameters that was drawn often enough gives it within its error. Bands shown are those of the draws.",
        &|s| !s.missing() && !s.covered(),
    );
    list(
        "What cannot be told",
        "The observed value is within the band of its forecast, but the median is not within the tolerance (the band is wide, the centre is off); or the model has no such number.",
        &|s| s.missing() || (s.covered() && s.verdict != Verdict::Inside),
    );
}

fn events_of(page: &mut String, f: &Findings<'_>) {
    page.push_str(
        "\n## Events\n\nIn worlds whose vendors are not told the variants of history and must design their own. *Moved*: the rule comes nine \
         months later under the same draws. *Gone*: it never comes.\n\n| test | about | result | passed |\n|---|---|---|---|\n",
    );
    for e in f.events {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            e.test.word(),
            e.about.replace('|', "/"),
            happened(e),
            if e.passed { "yes" } else { "**no**" }
        );
    }
}

fn inputs_of(page: &mut String, f: &Findings<'_>) {
    let _ = writeln!(
        page,
        "\n## What it was told about the years after 2023\n\n{} dated rows of the world. `scoreboard.csv` names the inputs of each \
         observation; `inputs_after_2023.csv` lists these rows with the test rows that name inputs of their kind.\n\n| table | month | what |\n|---|---|---|",
        f.inputs.len()
    );
    for input in f.inputs {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            input.table,
            input.month,
            if input.says.is_empty() { &input.id } else { &input.says }.replace('|', "/")
        );
    }
}
