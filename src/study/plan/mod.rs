//! The plan: what a study file comes to once its worlds are read. Immutable; everything that
//! a shard needs to be run, on any machine, in any order.
//!
//! A *policy* is an arm with a combination of levers. A *draw* is one scenario under one seed: all
//! policies are run under it, so that two policies differ by what they are and not by their luck.
//! Run ids count draws, and policies within a draw: `run_id = draw × policies + policy`. A *shard* is
//! some consecutive draws, whole ones: what is written, committed and, if lost, done again at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::design::{Design, Factor};
use super::file;
use super::record::Record;
use crate::calendar::Month;
use crate::entities::Switches;
use crate::mechanisms;
use crate::world::{Definition, Problems, Refusal, SourceFile, Sources, sha256};

mod factors;
mod load;
mod posterior;
mod rows;
mod table;

pub(super) use factors::Bases;
pub(super) use load::FIXED;

/// Marks the plan of a study, and the layout of its folder.
pub const FORMAT: &str = "frugality-study/1";
/// Most runs of a study.
pub(super) const RUNS_CAP: u64 = 100_000_000;

/// A world that arms rest on.
#[derive(Clone, Debug)]
pub struct Base {
    /// Id of the world.
    pub id: String,
    /// Where it is among the copied inputs.
    pub input: String,
    /// The world.
    pub definition: Definition,
    /// SHA-256 of its resolved text.
    pub sha256: String,
}

/// A world and what is changed in it.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Name.
    pub name: String,
    /// Its base, by position.
    pub base: usize,
    /// Mechanisms on and off.
    pub switches: Switches,
    /// What is set, as `--set` writes it.
    pub sets: Vec<String>,
    /// The arm that it is compared with.
    pub against: Option<usize>,
    /// The arm whose want of compute it shares.
    pub as_scarce_as: Option<usize>,
}

/// An arm and its twins with every subset of some mechanisms off: arm `first + mask` has those off whose
/// bit of `mask` is set.
#[derive(Clone, Debug)]
pub struct Family {
    /// Position of the arm with all of them as they are.
    pub first: usize,
    /// The mechanisms, a bit each.
    pub mechanisms: Vec<&'static str>,
}

/// An arm with a combination of levers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The arm.
    pub arm: usize,
    /// The combination of levers.
    pub lever_row: u64,
    /// The policy that it is compared with.
    pub against: Option<usize>,
}

/// Which seeds.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// These, ascending.
    List(Vec<u64>),
    /// Consecutive ones; for each scenario its own if `by_scenario`.
    Range {
        /// The first.
        from: u64,
        /// How many a scenario.
        count: u64,
        /// Whether no two scenarios share a seed.
        by_scenario: bool,
    },
    /// Consecutive ones, a block at a time, until an interval is narrow enough.
    Until {
        /// The first.
        from: u64,
        /// The outcome that is watched, by position.
        outcome: usize,
        /// Half the width of the interval of its paired effect that is wanted.
        half_width: f64,
        /// Most seeds.
        max: u64,
        /// Seeds a block.
        block: u64,
    },
}

/// One scenario under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Its number.
    pub number: u64,
    /// The scenario.
    pub scenario: u64,
    /// The replicate.
    pub replicate: u64,
    /// The seed.
    pub seed: u64,
}

/// What a study comes to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name: the study file's.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What the study is for.
    pub story: String,
    /// Where the study file is among the inputs.
    pub study_input: String,
    /// Every file that was read.
    pub inputs: Vec<SourceFile>,
    /// Worlds.
    pub bases: Vec<Base>,
    /// Arms.
    pub arms: Vec<Arm>,
    /// Levers and uncertainties.
    pub design: Design,
    /// How scenarios were drawn, in words.
    pub sampling: String,
    /// Seeds.
    pub seeds: Seeds,
    /// Policies.
    pub policies: Vec<Policy>,
    /// What is kept.
    pub record: Record,
    /// Months of a run; none: to the world's end.
    pub months: Option<u32>,
    /// First and last month.
    pub span: (Month, Month),
    /// Draws a shard.
    pub shard_draws: u64,
    /// What is odd but possible.
    pub notices: Vec<String>,
    /// The size that was asked for, if any.
    pub size: Option<String>,
    /// Arms with every subset of some mechanisms off.
    pub families: Vec<Family>,
    /// SHA-256 of what the plan says.
    pub hash: String,
}

impl Plan {
    /// Reads a study and the worlds that it names, and checks every row of its design.
    ///
    /// # Errors
    /// A [`Refusal`] with what is wrong, each at its file, line and column.
    pub fn load(study: &Path) -> Result<Self, Refusal> {
        Self::load_sized(study, None)
    }

    /// The same in one of the sizes that the study names; a study that names none is as it is written.
    ///
    /// # Errors
    /// As [`Self::load`], and when there is no such size.
    pub fn load_sized(study: &Path, size: Option<&str>) -> Result<Self, Refusal> {
        load::load(&file::find(study), size, &file::Given::new())
    }

    /// The position of the arm of this name with `mechanism` alone off.
    #[must_use]
    pub fn without(&self, arm: &str, mechanism: &str) -> Option<usize> {
        let name = format!("{arm}{}{mechanism}", load::OFF);
        self.arms.iter().position(|arm| arm.name == name)
    }

    /// The plan of a study that stands in no folder: `files` are its text and that of tables it
    /// names, by the paths where they would stand; the study is the first.
    ///
    /// # Errors
    /// A [`Refusal`] with what is wrong.
    ///
    /// # Panics
    /// When there is no file.
    pub fn of(files: &[(PathBuf, String)]) -> Result<Self, Refusal> {
        load::load(&files[0].0, None, &files.iter().cloned().collect())
    }

    /// Seeds a scenario, at most.
    #[must_use]
    pub fn replicates(&self) -> u64 {
        match &self.seeds {
            Seeds::List(list) => list.len() as u64,
            Seeds::Range { count, .. } => *count,
            Seeds::Until { max, .. } => *max,
        }
    }

    /// Replicates a block: all of them, unless seeds are added until an interval is narrow.
    #[must_use]
    pub fn block_replicates(&self) -> u64 {
        match &self.seeds {
            Seeds::Until { block, .. } => *block,
            _ => self.replicates(),
        }
    }

    /// Number of blocks, at most.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.replicates().div_ceil(self.block_replicates())
    }

    /// The draws of block `block`, from and to, the end not included.
    #[must_use]
    pub fn draws_of(&self, block: u64) -> (u64, u64) {
        let full = self.block_replicates() * self.design.scenarios;
        let last = self.replicates() * self.design.scenarios;
        ((block * full).min(last), ((block + 1) * full).min(last))
    }

    /// Shards a full block.
    #[must_use]
    pub fn shards_a_block(&self) -> u64 {
        let (from, to) = self.draws_of(0);
        (to - from).div_ceil(self.shard_draws)
    }

    /// The shards of block `block`, from and to, the end not included.
    #[must_use]
    pub fn shards_of(&self, block: u64) -> (u64, u64) {
        let (from, to) = self.draws_of(block);
        let first = block * self.shards_a_block();
        (first, first + (to - from).div_ceil(self.shard_draws))
    }

    /// The draws of shard `shard`, from and to, the end not included.
    #[must_use]
    pub fn draws_of_shard(&self, shard: u64) -> (u64, u64) {
        let a_block = self.shards_a_block();
        let (first, last) = self.draws_of(shard / a_block);
        let from = first + (shard % a_block) * self.shard_draws;
        (from.min(last), (from + self.shard_draws).min(last))
    }

    /// The draw of this number.
    #[must_use]
    pub fn draw(&self, number: u64) -> Draw {
        let full = self.block_replicates() * self.design.scenarios;
        let block = number / full;
        let in_block = (self.replicates() - block * self.block_replicates())
            .min(self.block_replicates())
            .max(1);
        let rest = number - block * full;
        let scenario = rest / in_block;
        let replicate = block * self.block_replicates() + rest % in_block;
        let seed = match &self.seeds {
            Seeds::List(list) => list[replicate as usize],
            Seeds::Range { from, count, by_scenario } => {
                from + replicate + if *by_scenario { scenario * count } else { 0 }
            }
            Seeds::Until { from, .. } => from + replicate,
        };
        Draw { number, scenario, replicate, seed }
    }

    /// Runs, at most.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.replicates() * self.design.scenarios * self.policies.len() as u64
    }

    /// Shards, at most.
    #[must_use]
    pub fn shards(&self) -> u64 {
        self.shards_of(self.blocks() - 1).1
    }

    /// The draw and the policy of a run.
    #[must_use]
    pub fn run(&self, run_id: u64) -> Option<(Draw, usize)> {
        let policies = self.policies.len() as u64;
        (run_id < self.runs()).then(|| (self.draw(run_id / policies), (run_id % policies) as usize))
    }

    /// A world, ready for [`Self::prepare`] to set the cells of a run.
    #[must_use]
    pub fn blank(&self, policy: usize) -> Definition {
        self.bases[self.arms[self.policies[policy].arm].base].definition.clone()
    }

    /// The world of `scenario` whose want of compute `policy` shares, if it shares one.
    #[must_use]
    pub fn treated(&self, policy: usize, scenario: u64) -> Option<Definition> {
        let Policy { arm, lever_row, .. } = self.policies[policy];
        let arm = &self.arms[self.arms[arm].as_scarce_as?];
        let mut definition = self.bases[arm.base].definition.clone();
        self.design.apply(&mut definition, lever_row, scenario);
        Some(definition)
    }

    /// Sets in `definition`, a copy of the policy's base, what the run says.
    pub fn prepare(&self, definition: &mut Definition, policy: usize, scenario: u64) {
        let Policy { arm, lever_row, .. } = self.policies[policy];
        definition.head.switches = self.arms[arm].switches;
        self.design.apply(definition, lever_row, scenario);
    }

    /// What makes the run again as a single one: the world among the inputs, the world as scarce as which it is, and settings.
    #[must_use]
    pub fn as_single(&self, draw: Draw, policy: usize) -> (&str, Option<&str>, Vec<String>) {
        let Policy { arm, lever_row, .. } = self.policies[policy];
        let arm = &self.arms[arm];
        let treated = arm.as_scarce_as.map(|at| self.bases[self.arms[at].base].input.as_str());
        let mut sets = arm.sets.clone();
        sets.extend(self.design.sets(lever_row, draw.scenario));
        (&self.bases[arm.base].input, treated, sets)
    }

    /// Name of the output folder, `<study>-<plan hash>`.
    #[must_use]
    pub fn folder_name(&self) -> String {
        format!("{}-{}", self.name, &self.hash[..8])
    }

    /// What the plan says, for its hash: nothing of where and when, and of worlds only what they
    /// come to.
    fn core(&self) -> Json {
        let base = |arm: &Arm| &self.bases[arm.base];
        json!({
            "format": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "study": self.name,
            "title": self.title,
            "story": self.story,
            "first_month": self.span.0.to_string(),
            "last_month": self.span.1.to_string(),
            "arms": self.arms.iter().map(|arm| json!({
                "name": arm.name,
                "world": base(arm).id,
                "world_sha256": base(arm).sha256,
                "off": Switches::ALL.iter().map(|s| s.0)
                    .filter(|name| arm.switches.get(name) == Some(false))
                    .collect::<Vec<_>>(),
                "set": arm.sets,
                "counterfactual": arm.against.map(|at| &self.arms[at].name),
                "as_scarce_as": arm.as_scarce_as.map(|at| &self.arms[at].name),
            })).collect::<Vec<_>>(),
            "levers": self.design.levers.iter().map(described).collect::<Vec<_>>(),
            "uncertainties": self.design.uncertainties.iter().map(described).collect::<Vec<_>>(),
            "sampling": self.sampling,
            "design": format!("{:016x}", self.design.digest()),
            "seeds": self.seeds_json(),
            "record": self.record.json(),
            "policies": self.policies.len(),
            "counterfactuals": self.policies.iter().map(|p| p.against).collect::<Vec<_>>(),
            "scenarios": self.design.scenarios,
            "replicates": self.replicates(),
            "runs": self.runs(),
            "shard_draws": self.shard_draws,
            "shards": self.shards(),
        })
    }

    fn seeds_json(&self) -> Json {
        match &self.seeds {
            Seeds::List(list) => json!(list),
            Seeds::Range { from, count, by_scenario } => {
                json!({ "from": from, "count": count, "by_scenario": by_scenario })
            }
            Seeds::Until { from, outcome, half_width, max, block } => json!({
                "from": from,
                "until": {
                    "outcome": self.record.outcomes[*outcome].name,
                    "half_width": half_width,
                    "max": max,
                    "block": block,
                },
            }),
        }
    }

    /// `plan.json`.
    #[must_use]
    pub fn document(&self) -> String {
        let mut plan = json!({ "format": FORMAT, "hash": self.hash });
        plan["program"] = json!({
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "commit": crate::record::manifest::COMMIT,
        });
        plan["study_file"] = self.study_input.clone().into();
        if let Some(size) = &self.size {
            plan["size"] = size.as_str().into();
        }
        plan["plan"] = self.core();
        plan["inputs"] = self
            .inputs
            .iter()
            .map(|f| {
                let path = format!("inputs/{}", f.inside);
                json!({ "path": path, "bytes": f.bytes.len(), "sha256": f.sha256 })
            })
            .collect();
        format!("{plan:#}\n")
    }

    fn seal(mut self) -> Self {
        self.hash = sha256(self.core().to_string().as_bytes());
        self
    }
}

/// A factor as the plan tells it.
fn described(factor: &Factor) -> Json {
    use super::design::Domain;
    let targets: Vec<String> = factor.targets.iter().map(crate::world::Address::key).collect();
    let domain = match &factor.domain {
        Domain::Levels(levels) => {
            json!(levels.iter().map(|l| l.label.as_str()).collect::<Vec<_>>())
        }
        Domain::Range { low, high, distribution } => {
            json!({ "low": low, "high": high, "distribution": distribution.word() })
        }
    };
    json!({ "name": factor.name, "set": targets, "unit": factor.unit, "values": domain })
}

/// The files among `sources`, sorted by their place, each once.
fn inputs(all: &[&Sources]) -> Vec<SourceFile> {
    let mut files: BTreeMap<String, SourceFile> = BTreeMap::new();
    for sources in all {
        for file in sources.files() {
            files.entry(file.inside.clone()).or_insert_with(|| file.clone());
        }
    }
    files.into_values().collect()
}
