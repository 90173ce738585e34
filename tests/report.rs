//! The page of a study: its numbers are those of the tables, it says what is missing, it needs nothing from
//! elsewhere, nothing in a name becomes markup, and a browser draws it without complaint.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// A folder of a test's own that is gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("frugality-report-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

/// Two arms under three seeds for three years, with everything that a figure asks of a study.
const STUDY: &str = r#"
title = "A small study </script><img src=x onerror=alert(1)>"
months = 36
counterfactual = "free"
seeds = [1, 2, 3]
[arms.ruled]
world = "small"
[arms.free]
world = "small"
set = ["regimes.ai-chip-controls.active=false"]
[record]
metrics = ["efficiency_gap*", "third_market_share*", "capability_lag_months", "serving_cost_ratio"]
every = 6
panels.firms = [
  "capability_dex", "possible_run_log10_flop", "ln_a_train", "ln_a_train_effective", "gain_train_own",
  "gain_train_spillover", "gain_train_noise", "quality_bonus_dex", "gain_quality_own", "gain_quality_paradigms",
  "gain_quality_fading", "distilled_dex", "ln_a_serve", "gain_serve_own", "gain_serve_spillover",
  "gain_serve_learning", "gain_serve_noise", "firm_value_usd",
]
"#;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn frugality(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frugality"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words).output().unwrap()
}

fn done(words: &[&str]) {
    let output = frugality(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs the study of [`STUDY`] into `<scratch>/<place>/study`.
fn study(scratch: &Scratch, place: &str, format: &str) -> PathBuf {
    let file = scratch.path("small-study.toml");
    fs::write(&file, STUDY).unwrap();
    let folder = scratch.path(place).join("study");
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let words =
        ["study", "run", text(&file), "--out", text(&folder), "--quiet", "--format", format];
    done(&words);
    folder
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report").join(name)
}

/// Writes the page of some folders, and gives it.
fn page(scratch: &Scratch, folders: &[&Path]) -> String {
    let out = scratch.path("page.html");
    let mut words = vec!["report"];
    words.extend(folders.iter().map(|folder| text(folder)));
    words.extend(["--out", text(&out)]);
    done(&words);
    fs::read_to_string(&out).unwrap()
}

/// What the page carries.
fn data(page: &str) -> Json {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// The figure of a kind.
fn figure<'a>(data: &'a Json, kind: &str) -> &'a Json {
    let figures = data["figures"].as_object().unwrap();
    figures.values().find(|figure| figure["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The cells of a figure's column, as texts; empty where there is nothing.
fn column(figure: &Json, name: &str) -> Vec<String> {
    let columns = figure["columns"].as_array().unwrap();
    let column = columns.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let word = |cell: &Json| if cell.is_null() { String::new() } else { cell.to_string() };
    match column["numbers"].as_array() {
        Some(numbers) => numbers.iter().map(word).collect(),
        None => column["codes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| {
                let at = code.as_u64().map(|at| at as usize);
                at.map_or(String::new(), |at| column["texts"][at].as_str().unwrap().to_owned())
            })
            .collect(),
    }
}

/// A table of a folder, a row a list of cells, the names of columns first.
fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn every_number_of_the_effects_is_a_cell_of_the_table() {
    let scratch = Scratch::new("numbers");
    let folder = study(&scratch, "a", "csv");
    let data = data(&page(&scratch, &[&folder]));
    let effects = figure(&data, "effects");
    let rows = csv_rows(&folder.join("merged/effects.csv"));
    let at = |name: &str| rows[0].iter().position(|own| own == name).unwrap();
    let months: Vec<&Vec<String>> =
        rows[1..].iter().filter(|row| !row[at("month")].is_empty()).collect();
    let known = column(effects, "outcome");
    let kept: Vec<&&Vec<String>> =
        months.iter().filter(|row| known.contains(&row[at("outcome")])).collect();
    assert!(kept.len() > 30 && kept.len() == known.len(), "{} {}", kept.len(), known.len());
    let number = |cell: &str| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() };
    for name in ["pairs", "mean", "mean_counterfactual", "effect", "low", "high", "share_above"] {
        for (cell, row) in column(effects, name).iter().zip(&kept) {
            let (a, b): (f64, f64) = (number(cell), number(&row[at(name)]));
            assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{name}: {a} {b}");
        }
    }
    // By hand from the runs: the mean of the differences between twins in the last month.
    let runs = csv_rows(&folder.join("merged/runs.csv"));
    let at = |name: &str| runs[0].iter().position(|own| own == name).unwrap();
    let outcome = at("efficiency_gap");
    let differences: Vec<f64> = runs[1..]
        .iter()
        .filter(|row| row[at("arm")] == "ruled")
        .map(|row| {
            let twin =
                runs.iter().find(|other| other[0] == row[at("counterfactual_run_id")]).unwrap();
            number(&row[outcome]) - number(&twin[outcome])
        })
        .collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let last = (0..known.len()).rfind(|row| known[*row] == "efficiency_gap").unwrap();
    let shown: f64 = column(effects, "effect")[last].parse().unwrap();
    // Series keep 17 bits, outcomes all.
    assert!((shown - mean).abs() < 1e-5, "{shown} {mean}");
}

#[test]
fn parts_of_growth_sum_to_the_whole() {
    let scratch = Scratch::new("growth");
    let folder = study(&scratch, "a", "parquet");
    let data = data(&page(&scratch, &[&folder]));
    let growth = figure(&data, "growth");
    let [what, arm, id, month, part] =
        ["what", "arm", "id", "month", "part"].map(|name| column(growth, name));
    let values: Vec<f64> =
        column(growth, "growth").iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect();
    let mut wholes = 0;
    for row in 0..values.len() {
        if part[row] != "whole" {
            continue;
        }
        let key = |at: usize| [&what, &arm, &id, &month].map(|column| column[at].clone());
        let sum: f64 = (0..values.len())
            .filter(|at| part[*at] != "whole" && key(*at) == key(row))
            .map(|at| values[at])
            .sum();
        // The columns keep 17 bits.
        assert!((sum - values[row]).abs() < 2e-4, "{:?}: {sum} {}", key(row), values[row]);
        wholes += 1;
    }
    assert!(wholes >= 12, "{wholes}");
}

#[test]
fn what_is_not_there_is_said_with_the_command_that_makes_it() {
    let scratch = Scratch::new("missing");
    let folder = study(&scratch, "a", "parquet");
    let page = page(&scratch, &[&folder]);
    for words in [
        "No claims were given",
        "<code>frugality claims</code> would make it",
        "No hindcast with trajectories",
        "<code>frugality hindcast</code> would make it",
        "No study with a dose",
        "worlds/studies/dose-response.toml",
        "No Shapley attribution",
        "No table of influence",
        "<code>python python/discover.py influence DIR</code>",
        "No boxes",
        "No values of information",
        "No scores were given",
        "no hindcast is at hand",
        "luck only, at one set of parameters",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // And without a study there is no answer.
    let page = self::page(&scratch, &[&fixture("claims")]);
    assert!(page.contains("Not known yet") && page.contains("No study with effects by month"));
}

#[test]
fn verdicts_scores_and_tables_of_discovery_have_their_places() {
    let scratch = Scratch::new("fixtures");
    let folder = study(&scratch, "a", "parquet");
    let all = [&folder, &fixture("claims"), &fixture("hindcast"), &fixture("discovery")];
    let page = page(&scratch, &all.map(PathBuf::as_path));
    assert!(!page.contains("would make it"), "something is said to be missing");
    for words in [
        "of 3 claims put to the test 1 are supported, 1 refuted and 1 undecided",
        "forecasts held 4 of 6 observations",
        "<span class=\"verdict refuted\">refuted</span>",
        "Where the model is furthest off",
        "No variant without the rule",
        "A chip that the table knows of",
        "<code>frugality claims mine.toml --size full</code>",
        "<code>frugality hindcast reference --parameters posterior --draws 200</code>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let data = data(&page);
    for kind in [
        "fan",
        "effects",
        "horizon",
        "levels",
        "growth",
        "attribution",
        "firms",
        "tornado",
        "boxes",
        "information",
        "families",
        "listed",
    ] {
        assert_eq!(figure(&data, kind)["kind"], kind);
    }
    assert_eq!(column(figure(&data, "tornado"), "value")[0], "-0.52");
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_no_name_becomes_markup() {
    let scratch = Scratch::new("closed");
    let folder = study(&scratch, "a", "parquet");
    let all = [&folder, &fixture("claims"), &fixture("hindcast"), &fixture("discovery")];
    let page = page(&scratch, &all.map(PathBuf::as_path));
    assert!(!page.contains(HOSTILE) && !page.contains("<b onclick"), "a name became markup");
    assert!(page.contains("default-src 'none'"));
    // Markup, without what scripts hold: names of namespaces, which nobody fetches.
    let mut markup = String::new();
    for piece in page.split("<script") {
        markup.push_str(piece.split_once("</script>").map_or(piece, |(_, after)| after));
    }
    assert!(!markup.contains("http:") && !markup.contains("https:") && !markup.contains("url("));
    for mark in ["src=\"", "href=\""] {
        for (at, _) in markup.match_indices(mark) {
            let target = &markup[at + mark.len()..];
            assert!(target.starts_with('#') || target.starts_with("data:,"), "{target:.40}");
        }
    }
    for word in ["fetch(", "XMLHttpRequest", "import(", "WebSocket"] {
        for own in [
            include_str!("../src/report/assets/page.js"),
            include_str!("../src/report/assets/charts.js"),
        ] {
            assert!(!own.contains(word), "{word}");
        }
    }
}

#[test]
fn the_same_folders_give_the_same_bytes_wherever_they_lie() {
    let scratch = Scratch::new("same");
    let (a, b) = (study(&scratch, "a", "parquet"), study(&scratch, "elsewhere", "parquet"));
    let fixtures = [fixture("claims"), fixture("hindcast")];
    let of = |study: &Path| page(&scratch, &[study, &fixtures[0], &fixtures[1]]);
    let first = of(&a);
    assert!(first == of(&a) && first == of(&b), "the bytes differ");
    assert!(!first.contains(text(&scratch.0)), "the page names a place of this machine");
}

#[test]
fn what_cannot_be_reported_is_refused_with_a_reason() {
    let scratch = Scratch::new("refused");
    fs::create_dir_all(scratch.path("empty")).unwrap();
    fs::create_dir_all(scratch.path("broken")).unwrap();
    fs::write(scratch.path("broken/verdicts.csv"), "claim,verdict\na\n").unwrap();
    fs::create_dir_all(scratch.path("single")).unwrap();
    fs::write(scratch.path("single/manifest.json"), "{}").unwrap();
    fs::create_dir_all(scratch.path("unmerged")).unwrap();
    fs::write(scratch.path("unmerged/plan.json"), "{\"format\":\"frugality-study/1\"}").unwrap();
    for (name, says) in [
        ("none", "there is no such folder"),
        ("empty", "neither a study (plan.json)"),
        ("broken", "verdicts.csv: cannot be read as a table"),
        ("single", "a single run"),
        ("unmerged", "no merged tables"),
    ] {
        let out = scratch.path("no.html");
        let output = frugality(&["report", text(&scratch.path(name)), "--out", text(&out)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(says) && !out.exists(), "{name}: {said}");
    }
    let output = frugality(&["report"]);
    assert_eq!(output.status.code(), Some(2));
}

/// The browser: FRUGALITY_CHROMIUM, or one of the names that it goes by.
fn browser() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FRUGALITY_CHROMIUM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// What the browser makes of a page, and what it says on the console.
fn opened(scratch: &Scratch, browser: &Path, page: &Path, width: u32) -> (String, String) {
    let (dom, log) = (scratch.path("dom.html"), scratch.path("log.txt"));
    let profile = scratch.path(&format!("profile-{width}"));
    let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr \
        --virtual-time-budget=3000000 --dump-dom";
    let mut child = Command::new(browser)
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={width},900"))
        .arg(format!("file://{}", page.display()))
        .stdout(File::create(&dom).unwrap())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_mins(5) {
            let _ = child.kill();
            panic!("the browser does not end: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    (fs::read_to_string(dom).unwrap(), fs::read_to_string(log).unwrap())
}

/// Presses every button that saves, toggles an arm, changes every list, and writes down what came of it. Nothing here
/// waits: under virtual time the browser writes the page down as soon as no timer is left, and a promise on another
/// process (the text of a blob) may not have come by then.
const PROBE: &str = r##"
<script>
"use strict";
(() => {
  const found = { errors: [], saved: {}, charts: {}, wide: [] };
  window.addEventListener("error", (event) => found.errors.push(event.message));
  const texts = [];
  window.Blob = class { constructor(parts) { this.text = parts.join(""); } };
  URL.createObjectURL = (blob) => { texts.push(blob.text); return "#"; };
  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    found.charts[figure.dataset.figure] = figure.querySelectorAll(".chart svg").length;
    for (const button of figure.querySelectorAll("button[data-save]")) {
      button.click();
      found.saved[`${figure.dataset.figure}.${button.dataset.save}`] = texts.pop();
    }
  }
  const before = document.querySelectorAll("figure .chart svg path").length;
  for (const list of document.querySelectorAll("select")) {
    for (let at = 0; at < list.options.length; at++) {
      list.selectedIndex = at;
      list.dispatchEvent(new Event("change"));
    }
  }
  document.querySelector(".choices .chip").click();
  found.off = document.querySelectorAll("figure .chart svg path").length < before;
  document.querySelector(".choices .chip").click();
  if (document.documentElement.scrollWidth > window.innerWidth + 1) found.wide.push(document.documentElement.scrollWidth);
  found.resources = performance.getEntriesByType("resource").map((entry) => entry.name);
  found.image = document.querySelectorAll("img").length;
  const place = document.createElement("pre");
  place.id = "probe";
  place.textContent = JSON.stringify(found);
  document.body.append(place);
})();
</script>
"##;

#[test]
fn a_browser_draws_the_page_without_complaint_or_network() {
    let Some(browser) = browser() else {
        let strict = std::env::var_os("FRUGALITY_REQUIRE_EXTRAS").is_some_and(|value| value == "1");
        assert!(!strict, "skipped, and FRUGALITY_REQUIRE_EXTRAS=1: there is no chromium");
        eprintln!("skipped: there is no chromium");
        return;
    };
    let scratch = Scratch::new("browser");
    let folder = study(&scratch, "a", "parquet");
    let all = [&folder, &fixture("claims"), &fixture("hindcast"), &fixture("discovery")];
    let page = page(&scratch, &all.map(PathBuf::as_path));
    let data = data(&page);
    let probed = scratch.path("probed.html");
    fs::write(&probed, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    for width in [1400, 420] {
        let (dom, log) = opened(&scratch, &browser, &probed, width);
        assert!(!log.contains("CONSOLE"), "{log}");
        let (_, rest) =
            dom.split_once("<pre id=\"probe\">").expect("the page's script ended early");
        let json = rest.split_once("</pre>").unwrap().0;
        let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let found: Json = serde_json::from_str(&json).unwrap();
        assert_eq!(found["errors"], Json::Array(Vec::new()));
        assert_eq!(found["resources"], Json::Array(Vec::new()), "the page asked for something");
        assert_eq!((found["image"].as_u64(), found["off"].as_bool()), (Some(0), Some(true)));
        assert_eq!(found["wide"], Json::Array(Vec::new()), "the page is wider than its window");
        for (key, figure) in data["figures"].as_object().unwrap() {
            assert!(found["charts"][key].as_u64() > Some(0), "{key} is not drawn");
            let svg = found["saved"][format!("{key}.svg")].as_str().unwrap();
            assert!(
                svg.starts_with("<svg xmlns=") && svg.contains("<title") | svg.contains("<text"),
                "{key}"
            );
            let csv = found["saved"][format!("{key}.csv")].as_str().unwrap();
            assert!(csv.lines().count() > 1, "{key}: {csv}");
            if figure["kind"] == "effects" {
                let effects = csv_text(csv);
                let at = |name: &str| effects[0].iter().position(|own| own == name).unwrap();
                let own = &effects[1..];
                assert!(own.iter().all(|row| row[at("outcome")] == "efficiency_gap"));
                let wanted: Vec<String> = column(figure, "outcome")
                    .iter()
                    .zip(column(figure, "effect"))
                    .filter(|(outcome, _)| *outcome == "efficiency_gap")
                    .map(|(_, effect)| effect)
                    .collect();
                let parse = |cell: &String| cell.parse::<f64>().unwrap();
                let saved: Vec<f64> = own.iter().map(|row| parse(&row[at("effect")])).collect();
                assert_eq!(saved, wanted.iter().map(parse).collect::<Vec<f64>>());
            }
        }
    }
}

fn csv_text(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}
