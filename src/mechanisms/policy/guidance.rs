//! The share of imports that a buyer's own state lets in.
//!
//! **Import guidance.** The share that a buyer's own state lets in moves as
//! `g' = g + r (g* − g)`, `g* = floor + (s − floor) (1 − min(1, m))`, with s the strength of the guidance in
//! force (1 and m = 0 where there is none) and m the maturity of domestic supply: what domestic lines
//! *could* make over what home firms would buy at the reference price. Both are independent of the
//! imports let in, so guidance cannot lock itself in.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::PolicyParameters;
use super::measures::{DOMESTIC_MATURITY, IMPORT_ALLOWED};
use crate::entities::boards::Fears;
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::firm::{Finance, Firm};
use crate::entities::line::{Line, LineKind, LineState, Parts};
use crate::entities::rule::{RuleKind, Rulebook};
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, CountryId, Roster, RuleId, Switches};
use crate::metric::Readings;

/// A share from which guidance that ended counts as gone.
const NEARLY_ONE: f64 = 1.0 - 1.0 / 1e6;

/// Performance of a chip in H100e: 8-bit throughput relative to the reference chip.
fn h100e(sku: &Sku, catalogue: &Catalogue) -> f64 {
    if catalogue.reference.0 > 0.0 { sku.row.tops_8bit / catalogue.reference.0 } else { 0.0 }
}

/// Where the share let in tends to.
pub(super) fn guidance_target(floor: f64, strength: f64, maturity: f64) -> f64 {
    let floor = floor.min(strength);
    floor + (strength - floor) * (1.0 - maturity.clamp(0.0, 1.0))
}

/// Moves the share of imports that each buyer's own state lets in.
pub(crate) fn guide_imports(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    book: Res<Rulebook>,
    parts: Res<Parts>,
    vendors: Query<&Vendor>,
    firms: Query<(&Firm, &Finance)>,
    lines: Query<(&Line, &LineState)>,
    mut fears: ResMut<Fears>,
    mut readings: ResMut<Readings>,
    mut guiding: Local<Vec<RuleId>>,
) {
    let fears = &mut *fears;
    fears.import_allowed.resize(roster.countries.len(), 1.0);
    guiding.clear();
    guiding.extend(book.rules.iter().filter_map(|rule| {
        let counts =
            rule.in_force && rule.row.kind == RuleKind::ImportGuidance && rule.firms.is_empty();
        counts.then_some(rule.id)
    }));
    for at in 0..roster.countries.len() {
        let country = CountryId::at(at);
        let mut strength = 1.0_f64;
        let mut guided = false;
        for rule in guiding.iter().map(|id| &book.rules[id.index()]) {
            if rule.covers_lane(country, country) {
                guided = true;
                strength = strength.min(rule.row.strength);
            }
        }
        let share = &mut fears.import_allowed[at];
        if !switches.import_guidance || (!guided && *share == 1.0) {
            *share = 1.0;
            readings.set_for(&IMPORT_ALLOWED, at, *share);
            continue;
        }
        let target = if guided {
            let supply = domestic_capacity(
                &clock,
                &roster,
                &catalogue,
                &parts,
                &vendors,
                &lines,
                country,
                fears.memory_withheld.get(at).is_some_and(|w| *w > 0.0),
            );
            let demand = reference_demand(&p, &roster, &catalogue, &vendors, &firms, country);
            let maturity = if demand > 0.0 { supply / demand } else { 0.0 };
            readings.set_for(&DOMESTIC_MATURITY, at, maturity);
            guidance_target(p.guidance_floor, strength, maturity)
        } else {
            1.0
        };
        *share = (*share + p.guidance_speed * (target - *share)).clamp(0.0, 1.0);
        if !guided && *share > NEARLY_ONE {
            *share = 1.0;
        }
        readings.set_for(&IMPORT_ALLOWED, at, *share);
    }
}

/// H100e a month that the lines of `country` could make for its own vendors: wafers × good dies of
/// each vendor's newest chip, and no more than memory allows once memory is withheld from abroad.
fn domestic_capacity(
    clock: &Clock,
    roster: &Roster,
    catalogue: &Catalogue,
    parts: &Parts,
    vendors: &Query<&Vendor>,
    lines: &Query<(&Line, &LineState)>,
    country: CountryId,
    memory_withheld: bool,
) -> f64 {
    let mut capacity = 0.0;
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.home != country {
            continue;
        }
        let newest = catalogue
            .iter()
            .filter(|(_, sku)| sku.vendor == vendor.id && sku.on_sale)
            .max_by_key(|(id, sku)| (sku.row.launch, *id));
        let Some((_, sku)) = newest else { continue };
        let Some(die) = catalogue.dies.get(sku.die.index()) else { continue };
        let (mut chips, mut memory_gb) = (0.0, 0.0);
        for (line, state) in lines.iter_many(&roster.lines).flatten() {
            let weight: f64 = line
                .contracts
                .iter()
                .filter(|(v, _, from, until)| {
                    *v == vendor.id
                        && from.is_none_or(|m| m <= clock.now)
                        && until.is_none_or(|m| clock.now < m)
                })
                .map(|(_, weight, _, _)| weight)
                .sum();
            if line.country != country || weight <= 0.0 {
                continue;
            }
            match line.row.kind {
                LineKind::Logic if line.row.nodes.contains(&die.row.node) => {
                    chips += state.capacity
                        * weight
                        * die.row.gross_dies_per_wafer
                        * state.yield_now
                        * die.row.yield_factor
                        / sku.row.dies_per_chip.max(1) as f64;
                }
                LineKind::Memory => memory_gb += state.capacity * weight,
                _ => {}
            }
        }
        if memory_withheld && sku.row.hbm_gb > 0.0 {
            let stock = parts.memory_gb.get(vendor.id.index()).copied().unwrap_or(0) as f64 / 12.0;
            chips = chips.min((memory_gb + stock) / sku.row.hbm_gb);
        }
        capacity += chips * h100e(sku, catalogue);
    }
    capacity
}

/// H100e a month that the firms of `country` would buy with this year's plans at the reference price:
/// the lowest list price of an H100e among chips that any vendor sells to all.
fn reference_demand(
    p: &PolicyParameters,
    roster: &Roster,
    catalogue: &Catalogue,
    vendors: &Query<&Vendor>,
    firms: &Query<(&Firm, &Finance)>,
    country: CountryId,
) -> f64 {
    let mut price = f64::INFINITY;
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.captive.is_some() {
            continue;
        }
        for sku in catalogue.skus.iter().filter(|s| s.vendor == vendor.id && s.on_sale) {
            let performance = h100e(sku, catalogue);
            if matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated) && performance > 0.0
            {
                price = price.min(sku.price_usd * vendor.row.attach / performance);
            }
        }
    }
    if !price.is_finite() || price <= 0.0 {
        return 0.0;
    }
    let budget: f64 = firms
        .iter_many(&roster.firms)
        .flatten()
        .filter(|(firm, _)| firm.home == country)
        .map(|(_, finance)| finance.ai_capex_usd_year / 12.0 * p.chip_share_of_ai_capex)
        .sum();
    budget / price
}
