//! Compliance variants: which cuts pay, and what becomes of them.
//!
//! For a vendor and a country, with x the monthly value of orders, the rules that are
//! announced for it and ask for a licence or notice give a set of clauses. For each of the vendor's roadmap
//! chips that meets one, and each set of attributes, the smallest cut is looked for (`cuts`).
//! With s what the variant does beyond the best free chip of the vendor, over what its best chip of all does, m the margin of
//! its price, ℓ the months that the cut takes (the slowest of its attributes) and H the horizon, the project starts iff
//!
//! `V = ρ Σ_{j=ℓ+1..H} m · x · s · (1 + r)^(−j/12) > cost of the cut`
//!
//! with ρ the largest chance of refusal that the rules which catch the parent state (1 where they state none),
//! and the variant is better than the best free chip by some factor; of all cuts that with the largest V −
//! cost is taken. The variant enters the catalogue at once, so that it is built for its launch. A project ends without a launch when a rule announced meanwhile catches what it designs.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::cuts::{Cut, EVERYTHING, attributes, cut, effort, may_meet, worth};
use super::{
    DESIGN_COST, DesignBook, DesignParameters, Project, VARIANT_PROJECTS, VARIANT_WORTH, add_sku,
    sku_of,
};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Fears};
use crate::entities::chip::{Catalogue, ChipRow, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::line::Parts;
use crate::entities::order::OrderBook;
use crate::entities::rule::{Clause, Rule, RuleKind, Rulebook, Treatment, Verdict, any_clause};
use crate::entities::site::Retirements;
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, CountryId, Roster, RuleId, Settings, SkuId, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::units::Money;

/// Rules on chips that are announced, not over, and keep some away.
fn live(book: &Rulebook, now: Month) -> impl Iterator<Item = &Rule> {
    book.rules.iter().filter(move |rule| {
        rule.row.kind == RuleKind::ChipExport && rule.is_live(now) && book.keeps_away(rule)
    })
}

/// Whether a variant of `vendor` for `country` must stay clear of a live rule: it asks for a licence or notice.
fn to_avoid(rule: &Rule, vendor: &Vendor, country: CountryId) -> bool {
    rule.row.treatment >= Treatment::Notify
        && rule.firms.is_empty()
        && !rule.clauses.is_empty()
        && (rule.vendors.is_empty() || rule.vendors.contains(&vendor.id))
        && rule.covers_lane(country, country)
        && !rule.exempts(vendor.home, country)
}

/// Starts compliance variants, where they pay.
pub(crate) fn start_variants(
    p: Res<DesignParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    book: Res<Rulebook>,
    vendors: Query<&Vendor>,
    mut designs: ResMut<DesignBook>,
    mut ledger: ResMut<Ledger>,
    mut chronicle: ResMut<Chronicle>,
    mut readings: ResMut<Readings>,
    mut scratch: Local<(Vec<RuleId>, String)>,
) {
    let (to_stay_clear_of, id) = &mut *scratch;
    let rules = || live(&book, clock.now).map(|rule| (rule.id, rule.in_force));
    let (skus, watched) = &mut designs.watched;
    let changed = *skus != catalogue.skus.len() || !watched.iter().copied().eq(rules());
    *skus = catalogue.skus.len();
    watched.clear();
    watched.extend(rules());
    if !switches.variants || !settings.endogenous_variants || !(changed || clock.now.ends_quarter())
    {
        return;
    }
    for sku in &catalogue.skus[designs.worth.len().min(catalogue.skus.len())..] {
        designs.worth.push(worth(&p, &sku.row, &catalogue));
    }
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.captive.is_some() {
            continue;
        }
        for at in 0..roster.countries.len() {
            let country = CountryId::at(at);
            let demand = designs.demand[vendor.id.index()].get(at).copied().unwrap_or(0.0);
            if demand <= 0.0 {
                continue;
            }
            to_stay_clear_of.clear();
            let live = designs.watched.1.iter().map(|(id, _)| &book.rules[id.index()]);
            let barriers = live.filter(|rule| to_avoid(rule, vendor, country));
            to_stay_clear_of.extend(barriers.map(|rule| rule.id));
            if to_stay_clear_of.is_empty() {
                continue;
            }
            let barrier = Barrier { book: &book, rules: to_stay_clear_of };
            let found =
                best_variant(&p, &catalogue, &designs, vendor, country, demand, barrier, id);
            if let Some(Proposal { cut, parent, rule, months, cost, sales, surplus }) = found {
                let mut row = cut.row(&p, &catalogue.sku(parent).row, rule);
                row.launch = clock.now + months;
                let money = Money::from_amount(cost, settings.quantum);
                ledger.pay(
                    Account::Vendor(vendor.id),
                    Account::Outside(Outside::Suppliers),
                    money,
                    Purpose::Design,
                );
                readings.set_for(&DESIGN_COST, vendor.id.index(), cost);
                readings.set_for(&VARIANT_WORTH, vendor.id.index(), surplus);
                let event = chronicle.log(
                    clock.now,
                    "variant_started",
                    (&vendor.row.id, &row.id),
                    (f64::from(months), "months"),
                    rule.event,
                    || format!("{} starts {}", vendor.row.name, row.name),
                );
                designs.projects.push(Project {
                    vendor: vendor.id,
                    parent,
                    country,
                    rule: rule.id,
                    row,
                    sku: None,
                    sales,
                    event,
                });
            }
        }
    }
}

/// The rules that a variant must stay clear of.
#[derive(Clone, Copy)]
struct Barrier<'a> {
    book: &'a Rulebook,
    rules: &'a [RuleId],
}

impl<'a> Barrier<'a> {
    fn rules(self) -> impl Iterator<Item = &'a Rule> + Clone {
        self.rules.iter().map(move |id| &self.book.rules[id.index()])
    }

    fn clauses(self) -> impl Iterator<Item = &'a Clause> + Clone {
        self.rules().flat_map(|rule| &rule.clauses)
    }

    /// Those that catch `chip`.
    fn catching(self, chip: &Sku) -> impl Iterator<Item = &'a Rule> {
        self.rules().filter(|rule| any_clause(&rule.clauses, chip) != Verdict::Free)
    }
}

/// A variant that would pay.
struct Proposal<'a> {
    cut: Cut,
    parent: SkuId,
    /// The rule that it answers to.
    rule: &'a Rule,
    months: i32,
    cost: f64,
    /// Chips a month.
    sales: f64,
    /// What it is worth beyond its cost, USD.
    surplus: f64,
}

/// The variant worth most beyond its cost, if any pays; `id` is a buffer.
fn best_variant<'a>(
    p: &DesignParameters,
    catalogue: &Catalogue,
    designs: &DesignBook,
    vendor: &Vendor,
    country: CountryId,
    demand: f64,
    barrier: Barrier<'a>,
    id: &mut String,
) -> Option<Proposal<'a>> {
    let free = |row: &ChipRow| {
        !barrier.clauses().any(|c| may_meet(c, row.marketed_for_datacentre, &attributes(row)))
    };
    let mut best_free = 0.0_f64;
    let on_sale = catalogue
        .skus
        .iter()
        .zip(&designs.worth)
        .filter(|(s, _)| s.vendor == vendor.id && s.on_sale)
        .map(|(s, worth)| (&s.row, *worth));
    // What buyers would have without rules: the money that they would spend is spent on it.
    let best_of_all = on_sale.clone().map(|(_, worth)| worth).fold(0.0, f64::max);
    let coming = designs
        .projects
        .iter()
        .filter(|project| project.vendor == vendor.id && project.country == country)
        .map(|project| (&project.row, worth(p, &project.row, catalogue)));
    for (row, worth) in on_sale.chain(coming) {
        if free(row) {
            best_free = best_free.max(worth);
        }
    }
    let mut best: Option<Proposal> = None;
    for (of, parent) in catalogue.iter() {
        if parent.vendor != vendor.id
            || !parent.on_sale
            || !matches!(parent.row.origin, Origin::Roadmap | Origin::Extrapolated)
        {
            continue;
        }
        let catching = barrier.catching(parent);
        let caught = catching.max_by_key(|r| (r.row.announced, r.row.treatment, r.id));
        let Some(rule) = caught else { continue };
        // Where a licence is as good as granted there is nothing to win by staying below.
        let barred = barrier
            .catching(parent)
            .map(|r| r.row.odds.map_or(1.0, |odds| 1.0 - maths::logistic(odds)))
            .fold(0.0, f64::max);
        for allowed in 1..=EVERYTHING {
            let marketed = parent.row.marketed_for_datacentre;
            let uncut = attributes(&parent.row);
            let Some((chip, touched)) = cut(p, barrier.clauses(), marketed, uncut, allowed) else {
                continue;
            };
            if touched != allowed || touched == 0 {
                continue;
            }
            let parent = (&parent.row, designs.worth[of.index()]);
            let made = Cut::of(p, parent, chip, touched, catalogue);
            if made.worth < p.variant_improvement * best_free {
                continue;
            }
            let margin = (made.price_usd - parent.0.unit_cost_usd) / made.price_usd;
            let gained = if best_of_all > 0.0 {
                ((made.worth - best_free) / best_of_all).max(0.0)
            } else {
                0.0
            };
            let (months, cost) = effort(p, touched);
            let value = margin
                * demand
                * gained
                * barred
                * annuity(p.design_discount_rate, months, p.variant_horizon_months);
            let surplus = value - cost;
            if surplus > 0.0 && best.as_ref().is_none_or(|b| surplus > b.surplus) {
                // What there is already is not designed again.
                made.write_id(parent.0, rule, id);
                if !catalogue.skus.iter().any(|s| s.id == *id) {
                    let sales = demand * gained / made.price_usd;
                    let cut = made;
                    best = Some(Proposal { cut, parent: of, rule, months, cost, sales, surplus });
                }
            }
        }
    }
    best
}

/// `Σ_{j=lag+1..horizon} (1 + r)^(−j/12)`, months.
pub(super) fn annuity(rate: f64, lag: i32, horizon: f64) -> f64 {
    let n = horizon - f64::from(lag);
    if n <= 0.0 {
        return 0.0;
    }
    let d = maths::pow(1.0 + rate, -1.0 / 12.0);
    if d >= 1.0 {
        n
    } else {
        maths::pow(d, f64::from(lag) + 1.0) * (1.0 - maths::pow(d, n)) / (1.0 - d)
    }
}

/// Enters new variants in the catalogue, launches those whose time has come, and drops those that a rule has caught
/// meanwhile.
pub(crate) fn finish_variants(
    clock: Res<Clock>,
    roster: Res<Roster>,
    vendors: Query<&Vendor>,
    mut designs: ResMut<DesignBook>,
    mut catalogue: ResMut<Catalogue>,
    mut book: ResMut<Rulebook>,
    (mut parts, mut orders): (ResMut<Parts>, ResMut<OrderBook>),
    (mut market, mut retirements, mut fears): (
        ResMut<ChipMarket>,
        ResMut<Retirements>,
        ResMut<Fears>,
    ),
    mut chronicle: ResMut<Chronicle>,
    mut readings: ResMut<Readings>,
) {
    let designs = &mut *designs;
    designs.made_for.resize(catalogue.skus.len(), None);
    for project in designs.projects.iter_mut().filter(|project| project.sku.is_none()) {
        let Some(vendor) =
            roster.vendors.get(project.vendor.index()).and_then(|v| vendors.get(*v).ok())
        else {
            continue;
        };
        let parent = catalogue.sku(project.parent).clone();
        let mut sku = sku_of(project.row.clone(), project.vendor, &parent, &catalogue, clock.now);
        sku.parent = Some(project.parent);
        sku.caused_by = Some(project.rule);
        sku.approved_units_month = project.sales;
        project.sku = Some(SkuId::at(catalogue.skus.len()));
        designs.made_for.push(Some(project.country));
        add_sku(
            sku,
            vendor.home,
            &mut catalogue,
            &mut book,
            (&mut parts, &mut orders),
            (&mut market, &mut retirements, &mut fears),
        );
    }
    for at in (0..designs.projects.len()).rev() {
        let project = &designs.projects[at];
        let Some(vendor) =
            roster.vendors.get(project.vendor.index()).and_then(|v| vendors.get(*v).ok())
        else {
            continue;
        };
        let chip = attributes(&project.row);
        let caught = live(&book, clock.now)
            .filter(|rule| to_avoid(rule, vendor, project.country))
            .find(|r| {
                r.row.treatment >= Treatment::CaseByCase
                    && r.clauses
                        .iter()
                        .any(|c| may_meet(c, project.row.marketed_for_datacentre, &chip))
            })
            .map(|r| r.event);
        if let Some(cause) = caught {
            let dropped = designs.projects.remove(at);
            if let Some(sku) = dropped.sku.and_then(|id| catalogue.skus.get_mut(id.index())) {
                sku.row.end = Some(clock.now);
            }
            chronicle.log(
                clock.now,
                "variant_dropped",
                (&vendor.row.id, &dropped.row.id),
                (1.0, "project"),
                cause,
                || format!("{} drops {}", vendor.row.name, dropped.row.name),
            );
        } else if project.row.launch <= clock.now {
            let done = designs.projects.remove(at);
            let Some(id) = done.sku else { continue };
            let sku = catalogue.sku(id);
            chronicle.log(
                clock.now,
                "variant_launched",
                (&vendor.row.id, &sku.id),
                (sku.row.tpp.unwrap_or(0.0), "TPP"),
                Some(done.event),
                || format!("{} launches {}", vendor.row.name, sku.row.name),
            );
            market.forecast[id.index()] = done.sales;
        }
    }
    readings.set(&VARIANT_PROJECTS, designs.projects.len() as f64);
}
