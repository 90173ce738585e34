//! The hindcast as a study: the world as it is, and the worlds of the event tests, under the same draws.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::events::{self, LONG, MOVED_BY, Suspect};
use crate::calendar::Month;
use crate::world::Definition;
use crate::world::observation::ObservationRow;

/// Where parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// A Latin hypercube of the prior.
    Prior,
    /// Draws of the posterior beside the world's parameters.
    Posterior,
    /// The world's own values; only the luck differs.
    Centre,
}

/// What a hindcast is asked to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The world: a name, a folder or a file.
    pub world: PathBuf,
    /// Where parameters come from.
    pub draws: Draws,
    /// Draws of the parameters.
    pub points: u64,
    /// Seeds a draw.
    pub seeds: u64,
    /// Seed of the draws of parameters.
    pub sampling_seed: u64,
}

/// The arm that is the world as it is.
pub const WORLD: &str = "world";
/// The arm in which vendors must find their variants themselves, where the world scripts them.
pub const VARIANTS: &str = "own-variants";

/// The last month that an observation asks for.
#[must_use]
pub fn last_month(observations: &[ObservationRow]) -> Option<Month> {
    observations.iter().map(|row| row.to.max(row.per_to.unwrap_or(row.to))).max()
}

/// The name by which a study names the world at `path`, and the folder of such a study.
#[must_use]
pub fn named(path: &Path) -> (String, PathBuf) {
    let text =
        |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let is_name = path.components().count() == 1 && path.extension().is_none_or(|e| e != "toml");
    let known = |name: &Path| {
        let place = Path::new("worlds").join(name);
        place.exists() || place.with_extension("toml").exists()
    };
    if is_name && path.file_name().is_some() && known(path) {
        return (text(path.file_name()), PathBuf::from("worlds/studies"));
    }
    let real = if path.file_name().is_none() { std::fs::canonicalize(path).ok() } else { None };
    let path = real.as_deref().unwrap_or(path);
    let folder = path.parent().unwrap_or(Path::new("")).join("studies");
    (text(path.file_name()), folder)
}

/// A text in quotes, as TOML has it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().filter(|c| !c.is_control()).collect::<String>())
}

impl Setup {
    /// The study file and where it would stand; none where the world has no observations.
    #[must_use]
    pub fn study(&self, definition: &Definition) -> Option<(PathBuf, String)> {
        let last = last_month(&definition.observations)?;
        let months = last - definition.head.start + 1;
        let (world, folder) = named(&self.world);
        let mut text = String::new();
        let _ =
            writeln!(text, "title = {}", quoted(&format!("Hindcast of {}", definition.head.id)));
        let from = match self.draws {
            Draws::Prior => "drawn from the prior",
            Draws::Posterior => "drawn from the posterior",
            Draws::Centre => "of the world itself",
        };
        let story =
            format!("The rules as they came; parameters {from}; scored by observations.csv.");
        let _ = writeln!(text, "story = {}", quoted(&story));
        let _ = writeln!(text, "months = {months}");
        let _ =
            writeln!(text, "seeds = {{ from = 1, count = {}, by_scenario = true }}", self.seeds);
        let mut arm = |name: &str, sets: &[String]| {
            let _ = writeln!(text, "\n[arms.{name}]\nworld = {}", quoted(&world));
            if !sets.is_empty() {
                let sets: Vec<String> = sets.iter().map(|set| quoted(set)).collect();
                let _ = writeln!(text, "set = [{}]", sets.join(", "));
            }
        };
        arm(WORLD, &[]);
        let suspects = events::suspects(definition);
        let own = if definition.head.endogenous_variants {
            Vec::new()
        } else {
            vec!["endogenous_variants=true".to_owned()]
        };
        if !suspects.is_empty() && !own.is_empty() {
            arm(VARIANTS, &own);
        }
        for Suspect { rules, arm_later, arm_without, .. } in &suspects {
            let mut later = own.clone();
            let mut without = own.clone();
            for rule in rules {
                later.push(format!("rules.{}.announced={}", rule.id, rule.announced + MOVED_BY));
                later.push(format!("rules.{}.from={}", rule.id, rule.from + MOVED_BY));
                without.push(format!("rules.{}.enabled=false", rule.id));
            }
            arm(arm_later, &later);
            arm(arm_without, &without);
        }
        match self.draws {
            Draws::Centre => {}
            Draws::Prior | Draws::Posterior => {
                let word = if self.draws == Draws::Prior { "all" } else { "posterior" };
                let _ = writeln!(text, "\n[uncertainties]\nprior = \"{word}\"");
                let _ = writeln!(
                    text,
                    "\n[sampling]\nmethod = \"latin_hypercube\"\npoints = {}\nseed = {}",
                    self.points, self.sampling_seed
                );
            }
        }
        text.push_str("\n[record]\nmetrics = []\nobservations = true\n");
        for Suspect { row, .. } in &suspects {
            let _ = writeln!(
                text,
                "\n[outcomes.{}]\nobservation = {}\nto = \"{last}\"",
                quoted(&format!("{LONG}{}", row.id)),
                quoted(&row.id)
            );
        }
        Some((folder.join(format!("{}.toml", self.name(definition))), text))
    }

    /// Name of the study.
    fn name(&self, definition: &Definition) -> String {
        let word = match self.draws {
            Draws::Prior => "prior",
            Draws::Posterior => "posterior",
            Draws::Centre => "centre",
        };
        format!("hindcast-{}-{word}", definition.head.id)
    }
}
