//! Files → definition.

use std::path::Path;

use crate::calendar::Month;
use crate::entities::Switches;
use crate::parameters::Declared;
use crate::world::Definition;
use crate::world::definition::Head;

/// A world that was read.
pub struct Loaded {
    /// The world.
    pub definition: Definition,
    files: Vec<SourceFile>,
    /// Notices.
    pub notices: Vec<String>,
}

/// A file.
pub struct SourceFile {
    /// Path inside the worlds folder.
    pub inside: String,
    /// Bytes.
    pub bytes: Vec<u8>,
}

impl Loaded {
    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }
}

/// Why not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

/// Reads a world.
///
/// # Errors
/// When it cannot.
pub fn load(path: &Path, _: &[String], _: &[&'static Declared]) -> Result<Loaded, Refusal> {
    let file = path.join("world.toml");
    let bytes = std::fs::read(&file).map_err(|e| Refusal(format!("{}: {e}", path.display())))?;
    let head = Head {
        id: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        title: "A world".to_owned(),
        story: String::new(),
        start: Month::new(2022, 1),
        end: Month::new(2035, 12),
        money_quantum: 1.0,
        endogenous_variants: false,
        switches: Switches::default(),
    };
    let definition = Definition::build(head, &mut |_| Vec::new());
    let files = vec![SourceFile { inside: format!("{}/world.toml", definition.head.id), bytes }];
    Ok(Loaded { definition, files, notices: Vec::new() })
}

/// The world as run.
#[must_use]
pub fn resolved_toml(loaded: &Loaded) -> String {
    format!("title = \"{}\"\n", loaded.definition.head.title)
}
