//! The Python analyses of finished studies: planted truths come out, and the shipped scripts work on studies as the
//! program writes them.

use std::path::Path;
use std::process::{Command, Output};

use crate::folder::*;
use crate::readers::{python, skipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Python with these words, in the project's folder; nothing if there is no Python.
fn run(words: &[&str]) -> Option<Output> {
    let output = Command::new(python())
        .current_dir(ROOT)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-W", "ignore"])
        .args(words)
        .output();
    if output.is_err() {
        skipped(&format!("there is no {}", python()));
    }
    output.ok()
}

/// Whether the packages of `python/requirements.txt` are there; says what is missing otherwise.
fn ready() -> bool {
    let wanted = "import numpy, pandas, pyarrow, scipy, sklearn, SALib, ema_workbench";
    let Some(output) = run(&["-c", wanted]) else { return false };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        skipped(&format!("analyses in Python: {}", said.lines().last().unwrap_or_default()));
    }
    output.status.success()
}

/// `discover.py` with these words, which must go well; what it printed.
fn discover(words: &[&str]) -> String {
    let words = [&["python/discover.py"], words].concat();
    let output = run(&words).expect("ready() found it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lines of a table of `discovery/`, header first.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("discovery").join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn planted_truths_come_out() {
    if !ready() {
        return;
    }
    let output = run(&["-m", "unittest", "discover", "-s", "python/tests"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
}

#[test]
fn a_design_made_in_python_is_run_and_recognised() {
    if !ready() {
        return;
    }
    let scratch = Scratch::new("morris");
    let priors = scratch.path("priors.csv");
    std::fs::write(&priors, done(&["parameters", "small", "--format", "csv"])).unwrap();
    let names = "direction_elasticity,spillover_lag_open,review_days_constrained";
    for (method, size, rows) in [("morris", "--trajectories=4", 16), ("sobol", "--base=8", 40)] {
        let design = scratch.path(&format!("{method}.csv"));
        let out = ["--parameters", text(&priors), "--names", names, "--out", text(&design)];
        let told = discover(&[&["design", method, size], &out[..]].concat());
        assert!(told.contains(&format!("{rows} scenarios of 3 parameters")), "{told}");
        let study = format!(
            "title = \"A design\"\nstory = \"Made elsewhere.\"\nmonths = 30\ncounterfactual = \"free\"\nseeds = [1]\n\
             [arms.ruled]\nworld = \"small\"\n[arms.free]\nworld = \"small\"\n\
             set = [\"regimes.ai-chip-controls.active=false\"]\n\
             [uncertainties]\ndirection_elasticity = {{ prior = true }}\nspillover_lag_open = {{ prior = true }}\n\
             review_days_constrained = {{ prior = true }}\n\
             [sampling]\nmethod = \"table\"\ntable = \"{method}.csv\"\n\
             [record]\nmetrics = [\"efficiency_gap\"]\n"
        );
        let file = scratch.study(method, &study);
        let folder = scratch.path(&format!("{method}-out"));
        done(&["study", "run", text(&file), "--out", text(&folder), "--quiet", "--threads", "1"]);
        discover(&["influence", text(&folder)]);
        let table = lines(&folder, "influence.csv");
        assert!(table[0].starts_with("outcome,parameter,method,value,low,high"), "{}", table[0]);
        assert!(table.len() > 6, "{table:?}");
        assert!(table[1..].iter().all(|row| row.contains(&format!(",{method}_"))), "{table:?}");
        // What is written beside a study is no damage to it.
        done(&["study", "verify", text(&folder)]);
    }
}

/// A shipped study with fewer points, run into a folder; its text is changed by `with` first.
fn shipped(
    scratch: &Scratch,
    name: &str,
    points: &str,
    with: impl Fn(String) -> String,
) -> std::path::PathBuf {
    let text_of = std::fs::read_to_string(format!("{ROOT}/worlds/studies/{name}.toml")).unwrap();
    assert!(text_of.contains(points), "{name}: {points}");
    let file = scratch.study(name, &with(text_of.replace(points, "points = 3")));
    let folder = scratch.path(&format!("{name}-out"));
    done(&["study", "run", text(&file), "--out", text(&folder), "--quiet", "--threads", "2"]);
    folder
}

#[test]
fn shipped_studies_of_policy_are_analysed() {
    if !ready() {
        return;
    }
    let scratch = Scratch::new("policy");
    let folder = shipped(&scratch, "instruments", "points = 60", |text| text);
    discover(&["cost-effectiveness", text(&folder)]);
    let table = lines(&folder, "cost_effectiveness.csv");
    for cell in ["memory,alone,lag_months,", "whole regime,alone,lost_sales,us_vendors,", "allies"]
    {
        assert!(table.iter().any(|row| row.contains(cell)), "{cell}");
    }

    // Two of the seven packages: the combinations of all would take minutes here.
    let two = |text: String| {
        let wanted = |part: &&str| {
            let lever = part.strip_prefix("levers.").and_then(|rest| rest.split('.').next());
            lever.is_none_or(|name| ["oct_2023", "h20_2025"].contains(&name))
        };
        let kept: Vec<&str> = text.split("\n[").filter(wanted).collect();
        let kept = kept.join("\n[");
        let line = kept.lines().find(|line| line.starts_with("counterfactual")).unwrap().to_owned();
        kept.replace(&line, "counterfactual = { oct_2023 = \"off\", h20_2025 = \"off\" }")
    };
    let folder = shipped(&scratch, "packages", "points = 24", two);
    discover(&["packages", text(&folder)]);
    let table = lines(&folder, "packages.csv");
    assert!(table.iter().any(|row| row.starts_with("lag_months,oct_2023,shapley,")), "{table:?}");

    let folder = shipped(&scratch, "policies", "points = 90", |text| text);
    discover(&["regret", text(&folder)]);
    let table = lines(&folder, "regret.csv");
    assert_eq!(table.iter().filter(|row| row.starts_with("lag_months,")).count(), 10, "{table:?}");

    let folder = shipped(&scratch, "bytedance-plan", "points = 40", |text| text);
    discover(&["plan-return", text(&folder)]);
    let table = lines(&folder, "plan_return.csv");
    for cell in [
        "easing,bytedance,bytedance,npv,",
        "tightening,bytedance-public,bytedance,payback_plan,",
        "lot_share",
    ] {
        assert!(table.iter().any(|row| row.contains(cell)), "{cell}");
    }
}
