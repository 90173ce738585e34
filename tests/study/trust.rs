//! The same bytes whatever happens on the way.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::folder::*;

fn same(folder: &Path, wanted: &std::collections::BTreeMap<String, String>, how: &str) {
    let found = prints(folder);
    assert_eq!(difference(&found, wanted), None, "{how}");
}

#[test]
fn threads_do_not_matter() {
    let scratch = Scratch::new("threads");
    let (file, wanted) = undisturbed(&scratch);
    for threads in ["1", "3", "8"] {
        let folder = scratch.path(threads);
        let out = ["--out", text(&folder), "--quiet", "--threads", threads];
        done(&[&["study", "run", text(&file)], &out[..]].concat());
        same(&folder, &wanted, threads);
    }
}

#[test]
fn shares_do_not_matter() {
    let scratch = Scratch::new("shares");
    let (file, wanted) = undisturbed(&scratch);
    for n in [7, 100] {
        let folder = scratch.path(&n.to_string());
        // In an order of their own, some at once.
        let mut dice = Dice(n);
        let mut shares: Vec<u64> = (1..=n).collect();
        shares.sort_by_cached_key(|_| dice.below(1000));
        for some in shares.chunks(4) {
            let children: Vec<Child> = some
                .iter()
                .map(|k| {
                    let share = format!("{k}/{n}");
                    let words =
                        ["study", "run", text(&file), "--out", text(&folder), "--shard", &share];
                    program(&words)
                        .args(["--quiet", "--threads", "1"])
                        .stdout(Stdio::null())
                        .spawn()
                        .unwrap()
                })
                .collect();
            for mut child in children {
                assert!(child.wait().unwrap().success());
            }
        }
        same(&folder, &wanted, &format!("{n} shares"));
    }
}

#[test]
fn the_order_of_seeds_and_the_place_do_not_matter() {
    let scratch = Scratch::new("order");
    let (_, wanted) = undisturbed(&scratch);
    std::fs::create_dir_all(scratch.path("elsewhere")).unwrap();
    let file = scratch.study("elsewhere/t", &study("[9, 3]"));
    let folder = scratch.path("other place");
    let words = ["study", "run", text(&file), "--out", text(&folder), "--quiet"];
    let mut command = program(&words);
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "de_DE.UTF-8").env("LANG", "tr_TR.UTF-8");
    assert!(command.status().unwrap().success());
    let found = prints(&folder);
    // What lists the inputs' bytes knows the file itself.
    let own = ["inputs/studies/t.toml", "plan.json", "ro-crate-metadata.json", "SHA256SUMS"];
    for (path, hash) in &wanted {
        assert!(own.contains(&path.as_str()) || found.get(path) == Some(hash), "{path}");
    }
    assert_eq!(found.len(), wanted.len());
}

/// Starts as many processes on a folder.
fn start(file: &Path, folder: &Path, many: usize) -> Vec<Child> {
    (0..many)
        .map(|_| {
            program(&[
                "study",
                "run",
                text(file),
                "--out",
                text(folder),
                "--quiet",
                "--threads",
                "1",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
        })
        .collect()
}

#[test]
fn a_study_killed_anywhere_loses_nothing() {
    let scratch = Scratch::new("kill");
    let (file, wanted) = undisturbed(&scratch);
    let mut dice = Dice(41);
    for round in 0..3 {
        let folder = scratch.path(&format!("killed-{round}"));
        // One process, then several at once; each is killed after some milliseconds.
        for _ in 0..8 {
            let mut children = start(&file, &folder, [1, 2, 4][round]);
            for child in &mut children {
                std::thread::sleep(Duration::from_millis(40 + dice.below(250)));
                child.kill().unwrap();
            }
            for mut child in children {
                child.wait().unwrap();
            }
        }
        if folder.exists() {
            done(&["study", "resume", text(&folder), "--quiet"]);
        } else {
            done(&["study", "run", text(&file), "--out", text(&folder), "--quiet"]);
        }
        same(&folder, &wanted, &format!("round {round}"));
        let verified = done(&["study", "verify", text(&folder), "--deep", "2"]);
        assert!(verified.contains("complete"), "{verified}");
        let left: Vec<_> = std::fs::read_dir(folder.join("log"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("unfinished"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn processes_share_a_folder_without_being_told() {
    let scratch = Scratch::new("together");
    let (file, wanted) = undisturbed(&scratch);
    let folder = scratch.path("together");
    for mut child in start(&file, &folder, 5) {
        assert!(child.wait().unwrap().success());
    }
    same(&folder, &wanted, "five processes");
}

#[cfg(unix)]
#[test]
fn a_signal_drops_what_is_in_flight_and_says_how_to_go_on() {
    let scratch = Scratch::new("signal");
    let (_, wanted) = undisturbed(&scratch);
    let file = scratch.study("t", &study("[3, 9]"));
    for signal in ["INT", "TERM"] {
        let folder = scratch.path(signal);
        let words = ["study", "run", text(&file), "--out", text(&folder), "--threads", "1"];
        let child = program(&words).stderr(Stdio::piped()).spawn().unwrap();
        while std::fs::read_dir(folder.join("commits")).map_or(0, Iterator::count) < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let (code, said) = code(&child.wait_with_output().unwrap());
        assert_eq!(code, 130, "{said}");
        let command = format!("frugality study resume {}", folder.display());
        assert!(said.contains(&command), "{said}");
        done(&["study", "resume", text(&folder), "--quiet"]);
        same(&folder, &wanted, signal);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_a_second_try_ends_the_same() {
    let scratch = Scratch::new("full");
    let (file, wanted) = undisturbed(&scratch);
    let disk = scratch.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let mount = |words: &[&str]| {
        Command::new("mount").args(words).output().is_ok_and(|output| output.status.success())
    };
    let whole: u64 =
        wanted.keys().map(|p| scratch.path("whole").join(p).metadata().unwrap().len()).sum();
    let part = |percent: u64| format!("{}k", whole * percent / 102_400);
    if !mount(&["-t", "tmpfs", "-o", &format!("size={}", part(40)), "tmpfs", text(&disk)]) {
        eprintln!("skipped: this user may not mount a small tmpfs");
        return;
    }
    let folder = disk.join("study");
    let run = ["study", "run", text(&file), "--out", text(&folder), "--quiet"];
    let mut codes = Vec::new();
    for size in [&part(40), &part(70), &part(90), "64m"] {
        assert!(mount(&["-o", &format!("remount,size={size}"), text(&disk)]));
        let (code, said) = code(&frugality(&run));
        if code != 0 {
            assert!(
                said.contains("No space left") || said.contains("storage full"),
                "{size}: {said}"
            );
        }
        codes.push(code);
    }
    let found = prints(&folder);
    assert!(mount(&["-o", "remount,ro", text(&disk)]));
    let read_only = code(&frugality(&["study", "merge", text(&folder)]));
    let unmounted = Command::new("umount").arg(&disk).status().unwrap().success();
    assert!(unmounted);
    assert_eq!((codes[0], codes[3]), (1, 0), "{codes:?}");
    assert_eq!(difference(&found, &wanted), None);
    assert_eq!(read_only.0, 1, "{}", read_only.1);
    assert!(read_only.1.to_lowercase().contains("read-only"), "{}", read_only.1);
}

#[test]
fn seeds_are_added_until_the_interval_is_narrow_whoever_runs_them() {
    let scratch = Scratch::new("until");
    let until = "{ until = { outcome = \"gap\", half_width = WIDTH, max = 40, block = 4 } }";
    let at =
        |width: &str| study(&until.replace("WIDTH", width)).replace("points = 3", "points = 2");
    let run = |name: &str, width: &str| {
        let file = scratch.study(name, &at(width));
        let folder = scratch.path(&format!("{name}-out"));
        done(&["study", "run", text(&file), "--out", text(&folder), "--quiet"]);
        let shards = std::fs::read_dir(folder.join("commits")).unwrap().count();
        (folder, shards)
    };
    // A block is four seeds of two scenarios.
    let (wide, first) = run("wide", "10.0");
    assert_eq!(first, 8);
    let (_, all) = run("narrow", "1e-12");
    assert_eq!(all, 80);
    // A width that takes about twice the draws of the first block.
    let plan = frugality::study::Store::open(&wide).unwrap().1;
    let effects = crate::effects::Read::open(&wide, &frugality::study::effects_table(&plan));
    let (outcome, low, high) =
        (effects.texts("outcome"), effects.numbers("low"), effects.numbers("high"));
    let gaps = (0..low.len()).filter(|row| outcome[*row] == "gap");
    let widest = gaps.map(|row| (high[row] - low[row]) / 2.0).fold(0.0, f64::max);
    let (folder, some) = run("some", &format!("{:?}", widest * 0.7));
    assert!(some > first && some < all && some % 8 == 0, "{some}");
    // Two processes take turns: each stops where the next block needs the other's shards.
    let shared = scratch.path("shared");
    let file = scratch.path("some.toml");
    for turn in 0..2 * all / 8 {
        let share = format!("{}/2", turn % 2 + 1);
        let words = ["study", "run", text(&file), "--out", text(&shared), "--shard", &share];
        done(&[&words[..], &["--quiet"]].concat());
    }
    same(&shared, &prints(&folder), "two processes");
    assert!(done(&["study", "status", text(&wide)]).contains("shards    8 of 8,"));
    // The plan of one is not the plan of the other.
    let words = ["study", "run", text(&file), "--out", text(&wide), "--quiet"];
    let (code, said) = code(&frugality(&words));
    assert!(code == 2 && said.contains("holds another plan"), "{said}");
}
