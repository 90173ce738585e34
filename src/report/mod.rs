//! The page: what studies, claims and a hindcast found, in one file that needs nothing else.
//!
//! Folders are recognised by what is in them. Every number on the page is a cell of a table in one of them, or
//! follows from such cells by a formula that stands under the figure; what is rounded is
//! rounded for display only. The same folders give the same bytes.
//!
//! Charts are drawn by Observable Plot and D3, which the page carries (`assets/`, ISC licence).

use std::path::{Path, PathBuf};

pub mod answer;
mod claims;
mod discovery;
pub mod effects;
pub mod figure;
mod firms;
mod folder;
mod frame;
mod hindcast;
pub mod html;
mod page;
mod policy;

pub use folder::{Folder, Source};
pub use frame::Frame;

use answer::Known;
use effects::Effects;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A folder cannot be reported.
    #[error("{}: {says}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
    /// A table cannot be read.
    #[error("{}: cannot be read as a table: {says}", .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
}

impl Failed {
    fn table(path: &Path, says: &dyn ToString) -> Self {
        Self::Table { path: path.to_owned(), says: says.to_string() }
    }
}

/// Makes the page of some folders.
///
/// # Errors
/// When a folder is none that can be reported, or a table in it cannot be read.
pub fn page(folders: &[PathBuf]) -> Result<String, Failed> {
    let folders: Vec<Folder> =
        folders.iter().map(|folder| Folder::open(folder)).collect::<Result<_, _>>()?;
    let effects = Effects::all(&folders)?;
    let (verdicts, counts) = claims::section(&folders)?;
    let (fan, wrong, covered) = hindcast::sections(&folders)?;
    let answer = answer::answer(&folders, &effects, Known { verdicts: counts, covered });
    let sections = vec![
        verdicts,
        fan,
        effects::section(&folders, &effects),
        effects::dose(&folders, &effects)?,
        firms::section(&folders)?,
        discovery::tornado(&folders)?,
        discovery::flips(&folders)?,
        policy::section(&folders)?,
        wrong,
    ];
    Ok(page::html(&folders, answer.as_ref(), &sections))
}
