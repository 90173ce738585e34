//! A study file and its worlds → a plan, or what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::factors::{self, Bases};
use super::rows;
use super::{
    Arm, Base, Design, Family, Plan, Policy, Problems, RUNS_CAP, Record, Refusal, Seeds, Sources,
    Switches, file, inputs, mechanisms,
};
use crate::study::file::{ArmSpec, At, StudyFile};
use crate::study::record;
use crate::world::{Loaded, load_with, resolve_beside, shown, world_hash};

pub(super) fn load(path: &Path, size: Option<&str>, given: &file::Given) -> Result<Plan, Refusal> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let study = file::read(path, size, given, &mut sources, &mut problems);
    let Some(study) = study else {
        problems.into_result(&sources)?;
        return Err(Refusal { lines: vec![format!("{}: not a study", path.display())], more: 0 });
    };
    let (arms, families, bases) = worlds(&study, &sources, &mut problems)?;
    // Without worlds, cells cannot be looked up.
    std::mem::take(&mut problems).into_result(&sources)?;
    let against = against(&study, &arms, &mut problems);
    let scarce = as_scarce_as(&study, &arms, &mut problems);
    let first = &bases.loaded[0].definition;
    let months = study.months.map(|n| n as u32);
    let span = crate::run::Options { months, keep_events: false }.span(first);
    for (loaded, at) in bases.loaded.iter().zip(&bases.places) {
        let other = crate::run::Options { months, keep_events: false }.span(&loaded.definition);
        if other != span {
            let message = format!(
                "runs from {} to {}, the first arm from {} to {}; arms of a study cover the same months: say `months`, or set start and end",
                other.0, other.1, span.0, span.1
            );
            problems.add(*at, "arms", message);
        }
    }
    let record = record::resolve(&study, &bases, span, &mut problems);
    let (design, sampling) = factors::design(&study, &bases, &mut sources, &mut problems);
    let (Some(design), Some(mut record)) = (design, record) else {
        problems.into_result(&sources)?;
        return Err(Refusal { lines: vec![format!("{}: no design", path.display())], more: 0 });
    };
    if study.outcomes.is_empty() {
        // Nobody chose these names: a parameter of the same one keeps it.
        let factors = || design.levers.iter().chain(&design.uncertainties);
        for outcome in &mut record.outcomes {
            if factors().any(|factor| factor.name == outcome.name) {
                outcome.name.push_str("_end");
            }
        }
    }
    names_differ(&study, &design, &record, &mut problems);
    let policies = policies(&study, &arms, &against, &design, &mut problems);
    let seeds = seeds(&study, &record, &mut problems);
    std::mem::take(&mut problems).into_result(&sources)?;

    let arms = arms
        .into_iter()
        .zip(against.iter().zip(scarce))
        .map(|(arm, (against, as_scarce_as))| Arm { against: *against, as_scarce_as, ..arm })
        .collect();
    let mut all: Vec<&Sources> = vec![&sources];
    all.extend(bases.loaded.iter().map(|loaded| &loaded.sources));
    let mut notices: Vec<String> =
        bases.loaded.iter().flat_map(|loaded| loaded.notices.iter().cloned()).collect();
    notices.sort();
    notices.dedup();
    let inputs = inputs(&all);
    let bases_of_plan = bases
        .loaded
        .iter()
        .map(|loaded| {
            let id = loaded.definition.head.id.clone();
            let file = format!("{id}.toml");
            let is_file = loaded.files().any(|f| f.inside == file);
            Base {
                input: if is_file { file } else { id.clone() },
                id,
                sha256: world_hash(loaded),
                definition: loaded.definition.clone(),
            }
        })
        .collect();
    let mut plan = Plan {
        name: study.name.clone(),
        title: study.title.clone(),
        story: study.story.clone(),
        study_input: inputs
            .iter()
            .find(|f| f.path == path)
            .map_or_else(String::new, |f| format!("inputs/{}", f.inside)),
        inputs,
        bases: bases_of_plan,
        arms,
        design,
        sampling,
        seeds,
        policies,
        record,
        months,
        span,
        shard_draws: 1,
        notices,
        size: size.map(str::to_owned),
        families,
        hash: String::new(),
    };
    let total = u128::from(plan.replicates())
        * u128::from(plan.design.scenarios)
        * u128::from(plan.design.lever_rows)
        * plan.arms.len() as u128;
    if total > u128::from(RUNS_CAP) {
        let message = format!(
            "{} arms × {} combinations of levers × {} scenarios × {} seeds make {total} runs; at most {RUNS_CAP}",
            plan.arms.len(),
            plan.design.lever_rows,
            plan.design.scenarios,
            plan.replicates()
        );
        problems.add(study.origin, "", message);
        std::mem::take(&mut problems).into_result(&sources)?;
    }
    rows::check(&study, &bases, &plan, &mut problems);
    problems.into_result(&sources)?;
    plan.shard_draws = study.shard_draws.unwrap_or_else(|| shard_draws(&plan));
    Ok(plan.seal())
}

/// Runs a shard, at least and at most, where the study file does not say.
const SHARD_RUNS: (u64, u64) = (8, 256);
/// Shards that a study is cut into, about.
const SHARDS: u64 = 1000;
/// Bytes of a shard's tables in memory, about at most.
const SHARD_BYTES: u64 = 8 << 20;

fn shard_draws(plan: &Plan) -> u64 {
    let policies = plan.policies.len() as u64;
    let wanted = plan.runs().div_ceil(SHARDS).clamp(SHARD_RUNS.0, SHARD_RUNS.1);
    let most = (SHARD_BYTES / plan.record.bytes_a_run(plan).max(1)).max(1);
    wanted.min(most).div_ceil(policies).max(1)
}

/// Reads each world once; arms that differ in mechanisms only share one.
fn worlds(
    study: &StudyFile,
    sources: &Sources,
    problems: &mut Problems,
) -> Result<(Vec<Arm>, Vec<Family>, Bases), Refusal> {
    let declared = mechanisms::declared_parameters();
    let mut bases = Bases::default();
    let mut known: BTreeMap<(PathBuf, Vec<String>), usize> = BTreeMap::new();
    let mut refused: Vec<String> = Vec::new();
    let mut more = 0;
    let mut arms = Vec::new();
    let mut families = Vec::new();
    for arm in &study.arms {
        let path = match resolve_beside(&study.folder, &arm.world.value) {
            Ok(path) => path,
            Err(message) => {
                problems.add(arm.world.origin, format!("arms.{}.world", arm.name.value), message);
                continue;
            }
        };
        let is_switch = |set: &&At<String>| set.value.trim_start().starts_with("mechanisms.");
        let (switches, sets): (Vec<&At<String>>, Vec<&At<String>>) =
            arm.sets.iter().partition(is_switch);
        let key = (path.clone(), sets.iter().map(|s| s.value.clone()).collect::<Vec<_>>());
        let base = if let Some(base) = known.get(&key) {
            *base
        } else {
            let places: Vec<String> = sets.iter().map(|s| sources.place(s.origin)).collect();
            let placed: Vec<(&str, &str)> = sets
                .iter()
                .zip(&places)
                .map(|(set, place)| (set.value.as_str(), place.as_str()))
                .collect();
            match load_with(&path, &placed, &declared) {
                Ok(loaded) => {
                    bases.loaded.push(loaded);
                    bases.places.push(arm.world.origin);
                    known.insert(key, bases.loaded.len() - 1);
                    bases.loaded.len() - 1
                }
                Err(refusal) => {
                    more += refusal.more;
                    refused.extend(refusal.lines);
                    continue;
                }
            }
        };
        let loaded = &bases.loaded[base];
        let mut on = loaded.definition.head.switches;
        for set in switches {
            apply_switch(loaded, &mut on, &arm.name.value, set, problems);
        }
        let sets = arm.sets.iter().map(|set| set.value.clone()).collect();
        let plain = Arm {
            name: arm.name.value.clone(),
            base,
            switches: on,
            sets,
            against: None,
            as_scarce_as: None,
        };
        families.extend(expand(arm, &plain, &mut arms, problems));
    }
    refused.dedup();
    if !refused.is_empty() {
        let own = std::mem::take(problems).into_result(sources).err();
        let mut lines = own.map_or_else(Vec::new, |own| own.lines);
        lines.extend(refused);
        more += lines.len().saturating_sub(crate::world::SHOWN);
        lines.truncate(crate::world::SHOWN);
        return Err(Refusal { lines, more });
    }
    Ok((arms, families, bases))
}

fn apply_switch(
    loaded: &Loaded,
    on: &mut Switches,
    arm: &str,
    set: &At<String>,
    problems: &mut Problems,
) {
    let path = format!("arms.{arm}");
    let Some((key, word)) = set.value.split_once('=') else {
        problems.add(set.origin, path, "no `=`; write mechanisms.name=false");
        return;
    };
    match loaded.address(key.trim()).and_then(|a| a.read(word.trim()).map(|value| (a, value))) {
        Ok((crate::world::Address::Switch(name), crate::schema::Value::Flag(flag))) => {
            if let Some(switch) = on.get_mut(name) {
                *switch = flag;
            }
        }
        Ok(_) => {}
        Err(message) => problems.add(set.origin, path, message),
    }
}

/// An arm for every subset of the mechanisms in `subsets_off`, the whole arm first.
fn expand(
    spec: &ArmSpec,
    arm: &Arm,
    arms: &mut Vec<Arm>,
    problems: &mut Problems,
) -> Option<Family> {
    let path = || format!("arms.{}.subsets_off", spec.name.value);
    let mut names: Vec<&'static str> = Vec::new();
    for wanted in &spec.subsets_off {
        let known = Switches::ALL.iter().map(|s| s.0);
        match known.clone().find(|name| *name == wanted.value) {
            Some(name) if !names.contains(&name) => names.push(name),
            Some(name) => problems.add(wanted.origin, path(), format!("`{name}` is listed twice")),
            None => {
                let hint = problems.hint(&wanted.value, known);
                let message = format!("there is no mechanism `{}`{hint}", shown(&wanted.value));
                problems.add(wanted.origin, path(), message);
            }
        }
    }
    let first = arms.len();
    for subset in 0..1_u32 << names.len() {
        let mut one = arm.clone();
        let mut off = Vec::new();
        for (i, name) in names.iter().enumerate() {
            if subset & (1 << i) != 0 {
                if let Some(switch) = one.switches.get_mut(name) {
                    *switch = false;
                }
                one.sets.push(format!("mechanisms.{name}=false"));
                off.push(*name);
            }
        }
        if !off.is_empty() {
            one.name = format!("{}{OFF}{}", arm.name, off.join("+"));
        }
        arms.push(one);
    }
    (!names.is_empty()).then_some(Family { first, mechanisms: names })
}

/// Between an arm's name and the mechanisms that are off in a subset of it.
pub(super) const OFF: &str = ".without.";

/// The arm that each is compared with.
fn against(study: &StudyFile, arms: &[Arm], problems: &mut Problems) -> Vec<Option<usize>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for arm in arms {
        if !seen.insert(&arm.name) {
            let message = format!("two arms are called `{}`", arm.name);
            problems.add(study.origin, "arms", message);
        }
    }
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    let mut find = |wanted: &At<String>, path: String| {
        let found = names.iter().position(|name| *name == wanted.value);
        if found.is_none() {
            let hint = problems.hint(&wanted.value, names.iter().copied());
            let message = format!("there is no arm `{}`{hint}", shown(&wanted.value));
            problems.add(wanted.origin, path, message);
        }
        found
    };
    let common =
        study.counterfactual.as_ref().and_then(|name| find(name, "counterfactual".to_owned()));
    let mut own = BTreeMap::new();
    for arm in &study.arms {
        if let Some(wanted) = &arm.against {
            let found = find(wanted, format!("arms.{}.against", arm.name.value));
            own.insert(arm.name.value.as_str(), found);
        }
    }
    arms.iter()
        .enumerate()
        .map(|(at, arm)| {
            let (plain, off) = arm.name.split_once(OFF).unwrap_or((&arm.name, ""));
            let twin = own.get(plain).copied().unwrap_or(common)?;
            // The counterfactual with the same mechanisms off, where there is one.
            let same = format!("{}{OFF}{off}", names[twin]);
            let twin = names.iter().position(|name| *name == same).unwrap_or(twin);
            (twin != at && names[twin].split(OFF).next() != Some(plain)).then_some(twin)
        })
        .collect()
}

/// The arm whose want of compute each arm shares. Both are plain worlds: nothing is set in them and nothing switched.
fn as_scarce_as(study: &StudyFile, arms: &[Arm], problems: &mut Problems) -> Vec<Option<usize>> {
    let mut scarce = vec![None; arms.len()];
    for arm in &study.arms {
        let Some(wanted) = &arm.as_scarce_as else { continue };
        let path = || format!("arms.{}.as_scarce_as", arm.name.value);
        let Some(other) = study.arms.iter().find(|other| other.name.value == wanted.value) else {
            let hint =
                problems.hint(&wanted.value, study.arms.iter().map(|a| a.name.value.as_str()));
            let message = format!("there is no arm `{}`{hint}", shown(&wanted.value));
            problems.add(wanted.origin, path(), message);
            continue;
        };
        let trouble = if other.name.value == arm.name.value {
            Some("an arm cannot be as scarce as itself")
        } else if other.as_scarce_as.is_some() {
            Some("that arm itself is as scarce as another; name the one that is treated")
        } else if !arm.sets.is_empty() || !arm.subsets_off.is_empty() || !other.sets.is_empty() {
            Some("with it neither arm may set or switch anything; write a world that says it")
        } else {
            None
        };
        if let Some(message) = trouble {
            problems.add(wanted.origin, path(), message);
            continue;
        }
        let place = |name: &str| arms.iter().position(|arm| arm.name == name);
        if let (Some(at), Some(treated)) = (place(&arm.name.value), place(&other.name.value)) {
            scarce[at] = Some(treated);
        }
    }
    scarce
}

fn policies(
    study: &StudyFile,
    arms: &[Arm],
    against: &[Option<usize>],
    design: &Design,
    problems: &mut Problems,
) -> Vec<Policy> {
    let mut replaced: Vec<(usize, usize)> = Vec::new();
    for (name, value) in &study.counterfactual_levers {
        let Some(factor) = design.levers.iter().position(|f| f.name == name.value) else {
            let known = design.levers.iter().map(|f| f.name.as_str()).chain(["arm"]);
            let hint = problems.hint(&name.value, known);
            let message = format!("there is no lever `{}`{hint}", shown(&name.value));
            problems.add(name.origin, "counterfactual", message);
            continue;
        };
        if let Some(level) = design.levers[factor].level(&value.value) {
            replaced.push((factor, level));
        } else {
            let message = format!("`{}` is not a value of {}", shown(&value.value), name.value);
            problems.add(value.origin, "counterfactual", message);
        }
    }
    let mut policies = Vec::new();
    for lever_row in 0..design.lever_rows {
        let twin_row = replaced
            .iter()
            .fold(lever_row, |row, (factor, level)| design.lever_row_with(row, *factor, *level));
        for (arm, against) in against.iter().enumerate() {
            let twin_arm = against.unwrap_or(arm);
            let same = twin_arm == arm && twin_row == lever_row;
            let twin = twin_row as usize * arms.len() + twin_arm;
            policies.push(Policy { arm, lever_row, against: (!same).then_some(twin) });
        }
    }
    policies
}

fn seeds(study: &StudyFile, record: &Record, problems: &mut Problems) -> Seeds {
    match &study.seeds {
        file::Seeds::List(list) => Seeds::List(list.iter().map(|seed| seed.value).collect()),
        file::Seeds::Range { from, count, by_scenario } => {
            Seeds::Range { from: *from, count: *count, by_scenario: *by_scenario }
        }
        file::Seeds::Until { from, outcome, half_width, max, block } => {
            let names = || record.outcomes.iter().map(|o| o.name.as_str());
            let at = names().position(|name| name == outcome.value);
            if at.is_none() {
                let hint = problems.hint(&outcome.value, names());
                let message = format!("there is no outcome `{}`{hint}", shown(&outcome.value));
                problems.add(outcome.origin, "seeds.until.outcome", message);
            }
            if study.counterfactual.is_none() && study.counterfactual_levers.is_empty() {
                let message = "needs a counterfactual: the interval is that of a paired effect";
                problems.add(outcome.origin, "seeds.until", message);
            }
            Seeds::Until {
                from: *from,
                outcome: at.unwrap_or(0),
                half_width: *half_width,
                max: *max,
                block: *block,
            }
        }
    }
}

/// Columns of the table of runs that are always there.
pub(in crate::study) const FIXED: [&str; 10] = [
    "run_id",
    "arm",
    "draw",
    "scenario",
    "replicate",
    "seed",
    "counterfactual_run_id",
    "status",
    "error",
    "replay",
];

/// A name is one column.
fn names_differ(study: &StudyFile, design: &Design, record: &Record, problems: &mut Problems) {
    let mut seen: BTreeMap<&str, &str> = FIXED.iter().map(|name| (*name, "a column")).collect();
    let levers = design.levers.iter().map(|f| (f.name.as_str(), "a lever"));
    let uncertainties = design.uncertainties.iter().map(|f| (f.name.as_str(), "an uncertainty"));
    let outcomes = record.outcomes.iter().map(|o| (o.name.as_str(), "an outcome"));
    for (name, what) in levers.chain(uncertainties).chain(outcomes) {
        if let Some(other) = seen.insert(name, what) {
            let message = format!(
                "`{}` is the name of {what} and of {other} of the table of runs; rename one",
                shown(name)
            );
            problems.add(study.origin, "", message);
        }
    }
}
