//! The keys of a claim file, each declared once: for reading, and for the JSON Schema.

use serde_json::{Value, json};

use crate::study::{Key, Shape, key, of_keys};

/// Keys of a claim file.
pub const TOP: &[Key] = &[
    key("title", Shape::Text, "Title for people."),
    key("sentence", Shape::Text, "What is claimed, in one sentence that could be false."),
    key(
        "study",
        Shape::Text,
        "The study whose arms are compared: a name in worlds/studies, a file beside the claim; or a table [study] with a study of its own.",
    ),
    key(
        "prior",
        Shape::Text,
        "The study that runs the same arms over draws of the parameters; without one a claim cannot be supported.",
    ),
    key("curve", Shape::Text, "A study of doses whose response is told beside the verdict."),
    key("treated", Shape::Text, "The arm that the claim is about."),
    key(
        "counterfactual",
        Shape::Text,
        "The arm that it is compared with, draw by draw; left out: the level itself is judged.",
    ),
    key(
        "outcomes",
        Shape::Named(OUTCOME, &[]),
        "What is measured; the claim holds where it holds for all of them.",
    ),
    key(
        "cause",
        Shape::Table(CAUSE),
        "For a claim that the controls are the cause: what else must be seen.",
    ),
];

/// Keys of an outcome.
pub const OUTCOME: &[Key] = &[
    key(
        "metric",
        Shape::Text,
        "An outcome of the study or a metric of its series; left out: the outcome's own name.",
    ),
    key("at", Shape::Text, "The month that counts, YYYY-MM; left out: the last that is recorded."),
    key(
        "months",
        Shape::Whole(1),
        "It must hold in every recorded month of so many up to that one; left out: 1.",
    ),
    key(
        "scale",
        Shape::Choice(&["difference", "ln"]),
        "Differences of values, or of their logarithms; left out: difference.",
    ),
    key(
        "direction",
        Shape::Choice(&["above", "below"]),
        "On which side of the margin the claim lies; left out: above.",
    ),
    key(
        "margin",
        Shape::Number,
        "What the effect must exceed in that direction; negative: what it must not fall short of. Left out: 0.02 of a logarithm, 0.01 of a share, 3 months.",
    ),
    key("treated", Shape::Text, "Another arm than the claim's."),
    key("counterfactual", Shape::Text, "Another arm than the claim's."),
];

/// Keys of `cause`.
pub const CAUSE: &[Key] = &[
    key("study", Shape::Text, "The study that holds these arms; left out: the claim's own."),
    key("treated", Shape::Text, "Its treated arm; left out: the claim's."),
    key("counterfactual", Shape::Text, "Its counterfactual; left out: the claim's."),
    key(
        "null",
        Shape::Texts,
        "Arms in which nothing binds: the effect must be within the margin of nothing.",
    ),
    key(
        "doses",
        Shape::Numbers,
        "Arms by their dose, 0 being the counterfactual: the effect must grow with the dose.",
    ),
    key("needs", Shape::Texts, "Mechanisms without which the effect must be gone."),
    key(
        "knockouts",
        Shape::Texts,
        "Further mechanisms to switch off one by one, to see which the effect dies without.",
    ),
    key("scarcity", Shape::Text, "The arm that is as short of compute without any rule."),
    key(
        "match",
        Shape::Text,
        "The metric of compute in which that arm should match the treated one; left out: compute_share_usable.",
    ),
];

/// The JSON Schema of claim files.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A claim of frugality",
    });
    if let (Value::Object(schema), Value::Object(mut keys)) = (&mut schema, of_keys(TOP)) {
        keys["properties"]["study"] = json!({
            "anyOf": [{ "type": "string" }, crate::study::json_schema()],
            "description": keys["properties"]["study"]["description"],
        });
        schema.extend(keys);
        schema.insert(
            "required".to_owned(),
            json!(["title", "sentence", "study", "treated", "outcomes"]),
        );
    }
    schema
}
