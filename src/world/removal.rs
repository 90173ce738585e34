//! What a world without a regime, or without a rule, does not have either.
//!
//! Rules carry the regime they belong to and may name the rule that caused them;
//! chips, scripted events and stocks may name a rule too. Taking away a regime
//! or a rule takes away all that it caused, directly or by way of others, and
//! nothing else: what was there before the regime stays.

use std::collections::BTreeSet;

use super::Definition;
use crate::entities::rule::existing;

impl Definition {
    /// Ids of the rules that exist in this world: enabled, of an active regime,
    /// and caused by a rule that exists or by none.
    #[must_use]
    pub fn existing_rules(&self) -> BTreeSet<&str> {
        let exist = existing(&self.rules, &self.regimes);
        self.rules.iter().zip(exist).filter(|(_, e)| *e).map(|(r, _)| r.id.as_str()).collect()
    }

    /// The definition without the chips, scripted events and stocks that rules caused
    /// which do not exist in this world. The rules stay listed; they never take effect.
    #[must_use]
    pub fn without_what_does_not_exist(mut self) -> Self {
        let exist: BTreeSet<String> =
            self.existing_rules().into_iter().map(str::to_owned).collect();
        let caused = |by: &Option<String>| by.as_ref().is_none_or(|rule| exist.contains(rule));
        self.chips.retain(|chip| caused(&chip.caused_by));
        self.events.retain(|event| caused(&event.caused_by));
        self.stocks.retain(|stock| caused(&stock.caused_by));
        self
    }
}
