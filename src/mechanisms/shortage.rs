//! Shortage: an experiment that keeps firms as short of compute as another world does, without any of its rules.
//!
//! Is it the control, or the want of compute? In a run that is told to be as scarce as a treated world, that world is run
//! first under the same luck; then each constrained firm is kept, month by month, to the compute U* that it could use
//! there (H100e of serving performance):
//!
//! - **by price**: it pays `s = e^u` times the price of every accelerator, the rest of it a duty;
//!   `u = clip(k x + i Σ x, 0, ln s_max)`, `x = ln(P / U*(t + L))`, P what it has, ordered, was shipped and keeps in its warehouse,
//!   L the lead of a delivery and of the order before it; the sum, too, stays within the bounds (a PI controller without wind-up);
//! - **by use**: what it has beyond U*(t) stands idle, `1 − U*/U` of all that it has.
//!
//! So its usable compute follows the treated path from below, and what is had by it owes nothing to a rule. In any other run
//! the room rests.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::entities::boards::Shortage;
use crate::entities::chip::Catalogue;
use crate::entities::firm::{Compute, Firm, Group};
use crate::entities::order::OrderBook;
use crate::entities::site::{Halls, Site};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, SiteId, SkuId};
use crate::maths;
use crate::units::Count;

crate::parameters! {
    /// Parameters of the experiment.
    pub struct ShortageParameters in "shortage" {
        /// Months ahead at which price aims, L.
        shortage_lead_months,
        /// Answer of the price to the gap, k.
        shortage_gain,
        /// Answer of the price to the gap summed over months, i.
        shortage_memory,
        /// Largest factor on price, s_max.
        shortage_factor_max,
    }
}

/// Sets the factor on the price that each firm pays.
pub(crate) fn price_shortage(
    clock: Res<Clock>,
    roster: Res<Roster>,
    p: Res<ShortageParameters>,
    catalogue: Res<Catalogue>,
    book: Res<OrderBook>,
    vendors: Query<(&Vendor, &Sales)>,
    sites: Query<(&Site, &Halls)>,
    firms: Query<(&Firm, &Compute)>,
    mut shortage: ResMut<Shortage>,
    mut sums: Local<Vec<f64>>,
    mut work: Local<(Vec<f64>, Vec<f64>)>,
) {
    if shortage.usable_h100e.is_empty() {
        return;
    }
    let (software, coming) = &mut *work;
    software.clear();
    software.extend(
        vendors
            .iter_many(&roster.vendors)
            .flatten()
            .map(|(vendor, sales)| vendor.row.software(sales.cumulative_units)),
    );
    coming.clear();
    coming.resize(roster.firms.len(), 0.0);
    let h100e = |sku: SkuId, units: Count| {
        let sku = catalogue.sku(sku);
        units as f64 * sku.serve_paper * software[sku.vendor.index()]
    };
    for order in &book.orders {
        coming[order.buyer.index()] += h100e(order.sku, order.open);
    }
    let owner = |site: SiteId| {
        let entity = roster.sites.get(site.index())?;
        sites.get(*entity).ok().map(|(site, _)| site.owner)
    };
    for shipment in &book.shipments {
        if let Some(owner) = owner(shipment.site) {
            coming[owner.index()] += h100e(shipment.sku, shipment.units);
        }
    }
    for (site, halls) in sites.iter_many(&roster.sites).flatten() {
        for chips in &halls.warehouse {
            coming[site.owner.index()] += h100e(chips.sku, chips.count);
        }
    }
    let top = maths::ln(p.shortage_factor_max.max(1.0));
    let ahead = clock.elapsed() + maths::whole(p.shortage_lead_months) as i32;
    sums.resize(roster.firms.len(), 0.0);
    shortage.factor.clear();
    shortage.factor.resize(roster.firms.len(), 1.0);
    for (firm, compute) in firms.iter_many(&roster.firms).flatten() {
        let at = firm.id.index();
        let aim = shortage.usable(firm.id, ahead).filter(|aim| *aim > 0.0);
        let (Group::Constrained, Some(aim)) = (firm.row.group, aim) else { continue };
        let has = compute.owned_serve_h100e + compute.rented_serve_h100e + coming[at];
        let gap = if has > 0.0 { maths::ln(has / aim) } else { 0.0 };
        sums[at] = (sums[at] + p.shortage_memory * gap).clamp(0.0, top);
        shortage.factor[at] = maths::exp((p.shortage_gain * gap + sums[at]).clamp(0.0, top));
    }
}

/// Lets idle what firms have beyond what they could use in the treated world.
pub(crate) fn hold_back(
    clock: Res<Clock>,
    roster: Res<Roster>,
    shortage: Res<Shortage>,
    mut firms: Query<(&Firm, &mut Compute)>,
) {
    if shortage.usable_h100e.is_empty() {
        return;
    }
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut compute))) = all.fetch_next() {
        let has = compute.owned_serve_h100e + compute.rented_serve_h100e;
        compute.idle_share = match (firm.row.group, shortage.usable(firm.id, clock.elapsed())) {
            (Group::Constrained, Some(usable)) if has > usable => 1.0 - usable / has,
            _ => 0.0,
        };
    }
}

crate::metrics! {}
