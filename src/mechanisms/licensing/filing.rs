//! Applications: who files one, and when it is due.
//!
//! An order that a rule governs files an application in the month after it was placed. Under `notify` it
//! passes after the notice period, under `deny` it is refused at once, under `quota` it is granted what is
//! left. Otherwise an officer reviews it. The review takes a log-normal number of days with mean m
//! (median `m e^(−s²/2)`), longer for buyers of the constrained group, plus the months that freezes of the
//! same regulator add.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{APPLICATIONS_FILED, LicensingParameters, governing, parties};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Firm, Group};
use crate::entities::licence::{Application, LicenceBook, Outcome};
use crate::entities::order::{Clearance, OrderBook};
use crate::entities::rule::{RuleKind, Rulebook, Treatment};
use crate::entities::site::Site;
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, Roster, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, key_from, key_of};

/// Days in a month, 365.25 / 12.
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;

/// Files an application for every pending order of an earlier month that has none.
pub(crate) fn file_applications(
    p: Res<LicensingParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    luck: Res<Luck>,
    book: Res<Rulebook>,
    firms: Query<&Firm>,
    sites: Query<&Site>,
    vendors: Query<&Vendor>,
    orders: Res<OrderBook>,
    mut licences: ResMut<LicenceBook>,
    mut chronicle: ResMut<Chronicle>,
    mut waiting: Local<Vec<u64>>,
    mut readings: ResMut<Readings>,
) {
    let licences = &mut *licences;
    waiting.clear();
    waiting.extend(licences.pending.iter().map(|id| licences.applications[*id as usize].order));
    waiting.sort_unstable();
    let mut filed = 0;
    for order in &orders.orders {
        if order.clearance != Clearance::Pending
            || order.open <= 0
            || order.placed >= clock.now
            || waiting.binary_search(&order.id).is_ok()
        {
            continue;
        }
        let Some(who) = parties(order, &roster, &firms, &sites) else { continue };
        let Some(rule) = governing(&book, order, &who) else { continue };
        let Some(seller) =
            roster.vendors.get(order.vendor.index()).and_then(|v| vendors.get(*v).ok())
        else {
            continue;
        };
        let sku = catalogue.sku(order.sku);
        let names = [
            rule.row.issuer.as_str(),
            &seller.row.id,
            &who.buyer.row.id,
            &sku.id,
            &who.site.row.id,
        ];
        let key = key_from(&[key_of(&names), u64::from(order.ordinal)]);
        let due = if switches.licence_queue && rule.row.treatment > Treatment::Quota {
            let mean = if who.buyer.row.group == Group::Constrained {
                p.review_days_constrained
            } else {
                p.review_days_other
            };
            let median = mean * maths::exp(-p.review_sigma * p.review_sigma / 2.0);
            let mut stream = luck.stream(Purpose::Licence, key);
            let days = stream.month(order.placed).lognormal(median, p.review_sigma);
            let frozen: i64 = book
                .rules
                .iter()
                .filter(|r| r.in_force && r.issuer == rule.issuer)
                .filter(|r| r.covers(order.buyer, who.buyer.home, who.site.country))
                .map(|r| r.row.review_months_added)
                .sum();
            clock.now + (maths::whole_below(days / DAYS_PER_MONTH) + frozen) as i32
        } else if switches.licence_queue && rule.row.treatment < Treatment::CaseByCase {
            // Notice runs from the day of the order, a month ago by now.
            order.placed + maths::whole((p.notice_days / DAYS_PER_MONTH).ceil()) as i32
        } else {
            clock.now
        };
        let due = if rule.row.treatment == Treatment::Deny { clock.now } else { due };
        let id = licences.applications.len() as u64;
        let event = chronicle.log_besides(
            clock.now,
            "application_filed",
            (&who.buyer.row.id, &sku.id),
            (order.open as f64, "chips"),
            rule.event.or(order.cause),
            || {
                let (headquarters, destination) = (who.buyer.home, who.site.country);
                let (kind, sku) = (RuleKind::ChipExport, [order.sku]);
                book.standing(kind, &sku, order.buyer, headquarters, destination)
                    .filter(|other| other.id != rule.id)
                    .filter_map(|other| other.event)
                    .collect()
            },
            || {
                let (vendor, buyer) = (&seller.row.name, &who.buyer.row.name);
                format!(
                    "{vendor} applies to ship {} {} to {buyer} under {}",
                    order.open, sku.row.name, rule.row.name
                )
            },
        );
        licences.applications.push(Application {
            id,
            order: order.id,
            rule: rule.id,
            regulator: rule.issuer,
            vendor: order.vendor,
            buyer: order.buyer,
            sku: order.sku,
            units: order.open,
            granted: 0,
            shipped: 0,
            placed: order.placed,
            key,
            filed: clock.now,
            due,
            decided: None,
            expires: None,
            odds: 0.0,
            outcome: Outcome::Pending,
            conditions: "",
            event: Some(event),
        });
        licences.pending.push(id);
        filed += 1;
    }
    readings.set(&APPLICATIONS_FILED, f64::from(filed));
}
