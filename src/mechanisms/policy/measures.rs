//! What policy writes down each month.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::entities::boards::Fears;
use crate::entities::chip::Catalogue;
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::vendor::Sales;
use crate::entities::{Roster, RuleId};
use crate::metric::Readings;

/// Writes this month's metrics of policy, and turns the page of vendors' losses to rules once
/// stance has read last month's.
pub(crate) fn measure_policy(
    roster: Res<Roster>,
    book: Res<Rulebook>,
    catalogue: Res<Catalogue>,
    fears: Res<Fears>,
    regulators: Query<(&Regulator, &Stance)>,
    mut sales: Query<&mut Sales>,
    mut readings: ResMut<Readings>,
    mut refusing: Local<Vec<RuleId>>,
) {
    let mut each = sales.iter_many_mut(&roster.vendors);
    while let Some(Ok(mut sales)) = each.fetch_next() {
        sales.lost_to_rules_usd = 0.0;
    }
    let count = |keep: fn(&Rule) -> bool| book.rules.iter().filter(|r| keep(r)).count() as f64;
    readings.set(&RULES_ANNOUNCED, count(|r| r.announced));
    readings.set(&RULES_IN_FORCE, count(|r| r.in_force));
    let (mut sum, mut n) = (0.0, 0.0);
    for (regulator, stance) in regulators.iter_many(&roster.regulators).flatten() {
        let active = book.regime_active.get(regulator.regime.index()).copied().unwrap_or(false);
        if active && regulator.row.stance_from.is_some() {
            sum += stance.h;
            n += 1.0;
        }
    }
    if n > 0.0 {
        readings.set(&STANCE, sum / n);
    }
    for at in 0..roster.countries.len() {
        readings.set_for(&RULE_HAZARD, at, fears.hazard[at]);
        readings.set_for(&ENFORCEMENT, at, fears.enforcement[at]);
        readings.set_for(&EQUIPMENT_WITHHELD, at, fears.equipment_withheld[at]);
        readings.set_for(&MEMORY_WITHHELD, at, fears.memory_withheld[at]);
        readings.set_for(&FOUNDRY_WITHHELD, at, fears.foundry_withheld[at]);
    }
    refusing.clear();
    refusing.extend(book.rules.iter().filter_map(|rule| {
        let refuses = rule.in_force
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.treatment >= Treatment::CaseByCase
            && !rule.clauses.is_empty();
        refuses.then_some(rule.id)
    }));
    for sku in 0..catalogue.skus.len() {
        let controlled =
            refusing.iter().any(|rule| book.verdicts[rule.index()][sku] != Verdict::Free);
        readings.set_for(&CONTROLLED, sku, f64::from(u8::from(controlled)));
    }
}

crate::metrics! {
    World {
        RULES_ANNOUNCED = "rules_announced", "rules", "Rules announced since the start, standing ones included.";
        RULES_IN_FORCE = "rules_in_force", "rules", "Rules in force this month.";
        STANCE = "stance", "1", "Mean stance h of regulators whose stance can move, 0 open to 1 strict.";
    }
    Country {
        RULE_HAZARD = "rule_hazard", "share", "Chance a month that a stricter chip rule comes, as felt by firms headquartered here; 1 when one is announced.";
        IMPORT_ALLOWED = "import_allowed", "share", "Share of accelerator imports that the country's own state lets in.";
        DOMESTIC_MATURITY = "domestic_maturity", "ratio", "H100e that domestic lines could make for domestic vendors over H100e that home firms would buy at the reference price; empty without import guidance.";
        ENFORCEMENT = "enforcement", "share", "Strength of enforcement against grey trade into the country.";
        EQUIPMENT_WITHHELD = "equipment_withheld", "share", "Fab equipment withheld from the country: 1 − Π(1 − strength) over rules in force.";
        MEMORY_WITHHELD = "memory_withheld", "share", "High-bandwidth memory withheld from the country's vendors.";
        FOUNDRY_WITHHELD = "foundry_withheld", "share", "Foreign foundry work withheld from all designers of the country.";
    }
    Sku {
        CONTROLLED = "controlled", "flag", "1 if a chip rule in force that can refuse a licence covers the chip for some destination by its clauses, undetermined included.";
    }
}
