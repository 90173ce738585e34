//! Every damaged, missing, swapped or extra file is found, and what can be computed again is.

use std::fs;
use std::path::Path;

use frugality::study::Commit;

use crate::folder::*;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// What `verify` says of a folder that is not as it should be.
fn found(folder: &Path) -> String {
    let (code, said) = code(&frugality(&["study", "verify", text(folder)]));
    assert_eq!(code, 2, "{said}");
    said
}

#[test]
fn verify_finds_what_is_wrong_and_resume_mends_it() {
    let scratch = Scratch::new("damage");
    let (_, wanted) = undisturbed(&scratch);
    let whole = scratch.path("whole");
    assert!(done(&["study", "verify", text(&whole), "--deep", "24"]).contains("complete"));
    let mut dice = Dice(5);
    let folder = scratch.path("damaged");
    copy(&whole, &folder);
    let files: Vec<&String> = wanted.keys().collect();
    for path in &files {
        let file = folder.join(path);
        let bytes = fs::read(&file).unwrap();
        // One bit of each file.
        let at = dice.below(bytes.len() as u64) as usize;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << dice.below(8);
        fs::write(&file, &flipped).unwrap();
        let (code, said) = code(&frugality(&["study", "verify", text(&folder)]));
        assert!(code == 2 && !said.is_empty(), "{path}, byte {at}: {said}");
        if path.starts_with("shards/") || path.starts_with("commits/") {
            assert!(said.contains(path.as_str()), "{path}: {said}");
            done(&["study", "resume", text(&folder), "--quiet"]);
            assert_eq!(difference(&prints(&folder), &wanted), None, "{path}");
        } else {
            fs::write(&file, &bytes).unwrap();
        }
    }
    for (path, change, says) in [
        ("shards/000002.series.parquet", "cut", "cut off"),
        ("shards/000002.series.parquet", "remove", "missing"),
        ("commits/000003.json", "remove", "missing"),
        ("shards/000001.runs.parquet", "swap", "not the bytes that its record lists"),
        ("commits/000001.json", "swap", "not a record of this shard"),
        ("shards/000099.runs.parquet", "extra", "not part of the study"),
        ("commits/000099.json", "extra", "not part of the study"),
        ("inputs/small/extra.txt", "extra", "not part of the study"),
        ("merged/runs.parquet", "cut", "not the bytes that SHA256SUMS lists"),
        ("merged/effects.parquet", "remove", "missing"),
    ] {
        let file = folder.join(path);
        match change {
            "cut" => {
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
            }
            "remove" => fs::remove_file(&file).unwrap(),
            "swap" => {
                let other = folder.join(path.replace("000001", "000004"));
                let kept = fs::read(&file).unwrap();
                fs::copy(&other, &file).unwrap();
                fs::write(&other, kept).unwrap();
            }
            _ => fs::write(&file, "?").unwrap(),
        }
        let said = found(&folder);
        assert!(said.contains(&format!("{path}: {says}")), "{path} {change}: {said}");
        if change == "extra" {
            fs::remove_file(&file).unwrap();
        }
        done(&["study", "resume", text(&folder), "--quiet"]);
        assert_eq!(difference(&prints(&folder), &wanted), None, "{path} {change}");
    }
}

#[test]
fn a_shard_that_comes_out_differently_is_reported_and_kept() {
    let scratch = Scratch::new("differs");
    let (_, _) = undisturbed(&scratch);
    let folder = scratch.path("whole");
    // A record that vouches for other bytes than these runs give: as from another machine.
    let record = folder.join("commits/000001.json");
    let mut commit = Commit::parse(&fs::read_to_string(&record).unwrap()).unwrap();
    commit.files[0].sha256 = commit.files[1].sha256.clone();
    fs::write(&record, commit.text()).unwrap();
    let before = fs::read(folder.join("shards/000001.runs.parquet")).unwrap();
    let (code, said) = code(&frugality(&["study", "resume", text(&folder), "--quiet"]));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("shard 1") && said.contains("came out differently"), "{said}");
    assert_eq!(fs::read(folder.join("shards/000001.runs.parquet")).unwrap(), before);
}

#[test]
fn a_merge_wants_the_whole_or_says_that_it_is_a_part() {
    let scratch = Scratch::new("part");
    let file = scratch.study("t", &study("[3, 9]"));
    let folder = scratch.path("part");
    let run = ["study", "run", text(&file), "--out", text(&folder), "--shard", "2/3", "--quiet"];
    done(&run);
    let (code, said) = code(&frugality(&["study", "merge", text(&folder)]));
    assert!(code == 2 && said.contains("4 of 6 shards are missing"), "{said}");
    let said = done(&["study", "merge", text(&folder), "--partial", "--format", "csv"]);
    assert!(said.contains("8 runs, not complete"), "{said}");
    let csv = fs::read_to_string(folder.join("merged/runs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9);
    assert!(csv.starts_with("run_id,arm,guidance,draw,"), "{csv}");
    let package = fs::read_to_string(folder.join("datapackage.json")).unwrap();
    assert!(package.contains("\"complete\": false"));
    assert!(done(&["study", "verify", text(&folder)]).contains("not complete yet"));
    let status = done(&["study", "status", text(&folder)]);
    assert!(status.contains("runs      8 of 24, 0 failed"), "{status}");
}
