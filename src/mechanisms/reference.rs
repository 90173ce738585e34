//! The reference world, for tests of several rooms.

use std::path::Path;
use std::sync::OnceLock;

use crate::world::Definition;

/// The reference world as it is read.
pub(super) fn reference() -> &'static Definition {
    static LOADED: OnceLock<Definition> = OnceLock::new();
    LOADED.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let declared = super::declared_parameters();
        crate::world::load(&path, &[], &declared).map(|loaded| loaded.definition).unwrap()
    })
}

/// The value of a parameter in the reference world.
pub(super) fn parameter(name: &str) -> f64 {
    let found = reference().parameters.iter().find(|row| row.id == name);
    found.unwrap_or_else(|| panic!("no parameter {name}")).value
}
