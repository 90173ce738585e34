//! The folder of a study on the disk.
//!
//! ```text
//! <study>-<plan hash>/
//!   plan.json    what is run; never changed
//!   inputs/      the files that were read
//!   shards/      tables, a file a table and shard, written once
//!   commits/     a record a shard: what it holds and the SHA-256 of each file
//!   merged/      the tables for people, written when everything is there
//!   analysis/    what a verb such as `frugality hindcast` read off the runs
//!   log/         what is not part of the result: locks, unfinished files, notes
//!   SHA256SUMS  datapackage.json  ro-crate-metadata.json
//! ```
//!
//! A file comes to be by being written under `log/`, synced, hashed, and linked under its name if there is
//! none; then the folder is synced. A shard counts when its record is there and
//! its files have the hashes that it says: never because of a time. So a process may be killed anywhere, and any
//! number may work on one folder.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::plan::{FORMAT, Plan};
use super::shard::Commit;
use crate::record::folder::Document;
use crate::record::{Folder, FolderError};
use crate::world::Refusal;

/// Folder of what was read off the runs; no part of the study itself.
pub const ANALYSIS: &str = "analysis/";
/// Name of the plan's file.
pub const PLAN: &str = "plan.json";

/// Why a study's folder cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder or what was asked of it makes no sense.
    #[error("{0}")]
    Input(String),
    /// The study file or a world is wrong.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same run came out differently twice.
    #[error("{0}")]
    Differs(String),
}

/// Wraps an error of the system with what was being done.
pub(super) fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Failed + 'a {
    move |source| Failed::Io { doing: format!("{what} `{}`", path.display()), source }
}

/// SHA-256 of a file in hexadecimal, and its size.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(path: &Path) -> io::Result<(String, u64)> {
    use std::fmt::Write as _;
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
    let hex = hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok((hex, bytes))
}

/// Puts the names in a folder on the disk; a courtesy that not every system grants.
pub(super) fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// What became of a file that was put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is new.
    New,
    /// The same bytes were there already.
    Same,
}

/// A study's folder.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The folder of `plan` at `root`: made if there is none, else it must be of the same plan.
    ///
    /// # Errors
    /// When it is of another plan, or cannot be written.
    pub fn create(plan: &Plan, root: &Path) -> Result<Self, Failed> {
        if !root.exists() {
            let mut documents: Vec<Document> = plan
                .inputs
                .iter()
                .map(|file| Document::new(format!("inputs/{}", file.inside), file.bytes.clone()))
                .collect();
            documents.push(Document::new(PLAN, plan.document()));
            match Folder::claim(root, false).and_then(|folder| folder.commit(&documents)) {
                // It may be that another process was faster.
                Ok(_) | Err(FolderError::Exists(_)) => {}
                Err(FolderError::Io { source, .. }) if root.join(PLAN).exists() => drop(source),
                Err(FolderError::Io { doing, source }) => return Err(Failed::Io { doing, source }),
                Err(other) => return Err(Failed::Input(other.to_string())),
            }
        }
        let store = Self { root: root.to_path_buf() };
        let (hash, _) = store.plan_hash()?;
        if hash != plan.hash {
            return Err(Failed::Input(format!(
                "`{}` holds another plan ({}) than this study's ({}): the study file, a world or the program has changed; name another folder with --out",
                root.display(),
                &hash[..8.min(hash.len())],
                &plan.hash[..8]
            )));
        }
        Ok(store)
    }

    /// Opens a folder, and reads its plan from the inputs in it.
    ///
    /// # Errors
    /// When it is not the folder of a study, or this program makes another plan of its inputs.
    pub fn open(root: &Path) -> Result<(Self, Plan), Failed> {
        let store = Self { root: root.to_path_buf() };
        let (hash, study) = store.plan_hash()?;
        let json = store.plan_json()?;
        let plan = Plan::load_sized(&root.join(&study), json["size"].as_str())?;
        if plan.hash != hash {
            let version = json["program"]["version"].to_string();
            return Err(Failed::Input(format!(
                "`{}`: this program (version {}) makes plan {} of the inputs, and version {version} made {}: use the version that began the study, or begin it anew",
                root.display(),
                env!("CARGO_PKG_VERSION"),
                &plan.hash[..8],
                &hash[..8.min(hash.len())],
            )));
        }
        Ok((store, plan))
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the folder.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// `plan.json`.
    ///
    /// # Errors
    /// When it is missing or not a plan.
    pub fn plan_json(&self) -> Result<serde_json::Value, Failed> {
        let path = self.path(PLAN);
        let shown = self.root.display();
        if !self.root.is_dir() {
            return Err(Failed::Input(format!(
                "`{shown}` is not a folder; name that of a study, for example one of outputs/"
            )));
        }
        let text = fs::read_to_string(&path).map_err(|e| {
            Failed::Input(format!(
                "`{shown}` is not the folder of a study: cannot read {PLAN}: {e}"
            ))
        })?;
        let plan: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| Failed::Input(format!("{}: damaged: {e}", path.display())))?;
        if plan["format"] != FORMAT {
            return Err(Failed::Input(format!(
                "{}: format {} is not {FORMAT}; use the version of the program that wrote it",
                path.display(),
                plan["format"]
            )));
        }
        Ok(plan)
    }

    fn plan_hash(&self) -> Result<(String, String), Failed> {
        let plan = self.plan_json()?;
        match (plan["hash"].as_str(), plan["study_file"].as_str()) {
            (Some(hash), Some(study)) if !study.split('/').any(|part| part == "..") => {
                Ok((hash.to_owned(), study.to_owned()))
            }
            _ => Err(Failed::Input(format!("{}: damaged: no hash", self.path(PLAN).display()))),
        }
    }

    /// The record of a shard, if it is there and can be read.
    #[must_use]
    pub fn commit(&self, plan: &Plan, shard: u64) -> Option<Commit> {
        let text = fs::read_to_string(self.path(&Commit::path(shard))).ok()?;
        Commit::parse(&text).ok().filter(|commit| commit.is_of(plan, shard))
    }

    /// Whether every file of a commit is there as it was written.
    #[must_use]
    pub fn holds(&self, commit: &Commit) -> bool {
        commit.files.iter().all(|file| {
            sha256_of(&self.path(&file.path))
                .is_ok_and(|(hash, bytes)| hash == file.sha256 && bytes == file.bytes)
        })
    }

    /// Puts `file` in its place at `inside`. What is there and has other bytes is kept and reported,
    /// unless `replace`.
    pub(super) fn place(
        &self,
        file: &Path,
        inside: &str,
        sha256: &str,
        replace: bool,
    ) -> Result<Placed, Failed> {
        let target = self.path(inside);
        let parent = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        loop {
            // A link never takes another file's name; where there are no links, renaming must do.
            let linked = match fs::hard_link(file, &target) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists && !target.exists() => {
                    fs::rename(file, &target)
                }
                other => other,
            };
            match linked {
                Ok(()) => {
                    let _ = fs::remove_file(file);
                    sync_folder(parent);
                    return Ok(Placed::New);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed("create", &target)(e)),
            }
            match sha256_of(&target) {
                Ok((hash, _)) if hash == sha256 => {
                    let _ = fs::remove_file(file);
                    return Ok(Placed::Same);
                }
                Ok(_) | Err(_) if replace => {
                    fs::rename(file, &target).map_err(failed("replace", &target))?;
                    sync_folder(parent);
                    return Ok(Placed::New);
                }
                // It went away meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("read", &target)(e)),
                Ok(_) => {
                    return Err(Failed::Differs(format!(
                        "`{}` is there with other bytes than this process wrote: the same runs came out differently, or something else writes into the folder; nothing was replaced",
                        target.display()
                    )));
                }
            }
        }
    }

    /// Adds a line to the notes of this folder; they are no part of the result.
    pub(super) fn note(&self, line: &str) {
        let path = self.path("log/notes.txt");
        if let Ok(mut file) = File::options().create(true).append(true).open(path) {
            let _ = writeln!(file, "{line}");
        }
    }
}

/// A folder for unfinished files, of one process; what killed ones left is swept.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    /// Held for the lock alone; none where folders cannot be locked.
    lock: Option<File>,
    next: AtomicU64,
}

impl Scratch {
    /// Makes one in `store`.
    pub fn new(store: &Store) -> Result<Self, Failed> {
        let log = store.path("log");
        fs::create_dir_all(&log).map_err(failed("make", &log))?;
        // One process at a time looks for leftovers and opens its own.
        let guard = File::open(&log).ok().filter(|folder| folder.lock().is_ok());
        if guard.is_some() {
            sweep(&log);
        }
        let mut number = 0;
        loop {
            let path = log.join(format!("unfinished-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let lock = File::open(&path).ok().filter(|folder| folder.try_lock().is_ok());
                    return Ok(Self { path, lock, next: AtomicU64::new(0) });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(failed("make", &path)(e)),
            }
        }
    }

    /// A name that nothing else has.
    pub fn file(&self, ending: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!("{number}.{ending}"))
    }

    /// Writes `bytes` to a file of its own, synced.
    pub fn write(&self, bytes: &[u8], ending: &str) -> Result<PathBuf, Failed> {
        let path = self.file(ending);
        let write = || {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(failed("write", &path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        drop(self.lock.take());
    }
}

fn sweep(log: &Path) {
    let Ok(list) = fs::read_dir(log) else { return };
    for entry in list.flatten() {
        let name = entry.file_name();
        let left_over = name.to_string_lossy().starts_with("unfinished-")
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok());
        if left_over {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
