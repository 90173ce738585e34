//! The JSON Schema of world files, for editors: made from the same declarations
//! as reading and checking.

use serde_json::{Map, Value, json};

use super::definition::{Definition, Head};
use crate::entities::Switches;
use crate::parameters::Declared;
use crate::schema::{Column, Kind};

/// The schema of a world file: settings, mechanisms, parameters, tables. Nothing
/// else is allowed anywhere.
#[must_use]
pub fn json_schema(declared: &[&'static Declared]) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "extends".to_owned(),
        json!({
            "type": "string",
            "description": "The world that this one changes: a folder or a TOML file beside this file.",
            "pattern": NAME,
        }),
    );
    let tables: Vec<&str> =
        Definition::TABLES.iter().map(|t| t.0).filter(|t| *t != "clauses").collect();
    properties.insert(
        "inherit".to_owned(),
        json!({
            "type": "object",
            "description": "In a folder's world.toml: tables taken from another folder, which this one's rows are laid over.",
            "properties": {
                "from": {
                    "type": "string",
                    "description": "The folder beside this one that the tables are taken from.",
                    "pattern": NAME,
                },
                "tables": {
                    "type": "array",
                    "description": "The tables; rules bring their clauses.",
                    "items": { "enum": tables },
                    "minItems": 1,
                    "uniqueItems": true,
                },
            },
            "required": ["from", "tables"],
            "additionalProperties": false,
        }),
    );
    for column in Head::COLUMNS {
        properties.insert(column.name.to_owned(), of_column(column));
    }
    let mut mechanisms = Map::new();
    for (name, doc) in Switches::ALL {
        mechanisms
            .insert((*name).to_owned(), json!({ "type": "boolean", "description": doc.trim() }));
    }
    properties.insert(
        "mechanisms".to_owned(),
        json!({
            "type": "object",
            "description": "Mechanisms on or off; those that are not named are on.",
            "properties": mechanisms,
            "additionalProperties": false,
        }),
    );
    let mut definitions = Map::new();
    for &(table, doc, columns) in Definition::TABLES {
        definitions.insert(table.to_owned(), row(table, columns));
        let reference = json!({ "$ref": format!("#/$defs/{table}") });
        let rows = if table == "parameters" {
            json!({
                "description": "Values of parameters; or the word posterior: those of the best draw of posterior.csv.",
                "anyOf": [parameters(declared, &reference), { "const": "posterior" }],
            })
        } else {
            json!({
                "type": "object",
                "description": doc.trim(),
                "propertyNames": { "pattern": ID },
                "additionalProperties": reference,
            })
        };
        properties.insert(table.to_owned(), rows);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A world of frugality",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// Name of a world as another names it.
const NAME: &str = "^[^./\\\\~:][^\\\\:]*$";
const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

fn parameters(declared: &[&'static Declared], row: &Value) -> Value {
    let mut sorted: Vec<&&Declared> = declared.iter().collect();
    sorted.sort_by_key(|d| d.name);
    let mut properties = Map::new();
    for declared in sorted {
        properties.insert(
            declared.name.to_owned(),
            json!({
                "description": format!("{} ({})", declared.doc.trim(), declared.room),
                "anyOf": [{ "type": "number" }, row],
            }),
        );
    }
    json!({
        "type": "object",
        "description": "Parameters: a number, or a row with value, low, high, unit and source.",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn row(table: &str, columns: &[Column]) -> Value {
    let mut properties = Map::new();
    for column in columns {
        properties.insert(column.name.to_owned(), of_column(column));
    }
    if table == "rules" {
        properties.insert(
            "clauses".to_owned(),
            json!({
                "type": "object",
                "description": "Clauses by letter.",
                "propertyNames": { "pattern": ID },
                "additionalProperties": { "$ref": "#/$defs/clauses" },
            }),
        );
    }
    properties.insert(
        "remove".to_owned(),
        json!({ "const": true, "description": "Takes the row out of the world." }),
    );
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn of_column(column: &Column) -> Value {
    let mut schema = match column.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Number { low, high } => {
            json!({ "type": "number", "minimum": low, "maximum": high })
        }
        Kind::Whole { low, high } => {
            json!({ "type": "integer", "minimum": low, "maximum": high })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Month => {
            json!({ "type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])(-[0-9]{2})?$" })
        }
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Id(_) => json!({ "type": "string", "pattern": ID }),
        Kind::Ids(_) | Kind::Words => {
            json!({ "type": ["array", "string"], "items": { "type": "string" } })
        }
    };
    if column.optional {
        // An empty text clears the cell of a lower layer.
        schema = json!({ "anyOf": [schema, { "const": "" }] });
    }
    let mut doc = column.doc.trim().replace('\n', " ");
    if !column.unit.is_empty() {
        doc = format!("{doc} Unit: {}.", column.unit);
    }
    if let Kind::Id(table) | Kind::Ids(table) = column.kind {
        doc = format!("{doc} Rows of `{table}`.");
    }
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), Value::String(doc));
    }
    schema
}
