//! The world: files → layers → refused or checked [`Definition`] → populated ECS world.
//!
//! A world is a folder of tables or a TOML file that extends another world. Its
//! files are read once, become statements of one model, are
//! laid over each other, and every cell is checked before anything runs: either
//! all of a world is right, or a [`Refusal`] says what is wrong and where.

use std::path::{Path, PathBuf};

pub mod definition;
pub mod observation;
pub mod populate;
mod removal;

mod address;
mod balance;
mod check;
mod csv_file;
mod files;
mod json_schema;
mod layers;
pub mod posterior;
mod problem;
mod resolved;
mod text;
mod toml_file;
mod value;

pub use address::Address;
pub use check::{Cell, Cells, CheckedRow};
pub use definition::{Definition, Head};
pub use files::{CSV_CAP, TOML_CAP};
pub(crate) use files::{POSTERIOR_CAP, read_text, resolve_beside};
pub use json_schema::json_schema;
pub use problem::{Origin, Refusal, SHOWN, SourceFile, Sources, sha256};
pub(crate) use problem::{Problems, did_you_mean, shown};
pub use resolved::{resolved_toml, toml_value, world_hash};

use crate::entities::Switches;
use crate::parameters::Declared;
use crate::schema::Value;

/// A world that was read and found right.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The world.
    pub definition: Definition,
    /// Every cell with the place that it was written at.
    pub cells: Cells,
    /// What it was read from; turns an origin into `file:line:column`.
    pub sources: Sources,
    /// The posterior beside its parameters, where there is one.
    pub posterior: Option<PathBuf>,
    /// What is odd but possible, as lines for people.
    pub notices: Vec<String>,
}

impl Loaded {
    /// The files read, for copying beside results.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.sources.files()
    }

    /// `file:line:column` of a cell; empty for a cell that no file names.
    #[must_use]
    pub fn place(&self, cell: &Cell) -> String {
        cell.origin.map_or_else(String::new, |origin| self.sources.place(origin))
    }
}

/// Reads, layers and checks a world.
///
/// `world` is a path or the name of a world in `worlds/`; each of `sets` is
/// `table.id.column=value`, `parameter=value`, `mechanisms.name=value` or
/// `setting=value`, the last one winning; `declared` are the parameters that the
/// mechanisms read. Nothing is written.
///
/// # Errors
/// A [`Refusal`] with the first problems found, each at its file, line and column.
pub fn load(
    world: &Path,
    sets: &[String],
    declared: &[&'static Declared],
) -> Result<Loaded, Refusal> {
    let sets: Vec<(&str, &str)> = sets.iter().map(|set| (set.as_str(), "--set")).collect();
    load_with(world, &sets, declared)
}

/// The same with settings that stand somewhere: each of `sets` is what it says and the
/// place (`file:line:column`) that a problem with it is shown at.
///
/// # Errors
/// A [`Refusal`] with the first problems found, each at its file, line and column.
pub fn load_with(
    world: &Path,
    sets: &[(&str, &str)],
    declared: &[&'static Declared],
) -> Result<Loaded, Refusal> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let path = match files::find(world) {
        Ok(path) => path,
        Err(message) => {
            let at = sources.add(files::shown_path(world), 0, None);
            problems.add(at, "", message);
            problems.into_result(&sources)?;
            unreachable!("a problem was noted");
        }
    };
    let layers = files::read_layers(&path, &mut sources, &mut problems);
    let id = layers.first().map_or_else(String::new, |layer| layer.stem.clone());
    let folder = layers.iter().find_map(|layer| layer.folder);
    let posterior = layers.iter().find_map(|layer| layer.posterior.clone());
    // Files that cannot be read say nothing about cells.
    std::mem::take(&mut problems).into_result(&sources)?;

    let mut merged = layers::Merged::default();
    for layer in layers.into_iter().rev() {
        merged.apply(layer.statements, &mut problems);
    }
    for (set, place) in sets {
        let at = sources.add((*place).to_owned(), -1, None);
        merged.set(set, at, declared, &mut problems);
    }
    let cells = check::cells(&merged, Origin::WORLD, folder, declared, &mut problems);
    std::mem::take(&mut problems).into_result(&sources)?;

    let definition = define(id, &cells);
    let mut notices = Problems::default();
    balance::check(&definition, &cells, &sources, &mut problems, &mut notices);
    problems.into_result(&sources)?;
    notices.sort(&sources);
    let notices = notices.lines(&sources, usize::MAX);
    Ok(Loaded { definition, cells, sources, posterior, notices })
}

impl Loaded {
    /// Whether `definition`, this world with some cells changed, still holds together:
    /// sums, order, power, priors. Kinds and ranges of cells are the setter's business.
    ///
    /// # Errors
    /// What does not fit, at the places of the unchanged cells.
    pub fn recheck(&self, definition: &Definition) -> Result<(), Refusal> {
        let (mut problems, mut notices) = (Problems::default(), Problems::default());
        balance::check(definition, &self.cells, &self.sources, &mut problems, &mut notices);
        problems.into_result(&self.sources)
    }
}

fn define(id: String, cells: &Cells) -> Definition {
    let mut switches = Switches::default();
    for ((name, _), cell) in Switches::ALL.iter().zip(&cells.switches) {
        if let (Some(switch), Value::Flag(on)) = (switches.get_mut(name), &cell.value) {
            *switch = *on;
        }
    }
    let heads = cells.heads.iter().map(|cell| cell.value.clone()).collect();
    Definition::build(Head::build(id, heads, switches), &mut |table| {
        let rows = cells.tables.get(table).into_iter().flatten();
        rows.map(|(id, row)| (id.clone(), row.cells.iter().map(|c| c.value.clone()).collect()))
            .collect()
    })
}
