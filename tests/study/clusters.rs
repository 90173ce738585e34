//! What is shipped for clusters runs a study: the SLURM script task by task, the Snakemake rule for real.

use std::process::Command;

use crate::folder::*;
use crate::readers::{python, skipped};

const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cluster");

#[cfg(unix)]
#[test]
fn the_slurm_script_runs_a_study_task_by_task() {
    let scratch = Scratch::new("slurm");
    let (file, wanted) = undisturbed(&scratch);
    let folder = scratch.path("slurm");
    for task in ["2", "1", "3"] {
        let output = Command::new("bash")
            .args([&format!("{CLUSTER}/slurm.sh"), text(&file), text(&folder)])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("FRUGALITY", env!("CARGO_BIN_EXE_frugality"))
            .env("SLURM_ARRAY_TASK_ID", task)
            .env("SLURM_ARRAY_TASK_COUNT", "3")
            .env("SLURM_CPUS_PER_TASK", "2")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(difference(&prints(&folder), &wanted), None);
    let alone = Command::new("bash")
        .args([&format!("{CLUSTER}/slurm.sh"), text(&file), text(&folder)])
        .env_remove("SLURM_ARRAY_TASK_ID")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&alone.stderr).contains("--array=1-N"));
}

#[test]
fn the_snakemake_rule_runs_a_study() {
    let scratch = Scratch::new("snakemake");
    let (file, wanted) = undisturbed(&scratch);
    let folder = scratch.path("snakemake");
    let there = Command::new(python()).args(["-m", "snakemake", "--version"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        skipped("snakemake is not installed");
        return;
    }
    // Worlds are looked for in `worlds` where the program runs.
    let worlds = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds");
    #[cfg(unix)]
    std::os::unix::fs::symlink(worlds, scratch.path("worlds")).unwrap();
    let output = Command::new(python())
        .args(["-m", "snakemake", "--snakefile", &format!("{CLUSTER}/Snakefile")])
        .args(["--cores", "2", "--directory", text(&scratch.0), "--config"])
        .arg(format!("study={}", file.display()))
        .arg(format!("out={}", folder.display()))
        .arg("shares=3")
        .arg(concat!("frugality=", env!("CARGO_BIN_EXE_frugality")))
        .env("HOME", &scratch.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(difference(&prints(&folder), &wanted), None);
}
