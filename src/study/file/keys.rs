//! The keys of a study file, each declared once: for reading, and for the JSON Schema that
//! lets editors complete and check.

use serde_json::{Map, Value, json};

use crate::entities::Switches;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A text or a table of lever values.
    Counterfactual,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number from this on.
    Whole(u64),
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
    /// A list of numbers, texts or flags.
    Words,
    /// A list of texts, or this word.
    TextsOr(&'static str),
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of whole numbers, or a table with these keys.
    WholesOr(&'static [Key]),
    /// A table of names, each a table with these keys; and keys of its own.
    Named(&'static [Key], &'static [Key]),
    /// A table of names, each a list of texts.
    Lists,
    /// A table of cells, each two numbers.
    Pairs,
    /// A table of names, each a number.
    Numbers,
    /// A table of names of output tables, each a list of texts or `all`.
    Panels,
    /// A table of mechanisms, each true or false.
    Mechanisms,
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub shape: Shape,
    /// What it says.
    pub doc: &'static str,
}

pub(crate) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc }
}

/// Keys of a study file.
pub const TOP: &[Key] = &[
    key("title", Shape::Text, "Title for people."),
    key("story", Shape::Text, "What the study is for."),
    key("months", Shape::Whole(1), "Months of a run; left out: to the world's end."),
    key(
        "counterfactual",
        Shape::Counterfactual,
        "The arm that others are compared with; or a table of levers and the value that the counterfactual has instead (and `arm`).",
    ),
    key(
        "seeds",
        Shape::WholesOr(SEEDS),
        "Seeds: a list, a range, or as many as an interval needs.",
    ),
    key(
        "shard_draws",
        Shape::Whole(1),
        "Draws that are written and committed at once; left out: chosen by the number of runs.",
    ),
    key("arms", Shape::Named(ARM, &[]), "Arms: a world and what is changed in it."),
    key(
        "levers",
        Shape::Named(LEVER, &[]),
        "What a policy-maker may choose; every combination is run.",
    ),
    key(
        "uncertainties",
        Shape::Named(UNCERTAINTY, ALL_PRIORS),
        "What nobody may choose; a row of them is a scenario.",
    ),
    key(
        "sampling",
        Shape::Table(SAMPLING),
        "How scenarios are drawn; left out: every combination.",
    ),
    key("record", Shape::Table(RECORD), "What is kept of each run."),
    key(
        "sizes",
        Shape::Named(SIZE, &[]),
        "Smaller or larger versions by name, for `--size`; left out: as it is written.",
    ),
    key(
        "outcomes",
        Shape::Named(OUTCOME, &[]),
        "Numbers that sum a run up; left out: each recorded metric in the last month.",
    ),
];

/// Keys of a size.
pub const SIZE: &[Key] = &[
    key(
        "seeds",
        Shape::Whole(1),
        "Seeds of this size: the first so many of a list, or so many of a range.",
    ),
    key("points", Shape::Whole(1), "Points of the Latin hypercube in this size."),
];

/// Keys of an arm.
pub const ARM: &[Key] = &[
    key("world", Shape::Text, "Name of a world in the folder of worlds."),
    key("set", Shape::Texts, "Cells, parameters or settings that differ, as `--set` writes them."),
    key("mechanisms", Shape::Mechanisms, "Mechanisms on or off."),
    key(
        "against",
        Shape::Text,
        "The arm that this one is compared with, if not the study's counterfactual.",
    ),
    key(
        "as_scarce_as",
        Shape::Text,
        "The arm whose want of compute this one shares, firm by firm and month by month, by price: each of its runs runs \
         that arm first.",
    ),
    key(
        "subsets_off",
        Shape::Texts,
        "Mechanisms: for each subset of them there is an arm with it switched off (2^n arms).",
    ),
];

/// Keys of a table of seeds.
pub const SEEDS: &[Key] = &[
    key("from", Shape::Whole(0), "The first; left out: 1."),
    key("to", Shape::Whole(0), "The last."),
    key("count", Shape::Whole(1), "How many, for each scenario."),
    key("by_scenario", Shape::Flag, "Whether each scenario has seeds of its own; left out: no."),
    key("until", Shape::Table(UNTIL), "Adds seeds until an interval is narrow enough."),
];

/// Keys of `seeds.until`.
pub const UNTIL: &[Key] = &[
    key("outcome", Shape::Text, "The outcome whose paired effect is watched."),
    key("metric", Shape::Text, "The same, by the metric's name where no outcomes are declared."),
    key(
        "half_width",
        Shape::Number,
        "Half the width of the 90 % interval that is wanted, in the outcome's unit.",
    ),
    key("max", Shape::Whole(2), "Most seeds."),
    key("block", Shape::Whole(2), "Seeds that are added at once; left out: 20."),
];

const SET: Key = key(
    "set",
    Shape::Text,
    "The cell or parameter; left out: the factor's own name, unless times, between or at say what is set.",
);
const VALUES: Key = key("values", Shape::Words, "Its values.");
const LEVELS: Key =
    key("levels", Shape::Lists, "Named levels, each a list of what it sets, as `--set` writes it.");
const FROM: Key = key("from", Shape::Number, "The first of evenly spaced values.");
const TO: Key = key("to", Shape::Number, "The last of them.");
const STEPS: Key = key("steps", Shape::Whole(2), "How many of them.");

const TIMES: Key =
    key("times", Shape::Texts, "Cells that are what the world says, times the value.");
const BETWEEN: Key = key(
    "between",
    Shape::Pairs,
    "Cells that go straight from the first number, at the first value, to the second, at the last.",
);
const AT: Key = key("at", Shape::Lists, "What is set besides at some values, by the value.");

/// Keys of a lever.
pub const LEVER: &[Key] = &[SET, VALUES, LEVELS, FROM, TO, STEPS, TIMES, BETWEEN, AT];

/// Keys of an uncertainty.
pub const UNCERTAINTY: &[Key] = &[
    SET,
    VALUES,
    LEVELS,
    FROM,
    TO,
    STEPS,
    TIMES,
    BETWEEN,
    AT,
    key("low", Shape::Number, "Low end of its range."),
    key("high", Shape::Number, "High end of its range."),
    key(
        "distribution",
        Shape::Choice(&["uniform", "lognormal", "normal", "whole"]),
        "Shape between them; left out: uniform.",
    ),
    key("prior", Shape::Flag, "The parameter's own prior, from parameters.csv."),
];

/// Keys beside the uncertainties.
pub const ALL_PRIORS: &[Key] = &[
    key(
        "prior",
        Shape::Choice(&["all", "posterior"]),
        "all: every parameter that has a prior and that nothing else sets; posterior: draws of posterior.csv beside the parameters, with their weights.",
    ),
    key("except", Shape::Texts, "Parameters that keep their value."),
];

/// Keys of `sampling`.
pub const SAMPLING: &[Key] = &[
    key(
        "method",
        Shape::Choice(&["factorial", "latin_hypercube", "table"]),
        "How scenarios are drawn.",
    ),
    key("points", Shape::Whole(1), "Points of a Latin hypercube."),
    key(
        "seed",
        Shape::Whole(0),
        "Seed of the hypercube; left out: 1. It has nothing to do with the seeds of runs.",
    ),
    key(
        "table",
        Shape::Text,
        "A CSV file beside the study: a column an uncertainty, a row a scenario.",
    ),
];

/// Keys of `record`.
pub const RECORD: &[Key] = &[
    key(
        "metrics",
        Shape::TextsOr("all"),
        "Metrics of the world by month; `stem*` for all that begin so; left out: the outcome measures.",
    ),
    key("every", Shape::Whole(1), "Keep one month in so many, the last always; left out: 1."),
    key(
        "panels",
        Shape::Panels,
        "Tables by firm, vendor, country, chip or line, and the metrics of each.",
    ),
    key("events", Shape::Flag, "Whether the event log is kept; left out: no."),
    key(
        "observations",
        Shape::Flag,
        "Whether there is an outcome `obs.<id>` for every observation of the world; left out: no.",
    ),
    key("draws", Shape::Whole(1), "Series, panels and events of the first so many draws only."),
];

/// Keys of an outcome.
pub const OUTCOME: &[Key] = &[
    key("metric", Shape::Text, "The metric; left out: the outcome's own name."),
    key(
        "observation",
        Shape::Text,
        "Instead of a metric: an observation of the world, measured as `frugality score` does; from and to replace its months.",
    ),
    key(
        "table",
        Shape::Text,
        "Its table: series (the world), firms, vendors, countries, chips, lines.",
    ),
    key("id", Shape::Text, "The member of that table."),
    key("at", Shape::Text, "The month that counts, YYYY-MM; left out: the last."),
    key("from", Shape::Text, "First month that counts."),
    key("to", Shape::Text, "Last month that counts."),
    key(
        "take",
        Shape::Choice(&["last", "mean", "sum", "min", "max"]),
        "How the months become one number; left out: last.",
    ),
];

/// The names of keys.
#[must_use]
pub fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Counterfactual => json!({ "type": ["string", "object"] }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Whole(least) => json!({ "type": "integer", "minimum": least }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Texts => texts(),
        Shape::Words => {
            json!({ "type": "array", "items": { "type": ["number", "string", "boolean"] } })
        }
        Shape::TextsOr(word) => json!({ "anyOf": [texts(), { "const": word }] }),
        Shape::Table(keys) => of_keys(keys),
        Shape::WholesOr(keys) => json!({
            "anyOf": [
                { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                of_keys(keys),
            ],
        }),
        Shape::Named(keys, own) => {
            let mut schema = of_keys(own);
            schema["additionalProperties"] = of_keys(keys);
            schema
        }
        Shape::Lists => json!({ "type": "object", "additionalProperties": texts() }),
        Shape::Pairs => {
            let numbers = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
            json!({ "type": "object", "additionalProperties": numbers })
        }
        Shape::Numbers => {
            json!({ "type": "object", "additionalProperties": { "type": "number" } })
        }
        Shape::Panels => {
            let tables: Map<String, Value> = crate::metric::Scope::ALL[1..]
                .iter()
                .map(|scope| (scope.table().to_owned(), of_shape(Shape::TextsOr("all"))))
                .collect();
            json!({ "type": "object", "properties": tables, "additionalProperties": false })
        }
        Shape::Mechanisms => {
            let switches: Map<String, Value> = Switches::ALL
                .iter()
                .map(|(name, doc)| {
                    ((*name).to_owned(), json!({ "type": "boolean", "description": doc.trim() }))
                })
                .collect();
            json!({ "type": "object", "properties": switches, "additionalProperties": false })
        }
    }
}

/// The schema of a table with these keys.
pub(crate) fn of_keys(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = of_shape(key.shape);
        schema["description"] = key.doc.into();
        properties.insert(key.name.to_owned(), schema);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The JSON Schema of study files.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A study of frugality",
    });
    if let (Value::Object(schema), Value::Object(keys)) = (&mut schema, of_keys(TOP)) {
        schema.extend(keys);
        schema.insert("required".to_owned(), json!(["title", "seeds", "arms"]));
    }
    schema
}
