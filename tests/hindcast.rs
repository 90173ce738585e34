//! Hindcast and calibration from the command line, on the small world with observations of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use frugality::record::outputs::Outputs;

/// A folder of a test's own that is gone when it ends, with the small world in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("frugality-hindcast-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let scratch = Self(path);
        for world in ["small", "reference"] {
            let to = scratch.path("worlds").join(world);
            fs::create_dir_all(&to).unwrap();
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(world);
            for file in fs::read_dir(from).unwrap() {
                let file = file.unwrap().path();
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
        // The shipped posterior is not the one that these tests make.
        let _ = fs::remove_file(scratch.path("worlds/reference/posterior.csv"));
        let observations = scratch.path("worlds/small/observations.csv");
        let header = fs::read_to_string(&observations).unwrap();
        fs::write(observations, header.trim_end().to_owned() + "\n" + ROWS).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn frugality(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_frugality"))
            .args(words.split_whitespace())
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    fn done(&self, words: &str) -> String {
        let output = self.frugality(words);
        let (out, err) = (&output.stdout, &output.stderr);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(err));
        String::from_utf8_lossy(out).into_owned()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Four rows of two families, made up.
const ROWS: &str = "\
cash-a,Cash of Aurora,money,firms,aurora,sum,cash_usd,,,last,2022-03,2022-03,,,1e-9,60,30,120,bn USD,fit,high,,made up
cash-b,Cash of Aurora,money,firms,aurora,sum,cash_usd,,,last,2022-09,2022-09,,,1e-9,70,35,140,bn USD,fit,high,,made up
cash-c,Cash of Aurora,money,firms,aurora,sum,cash_usd,,,last,2024-03,2024-03,,,1e-9,80,40,160,bn USD,test,high,firms.cash_usd_bn,made up
shipped,Units of Nova,chips,vendors,nova,sum,vendor_shipped_units,,,sum,2022-01,2022-06,,,0.001,100,50,200,k chips,fit,high,,made up
";

#[test]
fn a_hindcast_is_a_study_with_a_scoreboard() {
    let scratch = Scratch::new("board");
    let go = "hindcast small --draws 3 --threads 1 --out h --write-validation page.md";
    let text = scratch.done(go);
    assert!(text.contains("3 draws (latin_hypercube, 3 points, seed 1)"), "{text}");
    let board = scratch.text("h/analysis/scoreboard.csv");
    assert_eq!(board.lines().count(), 5, "{board}");
    let families = scratch.text("h/analysis/families.csv");
    assert!(families.contains("money,fit,all,2,") && families.contains("money,test,all,1,"));
    // The row that an input determines does not count among those that are free of inputs.
    assert!(!families.contains("money,test,free_of_inputs"), "{families}");
    assert!(scratch.text("h/analysis/figures/money.svg").starts_with("<svg"));
    assert_eq!(scratch.text("page.md"), scratch.text("h/analysis/validation.md"));
    assert!(scratch.text("page.md").contains("There is no clean hold-out"));
    scratch.done("study verify h");
    // Again: nothing is run, and the bytes are the same.
    let before = scratch.text("h/analysis/fan.csv");
    scratch.done(go);
    assert_eq!(scratch.text("h/analysis/fan.csv"), before);

    // A run of the study says of an observation what `score` says of its folder.
    scratch.done("hindcast small --parameters centre --seeds 1 --threads 1 --out c");
    scratch.done("run small --seed 1 --set end=2024-03 --out r --quiet");
    let scored = scratch.done("score r --format csv --observations worlds/small/observations.csv");
    let value = |table: &str, id: &str, column: usize| -> f64 {
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let record = reader.records().map(Result::unwrap).find(|r| &r[0] == id).unwrap();
        record[column].parse().unwrap()
    };
    let centre = scratch.text("c/analysis/scoreboard.csv");
    for id in ["cash-a", "cash-c", "shipped"] {
        assert_eq!(value(&centre, id, 10), value(&scored, id, 10), "{id}");
    }
    assert!(Outputs::read(&scratch.path("r")).is_ok());
}

#[test]
fn a_calibration_goes_on_and_its_posterior_is_a_world() {
    let scratch = Scratch::new("posterior");
    let go = |out: &str| format!("calibrate small --waves 1 --points 20 --threads 1 --out {out}");
    scratch.done(&format!("{} --write", go("a")));
    let posterior = scratch.text("a/posterior.csv");
    assert_eq!(posterior, scratch.text("worlds/reference/posterior.csv"));
    assert!(scratch.text("a/calibration.md").contains("## Not moved"));
    // A second wave that was lost is done again, with the same bytes.
    fs::remove_dir_all(scratch.path("a/wave-2")).unwrap();
    fs::remove_file(scratch.path("a/posterior.csv")).unwrap();
    scratch.done(&go("a"));
    assert_eq!(posterior, scratch.text("a/posterior.csv"));

    let text = scratch.done("hindcast small --parameters posterior --draws 2 --threads 1 --out h");
    assert!(text.contains("posterior, 2 draws, seed 1"), "{text}");
    // A folder of a study holds all that it needs.
    fs::remove_file(scratch.path("worlds/reference/posterior.csv")).unwrap();
    scratch.done("study resume h");
    fs::copy(scratch.path("a/posterior.csv"), scratch.path("worlds/reference/posterior.csv"))
        .unwrap();

    let world = "extends = \"small\"\ntitle = \"x\"\nstory = \"x\"\nparameters = \"posterior\"\n";
    fs::write(scratch.path("worlds/fitted.toml"), world).unwrap();
    let mut lines = posterior.lines();
    let name = lines.next().unwrap().split(',').nth(1).unwrap();
    let shown = scratch.done(&format!("show fitted parameters.{name}.value"));
    assert!(shown.contains("posterior.csv:2"), "{shown}");
}

#[test]
fn what_cannot_be_done_is_told() {
    let scratch = Scratch::new("refused");
    let refused = |words: &str, says: &str| {
        let output = scratch.frugality(words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(says), "{words}: {text}");
    };
    refused("hindcast nowhere", "no world of this name");
    refused(
        "hindcast small --parameters posterior",
        "there is no posterior.csv beside the parameters",
    );
    refused("hindcast small --draws 0", "0 is not in 1..");
    refused("calibrate small --discrepancy -1", "");
    fs::write(
        scratch.path("worlds/fitted.toml"),
        "extends = \"small\"\ntitle = \"x\"\nstory = \"x\"\nparameters = \"posterior\"\n",
    )
    .unwrap();
    refused("check fitted", "worlds/fitted.toml:4:14 parameters: there is no posterior.csv");
    fs::write(scratch.path("worlds/reference/posterior.csv"), "weight,nothing\n1,2\n").unwrap();
    refused("check fitted", "posterior.csv:2:1");
    refused("hindcast small --parameters posterior", "the column `nothing` is not a parameter");
}
