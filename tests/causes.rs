//! Causes are true: take one away, replay the same seed, and its effect shrinks.
//!
//! Events of a run of the reference world are picked by fixed keys, a few of each kind. For each, the
//! nearest rule or scripted event on its chain of causes is taken out of the definition, with what
//! the chain up to there names besides (what would have brought it about otherwise) and with what those
//! alone brought about, and the world is replayed under the same seed: common draws, so
//! that the difference is the causes'. The effect is the sum of quantities of events of that kind,
//! subject and object in the twelve months from the event on, each counted for the months that are left of
//! them: what comes later has had less of an effect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use frugality::calendar::Month;
use frugality::mechanisms;
use frugality::random::key_of;
use frugality::record::Log;
use frugality::record::causes::Entry;
use frugality::run::{Options, simulate};
use frugality::world::{self, Definition};

/// To December 2028.
const MONTHS: u32 = 84;
/// Events that are tried.
const TRIED: usize = 26;
/// At most so many of one kind.
const OF_A_KIND: usize = 4;
/// Share that must hold. What one firm wants less of, another may take; and a rule that comes later may do the same.
const HOLDS: f64 = 0.85;
/// By how much less an effect must be, as a share of it, to count as smaller.
const MARGIN: f64 = 1e-3;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Rule(String),
    Shock(String),
}

fn log_of(definition: &Definition) -> Log {
    let options = Options { months: Some(MONTHS), keep_events: true };
    let outcome = simulate(definition, 1, options, &mut ()).unwrap();
    Log::of_events(&outcome.ending.events).unwrap()
}

fn without(definition: &Definition, causes: &BTreeSet<Cause>) -> Definition {
    let mut other = definition.clone();
    for cause in causes {
        match cause {
            Cause::Rule(id) => {
                for rule in &mut other.rules {
                    rule.enabled &= rule.id != *id;
                }
            }
            Cause::Shock(id) => other.events.retain(|event| event.id != *id),
        }
    }
    other.without_what_does_not_exist()
}

/// What a definition can do without, of an event.
fn removable(log: &Log, at: usize, definition: &Definition) -> Option<Cause> {
    let entry = &log.entries()[at];
    let rule = definition.rules.iter().any(|r| r.id == entry.object);
    let shock = definition.events.iter().any(|e| e.id == entry.subject);
    if entry.kind.starts_with("rule") && rule {
        Some(Cause::Rule(entry.object.clone()))
    } else {
        (entry.kind == "shock" && shock).then(|| Cause::Shock(entry.subject.clone()))
    }
}

/// The nearest cause that a definition can do without, and what is named besides on the way to it; nothing if there is none.
fn causes(log: &Log, at: usize, definition: &Definition) -> BTreeSet<Cause> {
    let mut found = BTreeSet::new();
    let nearest = |from: usize| log.chain(from).find_map(|place| removable(log, place, definition));
    for place in log.chain(at) {
        if place != at
            && let Some(cause) = removable(log, place, definition)
        {
            found.insert(cause);
            return found;
        }
        found.extend(log.besides(place).filter_map(nearest));
    }
    BTreeSet::new()
}

/// Sum of quantities of events like `like` in the twelve months from it on, each times the months that are left, and how many.
fn effect(log: &Log, like: &Entry) -> (f64, usize) {
    let until: Month = like.month + 11;
    let same = log.entries().iter().filter(|e| {
        e.kind == like.kind
            && e.subject == like.subject
            && e.object == like.object
            && (like.month..=until).contains(&e.month)
    });
    same.fold((0.0, 0), |(sum, n), e| {
        let size = if e.quantity.is_finite() { e.quantity.abs() } else { 1.0 };
        (sum + size * f64::from(until - e.month + 1), n + 1)
    })
}

#[test]
fn without_its_cause_an_effect_shrinks() {
    let loaded =
        world::load(Path::new("worlds/reference"), &[], &mechanisms::declared_parameters())
            .unwrap_or_else(|refusal| panic!("{refusal}"));
    let definition = &loaded.definition;
    let log = log_of(definition);

    // What follows from a rule by its own text is left out: its entry into force, and the shock itself.
    let mut candidates: Vec<(u64, usize, BTreeSet<Cause>)> = (0..log.entries().len())
        .filter(|at| !log.entries()[*at].kind.starts_with("rule"))
        .filter_map(|at| {
            let e = &log.entries()[at];
            let cause = causes(&log, at, definition);
            if cause.is_empty() {
                return None;
            }
            let month = e.month.to_string();
            Some((key_of(&["causes", &e.kind, &e.subject, &e.object, &month]), at, cause))
        })
        .collect();
    candidates.sort();
    let mut of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let mut picked: Vec<(usize, BTreeSet<Cause>)> = Vec::new();
    for (_, at, cause) in &candidates {
        let n = of_kind.entry(&log.entries()[*at].kind).or_default();
        if *n < OF_A_KIND && picked.len() < TRIED {
            *n += 1;
            picked.push((*at, cause.clone()));
        }
    }
    assert!(picked.len() >= 20, "only {} events have a cause that can be taken away", picked.len());

    let mut replays: BTreeMap<BTreeSet<Cause>, Log> = BTreeMap::new();
    let mut held = 0;
    for (at, cause) in &picked {
        let entry = &log.entries()[*at];
        let replay =
            replays.entry(cause.clone()).or_insert_with(|| log_of(&without(definition, cause)));
        let ((with, n), (less, m)) = (effect(&log, entry), effect(replay, entry));
        let holds = less < with * (1.0 - MARGIN);
        held += usize::from(holds);
        println!(
            "{} {} {} {} {}: {with:.4} ({n}) → {less:.4} ({m}) without {cause:?}",
            if holds { "holds" } else { "FAILS" },
            entry.month,
            entry.kind,
            entry.subject,
            entry.object,
        );
    }
    println!("{held} of {} hold", picked.len());
    assert!(
        held as f64 >= HOLDS * picked.len() as f64,
        "only {held} of {} effects shrink without their cause",
        picked.len()
    );
}
