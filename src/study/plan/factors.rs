//! What varies: names of a study file → cells of worlds, values, and a design of them.

use std::collections::BTreeSet;

use super::{posterior, table};
use crate::parameters::{Distribution, ParameterRow};
use crate::schema::Value;
use crate::study::design::{self, Design, Domain, Factor, Level, plain};
use crate::study::file::{At, FactorKind, FactorSpec, Sampling, Scale, StudyFile};
use crate::world::{Address, Loaded, Origin, Problems, Sources, shown};

/// The worlds of a study.
#[derive(Default)]
pub(in crate::study) struct Bases {
    /// Each as it was read.
    pub loaded: Vec<Loaded>,
    /// Where the study file names it first.
    pub places: Vec<Origin>,
}

impl Bases {
    /// That of the first arm.
    pub fn first(&self) -> &Loaded {
        &self.loaded[0]
    }

    pub fn parameter(&self, name: &str) -> Option<&ParameterRow> {
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
    if let Some(all) = study.all_priors.as_ref().filter(|all| all.posterior) {
        if !uncertainties.is_empty() {
            let message =
                "a draw of the posterior is a whole scenario; leave other uncertainties out";
            problems.add(all.origin, "uncertainties.prior", message);
            return (None, String::new());
        }
        return posterior::design(study, all, levers, bases, sources, problems);
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
            let columns = table::read(study, file, &uncertainties, sources, problems);
            let words = format!("table {}", file.value);
            (columns.and_then(|c| Design::table(levers, uncertainties, c)), words)
        }
    }
}

/// A cell is varied by one factor.
pub(super) fn set_twice<'a>(
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
pub(super) fn within_priors(
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
                        if let Value::Number(x) = value
                            && !within_priors(&address, x, word.origin, &path, bases, problems)
                        {
                            return None;
                        }
                        let label = match &value {
                            Value::Number(x) => plain(*x),
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
            let levels: Vec<(At<String>, Vec<At<String>>)> = levels.clone();
            let (targets, levels) = leveled(&levels, &format!("{path}.levels"), bases, problems)?;
            Some(Factor { targets, domain: Domain::Levels(levels), ..blank })
        }
        FactorKind::Scale(scale) => scaled(scale, &path, blank, bases, problems),
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
            let mut factor = Factor::of_prior(row);
            factor.name.clone_from(name);
            Some(factor)
        }
    }
}

/// Levels that set some cells each: the cells of all of them, and a value a cell and level. A level that does
/// not speak of a cell leaves it as the worlds have it.
fn leveled(
    levels: &[(At<String>, Vec<At<String>>)],
    path: &str,
    bases: &Bases,
    problems: &mut Problems,
) -> Option<(Vec<Address>, Vec<Level>)> {
    let mut targets: Vec<Address> = Vec::new();
    let mut said: Vec<Vec<(usize, Value)>> = Vec::new();
    for (label, sets) in levels {
        let path = format!("{path}.{}", label.value);
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
            if let Value::Number(x) = value
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
    let mut all = Vec::new();
    for ((label, _), said) in levels.iter().zip(said) {
        let mut values = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            let own = said.iter().rev().find(|(i, _)| *i == at).map(|(_, v)| v.clone());
            let Some(value) = own.or_else(|| common_value(target, bases)) else {
                let message = format!(
                    "does not set {}, which differs between the worlds of the study",
                    target.key()
                );
                problems.add(label.origin, format!("{path}.{}", label.value), message);
                return None;
            };
            values.push(value);
        }
        all.push(Level { label: label.value.clone(), values });
    }
    Some((targets, all))
}

/// A number that moves several cells, as levels.
fn scaled(
    scale: &Scale,
    path: &str,
    blank: Factor,
    bases: &Bases,
    problems: &mut Problems,
) -> Option<Factor> {
    let mut numbers = Vec::new();
    for word in &scale.values {
        let x = word.value.parse::<f64>().ok().filter(|x| x.is_finite());
        let Some(x) = x else {
            problems.add(
                word.origin,
                path,
                format!("`{}` is not a finite number", shown(&word.value)),
            );
            return None;
        };
        numbers.push(x);
    }
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    let mut levels: Vec<(At<String>, Vec<At<String>>)> = Vec::new();
    for (word, x) in scale.values.iter().zip(&numbers) {
        let origin = word.origin;
        let label = plain(*x);
        if levels.iter().any(|(other, _)| other.value == label) {
            problems.add(origin, path, format!("{label} is listed twice"));
            return None;
        }
        let mut sets = Vec::new();
        for key in &scale.times {
            let address = address(&key.value, key.origin, path, bases, problems)?;
            let Some(Value::Number(own)) = common_value(&address, bases) else {
                let message = format!(
                    "{} is not a number, or not the same in every world of the study",
                    address.key()
                );
                problems.add(key.origin, path, message);
                return None;
            };
            sets.push(At { value: format!("{}={:?}", key.value, own * x), origin: key.origin });
        }
        for (key, from, to) in &scale.between {
            let way = if last == first { 0.0 } else { (x - first) / (last - first) };
            // The ends are the numbers that were written, to the last bit.
            let y = if way == 1.0 { *to } else { from + (to - from) * way };
            sets.push(At { value: format!("{}={y:?}", key.value), origin: key.origin });
        }
        for (value, more) in &scale.at {
            if value.value.parse::<f64>().ok() == Some(*x) {
                sets.extend(more.iter().cloned());
            }
        }
        levels.push((At { value: label, origin }, sets));
    }
    for (value, _) in &scale.at {
        if !numbers.iter().any(|x| value.value.parse::<f64>().ok() == Some(*x)) {
            let message = format!("`{}` is not one of the values", shown(&value.value));
            problems.add(value.origin, format!("{path}.at"), message);
        }
    }
    let (targets, levels) = leveled(&levels, path, bases, problems)?;
    let definition = "Moves several cells; the plan lists them.".to_owned();
    Some(Factor {
        unit: "1".to_owned(),
        definition,
        targets,
        domain: Domain::Levels(levels),
        ..blank
    })
}

/// What the worlds say of a cell, where they say the same.
fn common_value(address: &Address, bases: &Bases) -> Option<Value> {
    let value = |loaded: &Loaded| match address {
        Address::Cell { table, id, column } => {
            Some(loaded.cells.tables.get(table)?.get(id)?.cells.get(*column)?.value.clone())
        }
        Address::Switch(name) => loaded.definition.head.switches.get(name).map(Value::Flag),
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
        return Described { unit: row.unit.clone(), definition: design::parameter_doc(id) };
    }
    let doc = column.doc.trim().replace('\n', " ");
    Described {
        unit: column.unit.to_owned(),
        definition: format!("{}: {doc}", address.key()).trim_end_matches(": ").to_owned(),
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
        let factor = Factor::of_prior(row);
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
