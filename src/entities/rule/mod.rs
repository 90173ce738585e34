//! Rules: what they cover, and the engine that tells whether a chip is controlled.
//!
//! - `tables`: the rows of the tables of rules and clauses, and which rules exist;
//! - `clause`: bounds on chips, and the verdict on a chip;
//! - here: a rule, whom it covers, and the book of all rules;
//! - `upkeep`: how the book is made of the tables and grows;
//! - `governing`: which rule governs a delivery, which guidance a firm;
//! - `lanes`: the same, sorted out ahead.

mod clause;
#[cfg(test)]
pub(crate) mod fixtures;
mod governing;
mod lanes;
mod tables;
#[cfg(test)]
mod tests;
mod upkeep;

use bevy_ecs::prelude::Resource;

pub use self::clause::{Bound, Clause, Verdict, any_clause};
use self::lanes::Lanes;
pub use self::tables::{ClauseRow, RuleKind, RuleRow, Treatment, existing};
pub use self::upkeep::Names;
use super::chip::Sku;
use super::chronicle::EventId;
use super::{CountryId, FirmId, RegimeId, RegulatorId, RuleId, VendorId};
use crate::calendar::Month;

/// A rule of the run.
#[expect(clippy::struct_excessive_bools, reason = "four independent yes-or-no facts of a rule")]
#[derive(Clone, Debug)]
pub struct Rule {
    /// Dense id; rules that a moving stance issues come after the table's.
    pub id: RuleId,
    /// What the table says.
    pub row: RuleRow,
    /// Who issued it.
    pub issuer: RegulatorId,
    /// The regime it belongs to.
    pub regime: RegimeId,
    /// The rule without which this one would not exist.
    pub caused_by: Option<RuleId>,
    /// Clauses (chip exports, tariffs, guidance); none: every chip.
    pub clauses: Vec<Clause>,
    /// Destination covered, `[country]`.
    pub destinations: Vec<bool>,
    /// Whether the rule names no destination and no headquarters, and so covers all.
    pub everywhere: bool,
    /// Headquarters covered, `[country]`.
    pub headquarters: Vec<bool>,
    /// Named firms; empty: all.
    pub firms: Vec<FirmId>,
    /// Named vendors; empty: all.
    pub vendors: Vec<VendorId>,
    /// Rules that this one replaces.
    pub replaces: Vec<RuleId>,
    /// Whether the rule exists in this world: enabled, its regime active, its cause existing.
    pub exists: bool,
    /// Announced by now.
    pub announced: bool,
    /// In force now.
    pub in_force: bool,
    /// The announcement in the event log.
    pub event: Option<EventId>,
}

impl Rule {
    /// Whether `sku` is controlled by this rule: any clause met; with no clauses, every chip
    /// (of the named vendors, if any are named; a listing's vendors are designers, not sellers).
    #[must_use]
    pub fn verdict(&self, sku: &Sku) -> Verdict {
        if self.row.kind != RuleKind::EntityListing
            && !self.vendors.is_empty()
            && !self.vendors.contains(&sku.vendor)
        {
            return Verdict::Free;
        }
        if self.clauses.is_empty() {
            return Verdict::Controlled;
        }
        any_clause(&self.clauses, sku)
    }

    /// Whether this rule covers a firm of `headquarters` that takes delivery in `destination`.
    #[must_use]
    pub fn covers(&self, firm: FirmId, headquarters: CountryId, destination: CountryId) -> bool {
        (self.firms.is_empty() || self.firms.contains(&firm))
            && self.covers_lane(headquarters, destination)
    }

    /// The same for a firm that no rule names.
    #[must_use]
    pub fn covers_lane(&self, headquarters: CountryId, destination: CountryId) -> bool {
        self.destinations.get(destination.index()).copied().unwrap_or(false)
            || self.headquarters.get(headquarters.index()).copied().unwrap_or(false)
    }

    /// Whether the rule has been announced and has not ended by `now`.
    #[must_use]
    pub fn is_live(&self, now: Month) -> bool {
        self.exists && self.announced && self.row.until.is_none_or(|until| now < until)
    }

    /// Whether a sale by a vendor of `home` into `destination` is outside this rule: a sale at
    /// home, or a vendor of a covered country.
    #[must_use]
    pub fn exempts(&self, home: CountryId, destination: CountryId) -> bool {
        self.row.domestic != Some(true)
            && (home == destination || (!self.everywhere && self.covers_lane(home, home)))
    }
}

/// Every rule of the run. Written by `policy`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Rulebook {
    /// Rules by [`RuleId`].
    pub rules: Vec<Rule>,
    /// Verdicts, `[rule][sku]`; `policy` and `design` keep it in step with both lists.
    pub verdicts: Vec<Vec<Verdict>>,
    /// Whether each regime has begun: some rule of it has been announced, `[regime]`.
    pub regime_begun: Vec<bool>,
    /// Whether each regime exists in this world, `[regime]`.
    pub regime_active: Vec<bool>,
    /// Country of each SKU's vendor, `[sku]`; sales at home are no exports.
    pub sku_home: Vec<CountryId>,
    /// Units that annual caps still leave, `[rule]`; `i64::MAX` where there is none, 0 also where a cap
    /// in performance or of some buyer is used up. Written by `licensing`.
    pub cap_left: Vec<i64>,
    /// Whether the rule catches any chip launched by now, `[rule]`. Written by `policy`.
    pub catches: Vec<bool>,
    /// Rises by one whenever a rule is announced, comes into force, ends or is added, or a SKU is added.
    pub revision: u64,
    lanes: Lanes,
}
