//! The machinery on planted truth: worlds that are run by a stand-in whose premium is known.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::entities::chip::Catalogue;
use crate::entities::names::Names;
use crate::maths;
use crate::mechanisms;
use crate::metric::{Readings, Scope};
use crate::random::key_from;
use crate::record::{Ending, Page, Sink};
use crate::run::{Options, Outcome, Stopped};
use crate::study::{Batch, Limits, Plan, Store};
use crate::world::Definition;

/// What the stand-in plants.
#[derive(Clone, Copy)]
struct Planted {
    /// Premium of the whole dose.
    premium: f64,
    /// Whether it needs the response to the shadow price.
    needs_direction: bool,
    /// What scarcity alone gives.
    scarcity: f64,
    /// Reviews must take longer than so many days, or the premium is turned round.
    from_days: f64,
}

const TRUE: Planted =
    Planted { premium: 0.1, needs_direction: true, scarcity: 0.0, from_days: 0.0 };

/// A standard normal number at an address.
fn normal(parts: &[u64]) -> f64 {
    let u = crate::random::uniform(key_from(parts));
    maths::normal_quantile(u)
}

impl Planted {
    fn value(&self, world: &Definition, seed: u64) -> f64 {
        let parameter = |name: &str| {
            world.parameters.iter().find(|row| row.id == name).map_or(f64::NAN, |row| row.value)
        };
        let on = &world.head.switches;
        let ruled = world.regimes.iter().any(|row| row.id == "ai-chip-controls" && row.active);
        // The arm `loose` has no enforcement, the arm `scarce` no stance.
        let mut premium = 0.0;
        if ruled && on.enforcement && (on.direction || !self.needs_direction) {
            premium = self.premium * (1.0 - parameter("approval_floor"));
        } else if !ruled && !on.stance {
            premium = self.scarcity;
        }
        if parameter("review_days_constrained") < self.from_days {
            premium = -premium;
        }
        // Much luck is shared by the arms of a seed, some is each arm's own.
        let arm = u64::from(ruled) + 2 * u64::from(on.enforcement) + 4 * u64::from(on.direction);
        let own = if on.enforcement { 0.05 * normal(&[2, seed, arm]) } else { 0.0 };
        2.0 * normal(&[1, seed]) + premium + own * f64::from(u8::from(ruled))
    }

    fn simulate(
        &self,
        world: &Definition,
        seed: u64,
        options: Options,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, Stopped> {
        let (first, last) = options.span(world);
        let metrics = mechanisms::all_metrics();
        let mut readings = Readings::new(metrics, [1, 0, 0, 0, 0, 0]);
        let gap = metrics.iter().find(|m| m.name == "efficiency_gap" && m.scope == Scope::World);
        readings.set(gap.expect("the metric is declared"), self.value(world, seed));
        let (names, catalogue) = (Names::default(), Catalogue::default());
        for n in 0..=last - first {
            let month = first + n;
            let page = Page { month, readings: &readings, names: &names, catalogue: &catalogue };
            sink.month(&page).map_err(|source| Stopped::Sink { month, source })?;
        }
        Ok(Outcome { first, last, ending: Ending::default() })
    }
}

const CLAIM: &str = r#"
title = "Planted"
sentence = "The premium is there."
prior = "prior"
treated = "ruled"
counterfactual = "free"

[outcomes.efficiency_gap]
margin = 0.02

[cause]
null = ["loose"]
needs = ["direction"]
scarcity = "scarce"
match = "efficiency_gap"

[cause.doses]
half = 0.5
ruled = 1

[study]
title = "Planted truth"
months = 2
counterfactual = "free"
seeds = { from = 1, count = 60 }
ARMS
[study.arms.loose]
world = "small"
mechanisms = { enforcement = false }
[study.arms.half]
world = "small"
set = ["approval_floor=0.5"]
[study.arms.scarce]
world = "small"
mechanisms = { stance = false }
set = ["regimes.ai-chip-controls.active=false"]
[study.record]
metrics = ["efficiency_gap"]
"#;

const ARMS: &str = r#"
[arms.ruled]
world = "small"
subsets_off = ["direction"]
[arms.free]
world = "small"
subsets_off = ["direction"]
set = ["regimes.ai-chip-controls.active=false"]
"#;

const PRIOR: &str = r#"
title = "Planted truth over draws"
months = 2
counterfactual = "free"
seeds = { from = 1, count = 1, by_scenario = true }
ARMS
[uncertainties.review_days_constrained]
prior = true
[sampling]
method = "latin_hypercube"
points = 60
[record]
metrics = ["efficiency_gap"]
"#;

/// A folder of a test's own that is gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("frugality-claims-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the studies of a claim with the stand-in.
fn ran(scratch: &Scratch, claim: &str, planted: Planted) -> (Set, Vec<(Plan, Store)>) {
    let inner = ARMS.replace("[arms", "[study.arms");
    fs::write(scratch.0.join("claim.toml"), claim.replace("ARMS", &inner)).unwrap();
    fs::write(scratch.0.join("prior.toml"), PRIOR.replace("ARMS", ARMS)).unwrap();
    let set = load(&[scratch.0.join("claim.toml")], None).unwrap_or_else(|e| panic!("{e}"));
    let mut studies = Vec::new();
    for (n, plan) in set.plans.iter().enumerate() {
        let store = Store::create(plan, &scratch.0.join(format!("study-{n}"))).unwrap();
        let stop = AtomicBool::new(false);
        let limits = Limits { threads: 2, ..Limits::default() };
        let simulate =
            move |world: &Definition,
                  _: Option<&Definition>,
                  seed: u64,
                  options,
                  sink: &mut dyn Sink| { planted.simulate(world, seed, options, sink) };
        let batch =
            Batch { plan, store: &store, limits, stop: &stop, progress: &(), simulate: &simulate };
        assert_eq!(batch.run().unwrap().missing, 0);
        studies.push((plan.clone(), store));
    }
    (set, studies)
}

fn ruling(name: &str, claim: &str, planted: Planted) -> Ruling {
    let scratch = Scratch::new(name);
    let (set, studies) = ran(&scratch, claim, planted);
    let mut evidence = Evidence::open(&studies).unwrap();
    judge(&set, &mut evidence).unwrap().remove(0)
}

#[test]
fn a_planted_premium_is_found_and_dies_without_its_cause() {
    let found = ruling("found", CLAIM, TRUE);
    assert_eq!(found.verdict, Verdict::Supported, "{found:#?}");
    assert!(found.effect.low < 0.1 && found.effect.high > 0.1, "{found:#?}");
    assert_eq!((found.effect.n, found.draws), (60, 60));
    assert_eq!(found.dies_without, ["direction"]);
    assert!(found.flips.is_none());
    let parts: Vec<&str> = found.tests.iter().map(|test| test.part).collect();
    assert_eq!(
        parts,
        ["main", "prior", "null", "dose", "knockout", "scarcity", "scarcity", "match"]
    );
}

#[test]
fn intervals_cover_what_was_planted_and_a_null_is_null() {
    // 200 replications of ten seeds each, through the study's files.
    let scratch = Scratch::new("cover");
    let claim = CLAIM.replace("count = 60", "count = 2000");
    for (planted, truth) in [(TRUE, 0.1), (Planted { premium: 0.0, ..TRUE }, 0.0)] {
        let (set, studies) = ran(&scratch, &claim, planted);
        let mut evidence = Evidence::open(&studies).unwrap();
        let measure = &set.claims[0].measures[0];
        let values = evidence.signed(&measure.main, measure).unwrap();
        let effects: Vec<Effect> = values.chunks(10).map(Effect::of).collect();
        let cover = effects.iter().filter(|e| e.low <= truth && truth <= e.high).count();
        assert_eq!(effects.len(), 200);
        assert!((170..=190).contains(&cover), "{cover} of 200 cover {truth}");
        drop(evidence);
        for (_, store) in studies {
            fs::remove_dir_all(store.root()).unwrap();
        }
    }
    let null = ruling("null", CLAIM, Planted { premium: 0.0, ..TRUE });
    assert_eq!(null.verdict, Verdict::Refuted, "{null:#?}");
}

#[test]
fn a_claim_turned_round_is_refuted_and_one_on_a_null_arm_never_supported() {
    let turned = CLAIM.replace("margin = 0.02", "margin = 0.02\ndirection = \"below\"");
    assert_eq!(ruling("turned", &turned, TRUE).verdict, Verdict::Refuted);
    let higher = CLAIM.replace("margin = 0.02", "margin = 0.2");
    assert_eq!(ruling("higher", &higher, TRUE).verdict, Verdict::Refuted);
    let on_null = CLAIM
        .replace("treated = \"ruled\"", "treated = \"loose\"")
        .replace("prior = \"prior\"\n", "")
        .replace("needs = [\"direction\"]\n", "");
    let null = ruling("on-null", &on_null, TRUE);
    assert_ne!(null.verdict, Verdict::Supported, "{null:#?}");
}

#[test]
fn seeds_alone_support_nothing_and_half_the_prior_is_not_enough() {
    let alone = CLAIM.replace("prior = \"prior\"\n", "").replace("count = 60", "count = 2000");
    let alone = ruling("alone", &alone, TRUE);
    assert_eq!(alone.verdict, Verdict::Undecided);
    assert!(alone.reason.contains("seeds alone support nothing"), "{}", alone.reason);
    // Reviews take 45 days in the middle of this prior, or about: half of the draws have the premium turned round.
    let median = {
        let scratch = Scratch::new("median");
        let (set, _) = ran(&scratch, CLAIM, TRUE);
        let plan = &set.plans[1];
        let mut days: Vec<f64> = (0..60)
            .map(|draw| plan.design.uncertainties[0].number(plan.design.uncertainty(0, draw)))
            .collect();
        days.sort_by(f64::total_cmp);
        days[29] + (days[30] - days[29]) / 2.0
    };
    let half = ruling("half", CLAIM, Planted { from_days: median, ..TRUE });
    assert_ne!(half.verdict, Verdict::Supported);
    // Luck may take a draw or two across the margin.
    assert!((half.share - 0.5).abs() < 0.05, "{half:#?}");
    let flips = half.flips.expect("one parameter parts the draws");
    assert_eq!(flips.name, "review_days_constrained");
    assert!(flips.inside.1 < 0.1 && flips.outside.1 > 0.9, "{flips:?}");
}

#[test]
fn scarcity_that_does_the_same_is_named_and_an_effect_without_its_cause_is_not_supported() {
    let scarce = ruling("scarce", CLAIM, Planted { scarcity: 0.1, ..TRUE });
    assert_eq!(scarce.verdict, Verdict::Undecided);
    assert!(scarce.reason.contains("scarcity, not the rule"), "{}", scarce.reason);
    let other = ruling("other", CLAIM, Planted { needs_direction: false, ..TRUE });
    assert_eq!(other.verdict, Verdict::Undecided);
    assert!(other.reason.contains("without direction the effect stays"), "{}", other.reason);
    assert!(other.dies_without.is_empty());
}

#[test]
fn what_is_wrong_with_a_claim_is_told_at_its_place_all_at_once() {
    let scratch = Scratch::new("wrong");
    let inner = ARMS.replace("[arms", "[study.arms");
    let wrong = CLAIM
        .replace("ARMS", &inner)
        .replace("treated = \"ruled\"", "treated = \"ruledd\"")
        .replace("null = [\"loose\"]", "null = [\"lose\"]")
        .replace("[outcomes.efficiency_gap]", "[outcomes.efficiency_gpa]");
    fs::write(scratch.0.join("claim.toml"), wrong).unwrap();
    fs::write(scratch.0.join("prior.toml"), PRIOR.replace("ARMS", ARMS)).unwrap();
    let said = load(&[scratch.0.join("claim.toml")], None).unwrap_err().to_string();
    assert!(said.contains("claim.toml:8:11 outcomes.efficiency_gpa"), "{said}");
    assert!(said.contains("did you mean `efficiency_gap`?"), "{said}");
    let wrong = CLAIM
        .replace("ARMS", &inner)
        .replace("treated = \"ruled\"", "treated = \"ruledd\"")
        .replace("null = [\"loose\"]", "null = [\"lose\"]");
    fs::write(scratch.0.join("claim.toml"), wrong).unwrap();
    let said = load(&[scratch.0.join("claim.toml")], None).unwrap_err().to_string();
    assert!(said.contains("no arm `ruledd`; did you mean `ruled`?"), "{said}");
    let keys = CLAIM
        .replace("ARMS", &inner)
        .replace("margin = 0.02", "margn = 0.02\ndirection = \"over\"")
        .replace("title = \"Planted\"\n", "");
    fs::write(scratch.0.join("claim.toml"), keys).unwrap();
    let said = load(&[scratch.0.join("claim.toml")], None).unwrap_err().to_string();
    for wanted in [
        "title: missing",
        "margn: there is no such setting; did you mean `margin`?",
        "direction: one of above, below",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}
