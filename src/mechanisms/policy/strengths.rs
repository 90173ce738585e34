//! What rules in force withhold, and how hard grey trade is pursued.
//!
//! **Strengths.** Rules that withhold equipment, memory, foundry work, materials or design tools add up
//! as `1 − Π(1 − strength)`. Enforcement against grey trade into a country is
//! `1 − Π(1 − e (1 + b_e (h − h₀)))` over regulators with a chip rule in force for it, times
//! `Π(1 − strength)` over those rules. A rule that catches no chip launched so far is no sign of anything,
//! and a quota counts once its cap is used up.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::PolicyParameters;
use crate::entities::boards::Fears;
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment};
use crate::entities::vendor::Vendor;
use crate::entities::{CountryId, Roster, RuleId};

/// `1 − Π(1 − strength)` over `rules`.
fn withheld<'a>(rules: impl Iterator<Item = &'a Rule>) -> f64 {
    let open: f64 = rules.map(|rule| 1.0 - rule.row.strength).product();
    1.0 - open
}

/// What rules without clauses withhold, and how hard grey trade is pursued.
pub(crate) fn publish_strengths(
    p: Res<PolicyParameters>,
    roster: Res<Roster>,
    book: Res<Rulebook>,
    vendors: Query<&Vendor>,
    regulators: Query<(&Regulator, &Stance)>,
    mut fears: ResMut<Fears>,
    mut seen: Local<Option<u64>>,
    mut chip_rules: Local<Vec<RuleId>>,
) {
    let fears = &mut *fears;
    let countries = roster.countries.len();
    let changed = *seen != Some(book.revision);
    *seen = Some(book.revision);
    if changed {
        let of = |kind: RuleKind| -> Vec<&Rule> {
            let rules = book.rules.iter().filter(|r| r.in_force && r.row.kind == kind);
            rules.filter(|r| r.vendors.is_empty() && r.firms.is_empty()).collect()
        };
        let here = |rules: &[&Rule], at: usize| {
            let c = CountryId::at(at);
            withheld(rules.iter().copied().filter(|r| r.covers_lane(c, c)))
        };
        for (board, kind) in [
            (&mut fears.equipment_withheld, RuleKind::EquipmentExport),
            (&mut fears.memory_withheld, RuleKind::MemoryExport),
            (&mut fears.foundry_withheld, RuleKind::FoundryService),
            (&mut fears.materials_withheld, RuleKind::MaterialExport),
        ] {
            let rules = of(kind);
            board.clear();
            board.extend((0..countries).map(|at| here(&rules, at)));
        }
        let rules = of(RuleKind::RemoteAccess);
        fears.remote_access.clear();
        fears.remote_access.extend((0..countries).map(|at| 1.0 - here(&rules, at)));
        fears.foundry_withheld_vendor.clear();
        for vendor in vendors.iter_many(&roster.vendors).flatten() {
            let barred = withheld(book.rules.iter().filter(|r| {
                r.in_force
                    && matches!(r.row.kind, RuleKind::FoundryService | RuleKind::EntityListing)
                    && r.vendors.contains(&vendor.id)
            }));
            let country = fears.foundry_withheld.get(vendor.home.index()).copied().unwrap_or(0.0);
            fears.foundry_withheld_vendor.push(1.0 - (1.0 - barred) * (1.0 - country));
        }
    }
    fears.enforcement.clear();
    // Caps are used up at any time, so this is asked every month.
    chip_rules.clear();
    chip_rules.extend(book.rules.iter().filter_map(|rule| {
        let counts = rule.in_force
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.treatment >= Treatment::Notify
            && book.keeps_away(rule);
        counts.then_some(rule.id)
    }));
    let chip_rules = || chip_rules.iter().map(|id| &book.rules[id.index()]);
    for at in 0..countries {
        let c = CountryId::at(at);
        let mut open = 1.0;
        if !chip_rules().any(|rule| rule.covers_lane(c, c)) {
            fears.enforcement.push(0.0);
            continue;
        }
        for (regulator, stance) in regulators.iter_many(&roster.regulators).flatten() {
            let mut concerned = false;
            for rule in chip_rules() {
                if rule.issuer == regulator.id && rule.covers_lane(c, c) {
                    concerned = true;
                    open *= 1.0 - rule.row.strength;
                }
            }
            if concerned {
                let e = regulator.row.enforcement;
                let moved = 1.0 + p.enforcement_stance_slope * (stance.h - regulator.row.stance);
                open *= 1.0 - (e * moved).clamp(0.0, 1.0);
            }
        }
        fears.enforcement.push(1.0 - open);
    }
}
