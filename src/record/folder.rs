//! A folder of results is whole or absent.
//!
//! Everything is first written into a hidden sibling (`.<name>.partial-<process>`),
//! each file synced, and the sibling renamed to its name at the very end. A run that
//! is killed while it writes leaves at most such a sibling; it holds a lock that dies
//! with the process, so the next run beside it can tell it from one that is still
//! at work, and removes it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A file of the folder.
#[derive(Clone, Debug)]
pub struct Document {
    /// Path inside the folder, with `/` between names.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Rows without the header, for a table.
    pub rows: Option<u64>,
}

impl Document {
    /// A file that is not a table.
    #[must_use]
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), rows: None }
    }

    /// A table.
    #[must_use]
    pub fn table(path: impl Into<String>, bytes: Vec<u8>, rows: u64) -> Self {
        Self { path: path.into(), bytes, rows: Some(rows) }
    }
}

/// The SHA-256 of `bytes` in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Why a folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is there already.
    #[error("`{0}` exists; name another folder with --out, or replace it with --force")]
    Exists(PathBuf),
    /// It is there already, and not ours to replace.
    #[error(
        "`{0}` is not the output of a run (no manifest.json of ours in it), so --force does not \
         replace it; name another folder with --out"
    )]
    NotOurs(PathBuf),
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { doing: format!("{what} `{}`", path.display()), source }
}

/// A place that a run may write to.
#[derive(Debug)]
pub struct Folder {
    target: PathBuf,
    force: bool,
}

impl Folder {
    /// Claims `target`; nothing is created yet.
    ///
    /// # Errors
    /// When it exists and `force` is off, or when it is not the output of a run.
    pub fn claim(target: &Path, force: bool) -> Result<Self, FolderError> {
        let folder = Self { target: target.to_path_buf(), force };
        folder.check()?;
        Ok(folder)
    }

    /// Where it will be.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    fn check(&self) -> Result<(), FolderError> {
        if fs::symlink_metadata(&self.target).is_err() {
            return Ok(());
        }
        if !self.force {
            return Err(FolderError::Exists(self.target.clone()));
        }
        if is_ours(&self.target) { Ok(()) } else { Err(FolderError::NotOurs(self.target.clone())) }
    }

    /// Writes `documents` and nothing else, all or none.
    ///
    /// # Errors
    /// When the folder has come to exist meanwhile, or the system refuses (read-only,
    /// full disk, …); nothing is left behind.
    pub fn commit(self, documents: &[Document]) -> Result<PathBuf, FolderError> {
        let name = self.target.file_name().map(|n| n.to_string_lossy().into_owned());
        let Some(name) = name else { return Err(FolderError::NotOurs(self.target)) };
        let parent = match self.target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        let partial = Partial::beside(parent, &name)?;
        for document in documents {
            partial.write(document)?;
        }
        partial.sync()?;
        self.check()?;
        let replaced = parent.join(format!(".{name}.replaced-{}", std::process::id()));
        let replaces = self.force && self.target.exists();
        if replaces {
            fs::rename(&self.target, &replaced).map_err(failed("replace", &self.target))?;
        }
        partial.publish(&self.target)?;
        sync_folder(parent);
        if replaces {
            // Another run's sweep may have been faster; what stays is swept later.
            let _ = fs::remove_dir_all(&replaced);
        }
        Ok(self.target)
    }
}

/// Whether `path` holds a manifest that a run wrote.
fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path.join(super::manifest::FILE))
        .is_ok_and(|text| text.contains(super::manifest::FORMAT))
}

/// The hidden sibling, removed unless it becomes the folder.
struct Partial {
    path: PathBuf,
    /// Held for the lock alone; none where folders cannot be locked.
    lock: Option<File>,
}

impl Partial {
    fn beside(parent: &Path, name: &str) -> Result<Self, FolderError> {
        // One process at a time looks for leftovers and opens its own sibling.
        let guard = File::open(parent).ok().filter(|folder| folder.lock().is_ok());
        if guard.is_some() {
            sweep(parent);
        }
        let mut number = 0;
        loop {
            let path = parent.join(format!(".{name}.partial-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let lock = File::open(&path).ok().filter(|folder| folder.try_lock().is_ok());
                    return Ok(Self { path, lock });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(failed("make", &path)(e)),
            }
        }
    }

    fn write(&self, document: &Document) -> Result<(), FolderError> {
        let path = self.path.join(&document.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("make", folder))?;
        }
        let mut file = File::create_new(&path).map_err(failed("create", &path))?;
        file.write_all(&document.bytes).map_err(failed("write", &path))?;
        file.sync_all().map_err(failed("write", &path))
    }

    fn sync(&self) -> Result<(), FolderError> {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let list = fs::read_dir(&folder).map_err(failed("read", &folder))?;
            for entry in list {
                let path = entry.map_err(failed("read", &folder))?.path();
                if path.is_dir() {
                    folders.push(path);
                }
            }
            sync_folder(&folder);
        }
        Ok(())
    }

    fn publish(mut self, target: &Path) -> Result<(), FolderError> {
        fs::rename(&self.path, target).map_err(failed("create", target))?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // Nothing better can be done about a folder that does not go away.
            let _ = fs::remove_dir_all(&self.path);
        }
        drop(self.lock.take());
    }
}

/// Puts the names in a folder on the disk; a courtesy that not every system grants.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// Removes what killed runs left in `parent`: partial siblings whose lock nobody
/// holds, and replaced folders whose replacement stands.
fn sweep(parent: &Path) {
    let Ok(list) = fs::read_dir(parent) else { return };
    for entry in list.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some(name) = name.strip_prefix('.') else { continue };
        let path = entry.path();
        let left_over = if name.contains(".partial-") {
            File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok())
        } else if let Some((target, _)) = name.split_once(".replaced-") {
            is_ours(&parent.join(target))
        } else {
            false
        };
        if left_over && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
