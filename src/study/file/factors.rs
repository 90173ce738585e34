//! Levers and uncertainties, as they are written.

use super::fields::{At, Fields};
use super::{AllPriors, FactorKind, FactorSpec, Scale, keys, named};
use crate::parameters::Distribution;

pub(super) fn factors(top: &mut Fields<'_, '_>, kind: &str, uncertain: bool) -> Vec<FactorSpec> {
    let Some(mut table) = (if top.get(kind).is_some() { top.table(kind) } else { None }) else {
        return Vec::new();
    };
    let mut factors = Vec::new();
    for (key, at, _) in table.entries() {
        if uncertain && (key == "prior" || key == "except") {
            continue;
        }
        let Some(name) = named(&mut table, key, at) else { continue };
        let Some(mut factor) = table.table(key) else { continue };
        if let Some(kind) = factor_kind(&mut factor, &name, uncertain) {
            factors.push(FactorSpec { name, kind });
        }
    }
    factors
}

fn factor_kind(
    factor: &mut Fields<'_, '_>,
    name: &At<String>,
    uncertain: bool,
) -> Option<FactorKind> {
    factor.only(if uncertain { keys::UNCERTAINTY } else { keys::LEVER });
    let origin = factor.origin;
    let set = factor.text("set").unwrap_or_else(|| name.clone());
    if factor.get("levels").is_some() {
        let mut levels = Vec::new();
        let mut table = factor.table("levels")?;
        for (key, at, _) in table.entries() {
            let name = named(&mut table, key, at);
            if let (Some(name), Some(sets)) = (name, table.texts(key)) {
                levels.push((name, sets));
            }
        }
        if levels.is_empty() {
            table.wrong(origin, "", "no levels");
        }
        return Some(FactorKind::Levels(levels));
    }
    if let Some(values) = values(factor).ok()? {
        if ["times", "between", "at"].iter().any(|key| factor.get(key).is_some()) {
            return scale(factor, values);
        }
        return Some(FactorKind::Values { set, values });
    }
    if uncertain && factor.flag("prior") == Some(true) {
        return Some(FactorKind::Prior { set });
    }
    if uncertain && (factor.get("low").is_some() || factor.get("high").is_some()) {
        let (low, high) = (factor.number("low"), factor.number("high"));
        let (Some(low), Some(high)) = (low, high) else {
            factor.wrong(origin, "", "both low and high are needed");
            return None;
        };
        let word = factor.text("distribution");
        let distribution = match &word {
            None => Some(Distribution::Uniform),
            Some(word) => {
                Distribution::from_word(&word.value).filter(|d| *d != Distribution::Fixed)
            }
        };
        let (low, high) = (low.value, high.value);
        let Some(distribution) = distribution else {
            factor.wrong(origin, "distribution", "one of uniform, lognormal, normal, whole");
            return None;
        };
        if low >= high {
            factor.wrong(origin, "low", format!("{low} is not below high, {high}"));
        } else if distribution == Distribution::Lognormal && low <= 0.0 {
            factor.wrong(origin, "low", "a lognormal range lies above 0");
        } else {
            return Some(FactorKind::Range { set, low, high, distribution });
        }
        return None;
    }
    let how = if uncertain {
        "write values, levels, from/to/steps, low/high or prior = true"
    } else {
        "write values, levels or from/to/steps"
    };
    factor.wrong(origin, "", how);
    None
}

/// The values that are listed, or evenly spaced; none of either is no mistake.
fn values(factor: &mut Fields<'_, '_>) -> Result<Option<Vec<At<String>>>, ()> {
    let origin = factor.origin;
    if factor.get("values").is_some() {
        let values = factor.words("values").ok_or(())?;
        if values.is_empty() {
            factor.wrong(origin, "values", "no values");
            return Err(());
        }
        return Ok(Some(values));
    }
    if factor.get("steps").is_none() {
        return Ok(None);
    }
    let steps = factor.whole("steps", 2, 10_000).ok_or(())?;
    let (from, to) = (factor.number("from"), factor.number("to"));
    let (Some(from), Some(to)) = (from, to) else {
        factor.wrong(origin, "steps", "needs from and to as well");
        return Err(());
    };
    let step = |i: u64| {
        // Rounded to twelve decimals, so that a tenth reads 0.1.
        let x = from.value + (to.value - from.value) * i as f64 / (steps - 1) as f64;
        let x = (x * 1e12).round() / 1e12;
        At { value: crate::study::design::plain(x), origin: from.origin }
    };
    Ok(Some((0..steps).map(step).collect()))
}

fn scale(factor: &mut Fields<'_, '_>, values: Vec<At<String>>) -> Option<FactorKind> {
    let times = factor.texts("times").unwrap_or_default();
    let mut between = Vec::new();
    if factor.get("between").is_some() {
        let mut table = factor.table("between")?;
        for (key, origin, _) in table.entries() {
            let ends: Vec<f64> = table
                .words(key)
                .unwrap_or_default()
                .iter()
                .filter_map(|word| word.value.parse().ok())
                .filter(|x: &f64| x.is_finite())
                .collect();
            match ends.as_slice() {
                &[first, last] => {
                    between.push((At { value: key.to_owned(), origin }, first, last));
                }
                _ => table.wrong(origin, key, "two numbers are wanted: [0.0, 1.0]"),
            }
        }
    }
    let mut at = Vec::new();
    if factor.get("at").is_some() {
        let mut table = factor.table("at")?;
        for (key, origin, _) in table.entries() {
            let value = At { value: key.to_owned(), origin };
            at.push((value, table.texts(key).unwrap_or_default()));
        }
    }
    Some(FactorKind::Scale(Scale { values, times, between, at }))
}

pub(super) fn all_priors(top: &mut Fields<'_, '_>) -> Option<AllPriors> {
    top.get("uncertainties")?;
    let mut table = top.table("uncertainties")?;
    let (_, origin) = table.get("prior")?;
    let except = table.texts("except").unwrap_or_default();
    match table.text("prior") {
        Some(word) if word.value == "all" => Some(AllPriors { origin, except, posterior: false }),
        Some(word) if word.value == "posterior" => {
            Some(AllPriors { origin, except, posterior: true })
        }
        Some(_) => {
            table.wrong(origin, "prior", "\"all\" or \"posterior\"; a single one is written [uncertainties.<name>] prior = true");
            None
        }
        None => None,
    }
}
