//! `manifest.json`: what was run, from what, with what, and what came out.
//!
//! It holds no clock, no host and no absolute path, so that the same run gives
//! the same bytes anywhere.

use serde_json::{Value, json};

use super::columns;
use super::ending::{EVENTS, Field, LICENCES, MODELS, SKUS};
use super::folder::{Document, sha256};
use crate::calendar::Month;
use crate::metric::{Metric, Scope};

/// Name of the file.
pub const FILE: &str = "manifest.json";
/// Marks the manifest of a run, and the layout of its folder.
pub const FORMAT: &str = "frugality-run/1";

/// The commit that the program was built from, with `+changes` when files differed
/// from it; none when it was not built in a repository.
pub const COMMIT: Option<&str> = option_env!("FRUGALITY_COMMIT");

/// The parts of a manifest, for the documentation.
pub const PARTS: [Field; 13] = [
    part("format", "word", "Layout of the folder: `frugality-run/1`."),
    part("world", "object", "`id`, `title`, and `sha256` of `world.resolved.toml`."),
    part("seed", "number", "The seed, in decimal digits (a text, since it may pass 2^53)."),
    part("first_month", "month", "First month."),
    part("last_month", "month", "Last month."),
    part("months", "number", "Number of months."),
    part("events", "flag", "Whether the event log was kept (`--no-events` leaves it out)."),
    part(
        "program",
        "object",
        "`name`, `version` and `commit` (null when unknown; `+changes` when files differed).",
    ),
    part("command", "text", "What makes the folder again, run inside it."),
    part("sets", "list", "What `--set` changed, in order."),
    part("inputs", "list", "`path`, `bytes` and `sha256` of each copied world file."),
    part(
        "outputs",
        "list",
        "`path`, `bytes`, `sha256` and, for tables, `rows` of each other file.",
    ),
    part("tables", "object", "The columns of each table: `name` and `unit`, in order."),
];

const fn part(name: &'static str, unit: &'static str, definition: &'static str) -> Field {
    Field { name, unit, definition }
}

/// What the manifest of a run says besides its files.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Id of the world.
    pub world: String,
    /// Title of the world.
    pub title: String,
    /// The resolved world, as written to `world.resolved.toml`.
    pub resolved: String,
    /// Where the world is among the copied inputs: `inputs/reference`.
    pub input: String,
    /// The seed.
    pub seed: u64,
    /// First and last month.
    pub span: (Month, Month),
    /// Whether `--months` gave the length.
    pub shortened: bool,
    /// Whether events were kept.
    pub events: bool,
    /// What `--set` changed.
    pub sets: Vec<String>,
    /// The world whose want of compute it shares: where it is among the copied inputs, and the same resolved.
    pub treated: Option<(String, String)>,
}

impl Manifest {
    fn months(&self) -> i32 {
        self.span.1 - self.span.0 + 1
    }

    /// Eight digits that differ between runs that may differ: of the resolved world,
    /// the seed, the span, the version of the program and whether events were kept.
    #[must_use]
    pub fn hash8(&self) -> String {
        let key = format!(
            "{FORMAT}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            sha256(self.resolved.as_bytes()),
            self.seed,
            self.span.0,
            self.span.1,
            self.events,
        );
        let key = match &self.treated {
            None => key,
            Some((_, resolved)) => format!("{key}{}\n", sha256(resolved.as_bytes())),
        };
        sha256(key.as_bytes())[..8].to_owned()
    }

    /// The name of the folder, `<world>-s<seed>-<hash8>`.
    #[must_use]
    pub fn folder_name(&self) -> String {
        let tame = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let world: String = self.world.chars().map(tame).collect();
        format!("{}-s{}-{}", world.trim_start_matches('.'), self.seed, self.hash8())
    }

    /// The command that makes the folder again, run inside it.
    #[must_use]
    pub fn command(&self) -> String {
        use std::fmt::Write as _;
        let mut command = format!("frugality run {} --seed {}", quoted(&self.input), self.seed);
        if let Some((input, _)) = &self.treated {
            let _ = write!(command, " --as-scarce-as {}", quoted(input));
        }
        if self.shortened {
            let _ = write!(command, " --months {}", self.months());
        }
        for set in &self.sets {
            let _ = write!(command, " --set {}", quoted(set));
        }
        if !self.events {
            command.push_str(" --no-events");
        }
        command
    }

    /// The file, which lists `documents` (all but itself).
    #[must_use]
    pub fn document(
        &self,
        metrics: &'static [&'static Metric],
        documents: &[Document],
    ) -> Document {
        let listed = |inputs: bool| -> Vec<Value> {
            let of = documents.iter().filter(|d| d.path.starts_with("inputs/") == inputs);
            of.map(|d| {
                let mut entry = json!({ "path": d.path, "bytes": d.bytes.len() });
                if let Some(rows) = d.rows {
                    entry["rows"] = rows.into();
                }
                entry["sha256"] = sha256(&d.bytes).into();
                entry
            })
            .collect()
        };
        let mut tables = serde_json::Map::new();
        for scope in Scope::ALL {
            let id = (scope != Scope::World).then(|| json!({ "name": "id", "unit": "id" }));
            let of = columns(metrics, scope).map(|m| json!({ "name": m.name, "unit": m.unit }));
            let month = json!({ "name": "month", "unit": "month" });
            let all: Vec<Value> = [month].into_iter().chain(id).chain(of).collect();
            tables.insert(scope.table().to_owned(), all.into());
        }
        for (name, fields) in fixed_tables() {
            if name != "events" || self.events {
                let of = fields.iter().map(|f| json!({ "name": f.name, "unit": f.unit }));
                tables.insert(name.to_owned(), of.collect());
            }
        }
        let manifest = json!({
            "format": FORMAT,
            "world": {
                "id": self.world,
                "title": self.title,
                "sha256": sha256(self.resolved.as_bytes()),
            },
            "seed": self.seed.to_string(),
            "first_month": self.span.0.to_string(),
            "last_month": self.span.1.to_string(),
            "months": self.months(),
            "events": self.events,
            "program": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "commit": COMMIT,
            },
            "command": self.command(),
            "sets": self.sets,
            "inputs": listed(true),
            "outputs": listed(false),
            "tables": tables,
        });
        Document::new(FILE, format!("{manifest:#}\n"))
    }
}

/// Name and columns of the tables that are not made of metrics.
#[must_use]
pub const fn fixed_tables() -> [(&'static str, &'static [Field]); 4] {
    [("licences", &LICENCES), ("models", &MODELS), ("skus", &SKUS), ("events", &EVENTS)]
}

/// A word of a shell command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
