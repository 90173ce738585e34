//! A shard: some draws, all their policies, as files with a record of what they are.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::plan::Plan;
use super::run_one::Ran;
use super::store::{Failed, Scratch, Store, failed, sha256_of};
use super::table::{Audience, Format, Writer};
use super::tables::{self, Table, Texts};

/// Marks the record of a shard.
const FORMAT: &str = "frugality-commit/1";

/// A file of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFile {
    /// Table.
    pub table: String,
    /// Path inside the folder.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// The record of a shard that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Hash of the plan.
    pub plan: String,
    /// Number of the shard.
    pub shard: u64,
    /// Its draws, from and to, the end not included.
    pub draws: (u64, u64),
    /// Its runs, likewise.
    pub runs: (u64, u64),
    /// Runs that failed.
    pub failures: u64,
    /// Its files.
    pub files: Vec<ShardFile>,
}

impl Commit {
    /// Path of the record of `shard` inside the folder.
    #[must_use]
    pub fn path(shard: u64) -> String {
        format!("commits/{shard:06}.json")
    }

    /// The number of a shard from the name of its record.
    #[must_use]
    pub fn number(file_name: &str) -> Option<u64> {
        let digits = file_name.strip_suffix(".json")?;
        let number = digits.parse().ok()?;
        (format!("{number:06}") == digits).then_some(number)
    }

    /// The record as text. Its last line is a hash of all the others: of a damaged record nothing must be
    /// believed, least of all the hashes in it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut record = json!({
            "format": FORMAT,
            "plan": self.plan,
            "shard": self.shard,
            "draws": [self.draws.0, self.draws.1],
            "runs": [self.runs.0, self.runs.1],
            "failures": self.failures,
            "files": self.files.iter().map(|f| json!({
                "table": f.table,
                "path": f.path,
                "rows": f.rows,
                "bytes": f.bytes,
                "sha256": f.sha256,
            })).collect::<Vec<_>>(),
        });
        record["record_sha256"] = crate::world::sha256(record.to_string().as_bytes()).into();
        format!("{record:#}\n")
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is not one: every byte must be as this program writes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let pair = |key: &str| Some((json[key][0].as_u64()?, json[key][1].as_u64()?));
        let file = |f: &Json| {
            Some(ShardFile {
                table: f["table"].as_str()?.to_owned(),
                path: f["path"].as_str()?.to_owned(),
                rows: f["rows"].as_u64()?,
                bytes: f["bytes"].as_u64()?,
                sha256: f["sha256"].as_str()?.to_owned(),
            })
        };
        let read = || {
            Some(Self {
                plan: json["plan"].as_str()?.to_owned(),
                shard: json["shard"].as_u64()?,
                draws: pair("draws")?,
                runs: pair("runs")?,
                failures: json["failures"].as_u64()?,
                files: json["files"].as_array()?.iter().map(file).collect::<Option<_>>()?,
            })
        };
        let commit = read().ok_or("not the record of a shard")?;
        if commit.text() == text { Ok(commit) } else { Err("not as it was written".to_owned()) }
    }

    /// Whether it is what the record of `shard` of `plan` must be, but for rows and hashes.
    #[must_use]
    pub fn is_of(&self, plan: &Plan, shard: u64) -> bool {
        let draws = plan.draws_of_shard(shard);
        let policies = plan.policies.len() as u64;
        let paths = tables::of_shards(plan);
        self.plan == plan.hash
            && self.shard == shard
            && self.draws == draws
            && self.runs == (draws.0 * policies, draws.1 * policies)
            && self.files.len() == paths.len()
            && self.files.iter().zip(&paths).all(|(file, table)| file.path == path(shard, table))
    }
}

/// Path of the file of a table inside the folder.
#[must_use]
pub fn path(shard: u64, table: &Table) -> String {
    format!("shards/{shard:06}.{}.parquet", table.name)
}

/// Writes the runs of a shard and its record.
pub(super) fn write(
    plan: &Plan,
    store: &Store,
    scratch: &Scratch,
    texts: &Texts,
    shard: u64,
    runs: &[Ran],
) -> Result<Commit, Failed> {
    let tables = tables::of_shards(plan);
    let about = about(plan);
    let mut written: Vec<(PathBuf, ShardFile)> = Vec::new();
    for (table, batch) in tables.iter().zip(tables::rows(plan, texts, &tables, runs)) {
        let file = scratch.file("parquet");
        let write = || {
            let mut writer =
                Writer::create(&file, Format::Parquet, Audience::Program, &table.columns, &about)?;
            writer.write(&batch)?;
            writer.finish()
        };
        let target = store.path(&path(shard, table));
        let rows = write().map_err(failed("write", &target))?;
        let (sha256, bytes) = sha256_of(&file).map_err(failed("read", &file))?;
        let (table, path) = (table.name.to_owned(), path(shard, table));
        written.push((file, ShardFile { table, path, rows, bytes, sha256 }));
    }
    let draws = plan.draws_of_shard(shard);
    let policies = plan.policies.len() as u64;
    let commit = Commit {
        plan: plan.hash.clone(),
        shard,
        draws,
        runs: (draws.0 * policies, draws.1 * policies),
        failures: runs.iter().filter(|ran| ran.result.is_err()).count() as u64,
        files: written.iter().map(|(_, file)| file.clone()).collect(),
    };
    let before = store.commit(plan, shard);
    if let Some(before) = &before
        && *before != commit
    {
        return Err(Failed::Differs(format!(
            "shard {shard} of `{}` was committed with other contents than this process computed: the same runs came out differently (another machine, build or compiler, or a bug of ours); nothing was replaced",
            store.root().display()
        )));
    }
    for (file, entry) in &written {
        // Nothing vouches for a file without a record; and one that is not as its record says is damaged.
        store.place(file, &entry.path, &entry.sha256, true)?;
    }
    let text = commit.text();
    let file = scratch.write(text.as_bytes(), "json")?;
    let sha256 = crate::world::sha256(text.as_bytes());
    let readable = store.commit(plan, shard).is_some();
    store.place(&file, &Commit::path(shard), &sha256, !readable)?;
    Ok(commit)
}

/// What every file of a study says of itself.
#[must_use]
pub fn about(plan: &Plan) -> Json {
    json!({
        "study": plan.name,
        "title": plan.title,
        "plan": plan.hash,
        "version": env!("CARGO_PKG_VERSION"),
    })
}
