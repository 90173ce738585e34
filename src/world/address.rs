//! Cells by name, in a world that was found right: what `--set` can name, to be
//! changed in memory again and again without reading a file.

use super::problem::{did_you_mean, shown};
use super::{Definition, Loaded, value};
use crate::entities::Switches;
use crate::schema::{Column, Kind, Value};
use crate::world::layers::Raw;

/// One cell or switch of a world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A cell of a table.
    Cell {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// Position of the column.
        column: usize,
    },
    /// A mechanism.
    Switch(&'static str),
}

/// A flag, for switches.
const FLAG: Column = Column { name: "", unit: "", kind: Kind::Flag, optional: false, doc: "" };

impl Address {
    /// The column, with what a value must be.
    #[must_use]
    pub fn column(&self) -> Column {
        match self {
            Self::Cell { table, column, .. } => {
                Definition::columns(table).map_or(FLAG, |(_, columns)| columns[*column])
            }
            Self::Switch(_) => FLAG,
        }
    }

    /// How `--set` names it.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Cell { table, id, .. } => format!("{table}.{id}.{}", self.column().name),
            Self::Switch(name) => format!("mechanisms.{name}"),
        }
    }

    /// Reads `word` as a value of this cell.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(&self, word: &str) -> Result<Value, String> {
        value::read(&Raw::Word(word.to_owned()), &self.column())
    }
}

impl Loaded {
    /// The cell that `key` names: `table.id.column`, a parameter, or `mechanisms.name`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn address(&self, key: &str) -> Result<Address, String> {
        let rows = |table: &str| self.cells.tables.get(table);
        let nothing = |what: &str, kind: &str, known: Vec<&str>| {
            let hint = did_you_mean(what, known);
            Err(format!("there is no {kind} `{}`{hint}", shown(what)))
        };
        let parts: Vec<&str> = key.split('.').collect();
        match parts.as_slice() {
            [name] | ["parameters", name] => {
                let parameters = rows("parameters");
                if parameters.is_some_and(|rows| rows.contains_key(*name)) {
                    let (id, column) = ((*name).to_owned(), 0);
                    return Ok(Address::Cell { table: "parameters", id, column });
                }
                let known = parameters.into_iter().flat_map(|r| r.keys().map(String::as_str));
                nothing(name, "parameter", known.collect())
            }
            ["mechanisms", name] => {
                let mut known = Switches::ALL.iter().map(|switch| switch.0);
                match known.clone().find(|known| known == name) {
                    Some(name) => Ok(Address::Switch(name)),
                    None => nothing(name, "mechanism", known.by_ref().collect()),
                }
            }
            [table, middle @ .., column] if !middle.is_empty() => {
                let id = middle.join(".");
                let Some((table, columns)) = Definition::columns(table) else {
                    let known = Definition::TABLES.iter().map(|t| t.0).chain(["mechanisms"]);
                    return nothing(table, "table", known.collect());
                };
                if !rows(table).is_some_and(|rows| rows.contains_key(&id)) {
                    let known = rows(table).into_iter().flat_map(|r| r.keys().map(String::as_str));
                    return nothing(&id, &format!("row of {table}"), known.collect());
                }
                match columns.iter().position(|c| c.name == *column) {
                    Some(column) => Ok(Address::Cell { table, id, column }),
                    None => nothing(
                        column,
                        &format!("column of {table}"),
                        columns.iter().map(|c| c.name).collect(),
                    ),
                }
            }
            _ => Err("neither a table.id.column nor a parameter".to_owned()),
        }
    }
}

impl Definition {
    /// Puts a checked value at `address`; false where this world has no such row.
    pub fn set(&mut self, address: &Address, value: Value) -> bool {
        match address {
            Address::Cell { table, id, column } => self.set_cell(table, id, *column, value),
            Address::Switch(name) => match (self.head.switches.get_mut(name), value) {
                (Some(switch), Value::Flag(on)) => {
                    *switch = on;
                    true
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_cell_set_in_memory_is_the_cell_that_set_changes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/small");
        let declared = crate::mechanisms::declared_parameters();
        let load = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
            crate::world::load(&path, &sets, &declared).unwrap()
        };
        let plain = load(&[]);
        for (key, word) in [
            ("server_overhead", "1.4"),
            ("rules.us-2022-10-chips.odds", "2.5"),
            ("rules.us-2022-10-chips.until", "2024-01"),
            ("clauses.us-2022-10-chips.a.tpp_min", "9600"),
            ("regimes.cn-response.active", "false"),
            ("mechanisms.spillover", "false"),
        ] {
            let mut changed = plain.definition.clone();
            let address = plain.address(key).unwrap();
            assert!(changed.set(&address, address.read(word).unwrap()), "{key}");
            let wanted = load(&[&format!("{key}={word}")]).definition;
            assert_eq!(format!("{changed:?}"), format!("{wanted:?}"), "{key}");
            assert_ne!(format!("{changed:?}"), format!("{:?}", plain.definition), "{key}");
        }
        let wrong = |key: &str| plain.address(key).unwrap_err();
        assert_eq!(
            wrong("server_overhed"),
            "there is no parameter `server_overhed`; did you mean `server_overhead`?"
        );
        assert!(wrong("rules.us-2022-10-chps.odds").contains("did you mean `us-2022-10-chips`?"));
        assert!(wrong("mechanisms.spilover").contains("did you mean `spillover`?"));
    }
}
