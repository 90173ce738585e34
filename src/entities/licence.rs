//! Licence applications.

use std::collections::BTreeMap;

use bevy_ecs::prelude::Resource;

use super::chip::Sku;
use super::chronicle::EventId;
use super::rule::Rule;
use super::{FirmId, RegulatorId, RuleId, SkuId, VendorId};
use crate::calendar::Month;
use crate::maths;
use crate::units::Count;

crate::choice! {
    /// Where an application stands.
    pub enum Outcome {
        /// Filed and not decided.
        Pending = "pending",
        /// Approved in full.
        Approved = "approved",
        /// Approved for fewer units.
        Partial = "partial",
        /// Denied, or returned without action.
        Denied = "denied",
        /// Withdrawn with the order.
        Withdrawn = "withdrawn",
        /// Approved, and run out before all units shipped.
        Expired = "expired",
        /// Approved, and used up.
        Used = "used",
    }
}

/// A licence application, from filing to end.
#[derive(Clone, Debug)]
pub struct Application {
    /// Id, never used again.
    pub id: u64,
    /// The order it is for.
    pub order: u64,
    /// The rule that asks for it.
    pub rule: RuleId,
    /// The authority.
    pub regulator: RegulatorId,
    /// The seller.
    pub vendor: VendorId,
    /// The buyer.
    pub buyer: FirmId,
    /// The SKU.
    pub sku: SkuId,
    /// Units applied for.
    pub units: Count,
    /// Units granted.
    pub granted: Count,
    /// Units shipped under it.
    pub shipped: Count,
    /// Month in which the order was placed; with `key`, the address of the draws.
    pub placed: Month,
    /// Key of the draws, from (issuer, seller, buyer, SKU, site, ordinal).
    pub key: u64,
    /// Month of filing.
    pub filed: Month,
    /// First month in which it may be decided.
    pub due: Month,
    /// Month of the decision.
    pub decided: Option<Month>,
    /// First month in which the licence no longer holds.
    pub expires: Option<Month>,
    /// Probability of approval, as computed at the decision.
    pub odds: f64,
    /// Where it stands.
    pub outcome: Outcome,
    /// Conditions, in words; empty if none.
    pub conditions: &'static str,
    /// The event that filed it, and later the one that decided it.
    pub event: Option<EventId>,
}

/// What caps have been used up. Written by `licensing`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Quotas {
    /// Chips and total performance granted by (rule, calendar year).
    pub by_rule: BTreeMap<(RuleId, i32), (Count, f64)>,
    /// Chips granted by (rule, buyer, calendar year).
    pub by_buyer: BTreeMap<(RuleId, FirmId, i32), Count>,
    /// Chips granted by (rule, SKU) since the rule's first month.
    pub by_sku: BTreeMap<(RuleId, SkuId), Count>,
}

impl Quotas {
    /// Chips of `sku` that the caps of `rule` still leave for `buyer` in `year`; `shipped` is what of each
    /// SKU has shipped since the start.
    #[must_use]
    pub fn room(
        &self,
        rule: &Rule,
        buyer: FirmId,
        (id, sku): (SkuId, &Sku),
        shipped: &[Count],
        year: i32,
    ) -> Count {
        let mut room = Count::MAX;
        let (units, tpp) = self.by_rule.get(&(rule.id, year)).copied().unwrap_or_default();
        if let Some(cap) = rule.row.cap_units {
            room = room.min(maths::whole_below(cap) - units);
        }
        if let (Some(cap), Some(each)) = (rule.row.cap_tpp, sku.row.tpp)
            && each > 0.0
        {
            room = room.min(maths::whole_below((cap - tpp) / each));
        }
        if let Some(cap) = rule.row.cap_units_buyer {
            let used = self.by_buyer.get(&(rule.id, buyer, year)).copied().unwrap_or(0);
            room = room.min(maths::whole_below(cap) - used);
        }
        if let Some(share) = rule.row.cap_home_share {
            let used = self.by_sku.get(&(rule.id, id)).copied().unwrap_or(0);
            let shipped = shipped.get(id.index()).copied().unwrap_or(0);
            let licensed: Count =
                self.by_sku.iter().filter(|((_, s), _)| *s == id).map(|(_, n)| n).sum();
            let elsewhere = (shipped - licensed).max(0);
            room = room.min(maths::whole_below(share * elsewhere as f64) - used);
        }
        room.max(0)
    }

    /// Takes `units` of `sku` for `buyer` out of what the caps of `rule` leave in `year`.
    pub fn use_up(
        &mut self,
        rule: RuleId,
        buyer: FirmId,
        (id, sku): (SkuId, &Sku),
        units: Count,
        year: i32,
    ) {
        let (all, tpp) = self.by_rule.entry((rule, year)).or_default();
        *all += units;
        *tpp += units as f64 * sku.row.tpp.unwrap_or(0.0);
        *self.by_buyer.entry((rule, buyer, year)).or_default() += units;
        *self.by_sku.entry((rule, id)).or_default() += units;
    }

    /// Takes a whole order out of a quota if it fits; then nobody has to be asked.
    #[must_use]
    pub fn draw(
        &mut self,
        rule: &Rule,
        buyer: FirmId,
        sku: (SkuId, &Sku),
        units: Count,
        shipped: &[Count],
        year: i32,
    ) -> bool {
        let fits = units <= self.room(rule, buyer, sku, shipped, year);
        if fits {
            self.use_up(rule.id, buyer, sku, units, year);
        }
        fits
    }
}

/// Every application of the run, in order of filing; ended ones stay for the record.
#[derive(Resource, Clone, Debug, Default)]
pub struct LicenceBook {
    /// Applications by id (ids are positions).
    pub applications: Vec<Application>,
    /// Ids of the pending ones, in order of filing.
    pub pending: Vec<u64>,
    /// Ids of licences that may still ship.
    pub live: Vec<u64>,
}
