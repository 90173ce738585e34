//! Shards → tables for people.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::attribution;
use super::batch::needed;
use super::effects;
use super::package;
use super::plan::Plan;
use super::shard::{Commit, about, path};
use super::store::{Failed, Scratch, Store, failed, sha256_of, sync_folder};
use super::table::{Audience, Batch, Format, Reader, Writer};
use super::tables::{self, Table};

/// Cells that a row group holds, about at most.
const CELLS: usize = 2 << 20;

/// What makes a table of what was committed.
type Compute = fn(
    &Plan,
    &Store,
    &[Commit],
    &mut dyn FnMut(&Batch) -> Result<(), Failed>,
) -> Result<(), Failed>;

/// A table that was merged.
#[derive(Clone, Debug)]
pub struct MergedTable {
    /// The table.
    pub table: Table,
    /// Path inside the folder.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// What came of a merge.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The tables.
    pub tables: Vec<MergedTable>,
    /// Runs in them.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// Whether every shard that the study needs is in them.
    pub complete: bool,
    /// Whether they were there already.
    pub was_there: bool,
}

/// Merges what is committed into `merged/`.
///
/// # Errors
/// When shards are missing and `partial` is off, a shard is damaged, or the system refuses.
pub fn merge(
    plan: &Plan,
    store: &Store,
    format: Format,
    partial: bool,
    again: bool,
) -> Result<Merged, Failed> {
    let scratch = Scratch::new(store)?;
    // One process at a time merges; the lock dies with it.
    let lock = fs::File::create(store.path("log/merge.lock")).ok();
    if let Some(lock) = &lock {
        let _ = lock.lock();
    }
    let (shards, known) = needed(plan, store)?;
    let mut commits = Vec::new();
    for shard in &shards {
        commits.extend(store.commit(plan, *shard));
    }
    let missing = shards.len() - commits.len();
    let complete = missing == 0 && known;
    if !complete && !partial {
        return Err(Failed::Input(format!(
            "{missing} of {} shards are missing or their records are damaged; finish them with `frugality study resume {}`, or merge what is there with --partial",
            shards.len(),
            store.root().display()
        )));
    }
    let stamp = package::Stamp::new(plan, &commits, format, complete);
    if !again && let Some(merged) = package::merged_already(plan, store, &commits, &stamp) {
        return Ok(merged);
    }
    for commit in &commits {
        if !store.holds(commit) {
            return Err(Failed::Input(format!(
                "shard {} is damaged: a file of it is not as its record says; `frugality study resume {}` does it again",
                commit.shard,
                store.root().display()
            )));
        }
    }
    let folder = scratch.file("merged");
    fs::create_dir(&folder).map_err(failed("make", &folder))?;
    let mut merged = Vec::new();
    for table in tables::of_shards(plan) {
        merged.push(one(plan, store, &commits, table, format, &folder)?);
    }
    let mut computed: Vec<(Table, Compute)> = Vec::new();
    if plan.policies.iter().any(|policy| policy.against.is_some()) {
        computed.push((effects::table(plan), effects::compute));
    }
    if !attribution::games(plan).is_empty() {
        computed.push((attribution::table(plan), attribution::compute));
    }
    for (table, compute) in computed {
        let file = folder.join(format!("{}.{}", table.name, format.ending()));
        let mut writer =
            Writer::create(&file, format, Audience::People, &table.columns, &about(plan))
                .map_err(failed("write", &file))?;
        compute(plan, store, &commits, &mut |batch| {
            writer.write(batch).map_err(failed("write", &file))
        })?;
        let rows = writer.finish().map_err(failed("write", &file))?;
        merged.push(described(table, file, rows, format)?);
    }
    sync_folder(&folder);
    let target = store.path("merged");
    if target.exists() {
        let old = scratch.file("old");
        fs::rename(&target, &old).map_err(failed("replace", &target))?;
    }
    fs::rename(&folder, &target).map_err(failed("create", &target))?;
    sync_folder(store.root());
    let merged = Merged {
        tables: merged,
        runs: commits.iter().map(|c| c.runs.1 - c.runs.0).sum(),
        failures: commits.iter().map(|c| c.failures).sum(),
        complete,
        was_there: false,
    };
    package::write(plan, store, &scratch, &commits, &merged, &stamp)?;
    Ok(merged)
}

fn described(
    table: Table,
    file: PathBuf,
    rows: u64,
    format: Format,
) -> Result<MergedTable, Failed> {
    let (sha256, bytes) = sha256_of(&file).map_err(failed("read", &file))?;
    let path = format!("merged/{}.{}", table.name, format.ending());
    Ok(MergedTable { table, path, rows, bytes, sha256 })
}

fn one(
    plan: &Plan,
    store: &Store,
    commits: &[Commit],
    table: Table,
    format: Format,
    folder: &std::path::Path,
) -> Result<MergedTable, Failed> {
    let file = folder.join(format!("{}.{}", table.name, format.ending()));
    let mut about = about(plan);
    about["table"] = json!(table.name);
    let mut writer = Writer::create(&file, format, Audience::People, &table.columns, &about)
        .map_err(failed("write", &file))?;
    let rows_at_once = (CELLS / table.columns.len()).max(1);
    let mut batch = Batch::new(&table.columns);
    for commit in commits {
        let from = store.path(&path(commit.shard, &table));
        let read = || {
            let reader = Reader::open(&from, &table.columns)?;
            (0..reader.batches()).map(|n| reader.batch(n)).collect::<std::io::Result<Vec<Batch>>>()
        };
        for more in read().map_err(failed("read", &from))? {
            if batch.rows() > 0 && batch.rows() + more.rows() > rows_at_once {
                writer.write(&batch).map_err(failed("write", &file))?;
                batch = Batch::new(&table.columns);
            }
            batch.append(more);
        }
    }
    writer.write(&batch).map_err(failed("write", &file))?;
    let rows = writer.finish().map_err(failed("write", &file))?;
    described(table, file, rows, format)
}
