//! Design: chips come to market, generations follow each other, and vendors cut chips below rules.
//!
//! **Sale.** A SKU is on sale from its launch up to its end. Variants that history designed are on sale only
//! when the model does not design its own; whatever a rule caused, only once that rule has been
//! announced. A variant is off sale while a rule in force with at least a presumption of denial catches it
//! for the country that it was made for.
//!
//! **Generations** after a vendor's last roadmap SKU are made when their month comes, from the
//! vendor's newest generation: every T ± spread months (drawn once by vendor, so that dates are spread),
//! performance × f, bandwidth × f_b, interconnect × f_c, memory × f_m, power × f_w, unit cost × f_p, price × f_p from what the last
//! one sells for by then (so what the market did to its price is not forgotten; never below cost × the lowest markup), dies
//! × f_d (rounded), packages of a wafer × f_k.
//!
//! **Compliance variants.** For a vendor v and a country c, with x the monthly value of orders that
//! v has from c (smoothed; it fades slowly while rules keep orders from being placed), the rules that are
//! announced for c and ask for a licence or notice give a set of clauses. For each of the vendor's roadmap
//! chips that meets one, and each set of attributes (interconnect, bandwidth, compute), the smallest cut is
//! taken that falls below one minimum of every clause met (a cut can meet a clause that it did not meet
//! before: all are checked again; compute scales total performance and density together).
//! A variant with the share k of its parent's compute draws 1 − w_v (1 − k) of its power.
//! With s what the variant does beyond the best free chip of the vendor, over what its best chip of all does, price_v = price · (performance kept)^ξ, m the margin of it, ℓ the months that the cut takes (the
//! slowest of its attributes) and H the horizon, the project starts iff
//!
//! `V = ρ Σ_{j=ℓ+1..H} m · x · s · (1 + r)^(−j/12) > cost of the cut`
//!
//! with ρ the largest chance of refusal that the rules which catch the parent state (1 where they state none),
//!
//! and the variant is better than the best free chip by some factor; of all cuts that with the largest V −
//! cost is taken. The variant enters the catalogue at once, so that it is built for its launch. Performance is work ([`crate::entities::chip::Performance`]) `· interconnect^e` relative to the
//! reference chip. The variant carries its parent's dies. A project ends without a launch when
//! a rule announced meanwhile catches what it designs.
//!
//! Sources: A800 (fuse of links, weeks), H20 (bins of H100 dies, months): vendor filings and trade
//! press of 2022–24, as cited in `chips.csv`.

use bevy_ecs::prelude::{Local, Query, Res, ResMut, Resource};

use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Fears};
use crate::entities::chip::{Attribute, Catalogue, ChipRow, Origin, Sku};
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::Firm;
use crate::entities::ledger::{Account, Ledger, Outside, Purpose as For};
use crate::entities::line::Parts;
use crate::entities::order::OrderBook;
use crate::entities::rule::{Clause, Rule, RuleKind, Rulebook, Treatment, Verdict, any_clause};
use crate::entities::site::Retirements;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, Roster, RuleId, Settings, SkuId, Switches, VendorId};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, key_of};
use crate::units::Money;

crate::parameters! {
    /// Parameters of design.
    pub struct DesignParameters in "design" {
        /// Months that a cut of interconnect takes.
        cut_months_interconnect,
        /// Months that a cut of memory bandwidth takes.
        cut_months_bandwidth,
        /// Months that a cut of compute takes.
        cut_months_compute,
        /// Cost of a cut of interconnect.
        cut_cost_interconnect_usd,
        /// Cost of a cut of memory bandwidth.
        cut_cost_bandwidth_usd,
        /// Cost of a cut of compute.
        cut_cost_compute_usd,
        /// Share by which a cut stays below a minimum of interconnect (links come in groups).
        cut_margin_interconnect,
        /// Share by which a cut stays below any other minimum.
        cut_margin,
        /// Months over which a vendor counts a variant's sales, H.
        variant_horizon_months,
        /// Annual discount rate of a design project, r.
        design_discount_rate,
        /// Exponent of a variant's price on the performance that it keeps, ξ.
        variant_price_exponent,
        /// Share of a chip's power that falls with its compute.
        variant_power_response,
        /// Factor by which a variant must beat the vendor's best free chip.
        variant_improvement,
        /// Exponent of performance on interconnect, e.
        interconnect_value_exponent,
        /// Share of the gap that a vendor's estimate of demand closes in a month.
        demand_smoothing,
        /// Share of that estimate forgotten in a month in which rules keep orders away.
        demand_fading,
        /// Months between generations, T.
        generation_interval_months,
        /// Largest shift of a vendor's generations, months.
        generation_spread_months,
        /// Months for which a generation is made.
        generation_life_months,
        /// Factor on performance from one generation to the next, f.
        generation_performance,
        /// Factor on memory bandwidth, f_b.
        generation_bandwidth,
        /// Factor on interconnect, f_c.
        generation_interconnect,
        /// Factor on memory, f_m.
        generation_memory,
        /// Factor on power, f_w.
        generation_power,
        /// Factor on price and unit cost, f_p.
        generation_price,
        /// Lowest launch price over unit cost.
        generation_lowest_markup,
        /// Factor on dies in a package, f_d.
        generation_dies,
        /// Factor on packages of a wafer, f_k.
        generation_packages,
    }
}

/// A variant being designed.
#[derive(Clone, Debug)]
struct Project {
    vendor: VendorId,
    parent: SkuId,
    country: CountryId,
    rule: RuleId,
    row: ChipRow,
    /// Its place in the catalogue, where it stands from its first month on, so that it can be built for its launch.
    sku: Option<SkuId>,
    /// Sales on which it was approved, chips a month.
    sales: f64,
    event: EventId,
}

/// Projects under way, what vendors expect to sell where, and when generations come.
#[derive(Resource, Clone, Debug, Default)]
pub struct DesignBook {
    projects: Vec<Project>,
    /// Country that each SKU was cut for, `[sku]`.
    made_for: Vec<Option<CountryId>>,
    /// Monthly value of orders by vendor and buyers' country, USD.
    demand: Vec<Vec<f64>>,
    /// Newest generation of each vendor, and the month in which the next one comes, `[vendor]`.
    next: Vec<Option<(SkuId, Month)>>,
    /// What it was last decided on: SKUs known, and which rules on chips were announced and in force.
    watched: (usize, Vec<(RuleId, bool)>),
    /// [`worth`] of each SKU, whose row never changes, `[sku]`.
    worth: Vec<f64>,
}

/// The design book at the start: `vendors` in the order of ids.
pub(crate) fn opening_book(vendors: usize, countries: usize) -> DesignBook {
    DesignBook {
        demand: vec![vec![0.0; countries]; vendors],
        next: vec![None; vendors],
        ..DesignBook::default()
    }
}

/// Months between the generation that `vendor` launched in `launch` and the next: the interval, shifted by a draw of that month.
fn interval(p: &DesignParameters, luck: &Luck, vendor: &str, launch: Month) -> i32 {
    let u = luck.stream(Purpose::Delay, key_of(&["generation", vendor])).month(launch).uniform();
    let shift = maths::whole((2.0 * u - 1.0) * p.generation_spread_months) as i32;
    (maths::whole(p.generation_interval_months).max(1) as i32 + shift).max(1)
}

/// Puts a SKU at the end of the catalogue and of every book that counts by SKU.
fn add_sku(
    sku: Sku,
    home: CountryId,
    catalogue: &mut Catalogue,
    book: &mut Rulebook,
    (parts, orders): (&mut Parts, &mut OrderBook),
    (market, retirements, fears): (&mut ChipMarket, &mut Retirements, &mut Fears),
) {
    book.add_sku(&sku, home);
    parts.add_sku();
    orders.add_sku();
    market.add_sku();
    retirements.retired.push(0);
    fears.add_sku();
    catalogue.skus.push(sku);
}

/// A SKU from its row, on sale if it is launched.
fn sku_of(row: ChipRow, vendor: VendorId, like: &Sku, catalogue: &Catalogue, now: Month) -> Sku {
    let paper = catalogue.performance(&row);
    Sku {
        id: row.id.clone(),
        vendor,
        die: like.die,
        parent: None,
        caused_by: None,
        train_paper: paper.train,
        serve_paper: paper.serve,
        work_paper: paper.work,
        price_usd: row.price_usd,
        on_sale: row.launch <= now,
        approved_units_month: 0.0,
        row,
    }
}

/// Makes the next generation of each vendor whose roadmap has run out, when its month comes.
pub(crate) fn continue_roadmaps(
    p: Res<DesignParameters>,
    clock: Res<Clock>,
    roster: Res<Roster>,
    vendors: Query<&Vendor>,
    luck: Res<Luck>,
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
) {
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        let newest = catalogue
            .iter()
            .filter(|(_, s)| {
                s.vendor == vendor.id
                    && matches!(s.row.origin, Origin::Roadmap | Origin::Extrapolated)
            })
            .max_by_key(|(id, s)| (s.row.launch, *id));
        let Some((newest, last)) = newest else { continue };
        let next = &mut designs.next[vendor.id.index()];
        let due = match *next {
            Some((of, due)) if of == newest => due,
            _ => {
                let due = last.row.launch + interval(&p, &luck, &vendor.row.id, last.row.launch);
                *next = Some((newest, due));
                due
            }
        };
        if clock.now < due {
            continue;
        }
        let row = next_generation(&p, &vendor.row.id, last, clock.now);
        let sku = sku_of(row, vendor.id, last, &catalogue, clock.now);
        chronicle.log(
            clock.now,
            "sku_launched",
            (&vendor.row.id, &sku.id),
            (sku.train_paper, "H100"),
            None,
            || format!("{} launches {}", vendor.row.name, sku.row.name),
        );
        add_sku(
            sku,
            vendor.home,
            &mut catalogue,
            &mut book,
            (&mut parts, &mut orders),
            (&mut market, &mut retirements, &mut fears),
        );
    }
}

/// The row of the generation after `last`.
fn next_generation(p: &DesignParameters, vendor: &str, sku: &Sku, now: Month) -> ChipRow {
    let last = &sku.row;
    let unit_cost_usd = last.unit_cost_usd * p.generation_price;
    let dies = maths::whole(last.dies_per_chip as f64 * p.generation_dies).max(1);
    let more_dies = dies as f64 / last.dies_per_chip.max(1) as f64;
    ChipRow {
        id: format!("{vendor}-{now}"),
        name: format!("{vendor} generation of {now}"),
        launch: now,
        end: Some(now + maths::whole(p.generation_life_months).max(1) as i32),
        tflops_16bit: last.tflops_16bit * p.generation_performance,
        tops_8bit: last.tops_8bit * p.generation_performance,
        tpp: last.tpp.map(|x| x * p.generation_performance),
        performance_density: last
            .performance_density
            .map(|x| x * p.generation_performance / more_dies),
        interconnect_gbps: last.interconnect_gbps.map(|x| x * p.generation_interconnect),
        memory_bandwidth_gbps: last.memory_bandwidth_gbps.map(|x| x * p.generation_bandwidth),
        hbm_gb: last.hbm_gb * p.generation_memory,
        tdp_w: last.tdp_w * p.generation_power,
        dies_per_chip: dies,
        packages_per_wafer: last.packages_per_wafer * p.generation_packages,
        price_usd: (sku.price_usd * p.generation_price)
            .max(unit_cost_usd * p.generation_lowest_markup),
        unit_cost_usd,
        origin: Origin::Extrapolated,
        parent: None,
        caused_by: None,
        source: "generated in the run".to_owned(),
        ..last.clone()
    }
}

/// Follows what vendors sell to whom: orders placed last month by buyers' country, smoothed.
pub(crate) fn watch_demand(
    p: Res<DesignParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    orders: Res<OrderBook>,
    book: Res<Rulebook>,
    firms: Query<&Firm>,
    countries: Query<&Country>,
    vendors: Query<(&Vendor, &Sales)>,
    mut designs: ResMut<DesignBook>,
    mut readings: ResMut<Readings>,
    mut placed: Local<Vec<Vec<f64>>>,
    mut barred: Local<Vec<bool>>,
) {
    let n = roster.countries.len();
    placed.resize_with(roster.vendors.len(), Vec::new);
    designs.demand.resize_with(roster.vendors.len(), Vec::new);
    for row in &mut *placed {
        row.clear();
        row.resize(n, 0.0);
    }
    for order in &orders.orders {
        if order.placed == clock.now - 1
            && let Some(firm) =
                roster.firms.get(order.buyer.index()).and_then(|f| firms.get(*f).ok())
            && let Some(row) = placed.get_mut(order.vendor.index())
        {
            row[firm.home.index()] +=
                (order.open + order.shipped) as f64 * order.price.amount(settings.quantum);
        }
    }
    barred.clear();
    barred.extend((0..n).map(|at| {
        let country = CountryId::at(at);
        book.rules.iter().any(|r| {
            r.in_force
                && r.row.kind == RuleKind::ChipExport
                && r.row.treatment >= Treatment::CaseByCase
                && book.keeps_away(r)
                && r.covers_lane(country, country)
        })
    }));
    for ((vendor, sales), country_row) in
        vendors.iter_many(&roster.vendors).flatten().zip(designs.demand.iter_mut())
    {
        country_row.resize(n, 0.0);
        let mut behind_rules = 0.0;
        for (country, x) in
            countries.iter_many(&roster.countries).flatten().zip(country_row.iter_mut())
        {
            let mut now = placed[vendor.id.index()][country.id.index()];
            if country.row.bloc == Bloc::China {
                // Orders that came and went within a month are seen in the year's revenue.
                let sold = sales.trailing_china_usd.iter().sum::<f64>() / 12.0 / vendor.row.attach;
                now = now.max(sold);
            }
            let barred = barred[country.id.index()];
            let speed = if barred && now < *x { p.demand_fading } else { p.demand_smoothing };
            *x += speed * (now - *x);
            if barred {
                behind_rules += *x;
            }
        }
        readings.set_for(&DEMAND_BEHIND_RULES, vendor.id.index(), behind_rules);
    }
}

/// Rules that a variant for `country` must stay clear of: announced, not over, licence or notice.
fn to_avoid<'a>(
    book: &'a Rulebook,
    vendor: &Vendor,
    country: CountryId,
    now: Month,
) -> impl Iterator<Item = &'a Rule> {
    let (home, id) = (vendor.home, vendor.id);
    book.rules.iter().filter(move |r| {
        r.row.kind == RuleKind::ChipExport
            && r.row.treatment >= Treatment::Notify
            && book.keeps_away(r)
            && r.is_live(now)
            && r.firms.is_empty()
            && !r.clauses.is_empty()
            && (r.vendors.is_empty() || r.vendors.contains(&id))
            && r.covers_lane(country, country)
            && !r.exempts(home, country)
    })
}

/// The four attributes of a chip, by [`Attribute`].
type Attributes = [Option<f64>; 4];

fn attributes(row: &ChipRow) -> Attributes {
    [row.tpp, row.performance_density, row.interconnect_gbps, row.memory_bandwidth_gbps]
}

/// Sets of attributes that a cut may touch: interconnect, bandwidth, compute, as bits.
const INTERCONNECT: usize = 1;
const BANDWIDTH: usize = 2;
const COMPUTE: usize = INTERCONNECT + BANDWIDTH + 1;
const EVERYTHING: usize = INTERCONNECT + BANDWIDTH + COMPUTE;

const fn bit(attribute: Attribute) -> usize {
    match attribute {
        Attribute::Tpp | Attribute::PerformanceDensity => COMPUTE,
        Attribute::Interconnect => INTERCONNECT,
        Attribute::MemoryBandwidth => BANDWIDTH,
    }
}

/// Whether a chip with these attributes may meet `clause` (what is unpublished may).
fn may_meet(clause: &Clause, marketed: bool, chip: &Attributes) -> bool {
    clause.marketed_for_datacentre.is_none_or(|m| m == marketed)
        && clause.bounds.iter().all(|bound| {
            chip[bound.attribute as usize].is_none_or(|x| (x >= bound.threshold) == bound.at_least)
        })
}

/// The smallest cut of the attributes in `allowed` that meets no clause, with the attributes cut;
/// none if there is none.
fn cut(
    p: &DesignParameters,
    clauses: &[&Clause],
    marketed: bool,
    mut chip: Attributes,
    allowed: usize,
) -> Option<(Attributes, usize)> {
    let mut touched = 0;
    for _ in 0..=2 * clauses.len() {
        let Some(clause) = clauses.iter().find(|c| may_meet(c, marketed, &chip)) else {
            return Some((chip, touched));
        };
        let mut best: Option<(f64, Attribute)> = None;
        for bound in &clause.bounds {
            let which = bit(bound.attribute);
            if !bound.at_least || allowed & which == 0 {
                continue;
            }
            let Some(x) = chip[bound.attribute as usize].filter(|x| *x > 0.0) else { continue };
            let margin =
                if which == INTERCONNECT { p.cut_margin_interconnect } else { p.cut_margin };
            let factor = bound.threshold * (1.0 - margin) / x;
            if factor < 1.0 && best.is_none_or(|(f, _)| factor > f) {
                best = Some((factor, bound.attribute));
            }
        }
        let (factor, attribute) = best?;
        touched |= bit(attribute);
        for other in [
            Attribute::Tpp,
            Attribute::PerformanceDensity,
            Attribute::Interconnect,
            Attribute::MemoryBandwidth,
        ] {
            if bit(other) == bit(attribute) {
                chip[other as usize] = chip[other as usize].map(|x| x * factor);
            }
        }
    }
    None
}

/// Months and money that a cut takes: the slowest, and the sum, of its attributes.
fn effort(p: &DesignParameters, touched: usize) -> (i32, f64) {
    let mut months = 0.0_f64;
    let mut cost = 0.0;
    for (which, m, c) in [
        (INTERCONNECT, p.cut_months_interconnect, p.cut_cost_interconnect_usd),
        (BANDWIDTH, p.cut_months_bandwidth, p.cut_cost_bandwidth_usd),
        (COMPUTE, p.cut_months_compute, p.cut_cost_compute_usd),
    ] {
        if touched & which != 0 {
            months = months.max(m);
            cost += c;
        }
    }
    (maths::whole(months).max(1) as i32, cost)
}

/// Performance that buyers pay for, relative to the reference chip.
fn worth(p: &DesignParameters, row: &ChipRow, catalogue: &Catalogue) -> f64 {
    let link = row.interconnect_gbps.unwrap_or(0.0).max(1.0);
    catalogue.performance(row).work * maths::pow(link, p.interconnect_value_exponent)
}

/// `Σ_{j=lag+1..horizon} (1 + r)^(−j/12)`, months.
fn annuity(rate: f64, lag: i32, horizon: f64) -> f64 {
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

/// The row of `parent` with its attributes cut to `chip`.
fn variant_row(
    p: &DesignParameters,
    parent: &ChipRow,
    chip: &Attributes,
    touched: usize,
    rule: &Rule,
    catalogue: &Catalogue,
) -> ChipRow {
    let kept = |new: Option<f64>, old: Option<f64>| match (new, old) {
        (Some(new), Some(old)) if old > 0.0 => new / old,
        _ => 1.0,
    };
    let compute = kept(chip[0], parent.tpp).min(kept(chip[1], parent.performance_density));
    let bandwidth = kept(chip[3], parent.memory_bandwidth_gbps);
    let mut word = String::new();
    for (which, name) in
        [(INTERCONNECT, "interconnect"), (BANDWIDTH, "bandwidth"), (COMPUTE, "compute")]
    {
        if touched & which != 0 {
            word.push('-');
            word.push_str(name);
        }
    }
    let mut row = ChipRow {
        id: format!("{}-cut{word}-{}", parent.id, rule.row.id),
        name: format!("{} cut in{} for {}", parent.name, word.replace('-', " "), rule.row.id),
        end: None,
        tflops_16bit: parent.tflops_16bit * compute,
        tops_8bit: parent.tops_8bit * compute,
        tpp: chip[0],
        performance_density: chip[1],
        interconnect_gbps: chip[2],
        memory_bandwidth_gbps: chip[3],
        hbm_gb: parent.hbm_gb * bandwidth,
        tdp_w: parent.tdp_w * (1.0 - p.variant_power_response * (1.0 - compute)),
        origin: Origin::Designed,
        parent: Some(parent.id.clone()),
        caused_by: Some(rule.row.id.clone()),
        source: "designed in the run".to_owned(),
        ..parent.clone()
    };
    let share = worth(p, &row, catalogue) / worth(p, parent, catalogue);
    row.price_usd = parent.price_usd * maths::pow(share, p.variant_price_exponent);
    row
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
) {
    let rules = || {
        let live = book.rules.iter().filter(|rule| {
            rule.row.kind == RuleKind::ChipExport
                && rule.is_live(clock.now)
                && book.keeps_away(rule)
        });
        live.map(|rule| (rule.id, rule.in_force))
    };
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
            let rules: Vec<&Rule> = to_avoid(&book, vendor, country, clock.now).collect();
            if rules.is_empty() {
                continue;
            }
            let clauses: Vec<&Clause> = rules.iter().flat_map(|r| &r.clauses).collect();
            if let Some(project) = best_variant(
                &p, &clock, &catalogue, &designs, vendor, country, demand, &rules, &clauses,
            ) {
                let (months, cost, sales) = project.1;
                let (row, parent, rule) = project.0;
                let money = Money::from_amount(cost, settings.quantum);
                ledger.pay(
                    Account::Vendor(vendor.id),
                    Account::Outside(Outside::Suppliers),
                    money,
                    For::Design,
                );
                readings.set_for(&DESIGN_COST, vendor.id.index(), cost);
                readings.set_for(&VARIANT_WORTH, vendor.id.index(), project.2);
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

/// The variant worth most beyond its cost, if any pays: (row, parent, rule), (months, cost, chips a month).
fn best_variant<'a>(
    p: &DesignParameters,
    clock: &Clock,
    catalogue: &Catalogue,
    designs: &DesignBook,
    vendor: &Vendor,
    country: CountryId,
    demand: f64,
    rules: &[&'a Rule],
    clauses: &[&Clause],
) -> Option<((ChipRow, SkuId, &'a Rule), (i32, f64, f64), f64)> {
    let free = |row: &ChipRow| {
        !clauses.iter().any(|c| may_meet(c, row.marketed_for_datacentre, &attributes(row)))
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
    let mut best: Option<(f64, (ChipRow, SkuId, &Rule), (i32, f64, f64))> = None;
    for (id, parent) in catalogue.iter() {
        if parent.vendor != vendor.id
            || !parent.on_sale
            || !matches!(parent.row.origin, Origin::Roadmap | Origin::Extrapolated)
        {
            continue;
        }
        let caught = rules
            .iter()
            .filter(|r| any_clause(&r.clauses, parent) != Verdict::Free)
            .max_by_key(|r| (r.row.announced, r.row.treatment, r.id));
        let Some(rule) = caught else { continue };
        // Where a licence is as good as granted there is nothing to win by staying below.
        let barred = rules
            .iter()
            .filter(|r| any_clause(&r.clauses, parent) != Verdict::Free)
            .map(|r| r.row.odds.map_or(1.0, |odds| 1.0 - maths::logistic(odds)))
            .fold(0.0, f64::max);
        for allowed in 1..=EVERYTHING {
            let marketed = parent.row.marketed_for_datacentre;
            let Some((chip, touched)) = cut(p, clauses, marketed, attributes(&parent.row), allowed)
            else {
                continue;
            };
            if touched != allowed || touched == 0 {
                continue;
            }
            let row = variant_row(p, &parent.row, &chip, touched, rule, catalogue);
            let performance = worth(p, &row, catalogue);
            if performance < p.variant_improvement * best_free
                || catalogue.skus.iter().any(|s| s.id == row.id)
            {
                continue;
            }
            let margin = (row.price_usd - row.unit_cost_usd) / row.price_usd;
            let gained = if best_of_all > 0.0 {
                ((performance - best_free) / best_of_all).max(0.0)
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
            if surplus > 0.0 && best.as_ref().is_none_or(|(s, ..)| surplus > *s) {
                let mut row = row;
                row.launch = clock.now + months;
                let sales = demand * gained / row.price_usd;
                best = Some((surplus, (row, id, *rule), (months, cost, sales)));
            }
        }
    }
    best.map(|(surplus, what, effort)| (what, effort, surplus))
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
        let caught = to_avoid(&book, vendor, project.country, clock.now)
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

/// Opens and closes sale of every SKU.
pub(crate) fn open_and_close_sales(
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    countries: Query<&Country>,
    book: Res<Rulebook>,
    mut designs: ResMut<DesignBook>,
    mut catalogue: ResMut<Catalogue>,
    mut readings: ResMut<Readings>,
) {
    let designs = &mut *designs;
    let catalogue = &mut *catalogue;
    designs.made_for.resize(catalogue.skus.len(), None);
    let china =
        || countries.iter_many(&roster.countries).flatten().find(|c| c.row.bloc == Bloc::China);
    let mut variants = 0;
    for (at, sku) in catalogue.skus.iter_mut().enumerate() {
        let row = &sku.row;
        let mut sale = row.launch <= clock.now && row.end.is_none_or(|end| clock.now < end);
        let variant = matches!(row.origin, Origin::HistoricalVariant | Origin::Designed);
        if row.origin == Origin::HistoricalVariant {
            sale &= switches.variants && !settings.endogenous_variants;
            if designs.made_for[at].is_none() {
                designs.made_for[at] = china().map(|c| c.id);
            }
        }
        sale &= sku.caused_by.is_none_or(|rule| book.rules[rule.index()].announced);
        if sale
            && variant
            && let Some(country) = designs.made_for[at]
        {
            sale = !book.rules.iter().any(|rule| {
                rule.in_force
                    && rule.row.kind == RuleKind::ChipExport
                    && rule.row.treatment >= Treatment::PresumptionOfDenial
                    && rule.firms.is_empty()
                    && book.verdicts[rule.id.index()][at] != Verdict::Free
                    && rule.covers_lane(country, country)
                    && !book.rules.iter().any(|other| {
                        other.in_force
                            && other.replaces.contains(&rule.id)
                            && book.verdicts[other.id.index()][at] == Verdict::Controlled
                            && other.covers_lane(country, country)
                    })
            });
        }
        sku.on_sale = sale;
        variants += i32::from(sale && variant);
        readings.set_for(&ON_SALE, at, f64::from(u8::from(sale)));
    }
    readings.set(&VARIANTS_ON_SALE, f64::from(variants));
}

crate::metrics! {
    World {
        VARIANTS_ON_SALE = "variants_on_sale", "SKUs", "Compliance variants on sale, historical or designed.";
        VARIANT_PROJECTS = "variant_projects", "projects", "Compliance variants being designed.";
    }
    Vendor {
        DEMAND_BEHIND_RULES = "demand_behind_rules_usd", "USD/month", "Orders a month, smoothed, that the vendor expects from countries where a rule in force asks for a licence: what a compliance variant could win.";
        VARIANT_WORTH = "variant_worth_usd", "USD", "Discounted margin that the compliance variants started this month are expected to win, less their cost.";
        DESIGN_COST = "design_cost_usd", "USD", "Cost of compliance variants started this month.";
    }
    Sku {
        ON_SALE = "on_sale", "flag", "1 if the chip can be ordered this month.";
    }
}

#[cfg(test)]
mod tests;
