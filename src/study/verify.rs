//! Is everything there, and as it was written?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::AtomicBool;

use super::batch::needed;
use super::package::{SUMS, files};
use super::plan::Plan;
use super::run_one::{Simulate, run_one};
use super::shard::{Commit, path};
use super::store::{ANALYSIS, Failed, PLAN, Store, failed, sha256_of};
use super::table::{Batch, Cells, Reader};
use super::tables::{self, Texts};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, inside the folder.
    pub path: String,
    /// What is wrong.
    pub says: String,
    /// Whether resuming the study mends it.
    pub mends: bool,
}

/// Looks at every file of a study, and simulates `deep` runs again. Findings come in the order of
/// files; whether all is there is told as well.
///
/// # Errors
/// When the folder cannot be read.
pub fn verify(
    plan: &Plan,
    store: &Store,
    deep: u64,
    simulate: &Simulate,
) -> Result<(Vec<Finding>, bool), Failed> {
    let mut findings = Vec::new();
    let mut find = |path: &str, says: &str, mends: bool| {
        findings.push(Finding { path: path.to_owned(), says: says.to_owned(), mends });
    };
    let written = store.plan_json()?;
    let mut own: serde_json::Value =
        serde_json::from_str(&plan.document()).unwrap_or(serde_json::Value::Null);
    own["program"] = written["program"].clone();
    let text = fs::read_to_string(store.path(PLAN)).map_err(failed("read", &store.path(PLAN)))?;
    if format!("{own:#}\n") != text {
        find(PLAN, "not as it was written", false);
    }
    let (shards, known) = needed(plan, store)?;
    let mut expected: BTreeSet<String> = BTreeSet::new();
    expected.insert(PLAN.to_owned());
    for input in &plan.inputs {
        let path = format!("inputs/{}", input.inside);
        if sha256_of(&store.path(&path)).map_or(true, |(hash, _)| hash != input.sha256) {
            find(&path, "changed since the plan was made", false);
        }
        expected.insert(path);
    }
    let listed = written["inputs"].as_array().cloned().unwrap_or_default();
    for input in listed {
        let path = input["path"].as_str().unwrap_or_default();
        let hash = sha256_of(&store.path(path)).map(|(hash, _)| hash).unwrap_or_default();
        if input["sha256"] != hash.as_str() {
            find(path, "missing, or not the bytes that the plan lists", false);
        }
        expected.insert(path.to_owned());
    }
    let mut complete = known;
    let mut whole = Vec::new();
    for shard in &shards {
        let record = Commit::path(*shard);
        let mut sound = true;
        expected.insert(record.clone());
        let commit = store.commit(plan, *shard);
        let paths: Vec<String> =
            tables::of_shards(plan).iter().map(|table| path(*shard, table)).collect();
        if commit.is_none() {
            complete = false;
            sound = false;
            if store.path(&record).exists() {
                find(&record, "not a record of this shard as it was written", true);
            } else if paths.iter().any(|path| store.path(path).exists()) {
                find(&record, "missing, though files of the shard are there", true);
            }
        }
        for file in commit.iter().flat_map(|commit| &commit.files) {
            match sha256_of(&store.path(&file.path)) {
                Ok((hash, bytes)) if hash == file.sha256 && bytes == file.bytes => continue,
                Ok((_, bytes)) if bytes < file.bytes => {
                    find(&file.path, &format!("cut off: {bytes} of {} bytes", file.bytes), true);
                }
                Ok(_) => find(&file.path, "not the bytes that its record lists", true),
                Err(_) => find(&file.path, "missing", true),
            }
            sound = false;
        }
        expected.extend(paths);
        if sound {
            whole.push(*shard);
        }
    }
    let there = files(store)?;
    let sums = fs::read_to_string(store.path(SUMS)).ok();
    let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
    for line in sums.as_deref().unwrap_or_default().lines() {
        match line.split_once("  ") {
            Some((hash, path)) if hash.len() == 64 => {
                listed.insert(path, hash);
            }
            _ => find(SUMS, "a line that is not a hash and a path", false),
        }
    }
    for (path, hash) in &listed {
        let found = sha256_of(&store.path(path));
        let says = match found {
            Ok((found, _)) if found == **hash => continue,
            Ok(_) => "not the bytes that SHA256SUMS lists",
            Err(_) => "missing, though SHA256SUMS lists it",
        };
        if !findings_have(&findings, path) {
            let mends = path.starts_with("merged/") || !path.contains('/') && *path != PLAN;
            findings.push(Finding { path: (*path).to_owned(), says: says.to_owned(), mends });
        }
    }
    for path in &there {
        let of_merge = path.starts_with("merged/") || !path.contains('/');
        // What was read off the runs is made again by the verb that made it.
        if path.starts_with(ANALYSIS) {
            continue;
        }
        let fine = expected.contains(path)
            || (of_merge && listed.contains_key(path.as_str()))
            || (sums.is_none() && path.starts_with("merged/"));
        if !fine {
            let says = "not part of the study".to_owned();
            findings.push(Finding { path: path.clone(), says, mends: false });
        } else if sums.is_some() && complete && !listed.contains_key(path.as_str()) {
            let says = "SHA256SUMS does not list it".to_owned();
            findings.push(Finding { path: path.clone(), says, mends: true });
        }
    }
    again(plan, store, &whole, deep, simulate, &mut findings)?;
    findings.sort_by(|a, b| (&a.path, &a.says).cmp(&(&b.path, &b.says)));
    findings.dedup();
    Ok((findings, complete))
}

fn findings_have(findings: &[Finding], path: &str) -> bool {
    findings.iter().any(|finding| finding.path == path)
}

/// Simulates some runs again, spread evenly over the shards that are whole, and compares every cell.
fn again(
    plan: &Plan,
    store: &Store,
    shards: &[u64],
    deep: u64,
    simulate: &Simulate,
    findings: &mut Vec<Finding>,
) -> Result<(), Failed> {
    let texts = Texts::new(plan);
    let tables = tables::of_shards(plan);
    let stop = AtomicBool::new(false);
    let policies = plan.policies.len() as u64;
    let runs: Vec<u64> = shards
        .iter()
        .flat_map(|shard| {
            let (from, to) = plan.draws_of_shard(*shard);
            from * policies..to * policies
        })
        .collect();
    let deep = deep.min(runs.len() as u64);
    for n in 0..deep {
        // Every stride-th run, stepping through the policies too.
        let run_id = runs[(n * runs.len() as u64 / deep) as usize];
        let run_id = (run_id + n % policies).min(*runs.last().unwrap_or(&run_id));
        let Some((draw, policy)) = plan.run(run_id) else { continue };
        let mut definition = plan.blank(policy);
        let Some(ran) = run_one(plan, draw, policy, &mut definition, simulate, &stop) else {
            continue;
        };
        let shard = shard_of(plan, draw.number);
        for (table, mine) in
            tables.iter().zip(tables::rows(plan, &texts, &tables, std::slice::from_ref(&ran)))
        {
            let inside = path(shard, table);
            let file = store.path(&inside);
            let read = || {
                let reader = Reader::open(&file, &table.columns)?;
                let mut theirs = Batch::new(&table.columns);
                for batch in 0..reader.batches() {
                    theirs.append(of_run(&reader.batch(batch)?, run_id));
                }
                Ok(theirs)
            };
            let theirs = read().map_err(failed("read", &file))?;
            // Not-a-number equals itself as text.
            if format!("{theirs:?}") != format!("{mine:?}") {
                let says = format!("run {run_id} comes out differently when it is simulated again");
                findings.push(Finding { path: inside, says, mends: false });
            }
        }
    }
    Ok(())
}

/// The shard that holds a draw.
pub(super) fn shard_of(plan: &Plan, draw: u64) -> u64 {
    let full = plan.block_replicates() * plan.design.scenarios;
    let block = draw / full;
    block * plan.shards_a_block() + (draw - block * full) / plan.shard_draws
}

/// The rows of one run.
pub(super) fn of_run(batch: &Batch, run_id: u64) -> Batch {
    let Some(Cells::Whole(ids)) = batch.cells.first() else { return batch.clone() };
    let keep: Vec<usize> =
        (0..ids.len()).filter(|row| ids[*row] == i64::try_from(run_id).ok()).collect();
    let cells = batch.cells.iter().map(|cells| match cells {
        Cells::Whole(all) => Cells::Whole(keep.iter().map(|row| all[*row]).collect()),
        Cells::Number(all) => Cells::Number(keep.iter().map(|row| all[*row]).collect()),
        Cells::Short(all) => Cells::Short(keep.iter().map(|row| all[*row]).collect()),
        Cells::Text(all) => Cells::Text(keep.iter().map(|row| all[*row].clone()).collect()),
    });
    Batch { cells: cells.collect() }
}
