//! The same release gives the same bytes, whatever the place it runs in; and the twin without
//! controls is the same world until controls come.
//!
//! `tests/golden/` holds a small world's output whole, and fingerprints of the reference world's. With
//! `FRUGALITY_BLESS=1` (`cargo bless`) they are written instead of compared. The manifest is left
//! out: it names the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use frugality::record::folder::sha256;

/// The tables of a run, monthly ones first.
const MONTHLY: [&str; 6] =
    ["series.csv", "firms.csv", "vendors.csv", "countries.csv", "chips.csv", "lines.csv"];
const OTHERS: [&str; 3] = ["licences.csv", "models.csv", "events.csv"];

/// The month in which the regime of August 2022 is announced.
const ANNOUNCED: &str = "2022-08";

type Files = BTreeMap<String, String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blessing() -> bool {
    std::env::var_os("FRUGALITY_BLESS").is_some()
}

/// A folder of this test's own that is gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("frugality-{name}-{}", std::process::id()));
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

/// The program, told to run `world` for `months` (0: all) into `out`.
fn arguments(world: &Path, months: u32, out: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut all: Vec<String> = ["run", "--quiet", "--seed", "1"].map(str::to_owned).into();
    if months > 0 {
        all.extend(["--months".to_owned(), months.to_string()]);
    }
    all.extend(["--out".to_owned(), text(out), text(world)]);
    all
}

fn finish(command: &mut Command, out: &Path) -> Files {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |name: &str| (name.to_owned(), fs::read_to_string(out.join(name)).unwrap());
    MONTHLY.iter().chain(&OTHERS).map(|name| read(name)).collect()
}

fn run(world: &Path, months: u32, scratch: &Scratch, name: &str) -> Files {
    let out = scratch.0.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_frugality"));
    finish(command.current_dir(root()).args(arguments(world, months, &out)), &out)
}

/// The small world; the reference world's first year where there is none.
fn small() -> (PathBuf, u32) {
    let path = root().join("worlds/small");
    if path.is_dir() { (path, 0) } else { (root().join("worlds/reference"), 12) }
}

/// The first line in which two texts differ, for people.
fn first_difference(file: &str, was: &str, is: &str) -> String {
    let (mut was, mut is) = (was.lines(), is.lines());
    let mut number = 1;
    loop {
        let (a, b) = (was.next(), is.next());
        if a != b || a.is_none() {
            let [a, b] = [a, b].map(|line| line.unwrap_or("(nothing)"));
            return format!("{file}, line {number}:\n  was {a}\n  is  {b}");
        }
        number += 1;
    }
}

/// Compares with the stored text, or stores it.
fn compare(path: &Path, fresh: &str) -> Result<(), String> {
    if blessing() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, fresh).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    if stored == fresh {
        return Ok(());
    }
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    Err(first_difference(&name, &stored, fresh))
}

const CHANGED: &str = "results changed; if that is what you want, `cargo bless`, look at `git diff` \
    and say why in CHANGELOG.md";

#[test]
fn a_small_world_to_the_byte() {
    let scratch = Scratch::new("golden-small");
    let (world, months) = small();
    let files = run(&world, months, &scratch, "run");
    let folder = root().join("tests/golden/small");
    let wrong: Vec<String> =
        files.iter().filter_map(|(name, text)| compare(&folder.join(name), text).err()).collect();
    assert!(wrong.is_empty(), "{CHANGED}\n{}", wrong.join("\n"));
}

/// The rows of a monthly table up to the end of `year`.
fn until(text: &str, year: &str) -> String {
    let rows = text.split_inclusive('\n').skip(1);
    rows.filter(|row| row.get(..4).is_some_and(|of| of <= year)).collect()
}

#[test]
fn the_reference_world_by_fingerprint() {
    let scratch = Scratch::new("golden-reference");
    let files = run(&root().join("worlds/reference"), 0, &scratch, "run");
    let mut page = String::from(
        "# SHA-256 of each table of `frugality run reference --seed 1`, then its first digits for\n\
         # the rows up to the end of each year: the first year that differs is where to look.\n",
    );
    for name in MONTHLY.iter().chain(&OTHERS) {
        let text = &files[*name];
        let _ =
            writeln!(page, "{name} {} rows {}", text.lines().count() - 1, sha256(text.as_bytes()));
    }
    for year in (2022..=2035).map(|year| year.to_string()) {
        let marks = MONTHLY.map(|name| {
            let mark = sha256(until(&files[name], &year).as_bytes());
            format!("{}:{}", name.trim_end_matches(".csv"), &mark[..8])
        });
        let _ = writeln!(page, "{year} {}", marks.join(" "));
    }
    let said = compare(&root().join("tests/golden/reference.txt"), &page);
    assert!(said.is_ok(), "{CHANGED}\n{}", said.unwrap_err());
}

#[test]
fn place_language_hour_and_permissions_change_nothing() {
    let scratch = Scratch::new("golden-place");
    let (world, months) = small();
    let once = run(&world, months, &scratch, "once");
    assert_eq!(once, run(&world, months, &scratch, "again"), "two runs differ");

    let elsewhere = scratch.0.join("else where");
    fs::create_dir(&elsewhere).unwrap();
    let out = scratch.0.join("elsewhere");
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 077; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_frugality")]);
        shell
    } else {
        Command::new(env!("CARGO_BIN_EXE_frugality"))
    };
    command.current_dir(&elsewhere).args(arguments(&world, months, &out));
    for (name, value) in [
        ("LANG", "de_DE.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("LC_NUMERIC", "de_DE.UTF-8"),
        ("TZ", "Pacific/Chatham"),
        ("COLUMNS", "20"),
        ("NO_COLOR", "1"),
    ] {
        command.env(name, value);
    }
    assert_eq!(once, finish(&mut command, &out), "a run elsewhere differs");
}

/// The rows of a table dated before `ANNOUNCED`, or from then on.
fn dated(text: &str, before: bool) -> BTreeSet<String> {
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let header = table.headers().unwrap().clone();
    let at = header.iter().position(|n| ["month", "filed", "released"].contains(&n)).unwrap();
    // The issuer of the regime goes with it: nobody is there to take a stance.
    let stance = header.iter().position(|name| name == "stance");
    let rows = table.records().map(Result::unwrap);
    rows.filter(|row| (&row[at] < ANNOUNCED) == before)
        .map(|row| {
            let cells = row.iter().enumerate().filter(|(i, _)| Some(*i) != stance);
            cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
        })
        .collect()
}

#[test]
fn without_controls_the_world_is_the_same_until_they_come() {
    let scratch = Scratch::new("golden-twin");
    let controls = run(&root().join("worlds/reference"), 24, &scratch, "controls");
    let twin = run(&root().join("worlds/no-controls.toml"), 24, &scratch, "twin");
    let chip = |row: &str| row.split(',').nth(1).unwrap_or_default().to_owned();
    let known: BTreeSet<String> = twin["chips.csv"].lines().map(chip).collect();
    for name in MONTHLY.iter().chain(&OTHERS) {
        let (mut one, other) = (dated(&controls[*name], true), dated(&twin[*name], true));
        if *name == "chips.csv" {
            // Chips cut to a rule's measure are in no catalogue where there is no rule.
            one.retain(|row| known.contains(&chip(row)));
        }
        let extra: Vec<_> = one.symmetric_difference(&other).take(3).collect();
        assert!(extra.is_empty(), "{name}: the future is read: {extra:#?}");
    }
    for name in ["series.csv", "firms.csv", "vendors.csv", "chips.csv", "events.csv"] {
        let (one, other) = (dated(&controls[name], false), dated(&twin[name], false));
        assert_ne!(one, other, "{name}: the controls change nothing");
    }
}
