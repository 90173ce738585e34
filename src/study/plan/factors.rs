//! What varies: names of a study file → cells of worlds, values, and a design of them.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Plan, Policy};
use crate::parameters::{Distribution, ParameterRow};
use crate::study::design::{Design, Domain, Factor, Level, Pick, plain};
use crate::study::file::{At, FactorKind, FactorSpec, Sampling, StudyFile};
use crate::world::{Address, CSV_CAP, Loaded, Origin, Problems, Sources, read_text, shown};

/// The worlds of a study.
#[derive(Default)]
pub(in crate::study) struct Bases {
    /// Each as it was read.
    pub loaded: Vec<Loaded>,
    /// Where the study file names it first.
    pub places: Vec<Origin>,
}

impl Bases {
    fn first(&self) -> &Loaded {
        &self.loaded[0]
    }

    fn parameter(&self, name: &str) -> Option<&ParameterRow> {
        let all = &self.first().definition.parameters;
        all.iter().find(|row| row.id == name)
    }
}

/// The design and how its scenarios are drawn, in words.
pub(super) fn design(
    study: &StudyFile,
    bases: &Bases,
    sources: &mut Sources,
    problems: &mut Problems,
) -> (Option<Design>, String) {
    let mut levers = Vec::new();
    for spec in &study.levers {
        levers.extend(factor(spec, "levers", bases, problems));
    }
    let mut uncertainties = Vec::new();
    for spec in &study.uncertainties {
        uncertainties.extend(factor(spec, "uncertainties", bases, problems));
    }
    if let Some(all) = &study.all_priors {
        every_prior(all.origin, &all.except, &levers, &mut uncertainties, bases, problems);
    }
    set_twice(study, levers.iter().chain(&uncertainties), problems);
    let range = uncertainties.iter().any(|f| matches!(f.domain, Domain::Range { .. }));
    match &study.sampling {
        Sampling::Factorial if range => {
            let message = "an uncertainty is a range; say how it is drawn: [sampling] method = \"latin_hypercube\" and points, or a table";
            problems.add(study.origin, "sampling", message);
            (None, String::new())
        }
        Sampling::Factorial => {
            let design = Design::factorial(levers, uncertainties);
            if design.is_none() {
                problems.add(study.origin, "", "more combinations than can be counted");
            }
            (design, "factorial".to_owned())
        }
        Sampling::LatinHypercube { points, seed } => {
            if uncertainties.is_empty() {
                let message =
                    "a Latin hypercube of no uncertainties; list some under [uncertainties]";
                problems.add(study.origin, "sampling", message);
            }
            let words = format!("latin_hypercube, {points} points, seed {seed}");
            (Design::hypercube(levers, uncertainties, *points, *seed), words)
        }
        Sampling::Table(file) => {
            let columns = table(study, file, &uncertainties, sources, problems);
            let words = format!("table {}", file.value);
            (columns.and_then(|c| Design::table(levers, uncertainties, c)), words)
        }
    }
}

/// A cell is varied by one factor.
fn set_twice<'a>(
    study: &StudyFile,
    factors: impl Iterator<Item = &'a Factor>,
    problems: &mut Problems,
) {
    let mut seen: std::collections::BTreeMap<&Address, &str> = std::collections::BTreeMap::new();
    for factor in factors {
        for target in &factor.targets {
            if let Some(other) = seen.insert(target, &factor.name) {
                let message =
                    format!("{} is set by `{other}` and by `{}`", target.key(), factor.name);
                problems.add(study.origin, "", message);
            }
        }
    }
}

/// Splits `key=value`.
fn setting<'a>(
    set: &'a At<String>,
    path: &str,
    problems: &mut Problems,
) -> Option<(&'a str, &'a str)> {
    let pair = set.value.split_once('=');
    if pair.is_none() {
        problems.add(set.origin, path, "no `=`; write table.id.column=value or parameter=value");
    }
    pair.map(|(key, value)| (key.trim(), value.trim()))
}

/// The cell called `key`, which every world must have.
fn address(
    key: &str,
    origin: Origin,
    path: &str,
    bases: &Bases,
    problems: &mut Problems,
) -> Option<Address> {
    let mut found = None;
    for loaded in &bases.loaded {
        match loaded.address(key) {
            Ok(address) => found = Some(address),
            Err(message) => {
                let world = &loaded.definition.head.id;
                problems.add(origin, path, format!("{message} (in the world {world})"));
                return None;
            }
        }
    }
    found
}

/// Whether a parameter may be `x` in every world.
fn within_priors(
    address: &Address,
    x: f64,
    origin: Origin,
    path: &str,
    bases: &Bases,
    problems: &mut Problems,
) -> bool {
    let Address::Cell { table: "parameters", id, column: 0 } = address else { return true };
    for loaded in &bases.loaded {
        let row = loaded.definition.parameters.iter().find(|row| row.id == *id);
        if let Some(row) = row
            && (x < row.low || x > row.high)
        {
            let message = format!(
                "{} is outside the prior of {id}, {} to {}, in the world {}",
                plain(x),
                row.low,
                row.high,
                loaded.definition.head.id
            );
            problems.add(origin, path, message);
            return false;
        }
    }
    true
}

fn factor(spec: &FactorSpec, kind: &str, bases: &Bases, problems: &mut Problems) -> Option<Factor> {
    let name = &spec.name.value;
    let path = format!("{kind}.{name}");
    let blank = Factor {
        name: name.clone(),
        unit: String::new(),
        definition: String::new(),
        targets: Vec::new(),
        domain: Domain::Levels(Vec::new()),
    };
    match &spec.kind {
        FactorKind::Values { set, values } => {
            let address = address(&set.value, set.origin, &path, bases, problems)?;
            let mut levels: Vec<Level> = Vec::new();
            for word in values {
                match address.read(&word.value) {
                    Ok(value) => {
                        if let crate::schema::Value::Number(x) = value
                            && !within_priors(&address, x, word.origin, &path, bases, problems)
                        {
                            return None;
                        }
                        let label = match &value {
                            crate::schema::Value::Number(x) => plain(*x),
                            _ => word.value.clone(),
                        };
                        if levels.iter().any(|level| level.label == label) {
                            problems.add(word.origin, &path, format!("{label} is listed twice"));
                            return None;
                        }
                        levels.push(Level { label, values: vec![value] });
                    }
                    Err(message) => problems.add(word.origin, &path, message),
                }
            }
            let described = described(&address, bases);
            Some(Factor {
                targets: vec![address],
                domain: Domain::Levels(levels),
                ..described.over(blank)
            })
        }
        FactorKind::Levels(levels) => {
            let mut targets: Vec<Address> = Vec::new();
            let mut said: Vec<Vec<(usize, crate::schema::Value)>> = Vec::new();
            for (label, sets) in levels {
                let path = format!("{path}.levels.{}", label.value);
                let mut values = Vec::new();
                for set in sets {
                    let (key, word) = setting(set, &path, problems)?;
                    let address = address(key, set.origin, &path, bases, problems)?;
                    let value = match address.read(word) {
                        Ok(value) => value,
                        Err(message) => {
                            problems.add(set.origin, &path, message);
                            return None;
                        }
                    };
                    if let crate::schema::Value::Number(x) = value
                        && !within_priors(&address, x, set.origin, &path, bases, problems)
                    {
                        return None;
                    }
                    let at = targets.iter().position(|t| *t == address).unwrap_or_else(|| {
                        targets.push(address);
                        targets.len() - 1
                    });
                    values.push((at, value));
                }
                said.push(values);
            }
            // A level that does not speak of a cell leaves it as the world has it.
            let mut all = Vec::new();
            for ((label, _), said) in levels.iter().zip(said) {
                let mut values = Vec::new();
                for (at, target) in targets.iter().enumerate() {
                    let own = said.iter().rev().find(|(i, _)| *i == at).map(|(_, v)| v.clone());
                    let value = own.or_else(|| common_value(target, bases));
                    let Some(value) = value else {
                        let message = format!(
                            "does not set {}, which differs between the worlds of the study",
                            target.key()
                        );
                        problems.add(
                            label.origin,
                            format!("{path}.levels.{}", label.value),
                            message,
                        );
                        return None;
                    };
                    values.push(value);
                }
                all.push(Level { label: label.value.clone(), values });
            }
            Some(Factor { targets, domain: Domain::Levels(all), ..blank })
        }
        FactorKind::Range { set, low, high, distribution } => {
            let address = address(&set.value, set.origin, &path, bases, problems)?;
            for x in [*low, *high] {
                if let Err(message) = address.read(&plain(x)) {
                    problems.add(set.origin, &path, message);
                    return None;
                }
                if !within_priors(&address, x, set.origin, &path, bases, problems) {
                    return None;
                }
            }
            let domain = Domain::Range { low: *low, high: *high, distribution: *distribution };
            let described = described(&address, bases);
            Some(Factor { targets: vec![address], domain, ..described.over(blank) })
        }
        FactorKind::Prior { set } => {
            let address = address(&set.value, set.origin, &path, bases, problems)?;
            let row = match &address {
                Address::Cell { table: "parameters", id, column: 0 } => bases.parameter(id),
                _ => None,
            };
            let Some(row) = row else {
                let message =
                    "not a parameter; a cell has no prior: write low, high and distribution";
                problems.add(set.origin, &path, message);
                return None;
            };
            if row.distribution == Distribution::Fixed {
                let message = format!("`{}` is fixed: it has no prior", row.id);
                problems.add(set.origin, &path, message);
                return None;
            }
            for x in [row.low, row.high] {
                if !within_priors(&address, x, set.origin, &path, bases, problems) {
                    return None;
                }
            }
            let mut factor = of_prior(row);
            factor.name.clone_from(name);
            Some(factor)
        }
    }
}

/// What the worlds say of a cell, where they say the same.
fn common_value(address: &Address, bases: &Bases) -> Option<crate::schema::Value> {
    let value = |loaded: &Loaded| match address {
        Address::Cell { table, id, column } => {
            Some(loaded.cells.tables.get(table)?.get(id)?.cells.get(*column)?.value.clone())
        }
        Address::Switch(name) => {
            loaded.definition.head.switches.get(name).map(crate::schema::Value::Flag)
        }
    };
    let first = value(bases.first())?;
    bases.loaded.iter().all(|loaded| value(loaded).as_ref() == Some(&first)).then_some(first)
}

/// Unit and definition of a cell.
struct Described {
    unit: String,
    definition: String,
}

impl Described {
    fn over(self, factor: Factor) -> Factor {
        Factor { unit: self.unit, definition: self.definition, ..factor }
    }
}

fn described(address: &Address, bases: &Bases) -> Described {
    let column = address.column();
    if let Address::Cell { table: "parameters", id, column: 0 } = address
        && let Some(row) = bases.parameter(id)
    {
        return Described { unit: row.unit.clone(), definition: parameter_doc(id) };
    }
    let doc = column.doc.trim().replace('\n', " ");
    Described {
        unit: column.unit.to_owned(),
        definition: format!("{}: {doc}", address.key()).trim_end_matches(": ").to_owned(),
    }
}

fn parameter_doc(name: &str) -> String {
    let declared = crate::mechanisms::declared_parameters();
    let found = declared.iter().find(|d| d.name == name);
    found.map_or_else(String::new, |d| d.doc.trim().to_owned())
}

fn of_prior(row: &ParameterRow) -> Factor {
    Factor {
        name: row.id.clone(),
        unit: row.unit.clone(),
        definition: parameter_doc(&row.id),
        targets: vec![Address::Cell { table: "parameters", id: row.id.clone(), column: 0 }],
        domain: Domain::Range { low: row.low, high: row.high, distribution: row.distribution },
    }
}

/// Every parameter with a prior that no other factor sets.
fn every_prior(
    origin: Origin,
    except: &[At<String>],
    levers: &[Factor],
    uncertainties: &mut Vec<Factor>,
    bases: &Bases,
    problems: &mut Problems,
) {
    for name in except {
        if bases.parameter(&name.value).is_none() {
            let known = bases.first().definition.parameters.iter().map(|row| row.id.as_str());
            let hint = problems.hint(&name.value, known);
            let message = format!("there is no parameter `{}`{hint}", shown(&name.value));
            problems.add(name.origin, "uncertainties.except", message);
        }
    }
    let taken: BTreeSet<Address> = levers
        .iter()
        .chain(uncertainties.iter())
        .flat_map(|factor| factor.targets.iter().cloned())
        .collect();
    for row in &bases.first().definition.parameters {
        if row.distribution == Distribution::Fixed || except.iter().any(|e| e.value == row.id) {
            continue;
        }
        let factor = of_prior(row);
        if taken.contains(&factor.targets[0]) {
            continue;
        }
        let fits = [row.low, row.high].into_iter().all(|x| {
            within_priors(&factor.targets[0], x, origin, "uncertainties.prior", bases, problems)
        });
        if fits {
            uncertainties.push(factor);
        }
    }
}

/// The columns of a design made elsewhere: a header of names of uncertainties, then a row a scenario.
fn table(
    study: &StudyFile,
    file: &At<String>,
    uncertainties: &[Factor],
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Vec<Vec<Pick>>> {
    let name = &file.value;
    let outside = name.is_empty()
        || name.starts_with(['/', '\\', '~'])
        || name.contains("://")
        || name.contains('\\')
        || name.split('/').any(|part| part == ".." || part.is_empty());
    if outside {
        let message = "write a path below the study file's folder, with `/` between folders";
        problems.add(file.origin, "sampling.table", message);
        return None;
    }
    let path = study.folder.join(Path::new(name));
    let origin = read_text(&path, format!("studies/{name}"), 64 * CSV_CAP, sources, problems)?;
    let text = sources.text(origin).to_owned();
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|cell| cell.trim().to_owned()).collect(),
        Err(error) => {
            problems.add(origin, "", error.to_string());
            return None;
        }
    };
    let mut fine = true;
    let mut order = Vec::new();
    for column in &header {
        let at = uncertainties.iter().position(|factor| factor.name == *column);
        if at.is_none() {
            let hint = problems.hint(column, uncertainties.iter().map(|f| f.name.as_str()));
            let message =
                format!("the column `{}` is not an uncertainty of the study{hint}", shown(column));
            problems.add(origin.at(0), "", message);
            fine = false;
        }
        order.push(at);
    }
    for (i, factor) in uncertainties.iter().enumerate() {
        match order.iter().filter(|at| **at == Some(i)).count() {
            1 => {}
            0 => {
                problems.add(origin.at(0), "", format!("no column `{}`", factor.name));
                fine = false;
            }
            _ => {
                problems.add(
                    origin.at(0),
                    "",
                    format!("the column `{}` stands twice", factor.name),
                );
                fine = false;
            }
        }
    }
    if !fine {
        return None;
    }
    let mut columns: Vec<Vec<Pick>> = vec![Vec::new(); uncertainties.len()];
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let at = error.position().map_or(0, |p| p.byte() as usize);
                problems.add(origin.at(at), "", error.to_string());
                return None;
            }
        };
        let at = record.position().map_or(0, |p| p.byte() as usize);
        // The record's position is that of the line break before it.
        let at =
            at + text.as_bytes()[at..].iter().take_while(|b| matches!(**b, b'\n' | b'\r')).count();
        for (cell, factor) in record.iter().zip(&order) {
            let Some(i) = *factor else { continue };
            match pick(&uncertainties[i], cell.trim()) {
                Ok(pick) => columns[i].push(pick),
                Err(message) => {
                    problems.add(origin.at(at), &uncertainties[i].name, message);
                    fine = false;
                }
            }
        }
    }
    if columns.first().is_none_or(Vec::is_empty) {
        if fine {
            problems.add(origin, "", "no rows");
        }
        return None;
    }
    fine.then_some(columns)
}

/// A cell of a design table as a value of its factor.
fn pick(factor: &Factor, cell: &str) -> Result<Pick, String> {
    match &factor.domain {
        Domain::Levels(levels) => factor.level(cell).map(Pick::Level).ok_or_else(|| {
            let labels: Vec<&str> = levels.iter().map(|level| level.label.as_str()).collect();
            format!("`{}` is not one of {}", shown(cell), labels.join(", "))
        }),
        Domain::Range { low, high, distribution } => {
            let x = cell.parse::<f64>().ok().filter(|x| x.is_finite());
            let Some(x) = x else {
                return Err(format!("`{}` is not a finite number", shown(cell)));
            };
            if x < *low || x > *high {
                return Err(format!("{x} is outside {low} to {high}"));
            }
            if *distribution == Distribution::Whole && x.fract() != 0.0 {
                return Err(format!("{x} is not a whole number"));
            }
            Ok(Pick::Number(x))
        }
    }
}

/// Rows of a design whose worlds are checked as a whole, at most; cells alone are checked always.
const MOST_CHECKED: usize = 2000;

/// Checks that every row of the design leaves every world whole. Parameters and mechanisms
/// were checked one by one and touch nothing else; what other cells say together is checked here, once
/// for each combination of them.
pub(super) fn check_rows(study: &StudyFile, bases: &Bases, plan: &Plan, problems: &mut Problems) {
    let lone = |factor: &Factor| {
        factor.targets.iter().all(|target| match target {
            Address::Switch(_) => true,
            Address::Cell { table, column, .. } => *table == "parameters" && *column == 0,
        })
    };
    let design = &plan.design;
    let levers: Vec<usize> =
        (0..design.levers.len()).filter(|i| !lone(&design.levers[*i])).collect();
    let uncertainties: Vec<usize> =
        (0..design.uncertainties.len()).filter(|i| !lone(&design.uncertainties[*i])).collect();
    if levers.is_empty() && uncertainties.is_empty() {
        return;
    }
    let key = |pick: Pick| match pick {
        Pick::Level(at) => at as u64,
        Pick::Number(x) => x.to_bits(),
    };
    let distinct = |n: u64, of: &dyn Fn(u64) -> Vec<u64>| {
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for row in 0..n {
            if rows.len() < MOST_CHECKED && seen.insert(of(row)) {
                rows.push(row);
            }
        }
        rows
    };
    let lever_rows = distinct(design.lever_rows, &|row| {
        levers.iter().map(|i| key(design.lever(*i, row))).collect()
    });
    let scenarios = distinct(design.scenarios, &|row| {
        uncertainties.iter().map(|i| key(design.uncertainty(*i, row))).collect()
    });
    for (at, arm) in plan.arms.iter().enumerate() {
        if plan.arms[..at].iter().any(|other| other.base == arm.base) {
            continue;
        }
        let mut definition = plan.bases[arm.base].definition.clone();
        for lever_row in &lever_rows {
            for scenario in &scenarios {
                design.apply(&mut definition, *lever_row, *scenario);
                if let Err(refusal) = bases.loaded[arm.base].recheck(&definition) {
                    let row = row_words(
                        plan,
                        Policy { arm: at, lever_row: *lever_row, against: None },
                        *scenario,
                        &levers,
                        &uncertainties,
                    );
                    let message = format!("{row}: {}", refusal.lines.join("; "));
                    problems.add(study.origin, "", message);
                    return;
                }
            }
        }
    }
}

fn row_words(
    plan: &Plan,
    policy: Policy,
    scenario: u64,
    levers: &[usize],
    uncertainties: &[usize],
) -> String {
    let design = &plan.design;
    let levers = levers.iter().map(|i| {
        let factor = &design.levers[*i];
        format!("{} = {}", factor.name, factor.label(design.lever(*i, policy.lever_row)))
    });
    let uncertainties = uncertainties.iter().map(|i| {
        let factor = &design.uncertainties[*i];
        format!("{} = {}", factor.name, factor.label(design.uncertainty(*i, scenario)))
    });
    let words: Vec<String> = levers.chain(uncertainties).collect();
    format!("arm {} with {}", plan.arms[policy.arm].name, words.join(", "))
}
