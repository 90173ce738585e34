//! The rule engine against the published status of every chip under three generations of rules.

use std::collections::BTreeMap;
use std::path::PathBuf;

use frugality::calendar::Month;
use frugality::entities::chip::{Attribute, ChipRow, Origin, Sku};
use frugality::entities::rule::{
    Clause, ClauseRow, RuleKind, RuleRow, Treatment, Verdict, any_clause,
};
use frugality::entities::{DieId, VendorId};
use frugality::schema::{Kind, Row, Value};
use toml::de::{DeTable, DeValue};

/// A TOML value without its place in the file.
#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<String>),
    Table(BTreeMap<String, Cell>),
}

fn cell(value: &DeValue) -> Cell {
    match value {
        DeValue::String(text) => Cell::Text(text.to_string()),
        DeValue::Integer(n) => Cell::Integer(n.as_str().parse().expect("a whole number")),
        DeValue::Float(x) => Cell::Float(x.as_str().parse().expect("a number")),
        DeValue::Boolean(flag) => Cell::Flag(*flag),
        DeValue::Array(list) => Cell::List(
            list.iter().map(|v| v.get_ref().as_str().expect("a word").to_owned()).collect(),
        ),
        DeValue::Table(table) => Cell::Table(cells(table)),
        DeValue::Datetime(_) => panic!("dates are written as text"),
    }
}

fn cells(table: &DeTable) -> BTreeMap<String, Cell> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), cell(value.get_ref()))).collect()
}

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a row of table `R` from a TOML table, strictly: no key that is not a column.
fn row<R: Row>(id: &str, table: &BTreeMap<String, Cell>, extra: &[(&str, &str)]) -> R {
    for key in table.keys() {
        assert!(
            key == "clauses" || R::COLUMNS.iter().any(|c| c.name == key),
            "{id}: `{key}` is no column of {}",
            R::TABLE
        );
    }
    let values: Vec<Value> = R::COLUMNS
        .iter()
        .map(|column| {
            let given = extra.iter().find(|(name, _)| *name == column.name);
            let cell = given
                .map(|(_, text)| Cell::Text((*text).to_owned()))
                .or_else(|| table.get(column.name).cloned());
            let Some(cell) = cell else {
                assert!(column.optional, "{id}: `{}` is missing", column.name);
                return Value::Missing;
            };
            match (column.kind, cell) {
                (Kind::Number { low, high }, Cell::Float(x)) => {
                    assert!((low..=high).contains(&x), "{id}: {} = {x}", column.name);
                    Value::Number(x)
                }
                (Kind::Whole { .. }, Cell::Integer(n)) => Value::Whole(n),
                (Kind::Flag, Cell::Flag(flag)) => Value::Flag(flag),
                (Kind::Month, Cell::Text(text)) => Value::Month(text.parse().expect("a month")),
                (Kind::Ids(_) | Kind::Words, Cell::List(list)) => Value::List(list),
                (Kind::Choice(words), Cell::Text(text)) => {
                    assert!(words.contains(&text.as_str()), "{id}: {text}");
                    Value::Text(text)
                }
                (Kind::Text | Kind::Id(_), Cell::Text(text)) => Value::Text(text),
                (kind, cell) => panic!("{id}: {} is {cell:?}, wanted {kind:?}", column.name),
            }
        })
        .collect();
    R::build(id.to_owned(), &mut values.into_iter())
}

struct Rules {
    rows: BTreeMap<String, RuleRow>,
    clauses: BTreeMap<String, Vec<Clause>>,
}

fn rules() -> Rules {
    let text = std::fs::read_to_string(here("worlds/reference/rules.toml")).expect("rules.toml");
    let file = cells(DeTable::parse(&text).expect("TOML").get_ref());
    let mut rules = Rules { rows: BTreeMap::new(), clauses: BTreeMap::new() };
    let Cell::Table(all) = &file["rules"] else { panic!("no [rules]") };
    for (id, table) in all {
        let Cell::Table(table) = table else { panic!("{id} is no table") };
        rules.rows.insert(id.clone(), row(id, table, &[]));
        let mut list = Vec::new();
        if let Some(Cell::Table(clauses)) = table.get("clauses") {
            for (letter, clause) in clauses {
                let clause_id = format!("{id}.{letter}");
                let Cell::Table(clause) = clause else { panic!("{clause_id} is no table") };
                list.push(Clause::from_row(&row::<ClauseRow>(&clause_id, clause, &[("rule", id)])));
            }
        }
        rules.clauses.insert(id.clone(), list);
    }
    rules
}

fn chip(record: &csv::StringRecord) -> Sku {
    let number = |i: usize| -> Option<f64> {
        (!record[i].is_empty()).then(|| record[i].parse().expect("a number"))
    };
    let row = ChipRow {
        id: record[0].to_owned(),
        name: record[0].to_owned(),
        vendor: String::new(),
        launch: Month::new(2022, 1),
        end: None,
        tflops_16bit: 1.0,
        tops_8bit: 1.0,
        tpp: number(1),
        performance_density: number(2),
        interconnect_gbps: number(3),
        memory_bandwidth_gbps: number(4),
        hbm_gb: 0.0,
        tdp_w: 1.0,
        die: String::new(),
        dies_per_chip: 1,
        packages_per_wafer: 0.0,
        price_usd: 1.0,
        unit_cost_usd: 0.0,
        marketed_for_datacentre: &record[5] == "true",
        origin: Origin::Roadmap,
        parent: None,
        caused_by: None,
        board_share: None,
        source: String::new(),
    };
    Sku {
        id: row.id.clone(),
        vendor: VendorId(0),
        die: DieId(0),
        parent: None,
        caused_by: None,
        train_paper: 1.0,
        serve_paper: 1.0,
        work_paper: 1.0,
        price_usd: 1.0,
        on_sale: true,
        approved_units_month: 0.0,
        row,
    }
}

/// What a person reads where an attribute is missing.
fn undetermined(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::PerformanceDensity => "undetermined: die area missing",
        Attribute::Tpp => "undetermined: throughput missing",
        Attribute::Interconnect => "undetermined: interconnect missing",
        Attribute::MemoryBandwidth => "undetermined: memory bandwidth missing",
    }
}

fn october_2023(rules: &Rules, chip: &Sku) -> &'static str {
    match any_clause(&rules.clauses["us-2023-10-datacentre"], chip) {
        Verdict::Controlled => "3A090.a",
        Verdict::Undetermined(a) => undetermined(a),
        Verdict::Free => match any_clause(&rules.clauses["us-2023-10-notification"], chip) {
            Verdict::Controlled if chip.row.marketed_for_datacentre => "3A090.b_NAC",
            Verdict::Controlled => "3A090.a_nonDC_NAC",
            Verdict::Undetermined(a) => undetermined(a),
            Verdict::Free => "free",
        },
    }
}

#[test]
fn every_chip_has_the_status_that_the_formula_gives_it() {
    let rules = rules();
    let mut reader = csv::Reader::from_path(here("tests/data/chip_status.csv")).expect("the table");
    let mut wrong = Vec::new();
    let mut chips = 0;
    for record in reader.records() {
        let record = record.expect("a row");
        let chip = chip(&record);
        chips += 1;
        let first = match any_clause(&rules.clauses["us-2022-10-chips"], &chip) {
            Verdict::Controlled => "controlled",
            Verdict::Undetermined(a) => undetermined(a),
            Verdict::Free => "free",
        };
        let second = october_2023(&rules, &chip);
        let third = match (any_clause(&rules.clauses["us-2026-01-review"], &chip), second) {
            (Verdict::Controlled, _) => "case_by_case",
            (Verdict::Undetermined(a), "3A090.a") => undetermined(a),
            (Verdict::Free, "3A090.a") => "presumption_of_denial",
            (_, other) => other,
        };
        for (rule, found, wanted) in [
            ("October 2022", first, &record[6]),
            ("October 2023", second, &record[7]),
            ("January 2026", third, &record[8]),
        ] {
            let agrees = match wanted {
                // No status is published where an attribute is not: never "free".
                "" => found.starts_with("undetermined") && !record[9].is_empty(),
                "depends_on_PD" => found == "undetermined: die area missing",
                wanted => found == wanted,
            };
            if !agrees {
                wrong.push(format!("{} {rule}: found {found}, wanted {wanted}", chip.id));
            }
        }
    }
    assert!(chips > 50, "{chips} chips");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_name_only_rules_that_exist_and_dates_in_order() {
    let rules = rules();
    assert!(rules.rows.len() > 50);
    for (id, row) in &rules.rows {
        assert!(row.announced <= row.from, "{id} is in force before it is announced");
        assert!(row.until.is_none_or(|until| until >= row.from), "{id} ends before it begins");
        assert!(!row.source.is_empty());
        if let Some(cause) = &row.caused_by {
            let cause = rules.rows.get(cause).unwrap_or_else(|| panic!("{id}: no rule {cause}"));
            assert!(cause.announced <= row.announced, "{id} comes before its cause");
        }
        for other in &row.replaces {
            assert!(rules.rows.contains_key(other), "{id} replaces {other}");
        }
        if row.kind == RuleKind::ChipExport && row.treatment > Treatment::Allow {
            assert!(!rules.clauses[id].is_empty(), "{id} would cover every chip");
        }
    }
    for bill in rules.rows.keys().filter(|id| id.contains("-bill-") || id.contains("-draft-")) {
        assert!(!rules.rows[bill].enabled, "{bill} is not law");
    }
}
