//! Tells the program which commit it was built from, and of what day, for the manifest of a run.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    for watched in ["build.rs", "src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    // Our own repository, not one that the sources happen to lie in.
    if git(&["rev-parse", "--show-prefix"]).is_none_or(|prefix| !prefix.is_empty()) {
        return;
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let changed = git(&[
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--",
        "src",
        "build.rs",
        "Cargo.toml",
        "Cargo.lock",
    ])
    .is_none_or(|list| !list.is_empty());
    let mark = if changed { "+changes" } else { "" };
    println!("cargo::rustc-env=FRUGALITY_COMMIT={commit}{mark}");
    if let Some(date) = git(&["log", "-1", "--format=%cs"]) {
        println!("cargo::rustc-env=FRUGALITY_COMMIT_DATE={date}");
    }
}
