//! What a folder holds: a study, claims, a hindcast, or tables that Python made of a study.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Failed;
use super::frame::Frame;
use crate::world::sha256;

/// A file that numbers of the page come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The folder's name and the path in it.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A folder that was named on the command line.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    /// Its name, without what leads to it: the page is the same wherever the folder lies.
    pub name: String,
    /// `plan.json` of a study.
    pub plan: Option<Json>,
    /// Whether it holds verdicts.
    pub claims: bool,
    /// Whether it holds scores against what was observed.
    pub hindcast: bool,
    /// Whether it holds tables of discovery.
    pub discovery: bool,
}

/// Tables by which folders are known.
const CLAIMS: &[&str] = &["verdicts"];
const HINDCAST: &[&str] = &["scoreboard", "fan", "families", "event_tests"];
const DISCOVERY: &[&str] = &[
    "influence",
    "boxes",
    "information",
    "cost_effectiveness",
    "packages",
    "regret",
    "plan_return",
];

impl Folder {
    /// Recognises a folder by what is in it.
    ///
    /// # Errors
    /// When nothing in it can be reported, with what is missing.
    pub fn open(root: &Path) -> Result<Self, Failed> {
        let wrong = |says: &str| Failed::Folder { path: root.to_owned(), says: says.to_owned() };
        if !root.is_dir() {
            let says = if root.exists() { "not a folder" } else { "there is no such folder" };
            return Err(wrong(says));
        }
        let resolved = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name =
            resolved.file_name().map_or("folder".into(), |n| n.to_string_lossy().into_owned());
        let mut folder = Self {
            root: root.to_owned(),
            name,
            plan: None,
            claims: false,
            hindcast: false,
            discovery: false,
        };
        let plan = root.join("plan.json");
        if plan.is_file() {
            let text = fs::read_to_string(&plan).map_err(|e| Failed::table(&plan, &e))?;
            let json: Json = serde_json::from_str(&text)
                .map_err(|e| wrong(&format!("plan.json is damaged: {e}")))?;
            if json["format"].as_str().is_some_and(|f| f.starts_with("frugality-study/")) {
                folder.plan = Some(json);
            }
        }
        let any = |names: &[&str]| names.iter().any(|name| folder.path(name).is_some());
        (folder.claims, folder.hindcast, folder.discovery) =
            (any(CLAIMS), any(HINDCAST), any(DISCOVERY));
        if folder.plan.is_some() && folder.path("runs").is_none() {
            return Err(wrong(&format!(
                "the study has no merged tables; finish it with `frugality study resume {0}`, or merge what is there with `frugality study merge {0} --partial`",
                root.display()
            )));
        }
        if folder.plan.is_none() && !folder.claims && !folder.hindcast && !folder.discovery {
            return Err(wrong(if root.join("manifest.json").is_file() {
                "a single run; a report is made of studies (`frugality study run quick`), claims and a hindcast"
            } else {
                "neither a study (plan.json), nor claims (verdicts.csv), nor a hindcast (scoreboard.csv, fan.csv), nor tables of discovery (influence.csv, boxes.csv)"
            }));
        }
        Ok(folder)
    }

    /// Where a table is: in `merged/`, in the folder itself, in `analysis/` or in `discovery/`.
    fn path(&self, table: &str) -> Option<(PathBuf, String)> {
        for place in ["merged/", "", "analysis/", "discovery/"] {
            for ending in ["parquet", "csv"] {
                let inside = format!("{place}{table}.{ending}");
                let path = self.root.join(&inside);
                if path.is_file() {
                    return Some((path, format!("{}/{inside}", self.name)));
                }
            }
        }
        None
    }

    /// Reads a table, if it is there; of a Parquet file only the columns in `only`, if any are named.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn table(&self, name: &str, only: &[&str]) -> Result<Option<(Frame, Source)>, Failed> {
        let Some((path, inside)) = self.path(name) else { return Ok(None) };
        let bytes = fs::read(&path).map_err(|e| Failed::table(&path, &e))?;
        let source = Source { path: inside, sha256: sha256(&bytes) };
        drop(bytes);
        let frame = Frame::read(&path, only).map_err(|e| Failed::table(&path, &e))?;
        Ok(Some((frame, source)))
    }

    /// A world file that the study copied, if it is there: the first input whose path ends so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn input(&self, ending: &str) -> Result<Option<Frame>, Failed> {
        let Some(plan) = &self.plan else { return Ok(None) };
        let inputs = plan["inputs"].as_array().into_iter().flatten();
        let mut paths = inputs.filter_map(|input| input["path"].as_str());
        let Some(inside) = paths.find(|path| path.ends_with(ending)) else { return Ok(None) };
        let path = self.root.join(inside);
        if !path.is_file() {
            return Ok(None);
        }
        Frame::read(&path, &[]).map(Some).map_err(|e| Failed::table(&path, &e))
    }

    /// What the plan of a study says under `key`.
    #[must_use]
    pub fn planned(&self, key: &str) -> &Json {
        static NOTHING: Json = Json::Null;
        self.plan.as_ref().map_or(&NOTHING, |plan| &plan["plan"][key])
    }

    /// Names of a study's levers or uncertainties.
    #[must_use]
    pub fn factors(&self, kind: &str) -> Vec<String> {
        let all = self.planned(kind).as_array().into_iter().flatten();
        all.filter_map(|factor| factor["name"].as_str()).map(str::to_owned).collect()
    }

    /// The arms of a study that are compared with another, and what they are compared with.
    #[must_use]
    pub fn arms(&self) -> Vec<(String, Option<String>)> {
        let own = |json: &Json| json.as_str().map(str::to_owned);
        let all = self.planned("arms").as_array().into_iter().flatten();
        all.filter_map(|arm| Some((own(&arm["name"])?, own(&arm["counterfactual"])))).collect()
    }

    /// The command that makes the study again, and the hash of its plan.
    #[must_use]
    pub fn command(&self) -> String {
        let name = self.planned("study").as_str().unwrap_or_default();
        format!("frugality study run worlds/studies/{name}.toml   # plan {}", self.hash())
    }

    /// The command by which a folder of claims or of a hindcast says that it was made, or `usual` where it does not say.
    #[must_use]
    pub fn told(&self, usual: &str) -> String {
        let said =
            ["claims.json", "analysis/hindcast.json", "hindcast.json"].iter().find_map(|inside| {
                let text = fs::read_to_string(self.root.join(inside)).ok()?;
                let json: Json = serde_json::from_str(&text).ok()?;
                json["command"].as_str().map(str::to_owned)
            });
        said.unwrap_or_else(|| usual.to_owned())
    }

    /// The hash of a study's plan; empty if it is none.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.plan.as_ref().and_then(|plan| plan["hash"].as_str()).unwrap_or_default()
    }
}
