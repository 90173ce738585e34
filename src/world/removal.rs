//! What a world without a regime, or without a rule, does not have either.
//!
//! Rules carry the regime they belong to and may name the rule that caused them;
//! chips, scripted events and stocks may name a rule too. Taking away a regime
//! or a rule takes away all that it caused, directly or by way of others, and
//! nothing else: what was there before the regime stays.

use std::collections::BTreeSet;

use super::Definition;

impl Definition {
    /// Ids of the rules that exist in this world: enabled, of an active regime,
    /// and caused by a rule that exists or by none.
    #[must_use]
    pub fn existing_rules(&self) -> BTreeSet<String> {
        let active: BTreeSet<&str> =
            self.regimes.iter().filter(|r| r.active).map(|r| r.id.as_str()).collect();
        let mut exist: BTreeSet<String> = self
            .rules
            .iter()
            .filter(|rule| rule.enabled && active.contains(rule.regime.as_str()))
            .map(|rule| rule.id.clone())
            .collect();
        loop {
            let orphans: Vec<String> = self
                .rules
                .iter()
                .filter(|rule| exist.contains(&rule.id))
                .filter(|rule| rule.caused_by.as_ref().is_some_and(|c| !exist.contains(c)))
                .map(|rule| rule.id.clone())
                .collect();
            if orphans.is_empty() {
                return exist;
            }
            for orphan in orphans {
                exist.remove(&orphan);
            }
        }
    }

    /// The definition without rules that do not exist and without what they caused.
    #[must_use]
    pub fn without_what_does_not_exist(mut self) -> Self {
        let exist = self.existing_rules();
        let caused = |by: &Option<String>| by.as_ref().is_none_or(|rule| exist.contains(rule));
        self.rules.retain(|rule| exist.contains(&rule.id));
        for rule in &mut self.rules {
            rule.replaces.retain(|id| exist.contains(id));
        }
        self.clauses.retain(|clause| exist.contains(&clause.rule));
        self.chips.retain(|chip| caused(&chip.caused_by));
        self.events.retain(|event| caused(&event.caused_by));
        let chips: BTreeSet<String> = self.chips.iter().map(|chip| chip.id.clone()).collect();
        let dies: BTreeSet<String> = self.dies.iter().map(|die| die.id.clone()).collect();
        self.stocks.retain(|stock| {
            caused(&stock.caused_by)
                && stock.item.as_ref().is_none_or(|i| chips.contains(i) || dies.contains(i))
        });
        self
    }
}
