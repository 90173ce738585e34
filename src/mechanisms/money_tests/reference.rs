//! Tables and parameters of the reference world.

use std::path::Path;

use crate::maths;
use crate::mechanisms::market::MarketParameters;
use crate::schema::{Kind, Row, Value};

/// Rows of a table of the reference world.
pub(super) fn rows<R: Row>(file: &str) -> Vec<R> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference").join(file);
    let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    let header = reader.headers().expect("a header").clone();
    let names: Vec<_> = R::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(header.iter().skip(1).collect::<Vec<_>>(), names, "{file}");
    let mut found: Vec<(String, R)> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let id = record[0].to_owned();
            let mut values = R::COLUMNS.iter().zip(record.iter().skip(1)).map(|(column, cell)| {
                if cell.is_empty() && column.optional {
                    return Value::Missing;
                }
                let number = || cell.parse::<f64>().unwrap_or_else(|e| panic!("{cell}: {e}"));
                match column.kind {
                    Kind::Number { low, high } => {
                        assert!((low..=high).contains(&number()), "{id} {}: {cell}", column.name);
                        Value::Number(number())
                    }
                    Kind::Whole { .. } => Value::Whole(maths::whole(number())),
                    Kind::Flag => Value::Flag(cell == "true"),
                    Kind::Month => Value::Month(cell.parse().expect("a month")),
                    Kind::Ids(_) | Kind::Words => {
                        Value::List(cell.split_whitespace().map(str::to_owned).collect())
                    }
                    Kind::Text | Kind::Choice(_) | Kind::Id(_) => Value::Text(cell.to_owned()),
                }
            });
            (id.clone(), R::build(id.clone(), &mut values))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.into_iter().map(|(_, row)| row).collect()
}

/// A parameter of the reference world, from whichever of its files has it.
pub(super) fn reference(name: &str) -> f64 {
    static VALUES: std::sync::OnceLock<std::collections::BTreeMap<String, f64>> =
        std::sync::OnceLock::new();
    let values = VALUES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the reference world")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| {
                file.starts_with("parameters")
                    && Path::new(file).extension().is_some_and(|e| e == "csv")
            })
            .collect();
        files.sort();
        files
            .iter()
            .flat_map(|file| rows::<crate::parameters::ParameterRow>(file))
            .map(|row| (row.id, row.value))
            .collect()
    });
    *values.get(name).unwrap_or_else(|| panic!("no parameter {name}"))
}

/// The market's parameters in the reference world.
pub(super) fn parameters() -> MarketParameters {
    MarketParameters::from_values(&mut reference)
}
