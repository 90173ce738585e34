//! Where orders and licences stand: under which rule, and how much of a licence is left.
//!
//! An order that a quota governs and that fits into what the caps leave is counted there when it is placed
//! and asks nobody; one that does not, or of which another rule asks notice, files an application.
//! Licences run out after a term, and are revoked when a rule with at least a presumption of denial and
//! stricter than the one they were given under comes to govern the delivery.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{Parties, governing, parties, take_off};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Firm, Purse};
use crate::entities::licence::{LicenceBook, Outcome, Quotas};
use crate::entities::order::{Clearance, OrderBook};
use crate::entities::rule::{Rulebook, Treatment};
use crate::entities::site::Site;
use crate::entities::{Clock, FirmId, Roster, RuleId};

/// Puts orders under the rules as they stand now: open orders that a new rule governs must apply,
/// those that none governs any more need not, and licences are revoked by stricter rules.
pub(crate) fn reclassify_orders(
    clock: Res<Clock>,
    roster: Res<Roster>,
    book: Res<Rulebook>,
    catalogue: Res<Catalogue>,
    firms: Query<&Firm>,
    sites: Query<&Site>,
    mut orders: ResMut<OrderBook>,
    mut licences: ResMut<LicenceBook>,
    mut quotas: ResMut<Quotas>,
    mut chronicle: ResMut<Chronicle>,
    mut seen: Local<Option<u64>>,
    mut governed: Local<Vec<Option<(FirmId, Option<RuleId>)>>>,
) {
    if *seen == Some(book.revision) {
        return;
    }
    *seen = Some(book.revision);
    let skus = catalogue.skus.len();
    // The rule that governs a SKU at a site, `[site × skus + sku]`: orders of many months ask the same.
    governed.clear();
    governed.resize(roster.sites.len() * skus, None);
    let licences = &mut *licences;
    let OrderBook { orders, shipped, .. } = &mut *orders;
    for order in orders {
        let at = order.site.index() * skus + order.sku.index();
        let rule = match governed.get(at).copied().flatten() {
            Some((buyer, rule)) if buyer == order.buyer => rule,
            _ => {
                let Some(who) = parties(order, &roster, &firms, &sites) else { continue };
                let rule = governing(&book, order, &who).map(|rule| rule.id);
                governed[at] = Some((order.buyer, rule));
                rule
            }
        };
        match (order.clearance, rule.map(|rule| &book.rules[rule.index()])) {
            (Clearance::WithinQuota(of), Some(rule)) if of == rule.id => {}
            (Clearance::NotNeeded | Clearance::WithinQuota(_), Some(rule)) => {
                let chip = (order.sku, catalogue.sku(order.sku));
                let year = clock.now.year();
                let asks_notice = |who: Parties| {
                    book.asks_notice(order.sku, order.buyer, who.buyer.home, who.site.country)
                };
                let fits = rule.row.treatment == Treatment::Quota
                    && parties(order, &roster, &firms, &sites).is_some_and(|who| !asks_notice(who))
                    && quotas.draw(rule, order.buyer, chip, order.open, shipped, year);
                order.clearance =
                    if fits { Clearance::WithinQuota(rule.id) } else { Clearance::Pending };
            }
            (Clearance::Pending | Clearance::WithinQuota(_), None) => {
                order.clearance = Clearance::NotNeeded;
            }
            (Clearance::Licensed { left, .. }, Some(rule))
                if rule.row.treatment >= Treatment::PresumptionOfDenial =>
            {
                let held = licences
                    .live
                    .iter()
                    .rev()
                    .find(|id| licences.applications[**id as usize].order == order.id);
                let Some(id) = held.copied() else { continue };
                let licence = &mut licences.applications[id as usize];
                if book.rules[licence.rule.index()].row.treatment < rule.row.treatment {
                    licence.shipped = licence.granted - left;
                    licence.outcome = Outcome::Expired;
                    licence.expires = Some(clock.now);
                    licence.event = Some(chronicle.log(
                        clock.now,
                        "licence_revoked",
                        (&rule.row.issuer, &rule.row.id),
                        (left as f64, "chips"),
                        rule.event,
                        || format!("{} revokes a licence for {left} chips", rule.row.issuer),
                    ));
                    licences.live.retain(|live| *live != id);
                    order.clearance = Clearance::Pending;
                }
            }
            _ => {}
        }
    }
}

/// Follows licences: what shipped, what is used up, what has run out.
pub(crate) fn settle_licences(
    clock: Res<Clock>,
    roster: Res<Roster>,
    mut orders: ResMut<OrderBook>,
    mut licences: ResMut<LicenceBook>,
    mut purses: Query<&mut Purse>,
) {
    let (orders, licences) = (&mut *orders, &mut *licences);
    let closed = std::mem::take(&mut orders.closed_under_licence);
    for at in 0..licences.live.len() {
        let licence = &mut licences.applications[licences.live[at] as usize];
        if let Some(order) = orders.get_mut(licence.order)
            && let Clearance::Licensed { left, expires } = order.clearance
        {
            licence.shipped = licence.granted - left;
            if expires <= clock.now && order.open > 0 {
                let open = order.open;
                if let Some(entity) = roster.firms.get(order.buyer.index())
                    && let Ok(mut purse) = purses.get_mut(*entity)
                {
                    take_off(order, open, &mut purse);
                }
                licence.outcome = Outcome::Expired;
            } else if left == 0 {
                licence.outcome = Outcome::Used;
            }
        } else {
            if let Some((_, shipped)) = closed.iter().find(|(id, _)| *id == licence.order) {
                licence.shipped = (*shipped).min(licence.granted);
            }
            licence.outcome = if licence.shipped > 0 { Outcome::Used } else { Outcome::Withdrawn };
        }
    }
    let applications = &licences.applications;
    licences.live.retain(|id| {
        matches!(applications[*id as usize].outcome, Outcome::Approved | Outcome::Partial)
    });
    orders.closed_under_licence = closed;
    orders.closed_under_licence.clear();
}
