//! What a study writes is read by the tools that people have: pandas, polars, DuckDB; and the
//! columns are those that it says they are.

use std::process::Command;

use crate::folder::*;

/// Whether a check that cannot be made is a failure: in CI, where everything is installed.
pub fn must_not_skip() -> bool {
    std::env::var_os("FRUGALITY_REQUIRE_EXTRAS").is_some_and(|value| value == "1")
}

/// The Python to ask: FRUGALITY_PYTHON, or what is called so here.
pub fn python() -> String {
    std::env::var("FRUGALITY_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Notes that something was left out, or fails where that is not allowed.
pub fn skipped(what: &str) {
    assert!(!must_not_skip(), "skipped, and FRUGALITY_REQUIRE_EXTRAS=1: {what}");
    eprintln!("skipped: {what}");
}

#[test]
fn tables_are_read_back_by_pandas_polars_and_duckdb() {
    let scratch = Scratch::new("readers");
    let (_, _) = undisturbed(&scratch);
    let folder = scratch.path("whole");
    let csv = scratch.path("csv");
    let file = scratch.path("t.toml");
    let words = ["study", "run", text(&file), "--out", text(&csv), "--format", "csv", "--quiet"];
    done(&words);
    for reader in ["csv", "pandas", "polars", "duckdb"] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/study/read_back.py");
        let output =
            Command::new(python()).args([script, reader, text(&folder), text(&csv)]).output();
        let Ok(output) = output else {
            skipped(&format!("{reader}: there is no {}", python()));
            continue;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => assert!(told.contains("read back"), "{told}"),
            Some(77) => skipped(&format!("{reader}: {}", told.trim())),
            _ => panic!("{reader}: {told}{said}"),
        }
    }
}
