//! What a folder says of itself to other programs: `datapackage.json` (Frictionless), `ro-crate-metadata.json`
//! and `SHA256SUMS`. No clock, no host, no absolute path.

use std::fs;

use serde_json::{Value as Json, json};

use super::merge::{Merged, MergedTable};
use super::plan::Plan;
use super::shard::Commit;
use super::store::{Failed, PLAN, Scratch, Store, failed, sha256_of};
use super::table::{Column, Format, Kind};
use super::{attribution, effects, tables};
use crate::world::sha256;

/// Names of the files.
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const DATA_PACKAGE: &str = "datapackage.json";
pub(super) const RO_CRATE: &str = "ro-crate-metadata.json";

/// What a merge is of: two merges of the same have the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    commits: String,
    format: Format,
    complete: bool,
}

impl Stamp {
    pub fn new(plan: &Plan, commits: &[Commit], format: Format, complete: bool) -> Self {
        let mut text = plan.hash.clone();
        for commit in commits {
            text.push_str(&commit.text());
        }
        Self { commits: sha256(text.as_bytes()), format, complete }
    }
}

/// The merged tables, if they are there, of the same commits, and undamaged.
pub(super) fn merged_already(
    plan: &Plan,
    store: &Store,
    commits: &[Commit],
    stamp: &Stamp,
) -> Option<Merged> {
    let text = fs::read_to_string(store.path(DATA_PACKAGE)).ok()?;
    let json: Json = serde_json::from_str(&text).ok()?;
    let same = json["commits_sha256"] == stamp.commits && json["complete"] == stamp.complete;
    if !same {
        return None;
    }
    let mut of = tables::of_shards(plan);
    of.extend([effects::table(plan), attribution::table(plan)]);
    let mut merged = Vec::new();
    for resource in json["resources"].as_array()? {
        let table = of.iter().find(|table| resource["name"] == table.name)?.clone();
        let path = resource["path"].as_str()?.to_owned();
        if !path.ends_with(stamp.format.ending()) {
            return None;
        }
        let (sha256, bytes) = sha256_of(&store.path(&path)).ok()?;
        if resource["hash"] != format!("sha256:{sha256}") {
            return None;
        }
        let rows = resource["rows"].as_u64()?;
        merged.push(MergedTable { table, path, rows, bytes, sha256 });
    }
    if sums(plan, store, commits, &merged).ok()? != fs::read_to_string(store.path(SUMS)).ok()? {
        return None;
    }
    Some(Merged {
        tables: merged,
        runs: json["runs"].as_u64()?,
        failures: json["failures"].as_u64()?,
        complete: stamp.complete,
        was_there: true,
    })
}

/// Writes the three files, the sums last.
pub(super) fn write(
    plan: &Plan,
    store: &Store,
    scratch: &Scratch,
    commits: &[Commit],
    merged: &Merged,
    stamp: &Stamp,
) -> Result<(), Failed> {
    for (name, json) in [
        (DATA_PACKAGE, data_package(plan, merged, stamp)),
        (RO_CRATE, ro_crate(plan, store, merged)),
    ] {
        replace(store, scratch, name, format!("{json:#}\n").as_bytes())?;
    }
    let text = sums(plan, store, commits, &merged.tables)?;
    replace(store, scratch, SUMS, text.as_bytes())
}

/// `SHA256SUMS`: every file that belongs to the study, sorted.
fn sums(
    plan: &Plan,
    store: &Store,
    commits: &[Commit],
    merged: &[MergedTable],
) -> Result<String, Failed> {
    let mut paths: Vec<String> =
        [PLAN, DATA_PACKAGE, RO_CRATE].into_iter().map(str::to_owned).collect();
    paths.extend(plan.inputs.iter().map(|file| format!("inputs/{}", file.inside)));
    paths.extend(merged.iter().map(|table| table.path.clone()));
    for commit in commits {
        paths.push(Commit::path(commit.shard));
        paths.extend(commit.files.iter().map(|file| file.path.clone()));
    }
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let file = store.path(&path);
        let (hash, _) = sha256_of(&file).map_err(failed("read", &file))?;
        text.push_str(&hash);
        text.push_str("  ");
        text.push_str(&path);
        text.push('\n');
    }
    Ok(text)
}

fn replace(store: &Store, scratch: &Scratch, name: &str, bytes: &[u8]) -> Result<(), Failed> {
    let file = scratch.write(bytes, "text")?;
    store.place(&file, name, &sha256(bytes), true).map(|_| ())
}

/// Folders beside the result: locks and notes, and what analyses write of it later.
const BESIDE: [&str; 2] = ["log", "discovery"];

/// Every file of the folder that is part of the result, sorted; the sums themselves are left out.
pub(super) fn files(store: &Store) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = store.path(&folder);
        let list = fs::read_dir(&path).map_err(failed("read", &path))?;
        for entry in list {
            let entry = entry.map_err(failed("read", &path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inside = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type().map_err(failed("read", &path))?;
            if kind.is_dir() {
                if !BESIDE.contains(&inside.as_str()) {
                    folders.push(inside);
                }
            } else if inside != SUMS {
                found.push(inside);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn media(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("toml") => "application/toml",
        Some("parquet") => "application/vnd.apache.parquet",
        _ => "text/plain",
    }
}

fn field(column: &Column) -> Json {
    let kind = match column.kind {
        Kind::Whole => "integer",
        Kind::Number | Kind::Short => "number",
        Kind::Text => "string",
    };
    json!({ "name": column.name, "type": kind, "unit": column.unit, "description": column.definition })
}

fn data_package(plan: &Plan, merged: &Merged, stamp: &Stamp) -> Json {
    let resource = |table: &MergedTable| {
        json!({
            "name": table.table.name,
            "path": table.path,
            "title": table.table.about,
            "format": stamp.format.ending(),
            "mediatype": media(&table.path),
            "bytes": table.bytes,
            "hash": format!("sha256:{}", table.sha256),
            "rows": table.rows,
            "schema": {
                "fields": table.table.columns.iter().map(field).collect::<Vec<_>>(),
                "missingValues": [""],
            },
        })
    };
    json!({
        "name": plan.name.to_lowercase(),
        "id": plan.hash,
        "title": plan.title,
        "description": plan.story.trim(),
        "version": env!("CARGO_PKG_VERSION"),
        "complete": merged.complete,
        "runs": merged.runs,
        "failures": merged.failures,
        "commits_sha256": stamp.commits,
        "resources": merged.tables.iter().map(resource).collect::<Vec<_>>(),
    })
}

fn ro_crate(plan: &Plan, store: &Store, merged: &Merged) -> Json {
    let inputs = plan.inputs.iter().map(|file| {
        let id = format!("inputs/{}", file.inside);
        json!({
            "@id": id,
            "@type": "File",
            "name": file.inside,
            "encodingFormat": media(&file.inside),
            "contentSize": file.bytes.len().to_string(),
            "sha256": file.sha256,
        })
    });
    let tables = merged.tables.iter().map(|table| {
        json!({
            "@id": table.path,
            "@type": "File",
            "name": table.table.name,
            "description": table.table.about,
            "encodingFormat": media(&table.path),
            "contentSize": table.bytes.to_string(),
            "sha256": table.sha256,
        })
    });
    let plan_file = json!({
        "@id": PLAN,
        "@type": "File",
        "name": "plan",
        "encodingFormat": "application/json",
    });
    let files: Vec<Json> = [plan_file].into_iter().chain(inputs).chain(tables).collect();
    let reference = |file: &Json| json!({ "@id": file["@id"] });
    let program = store.plan_json().map(|plan| plan["program"].clone()).unwrap_or_default();
    let mut graph = vec![
        json!({
            "@id": RO_CRATE,
            "@type": "CreativeWork",
            "about": { "@id": "./" },
            "conformsTo": { "@id": "https://w3id.org/ro/crate/1.1" },
        }),
        json!({
            "@id": "./",
            "@type": "Dataset",
            "name": plan.title,
            "description": if plan.story.trim().is_empty() { &plan.title } else { plan.story.trim() },
            "datePublished": DATE,
            "license": { "@id": "https://spdx.org/licenses/MIT" },
            "identifier": plan.hash,
            "hasPart": files.iter().map(reference).collect::<Vec<_>>(),
            "mentions": [{ "@id": "#run" }],
        }),
        json!({
            "@id": "#run",
            "@type": "CreateAction",
            "name": format!("frugality study run {}", plan.study_input),
            "instrument": { "@id": "#program" },
            "object": [{ "@id": PLAN }],
            "result": merged.tables.iter().map(|t| json!({ "@id": t.path })).collect::<Vec<_>>(),
        }),
        json!({
            "@id": "#program",
            "@type": "SoftwareApplication",
            "name": program["name"],
            "softwareVersion": program["version"],
            "version": program["commit"],
        }),
    ];
    graph.extend(files);
    json!({ "@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph })
}

/// RO-Crate wants a date of publication; results carry no clock, so this is that of the program.
const DATE: &str = match option_env!("FRUGALITY_COMMIT_DATE") {
    Some(date) => date,
    None => "2026",
};
