//! Licensing: applications, their queue, and what comes of them.
//!
//! An order that a rule governs files an application in the month after it was placed. Under `notify` it
//! passes after the notice period, under `deny` it is refused at once. Under `quota` an order that fits
//! into what the caps leave is counted there when it is placed and asks nobody; one that does not, or of
//! which another rule asks notice, files an application, which is granted what is left. Otherwise an officer reviews it. The review takes a log-normal number of days with mean m
//! (median `m e^(−s²/2)`), longer for buyers of the constrained group, plus the months that freezes of the
//! same regulator add. A regulator decides at most `decisions a month × (1 − share of other trade)`
//! due applications, in order of filing; the rest wait. An application is approved with
//!
//! `P = a₀ + (1 − a₀) Λ(o − b_T ln(TPP / threshold) − b_h h − b_r risk)`
//!
//! with a₀ a floor under approvals (0 but in studies of the dose), o the log-odds of the rule or of its treatment, TPP the chip's total processing performance,
//! threshold the highest minimum of TPP among the clauses that it meets, h the regulator's stance, risk
//! 1 for state-owned buyers. An approval is in full, or with some chance for a uniform share of the
//! units; it may carry conditions. Caps bind in order of filing: units and total performance a calendar
//! year, units a buyer and year, and units of a SKU as a share of what of it shipped without a licence.
//! Licences run out after a term, and are revoked when a rule with at least a presumption of denial and
//! stricter than the one they were given under comes to govern the delivery. Whatever is refused,
//! cut or runs out is taken off the order, and its money goes back to the buyer's unspent budget.
//!
//! Anchors: 69.9 % of China applications approved in FY2022, 77 days on average (40 for all):
//! testimony of the US Under Secretary of Commerce to Congress, 28 February 2023.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::entities::chip::{Attribute, Catalogue, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Firm, Group, Ownership, Purse};
use crate::entities::licence::{Application, LicenceBook, Outcome, Quotas};
use crate::entities::order::{Clearance, Order, OrderBook};
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, key_from, key_of};
use crate::units::Count;

/// Days in a month, 365.25 / 12.
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;

crate::parameters! {
    /// Parameters of licensing.
    pub struct LicensingParameters in "licensing" {
        /// Mean days of review for buyers of the constrained group.
        review_days_constrained,
        /// Mean days of review for other buyers.
        review_days_other,
        /// Standard deviation of the log of review time, s.
        review_sigma,
        /// Days of notice under `notify` and `quota`.
        notice_days,
        /// Share of reviewed applications that are approved whatever their merits, a₀: 1 − the dose of the
        /// rules, 0 as they are written.
        approval_floor,
        /// Log-odds o of approval case by case, at stance 0 and at the threshold.
        odds_case_by_case,
        /// Log-odds o of approval under a presumption of denial.
        odds_presumption_of_denial,
        /// Fall of log-odds for a unit of ln(TPP / threshold), b_T of approvals.
        approval_tpp_slope,
        /// Fall of log-odds for a unit of stance, b_h.
        approval_stance_slope,
        /// Fall of log-odds for a state-owned buyer, b_r.
        approval_risk_slope,
        /// Chance that an approval is for part of the units.
        partial_chance,
        /// Lowest share granted by a partial approval.
        partial_share_low,
        /// Months that a licence holds.
        licence_months,
    }
}

/// What a system needs to know of the parties of an order.
struct Parties<'a> {
    buyer: &'a Firm,
    site: &'a Site,
}

fn parties<'a>(
    order: &Order,
    roster: &Roster,
    firms: &'a Query<&Firm>,
    sites: &'a Query<&Site>,
) -> Option<Parties<'a>> {
    let buyer = firms.get(*roster.firms.get(order.buyer.index())?).ok()?;
    let site = sites.get(*roster.sites.get(order.site.index())?).ok()?;
    Some(Parties { buyer, site })
}

fn governing<'a>(book: &'a Rulebook, order: &Order, who: &Parties) -> Option<&'a Rule> {
    book.strictest(RuleKind::ChipExport, order.sku, order.buyer, who.buyer.home, who.site.country)
}

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
) {
    if *seen == Some(book.revision) {
        return;
    }
    *seen = Some(book.revision);
    let licences = &mut *licences;
    let OrderBook { orders, shipped, .. } = &mut *orders;
    for order in orders {
        let Some(who) = parties(order, &roster, &firms, &sites) else { continue };
        let rule = governing(&book, order, &who);
        match (order.clearance, rule) {
            (Clearance::WithinQuota(of), Some(rule)) if of == rule.id => {}
            (Clearance::NotNeeded | Clearance::WithinQuota(_), Some(rule)) => {
                let chip = (order.sku, catalogue.sku(order.sku));
                let year = clock.now.year();
                let (home, place) = (who.buyer.home, who.site.country);
                let fits = rule.row.treatment == Treatment::Quota
                    && !book.asks_notice(order.sku, order.buyer, home, place)
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

/// Takes `units` off an order and returns their money to the buyer's unspent budget.
fn take_off(order: &mut Order, units: Count, purse: &mut Purse) {
    let units = units.clamp(0, order.open);
    let money = order.set_aside.times(units);
    order.open -= units;
    purse.escrow -= money;
    purse.unspent += money;
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
        let event = chronicle.log(
            clock.now,
            "application_filed",
            (&who.buyer.row.id, &sku.id),
            (order.open as f64, "chips"),
            rule.event.or(order.cause),
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

/// Probability of approval from its log-odds.
fn chance(p: &LicensingParameters, odds: f64) -> f64 {
    p.approval_floor + (1.0 - p.approval_floor) * maths::logistic(odds)
}

/// Log-odds of approval, or none where no officer decides.
fn log_odds(p: &LicensingParameters, rule: &Rule, sku: &Sku, h: f64, risk: f64) -> Option<f64> {
    odds_beyond(p, rule, || excess(rule, sku), h, risk)
}

/// The same for a chip whose [`excess`] is known.
fn odds_beyond(
    p: &LicensingParameters,
    rule: &Rule,
    excess: impl FnOnce() -> f64,
    h: f64,
    risk: f64,
) -> Option<f64> {
    let base = match rule.row.treatment {
        Treatment::CaseByCase => p.odds_case_by_case,
        Treatment::PresumptionOfDenial => p.odds_presumption_of_denial,
        _ => return None,
    };
    Some(
        rule.row.odds.unwrap_or(base)
            - p.approval_tpp_slope * excess()
            - p.approval_stance_slope * h
            - p.approval_risk_slope * risk,
    )
}

/// `ln(TPP / threshold)`: by how much the chip exceeds the highest minimum of TPP among the clauses that
/// it meets; 0 where none has one or the chip's is not published.
fn excess(rule: &Rule, sku: &Sku) -> f64 {
    let Some(tpp) = sku.attribute(Attribute::Tpp) else { return 0.0 };
    let threshold = rule
        .clauses
        .iter()
        .filter(|clause| clause.verdict(sku) != Verdict::Free)
        .filter_map(|clause| clause.minimum(Attribute::Tpp))
        .fold(0.0, f64::max);
    if threshold > 0.0 && tpp > 0.0 { maths::ln(tpp / threshold) } else { 0.0 }
}

/// Decides applications that are due, as far as officers and caps allow.
pub(crate) fn decide(
    p: Res<LicensingParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    luck: Res<Luck>,
    book: Res<Rulebook>,
    (firms, sites): (Query<&Firm>, Query<&Site>),
    mut regulators: Query<(&Regulator, &mut Stance)>,
    mut purses: Query<&mut Purse>,
    mut sellers: Query<(&Vendor, &mut Sales)>,
    (mut orders, mut licences, mut quotas): (
        ResMut<OrderBook>,
        ResMut<LicenceBook>,
        ResMut<Quotas>,
    ),
    mut chronicle: ResMut<Chronicle>,
    mut desks: Local<Vec<Desk>>,
    mut readings: ResMut<Readings>,
) {
    let (licences, quotas) = (&mut *licences, &mut *quotas);
    let OrderBook { orders: open_orders, shipped: all_shipped, .. } = &mut *orders;
    let now = clock.now;
    desks.resize(roster.regulators.len(), Desk::default());
    for ((regulator, stance), desk) in
        regulators.iter_many(&roster.regulators).flatten().zip(desks.iter_mut())
    {
        let decisions = regulator.row.decisions_per_month * (1.0 - regulator.row.other_caseload);
        desk.officers = maths::whole_carried(decisions, &mut desk.remainder);
        desk.stance = stance.h;
        desk.overdue = 0.0;
    }
    let mut tally = Tally::default();
    for at in 0..licences.pending.len() {
        let application = &mut licences.applications[licences.pending[at] as usize];
        let found = open_orders.binary_search_by_key(&application.order, |order| order.id).ok();
        let order = found
            .map(|i| &mut open_orders[i])
            .filter(|order| order.open > 0 && order.clearance == Clearance::Pending);
        let Some(order) = order else {
            application.outcome = Outcome::Withdrawn;
            application.decided = Some(now);
            continue;
        };
        let Some(who) = parties(order, &roster, &firms, &sites) else { continue };
        let Some(rule) = governing(&book, order, &who) else {
            application.outcome = Outcome::Withdrawn;
            application.conditions = "no longer needed";
            application.decided = Some(now);
            order.clearance = Clearance::NotNeeded;
            continue;
        };
        application.rule = rule.id;
        application.regulator = rule.issuer;
        if application.due > now && rule.row.treatment != Treatment::Deny {
            continue;
        }
        let Some(desk) = desks.get_mut(rule.issuer.index()) else { continue };
        let sku = catalogue.sku(order.sku);
        let risk = f64::from(u8::from(who.buyer.row.ownership == Ownership::State));
        let odds = log_odds(&p, rule, sku, desk.stance, risk).filter(|_| switches.licence_queue);
        if odds.is_some() {
            if desk.officers <= 0 {
                desk.overdue += 1.0;
                continue;
            }
            desk.officers -= 1;
        }
        let units = application.units.min(order.open);
        let mut granted = units;
        application.odds = 1.0;
        if let Some(odds) = odds {
            application.odds = chance(&p, odds);
            let mut stream = luck.stream(Purpose::Licence, application.key);
            let mut draws = stream.month(application.placed);
            draws.uniform(); // the review time was drawn from this one
            let (verdict, part, share) = (draws.uniform(), draws.uniform(), draws.uniform());
            if verdict >= application.odds {
                granted = 0;
            } else if part < p.partial_chance {
                let share = p.partial_share_low + (1.0 - p.partial_share_low) * share;
                granted = maths::whole_below(units as f64 * share).clamp(1, units);
            }
        } else if switches.licence_queue && rule.row.treatment == Treatment::Deny {
            application.odds = 0.0;
            granted = 0;
        }
        let chip = (application.sku, sku);
        let room = quotas.room(rule, application.buyer, chip, all_shipped, now.year());
        let capped = granted > room;
        application.granted = granted.min(room);
        application.decided = Some(now);
        tally.wait_months += now - application.filed;
        tally.decided += 1;
        let granted = application.granted;
        quotas.use_up(rule.id, application.buyer, chip, granted, now.year());
        let refused = order.open - granted;
        if refused > 0 {
            if let Some(entity) = roster.firms.get(order.buyer.index())
                && let Ok(mut purse) = purses.get_mut(*entity)
            {
                take_off(order, refused, &mut purse);
            }
            if let Some(entity) = roster.vendors.get(order.vendor.index())
                && let Ok((seller, mut sales)) = sellers.get_mut(*entity)
            {
                let lost =
                    refused as f64 * order.price.amount(settings.quantum) * seller.row.attach;
                sales.lost_to_rules_usd += lost;
                sales.lost_to_rules_total_usd += lost;
                let so_far = readings.get_for(&REFUSED_USD, order.vendor.index());
                let so_far = if so_far.is_finite() { so_far } else { 0.0 };
                readings.set_for(&REFUSED_USD, order.vendor.index(), so_far + lost);
            }
        }
        tally.units_granted += granted;
        tally.units_refused += refused;
        application.outcome = if granted == 0 {
            Outcome::Denied
        } else if granted < units {
            Outcome::Partial
        } else {
            Outcome::Approved
        };
        application.conditions = match (granted > 0, rule.row.conditions.is_some(), capped) {
            (false, _, true) => "cap used up",
            (true, true, true) => "as in the rule; cut to the cap",
            (true, true, false) => "as in the rule",
            (true, false, true) => "cut to the cap",
            _ => "",
        };
        let kind = if granted > 0 { "application_approved" } else { "application_denied" };
        application.event = Some(chronicle.log(
            now,
            kind,
            (&who.buyer.row.id, &sku.id),
            (if granted > 0 { granted as f64 } else { units as f64 }, "chips"),
            application.event,
            || {
                let said = match (granted > 0, capped) {
                    (true, true) => format!("approves {granted} of {units}, to the cap,"),
                    (true, false) => format!("approves {granted} of {units}"),
                    (false, true) => format!("denies, for the cap is used up, {units}"),
                    (false, false) => format!("denies {units}"),
                };
                let (issuer, buyer) = (&rule.row.issuer, &who.buyer.row.name);
                format!("{issuer} {said} {} for {buyer} under {}", sku.row.name, rule.row.name)
            },
        ));
        if granted > 0 {
            tally.approved += 1;
            let term = maths::whole(p.licence_months).max(1) as i32;
            application.expires = Some(now + term);
            order.clearance = Clearance::Licensed { left: granted, expires: now + term };
            order.cause = application.event;
            licences.live.push(application.id);
        } else {
            tally.denied += 1;
        }
    }
    let applications = &licences.applications;
    licences.pending.retain(|id| applications[*id as usize].outcome == Outcome::Pending);
    let mut each = regulators.iter_many_mut(&roster.regulators);
    for desk in &*desks {
        if let Some(Ok((_, mut stance))) = each.fetch_next() {
            stance.overdue = desk.overdue;
        }
    }
    orders.close_finished();
    tally.write(&mut readings);
    readings.set(&APPLICATIONS_PENDING, licences.pending.len() as f64);
    readings.set(&LICENCES_LIVE, licences.live.len() as f64);
}

/// The officers of a regulator this month.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    remainder: f64,
    officers: i64,
    stance: f64,
    overdue: f64,
}

/// What a month of decisions came to.
#[derive(Default)]
struct Tally {
    decided: u32,
    approved: u32,
    denied: u32,
    wait_months: i32,
    units_granted: Count,
    units_refused: Count,
}

impl Tally {
    fn write(&self, readings: &mut Readings) {
        readings.set(&APPLICATIONS_APPROVED, f64::from(self.approved));
        readings.set(&APPLICATIONS_DENIED, f64::from(self.denied));
        readings.set(&UNITS_LICENSED, self.units_granted as f64);
        readings.set(&UNITS_REFUSED, self.units_refused as f64);
        if self.decided > 0 {
            readings.set(&LICENCE_WAIT, f64::from(self.wait_months) / f64::from(self.decided));
            readings.set(&APPROVAL_RATE, f64::from(self.approved) / f64::from(self.decided));
        }
    }
}

/// Publishes what buyers can know: odds of approval under each rule, and what caps still leave.
pub(crate) fn publish_odds(
    p: Res<LicensingParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    regulators: Query<&Stance>,
    quotas: Res<Quotas>,
    mut book: ResMut<Rulebook>,
    mut seen: Local<(u64, Vec<f64>)>,
    mut excesses: Local<Vec<Vec<f64>>>,
) {
    let book = &mut *book;
    let (revision, known) = &mut *seen;
    known.resize(roster.regulators.len(), f64::NAN);
    let renewed = *revision != book.revision;
    *revision = book.revision;
    for (stance, known) in regulators.iter_many(&roster.regulators).flatten().zip(known.iter_mut())
    {
        let moved = *known != stance.h;
        *known = if moved { stance.h } else { -1.0 };
    }
    for rule in &book.rules {
        if !rule.in_force
            || !matches!(rule.row.kind, RuleKind::ChipExport | RuleKind::EntityListing)
        {
            continue;
        }
        let at = rule.id.index();
        let year = clock.now.year();
        let (units, tpp) = quotas.by_rule.get(&(rule.id, year)).copied().unwrap_or_default();
        let left =
            rule.row.cap_units.map_or(i64::MAX, |cap| (maths::whole_below(cap) - units).max(0));
        let mut buyers = quotas.by_buyer.iter().filter(|((r, _, y), _)| (*r, *y) == (rule.id, year));
        let used_up = rule.row.cap_tpp.is_some_and(|cap| tpp >= cap)
            || rule.row.cap_units_buyer.is_some_and(|cap| buyers.any(|(_, n)| *n as f64 >= cap));
        book.cap_left[at] = if used_up { 0 } else { left };
        let h = known.get(rule.issuer.index()).copied().unwrap_or(0.0);
        if h < 0.0 && !renewed {
            continue;
        }
        let h = if h < 0.0 {
            roster
                .regulators
                .get(rule.issuer.index())
                .and_then(|entity| regulators.get(*entity).ok())
                .map_or(0.0, |stance| stance.h)
        } else {
            h
        };
        // Neither a rule's clauses nor a chip's figures ever change.
        if excesses.len() <= at {
            excesses.resize_with(at + 1, Vec::new);
        }
        let known = &mut excesses[at];
        for sku in &catalogue.skus[known.len().min(catalogue.skus.len())..] {
            known.push(excess(rule, sku));
        }
        for (beyond, approval) in known.iter().zip(&mut book.approval[at]) {
            *approval = if !switches.licence_queue {
                1.0
            } else if rule.row.treatment == Treatment::Deny {
                0.0
            } else {
                odds_beyond(&p, rule, || *beyond, h, 0.0).map_or(1.0, |odds| chance(&p, odds))
            };
        }
    }
    for (stance, known) in regulators.iter_many(&roster.regulators).flatten().zip(known.iter_mut())
    {
        *known = stance.h;
    }
}

crate::metrics! {
    World {
        APPLICATIONS_FILED = "applications_filed", "applications", "Licence applications filed this month.";
        APPLICATIONS_PENDING = "applications_pending", "applications", "Applications filed and not decided at the end of the month.";
        APPLICATIONS_APPROVED = "applications_approved", "applications", "Applications approved this month, in full or in part.";
        APPLICATIONS_DENIED = "applications_denied", "applications", "Applications denied this month, for want of room under a cap included.";
        LICENCES_LIVE = "licences_live", "licences", "Licences that may still ship at the end of the month.";
        UNITS_LICENSED = "units_licensed", "chips", "Chips granted by licences this month.";
        UNITS_REFUSED = "units_refused", "chips", "Chips applied for and refused or cut this month.";
        LICENCE_WAIT = "licence_wait_months", "month", "Mean months from filing to decision, over this month's decisions.";
        APPROVAL_RATE = "approval_rate", "share", "Approved (in full or part) over decided applications of this month.";
    }
    Vendor {
        REFUSED_USD = "refused_usd", "USD", "Revenue lost to refusals and cuts of licences this month: chips × order price × attach.";
    }
}

#[cfg(test)]
mod tests;
