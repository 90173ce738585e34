//! Claims from the command line: shipped ones are right, studies run once, verdicts are files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use frugality::analysis::claims;
use frugality::record::folder::sha256;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("frugality-judge-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn frugality(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frugality"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(words)
        .output()
        .unwrap()
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/claims");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

/// A claim of the small world with a study of its own: two years, four seeds; its curve has three doses.
const CLAIM: &str = r#"
title = "The small world's gap"
sentence = "The controls widen the gap in efficiency."
prior = "prior"
curve = "doses"
treated = "ruled"
counterfactual = "free"
[outcomes.efficiency_gap]
at = "2023-12"
months = 3
direction = "below"
margin = 0.0001
[study]
title = "A small study"
months = 24
counterfactual = "free"
seeds = { from = 1, count = 9 }
[study.sizes.quick]
seeds = 4
[study.arms.ruled]
world = "small"
subsets_off = ["direction", "spillover"]
[study.arms.free]
world = "small"
subsets_off = ["direction", "spillover"]
set = ["regimes.ai-chip-controls.active=false"]
[study.record]
metrics = ["efficiency_gap"]
"#;

const PRIOR: &str = r#"
title = "The same over draws"
months = 24
counterfactual = "free"
seeds = { from = 1, count = 1, by_scenario = true }
[arms.ruled]
world = "small"
[arms.free]
world = "small"
set = ["regimes.ai-chip-controls.active=false"]
[uncertainties.review_days_constrained]
prior = true
[uncertainties.spillover_speed]
prior = true
[sampling]
method = "latin_hypercube"
points = 6
[record]
metrics = ["efficiency_gap"]
"#;

const DOSES: &str = r#"
title = "Doses"
months = 24
counterfactual = { floor = 1 }
seeds = { from = 1, count = 3 }
[arms.ruled]
world = "small"
[levers.floor]
set = "approval_floor"
values = [0, 0.5, 1]
[record]
metrics = ["efficiency_gap"]
"#;

#[test]
fn every_shipped_claim_is_right_and_the_schema_is_fresh() {
    let files = shipped();
    assert!(files.len() >= 9, "{files:?}");
    let set = claims::load(&files, Some("quick")).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(set.claims.len(), files.len());
    let quick: u64 = set.plans.iter().map(frugality::study::Plan::runs).sum();
    assert!(quick < 3000, "{quick} runs are not quick");
    for (file, claim) in files.iter().zip(&set.claims) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("#:schema ./claim.schema.json\n"), "{}", file.display());
        assert_eq!(claim.sha256, sha256(text.as_bytes()));
        assert!(claim.measures.iter().all(|m| m.prior.is_some()), "{}", claim.name);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/claims/claim.schema.json");
    let fresh = format!("{:#}\n", claims::json_schema());
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == fresh, "stale; run cargo bless");
}

#[test]
fn a_claim_is_run_once_and_judged_into_files() {
    let scratch = Scratch::new("once");
    let claim = scratch.0.join("gap.toml");
    fs::write(&claim, CLAIM).unwrap();
    fs::write(scratch.0.join("prior.toml"), PRIOR).unwrap();
    fs::write(scratch.0.join("doses.toml"), DOSES).unwrap();
    let (claim, out) = (claim.to_str().unwrap(), scratch.0.join("out"));
    let words = ["claims", claim, "--out", out.to_str().unwrap(), "--threads", "2"];
    let first = frugality(&words);
    let said = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success(), "{said}");
    assert!(said.contains("gap: 32 runs"), "{said}");
    let told = String::from_utf8(first.stdout).unwrap();
    let folder = PathBuf::from(told.trim_end().lines().last().unwrap());
    let verdicts = fs::read_to_string(folder.join("verdicts.csv")).unwrap();
    let row = verdicts.lines().nth(1).unwrap();
    assert!(verdicts.starts_with("claim,title,sentence,verdict,outcome,unit,horizon,effect,"));
    assert!(row.contains(&sha256(CLAIM.as_bytes())), "{row}");
    assert!(["supported", "refuted", "undecided"].iter().any(|word| row.contains(word)));
    let tests = fs::read_to_string(folder.join("tests.csv")).unwrap();
    assert!(tests.contains("gap,main,ruled,free,efficiency_gap,ln,4,"), "{tests}");
    assert!(tests.contains("gap,prior,"), "{tests}");
    let doses = fs::read_to_string(folder.join("dose_response.csv")).unwrap();
    assert_eq!(doses.lines().count(), 4, "{doses}");
    let about = fs::read_to_string(folder.join("claims.json")).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["studies"].as_array().unwrap().len(), 3);

    // Again: nothing is run, and the folder is the same.
    let again = frugality(&words);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), told);
    assert!(String::from_utf8_lossy(&again.stderr).is_empty());

    // The study's own folder holds the attribution of its switches.
    let gap = about["studies"][0]["folder"].as_str().unwrap();
    assert!(out.join(gap).join("merged/attribution.parquet").is_file());
    let verified = frugality(&["study", "verify", out.join(gap).to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let curve = about["studies"].as_array().unwrap().iter().find(|s| s["study"] == "doses");
    let curve = out.join(curve.unwrap()["folder"].as_str().unwrap());
    let printed = frugality(&["study", "doses", curve.to_str().unwrap()]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), doses);

    // A changed margin is another claim; its studies are there.
    fs::write(claim, CLAIM.replace("margin = 0.0001", "margin = 5")).unwrap();
    let other = frugality(&words);
    let told = String::from_utf8(other.stdout).unwrap();
    assert!(told.starts_with("refuted"), "{told}");
    assert!(String::from_utf8_lossy(&other.stderr).is_empty());
}

#[test]
fn a_wrong_claim_is_refused_with_its_place() {
    let scratch = Scratch::new("refused");
    let claim = scratch.0.join("gap.toml");
    fs::write(&claim, CLAIM.replace("treated = \"ruled\"", "treated = \"rueld\"")).unwrap();
    fs::write(scratch.0.join("prior.toml"), PRIOR).unwrap();
    fs::write(scratch.0.join("doses.toml"), DOSES).unwrap();
    let refused = frugality(&["claims", claim.to_str().unwrap(), "--plan"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("gap.toml:6:11 outcomes.efficiency_gap"), "{said}");
    assert!(said.contains("no arm `rueld`; did you mean `ruled`?"), "{said}");
}
