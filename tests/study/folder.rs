//! A study of the small world, folders to run it in, and the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use frugality::record::folder::sha256;

/// A folder of a test's own that is gone when it ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("frugality-study-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a study file.
    pub fn study(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two arms, two levels of a lever, three scenarios, two seeds: 24 runs in six shards, everything kept.
pub const STUDY: &str = r#"
title = "A study of the small world"
story = "Every kind of table, in two years."
months = 24
counterfactual = "free"
seeds = SEEDS
shard_draws = 1

[arms.ruled]
world = "small"
[arms.free]
world = "small"
set = ["regimes.ai-chip-controls.active=false"]

[levers.guidance.levels]
on = ["mechanisms.import_guidance=true"]
off = ["mechanisms.import_guidance=false"]

[uncertainties.review_days_constrained]
prior = true
[uncertainties.stale_months]
values = [2, 5]
[sampling]
method = "latin_hypercube"
points = 3
seed = 7

[record]
metrics = ["efficiency_gap*", "rules_in_force", "grey_share"]
every = 5
panels.firms = ["ai_capex_usd"]
panels.chips = "all"
events = true

[outcomes]
gap = { metric = "efficiency_gap", at = "2023-12" }
mean_gap = { metric = "efficiency_gap", take = "mean", from = "2023-01" }
most_rules = { metric = "rules_in_force", take = "max" }
capex = { metric = "ai_capex_usd", table = "firms", id = "cathay" }
"#;

/// The study with these seeds.
pub fn study(seeds: &str) -> String {
    STUDY.replace("SEEDS", seeds)
}

/// The program with these words.
pub fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frugality"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words);
    command
}

/// What the program does and says.
pub fn frugality(words: &[&str]) -> Output {
    program(words).output().unwrap()
}

/// The same, which must go well.
pub fn done(words: &[&str]) -> String {
    let output = frugality(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the program said on its way out, and its code.
pub fn code(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The SHA-256 of every file of the result, by its path: all but what `log/` holds.
pub fn prints(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(place) = folders.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            if path == folder.join("log") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(inside, sha256(&fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// The first file that differs.
pub fn difference(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Option<String> {
    let names = a.keys().chain(b.keys());
    names.filter(|name| a.get(*name) != b.get(*name)).min().cloned()
}

/// The study of [`STUDY`] with seeds 3 and 9, run at once, and its prints.
pub fn undisturbed(scratch: &Scratch) -> (PathBuf, BTreeMap<String, String>) {
    let file = scratch.study("t", &study("[3, 9]"));
    let folder = scratch.path("whole");
    done(&["study", "run", text(&file), "--out", text(&folder), "--quiet", "--threads", "2"]);
    let prints = prints(&folder);
    assert!(prints.len() > 20, "{prints:?}");
    (file, prints)
}

/// Numbers that look random, the same every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = frugality::random::key_from(&[self.0, 1]);
        self.0 % n
    }
}
