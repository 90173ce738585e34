//! The runs of a hindcast, read from its study.

use super::setup::WORLD;
use super::{Score, scores};
use crate::record::observed::Measured;
use crate::record::outputs::Gap;
use crate::study::{Failed, OBSERVED, Outcomes, Plan, Store, outcomes};
use crate::world::Definition;
use crate::world::observation::ObservationRow;

/// The runs of a hindcast.
#[derive(Debug)]
pub struct Ensemble<'a> {
    plan: &'a Plan,
    outcomes: Outcomes,
}

impl<'a> Ensemble<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// When the study is not complete, or cannot be read.
    pub fn read(plan: &'a Plan, store: &Store) -> Result<Self, Failed> {
        Ok(Self { plan, outcomes: outcomes(plan, store)? })
    }

    /// The world that was run.
    #[must_use]
    pub fn definition(&self) -> &'a Definition {
        &self.plan.bases[0].definition
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// How many draws each arm has.
    #[must_use]
    pub fn draws(&self) -> usize {
        self.outcomes.draws()
    }

    /// Whether there is such an arm.
    #[must_use]
    pub fn has_arm(&self, arm: &str) -> bool {
        self.plan.arms.iter().any(|a| a.name == arm)
    }

    /// An outcome that observes: what was asked, and its values under `arm`, a draw each.
    #[must_use]
    pub fn outcome(&self, name: &str, arm: &str) -> Option<(&'a ObservationRow, Vec<f64>)> {
        let at = self.plan.record.outcomes.iter().position(|o| o.name == name)?;
        let arm = self.plan.arms.iter().position(|a| a.name == arm)?;
        let policy = self.plan.policies.iter().position(|policy| policy.arm == arm)?;
        Some((self.plan.record.outcomes[at].observation()?, self.outcomes.of(at, policy)))
    }

    /// What the runs of `arm` say of `row`, a draw each; not a number where they say nothing.
    #[must_use]
    pub fn observed(&self, row: &ObservationRow, arm: &str) -> Vec<f64> {
        self.outcome(&format!("{OBSERVED}{}", row.id), arm).map_or_else(Vec::new, |o| o.1)
    }

    /// The scores of the world as it is.
    #[must_use]
    pub fn scores(&self) -> Vec<Score> {
        let definition = self.definition();
        // A world that designs its own variants sells none that history designed.
        let scripted = !definition.head.endogenous_variants;
        let measured = |row: &ObservationRow| {
            let variants =
                scripted && row.members.iter().any(|m| m.contains("cut:") || m.contains("parent:"));
            let one = |value: f64| {
                if value.is_finite() {
                    Ok(Measured { value, scripted: variants && value != 0.0 })
                } else {
                    Err(Gap::Empty)
                }
            };
            self.observed(row, WORLD).into_iter().map(one).collect()
        };
        scores(&definition.observations, definition.observations.iter().map(measured).collect())
    }
}
