//! A market worked by hand, laws on random markets, and a decade in a drawn-up world.

use std::path::Path;

use bevy_ecs::prelude::{Schedule, World};
use bevy_ecs::schedule::IntoScheduleConfigs;
use proptest::prelude::*;

use super::finance::{self, FinanceParameters};
use super::market::*;
use crate::calendar::Month;
use crate::entities::boards::{Offers, SELF_HOSTED};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, CountryRow, Demand};
use crate::entities::firm::{Compute, Finance, Firm, FirmRow, Lab, Purse};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::model::{Model, ModelBook, Tier};
use crate::entities::script::{Script, ShockRow};
use crate::entities::site::{Halls, Site, SiteRow};
use crate::entities::vendor::{Vendor, VendorRow};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, SiteId, Switches, VendorId};
use crate::maths;
use crate::metric::{Metric, Readings};
use crate::random::{Luck, Purpose as Draw};
use crate::schema::{Kind, Row, Value};
use crate::units::Money;

/// Rows of a table of the reference world.
fn rows<R: Row>(file: &str) -> Vec<R> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference").join(file);
    let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    let header = reader.headers().expect("a header").clone();
    let names: Vec<_> = R::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(header.iter().skip(1).collect::<Vec<_>>(), names, "{file}");
    let mut found: Vec<(String, R)> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let id = record[0].to_owned();
            let mut values = R::COLUMNS.iter().zip(record.iter().skip(1)).map(|(column, cell)| {
                if cell.is_empty() && column.optional {
                    return Value::Missing;
                }
                let number = || cell.parse::<f64>().unwrap_or_else(|e| panic!("{cell}: {e}"));
                match column.kind {
                    Kind::Number { low, high } => {
                        assert!((low..=high).contains(&number()), "{id} {}: {cell}", column.name);
                        Value::Number(number())
                    }
                    Kind::Whole { .. } => Value::Whole(maths::whole(number())),
                    Kind::Flag => Value::Flag(cell == "true"),
                    Kind::Month => Value::Month(cell.parse().expect("a month")),
                    Kind::Ids(_) | Kind::Words => {
                        Value::List(cell.split_whitespace().map(str::to_owned).collect())
                    }
                    Kind::Text | Kind::Choice(_) | Kind::Id(_) => Value::Text(cell.to_owned()),
                }
            });
            (id.clone(), R::build(id.clone(), &mut values))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.into_iter().map(|(_, row)| row).collect()
}

/// A parameter of the reference world, from whichever of its files has it.
fn reference(name: &str) -> f64 {
    static VALUES: std::sync::OnceLock<std::collections::BTreeMap<String, f64>> =
        std::sync::OnceLock::new();
    let values = VALUES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the reference world")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| {
                file.starts_with("parameters")
                    && Path::new(file).extension().is_some_and(|e| e == "csv")
            })
            .collect();
        files.sort();
        files
            .iter()
            .flat_map(|file| rows::<crate::parameters::ParameterRow>(file))
            .map(|row| (row.id, row.value))
            .collect()
    });
    *values.get(name).unwrap_or_else(|| panic!("no parameter {name}"))
}

/// The market's parameters in the reference world.
fn parameters() -> MarketParameters {
    MarketParameters::from_values(&mut reference)
}

fn country(id: &str, bloc: Bloc, gdp: f64, power: f64, constraint: f64, ideal: f64) -> CountryRow {
    CountryRow {
        id: id.to_owned(),
        name: id.to_owned(),
        bloc,
        tier: match id {
            "usa" => 0,
            "chn" | "rus" => 3,
            _ if bloc == Bloc::Allied => 1,
            _ => 2,
        },
        third_market: bloc == Bloc::Nonaligned,
        gdp_usd_bn: gdp,
        population_m: 100.0,
        power_price_usd_kwh: power,
        carbon_g_kwh: 400.0,
        pue: 1.35,
        build_months: 24,
        ai_power_mw: 100.0,
        ai_power_growth: 0.3,
        ai_power_ceiling_mw: 1e5,
        infrastructure_constraint: constraint,
        ideal_point: ideal,
        ai_intensity: match bloc {
            Bloc::Us => 1.0,
            Bloc::Allied | Bloc::China => 0.6,
            Bloc::Nonaligned => 0.35,
        },
        source: "test".to_owned(),
    }
}

fn nations() -> Vec<CountryRow> {
    use Bloc::{Allied, China, Nonaligned, Us};
    vec![
        country("are", Nonaligned, 537.0, 0.1, 0.0, -0.5),
        country("bra", Nonaligned, 2180.0, 0.12, 0.33, -0.3),
        country("chn", China, 18740.0, 0.088, 0.13, -1.2),
        country("deu", Allied, 9000.0, 0.185, 0.19, 1.2),
        country("fra", Allied, 6000.0, 0.13, 0.1, 1.5),
        country("gbr", Allied, 7000.0, 0.3, 0.28, 1.6),
        country("idn", Nonaligned, 2800.0, 0.07, 0.6, -0.6),
        country("ind", Nonaligned, 3910.0, 0.1, 0.58, -0.57),
        country("jpn", Allied, 8000.0, 0.165, 0.1, 0.8),
        country("nga", Nonaligned, 700.0, 0.135, 1.0, -0.55),
        country("pak", Nonaligned, 900.0, 0.13, 0.74, -0.57),
        country("rus", Nonaligned, 2170.0, 0.08, 0.1, -1.27),
        country("sgp", Nonaligned, 1500.0, 0.19, 0.05, -0.13),
        country("usa", Us, 29180.0, 0.083, 0.0, 2.0),
    ]
}

fn home_of(firms: &[FirmRow], countries: &[CountryRow]) -> Vec<CountryId> {
    firms
        .iter()
        .map(|row| CountryId::at(countries.iter().position(|c| c.id == row.home).expect("a home")))
        .collect()
}

/// A world of these firms and countries with everything that both rooms read.
fn world(firms: &[FirmRow], countries: &[CountryRow], p: MarketParameters) -> World {
    let fp = FinanceParameters::from_values(&mut reference);
    let homes = home_of(firms, countries);
    let places: Vec<(CountryId, CountryId)> = homes.iter().map(|h| (*h, *h)).collect();
    let (trading, offers, outlook) = start(&p, countries, firms, &homes, &places);
    let mut world = World::new();
    let mut roster = Roster::default();
    for (c, row) in countries.iter().enumerate() {
        let demand = demand_of(&p, c, countries, firms, &homes);
        let entity = world.spawn((Country { id: CountryId::at(c), row: row.clone() }, demand)).id();
        roster.countries.push(entity);
    }
    let mut ledger = Ledger::new(firms.len(), 1);
    finance::open_books(&mut ledger, firms, &[], 0.01);
    let luck = Luck::new(1);
    for (i, row) in firms.iter().enumerate() {
        let lab = Lab {
            staff: row.research_staff,
            ln_a_train: row.ln_a_train,
            ln_a_serve: row.ln_a_serve,
            input: 1.0,
            possible_capability: 23.0,
            possible_log10_flop: 23.0,
            ..Lab::at_rest(luck.stream(Draw::Research, i as u64))
        };
        let purse = Purse::default();
        let finance = finance::start(&fp, row);
        let firm = Firm { id: FirmId::at(i), home: homes[i], row: row.clone() };
        roster.firms.push(world.spawn((firm, Compute::default(), lab, purse, finance)).id());
    }
    let vendor = VendorRow {
        id: "nvidia".to_owned(),
        name: "NVIDIA".to_owned(),
        home: "usa".to_owned(),
        captive: None,
        attach: 1.2,
        host_usd: 0.0,
        software_start: 1.0,
        software_end: 1.0,
        software_half_units: 1.0,
        shipping_months: 1,
        other_revenue_usd_bn: 0.0,
        other_revenue_china_share: 0.0,
        cash_usd_bn: 0.0,
        source: "test".to_owned(),
    };
    let seller = Vendor { id: VendorId(0), home: CountryId(0), captive: None, row: vendor };
    roster.vendors.push(world.spawn((seller,)).id());
    let metrics: Vec<&'static Metric> =
        METRICS.iter().chain(finance::METRICS.iter()).copied().collect();
    world.insert_resource(Readings::new(
        Box::leak(metrics.into_boxed_slice()),
        [1, firms.len(), 1, countries.len(), 0, 0],
    ));
    world.insert_resource(trading);
    world.insert_resource(offers);
    world.insert_resource(outlook);
    world.insert_resource(p);
    world.insert_resource(fp);
    world.insert_resource(ledger);
    world.insert_resource(roster);
    world.insert_resource(Switches::default());
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: false });
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Script::default());
    world.insert_resource(ModelBook::default());
    world.insert_resource(Catalogue::default());
    let now = Month::new(2022, 1);
    world.insert_resource(Clock { start: now, now, end: Month::new(2035, 12) });
    world
}

/// The systems of both rooms, in the order of the month.
fn month() -> Schedule {
    let mut schedule = Schedule::default();
    schedule.add_systems(
        (
            demand::grow_spend,
            demand::spread_awareness,
            offers::cost_compute,
            offers::post_prices,
            offers::host_open_models,
            clearing::choose,
            clearing::clear,
            measures::measure,
            finance::cash::settle,
            finance::plan::answer_to_investors,
            finance::plan::plan_capex,
            finance::plan::measure,
        )
            .chain(),
    );
    schedule
}

fn model(id: u32, firm: usize, tier: Tier, quality: f64, per: f64, open: bool) -> Model {
    Model {
        id,
        firm: FirmId::at(firm),
        tier,
        released: Month::new(2022, 1),
        quality,
        log10_flop: 23.0,
        tokens_m_per_h100e: per,
        open,
        distilled: 0.0,
        event: None,
    }
}

fn two_firms() -> Vec<FirmRow> {
    rows::<FirmRow>("firms.csv")
        .into_iter()
        .filter(|row| ["alphabet", "deepseek"].contains(&row.id.as_str()))
        .collect()
}

#[test]
fn throughput_has_a_ceiling() {
    // A = 1000 against a limit of 1000: half the limit.
    assert!((offers::gain(1000.0, 1000.0) - 500.0).abs() < 1e-9);
    assert!((offers::gain(1.0, 1e12) - 1.0).abs() < 1e-9);
    assert!(offers::gain(1e12, 1000.0) <= 1000.0);
}

#[test]
fn trust_and_access_follow_blocs_and_votes() {
    let mut p = parameters();
    (p.bloc_distance_nonaligned_china, p.ideal_point_weight) = (0.5, 0.1);
    let all = nations();
    let of = |id: &str| all.iter().find(|row| row.id == id).expect("a country");
    // India to China: 0.5 + 0.1 · |−0.57 + 1.2| = 0.563.
    assert!((trust_distance(&p, of("ind"), of("chn")) - 0.563).abs() < 1e-12);
    // Germany to the US: no bloc distance, 0.1 · |1.2 − 2.0| = 0.08.
    assert!((trust_distance(&p, of("deu"), of("usa")) - 0.08).abs() < 1e-12);
    assert_eq!(trust_distance(&p, of("chn"), of("chn")), 0.0);
    assert_eq!(access(&p, of("chn"), of("usa")), p.access_foreign_in_china);
    assert_eq!(access(&p, of("rus"), of("usa")), p.access_us_in_barred);
    assert_eq!(access(&p, of("rus"), of("chn")), 1.0);
    assert_eq!(access(&p, of("usa"), of("chn")), p.access_china_in_aligned);
    assert_eq!(access(&p, of("ind"), of("usa")), 1.0);
}

#[test]
fn costs_prices_and_clearing_by_hand() {
    let mut p = parameters();
    p.chip_share_of_ai_capex = 0.5;
    p.running_cost_share = 0.1;
    p.serving_gain_limit = 1e15;
    p.price_margin_base = 1.0;
    (p.price_margin_lead, p.price_factor_china) = (0.0, 1.0);
    (p.price_floor_factor, p.entry_gap, p.price_weight_poor) = (0.0, 0.0, 0.0);
    p.spend_start_usd_year = 1.2e7;
    (p.awareness_start_home, p.spend_start_china_factor) = (1.0, 1.0);
    let firms = two_firms();
    let usa = [nations().pop().expect("the US"), nations().swap_remove(2)];
    let mut countries = usa.to_vec();
    countries.sort_by(|a, b| a.id.cmp(&b.id));
    let mut world = world(&firms, &countries, p);
    let entities = world.resource::<Roster>().firms.clone();
    for (i, entity) in entities.iter().enumerate() {
        let mut compute = world.get_mut::<Compute>(*entity).expect("compute");
        *compute = Compute {
            owned_serve_h100e: 100.0,
            serving_h100e: 100.0,
            capital_usd_year: 600_000.0,
            energy_usd_year: 60_000.0,
            power_mw: 0.1,
            ..Compute::default()
        };
        world.get_mut::<Lab>(*entity).expect("lab").ln_a_serve = 0.0;
        let mut book = world.resource_mut::<ModelBook>();
        book.models.push(model(i as u32, i, Tier::Big, 25.0, 1000.0, false));
        book.deployed.push([Some(i as u32), None]);
    }
    month().run(&mut world);
    let t = world.resource::<Trading>();
    let offers = world.resource::<Offers>();
    // (600 000 / 0.5 + 0.1 · 600 000 + 60 000) / 100 H100e / 12 months = 1 100 USD.
    assert!((t.unit_cost[0] - 1100.0).abs() < 1e-9);
    // 1 100 USD / 1 000 million tokens = 1.1 USD per million; margin 1 doubles it, and with an idle
    // month before it scarcity is 0.1 · −2 (the clip): 2.2 · e^−0.2 = 1.80121.
    assert!((offers.cost_usd_m[0] - 1.1).abs() < 1e-12);
    assert!((offers.price_usd_m[0] - 2.2 * maths::exp(-0.2)).abs() < 1e-9);
    // 0.1 MW / 100 H100e = 1 kW; 730 kWh a month for 1 000 million tokens.
    assert!((offers.energy_kwh_m[0] - 0.73).abs() < 1e-12);
    // In China only the Chinese firm is on offer: V = 0 against nothing's −outside_gap,
    // so nothing's share is e^−3 / (1 + e^−3) = 0.04743 (awareness and access 1, same price everywhere).
    assert!((t.nothing[0] - 0.047_425_87).abs() < 1e-6);
    // China's money: 1.2e7 / 12 months × its share of GDP × intensity, and all that is wanted is paid.
    let china = 18_740.0 * 0.6 / (18_740.0 * 0.6 + 29_180.0);
    let wanted = 1e6 * china * (1.0 - t.nothing[0]);
    assert!((t.unserved[0] + paid(t, offers, 0) - wanted).abs() < 1e-6);
}

/// Money paid in country `c`.
fn paid(t: &Trading, offers: &Offers, c: usize) -> f64 {
    (0..t.options())
        .map(|k| {
            let used = t.used[c * t.options() + k];
            let price = if k < t.hosted {
                offers.price_usd_m[k]
            } else {
                t.open_price[c * SELF_HOSTED + k - t.hosted]
            };
            if used > 0.0 { used * price } else { 0.0 }
        })
        .sum()
}

fn site(owner: usize, country: usize, at: usize, row: &FirmRow) -> Site {
    Site {
        id: SiteId::at(at),
        owner: FirmId::at(owner),
        country: CountryId::at(country),
        row: SiteRow {
            id: format!("{}-{country}", row.id),
            owner: row.id.clone(),
            country: String::new(),
            power_mw: 0.0,
            build_share: 1.0,
            source: "test".to_owned(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the capacities, prices and qualities: shares sum to one, nobody serves more than its
    /// compute allows, every dollar wanted is paid or unserved, the ledger sums to zero.
    #[test]
    fn markets_balance(
        seed in prop::collection::vec((0.0_f64..1e5, 20.0_f64..30.0, 1.0_f64..1e5, any::<bool>()), 20),
        spend in 1e6_f64..1e12,
        months in 1_usize..6,
    ) {
        let mut p = parameters();
        p.spend_start_usd_year = spend;
        let firms = rows::<FirmRow>("firms.csv");
        let countries = nations();
        let mut world = world(&firms, &countries, p);
        let entities = world.resource::<Roster>().firms.clone();
        for (i, entity) in entities.iter().enumerate() {
            let (h100e, quality, per, open) = seed[i % seed.len()];
            let mut compute = world.get_mut::<Compute>(*entity).expect("compute");
            *compute = Compute {
                owned_serve_h100e: h100e,
                serving_h100e: h100e / 2.0,
                capital_usd_year: h100e * 5e3,
                energy_usd_year: h100e * 8e2,
                power_mw: h100e * 1e-3,
                ..Compute::default()
            };
            let home = home_of(&firms, &countries)[i].index();
            let halls = Halls { drawn_mw: h100e * 1e-3, ..Halls::default() };
            let entity = world.spawn((site(i, home, i, &firms[i]), halls)).id();
            world.resource_mut::<Roster>().sites.push(entity);
            let mut book = world.resource_mut::<ModelBook>();
            let at = book.models.len() as u32;
            if firms[i].developer && h100e > 1e3 {
                book.models.push(model(at, i, Tier::Big, quality, per, open));
                book.models.push(model(at + 1, i, Tier::Small, quality - 1.0, per * 5.0, open));
                book.deployed.push([Some(at), Some(at + 1)]);
            } else {
                book.deployed.push([None, None]);
            }
        }
        let mut schedule = month();
        for _ in 0..months {
            world.resource_mut::<Ledger>().turn_page();
            schedule.run(&mut world);
            world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
            let t = world.resource::<Trading>();
            let offers = world.resource::<Offers>();
            let demands: Vec<&Demand> = world
                .resource::<Roster>()
                .countries
                .iter()
                .map(|entity| world.get::<Demand>(*entity).expect("demand"))
                .collect();
            let mut all_paid = 0.0;
            for (c, demand) in demands.iter().enumerate() {
                let sum: f64 = demand.share.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-9, "shares of {c} sum to {sum}");
                let wanted = demand.spend_usd_year / 12.0 * (1.0 - t.nothing[c]);
                let spent = paid(t, offers, c);
                all_paid += spent;
                prop_assert!((spent - demand.paid_usd).abs() <= 1e-9 * wanted.max(1.0));
                prop_assert!(
                    (spent + demand.unserved_usd - wanted).abs() <= 1e-9 * wanted.max(1.0),
                    "{c}: {spent} + {} of {wanted}", demand.unserved_usd
                );
                let open: f64 = (t.hosted..t.options())
                    .filter(|k| t.per_h100e[*k] > 0.0)
                    .map(|k| t.used[c * t.options() + k] / t.per_h100e[k])
                    .sum();
                prop_assert!(open <= demand.self_host_h100e * (1.0 + 1e-9) + 1e-9);
            }
            for (i, entity) in entities.iter().enumerate() {
                let compute = world.get::<Compute>(*entity).expect("compute");
                let used: f64 = (0..t.hosted)
                    .filter(|k| offers.firm[*k].index() == i && t.per_h100e[*k] > 0.0)
                    .map(|k| offers.tokens_m[k] / t.per_h100e[k])
                    .sum();
                prop_assert!(used <= compute.serving_h100e * (1.0 + 1e-9));
                prop_assert!((0.0..=1.0).contains(&compute.utilisation));
                let finance = world.get::<Finance>(*entity).expect("finance");
                prop_assert!(finance.value_usd.is_finite() && finance.ai_capex_usd_year >= 0.0);
            }
            let ledger = world.resource::<Ledger>();
            prop_assert_eq!(ledger.sum(), 0);
            prop_assert!(ledger.misposted().is_none());
            let users = ledger.this_month(Account::Outside(Outside::Users), Purpose::Tokens);
            prop_assert!((users.amount(0.01) + all_paid).abs() < 1.0 + 1e-9 * all_paid);
        }
    }
}

#[test]
fn empty_worlds_do_not_panic() {
    let mut bare = world(&[], &[], parameters());
    month().run(&mut bare);
    let firms = two_firms();
    let mut idle = world(&firms, &nations(), parameters());
    let mut schedule = month();
    for _ in 0..14 {
        schedule.run(&mut idle);
        idle.resource_mut::<Clock>().now = idle.resource::<Clock>().now + 1;
    }
    assert_eq!(idle.resource::<Ledger>().sum(), 0);
}

/// A stand-in for everything else: fleets grow with money, models with fleets, serving
/// efficiency by a falling rate; hosts lend to tenants; China pays twice as much for compute.
fn rest_of_the_month(world: &mut World, fleet: &mut [f64], spare: &mut [f64]) {
    let clock = *world.resource::<Clock>();
    let years = clock.years();
    let roster = world.resource::<Roster>().clone();
    let fp = world.resource::<FinanceParameters>().clone();
    let usd_per_h100e = 46_000.0 * maths::exp(-0.33 * years);
    let n = roster.firms.len();
    for i in 0..n {
        let entity = roster.firms[i];
        let firm = world.get::<Firm>(entity).expect("a firm").clone();
        let chinese = firm.row.home == "chn";
        let kappa = if chinese && clock.now >= Month::new(2022, 10) { 2.0 } else { 1.0 };
        world.get_mut::<Purse>(entity).expect("a purse").kappa = kappa;
        let finance = world.get::<Finance>(entity).expect("finance").clone();
        let months_short = finance.months_short_of_cash;
        let budget = if months_short > 0 {
            0.0
        } else {
            finance.ai_capex_usd_year * fp.chip_share_of_ai_capex / 12.0
        };
        let money = Money::from_amount(budget, 0.01);
        world.resource_mut::<Ledger>().pay(
            Account::Firm(FirmId::at(i)),
            Account::Vendor(VendorId(0)),
            money,
            Purpose::Chips,
        );
        // What is ordered is delivered nine months later.
        spare[i] += budget / (usd_per_h100e * kappa);
        let landed = spare[i] / 9.0;
        spare[i] -= landed;
        fleet[i] += landed - fleet[i] / 66.0;
        let mut lab = world.get_mut::<Lab>(entity).expect("a lab");
        let slower = 1.0 / (1.0 + 0.08 * years);
        lab.ln_a_serve += 1.0 * slower / 12.0;
        lab.ln_a_train += 1.0 * slower / 12.0;
        lab.staff *= maths::exp(firm.row.staff_growth / 12.0 / (1.0 + 0.3 * years));
    }
    let find = |id: &str| {
        (0..n).find(|i| world.get::<Firm>(roster.firms[*i]).expect("a firm").row.id == id)
    };
    let lent = [
        ("openai", "microsoft", 0.5),
        ("openai", "oracle", 0.5),
        ("anthropic", "amazon", 0.35),
        ("anthropic", "alphabet", 0.1),
        ("mistral", "neoclouds", 0.02),
        ("moonshot", "alibaba", 0.1),
        ("zhipu", "cn-clouds", 0.1),
    ];
    let mut rented = vec![0.0; n];
    for (tenant, host, share) in lent {
        let (Some(t), Some(h)) = (find(tenant), find(host)) else { continue };
        let core = world.get::<Firm>(roster.firms[h]).expect("a firm").row.core_share;
        let part = share * (1.0 - core) * fleet[h];
        rented[t] += part;
        rented[h] -= part;
    }
    for i in 0..n {
        let entity = roster.firms[i];
        let firm = world.get::<Firm>(entity).expect("a firm").clone();
        let unit = 46_000.0 * maths::exp(-0.33 * (years - 1.5).max(0.0)) / 5.5;
        let mut compute = world.get_mut::<Compute>(entity).expect("compute");
        let total = fleet[i] + rented[i];
        let free = total * (1.0 - firm.row.core_share);
        compute.serving_share = if compute.serving_share == 0.0 {
            0.3
        } else {
            (compute.serving_share + 0.03 * (compute.utilisation - 0.85)).clamp(0.02, 0.8)
        };
        compute.core_share = firm.row.core_share;
        compute.owned_serve_h100e = fleet[i];
        compute.rented_serve_h100e = rented[i];
        compute.serving_h100e = free.max(0.0) * compute.serving_share;
        compute.capital_usd_year = fleet[i] * unit;
        let kw = 1.0 * maths::exp(-0.2 * years) * 1.9;
        compute.power_mw = fleet[i] * kw / 1e3;
        compute.energy_usd_year = fleet[i] * kw * 8760.0 * 0.085;
        compute.rent_usd_year = rented[i] * unit * 2.2;
        let (flow, id) = (compute.rent_usd_year / 12.0, FirmId::at(i));
        world.resource_mut::<Ledger>().pay(
            Account::Firm(id),
            Account::Outside(Outside::OpenHosts),
            Money::from_amount(flow, 0.01),
            Purpose::Rent,
        );
        for site in 0..world.resource::<Roster>().sites.len() {
            let at = world.resource::<Roster>().sites[site];
            if world.get::<Site>(at).expect("a site").owner.index() == i {
                world.get_mut::<Halls>(at).expect("halls").drawn_mw = fleet[i] * kw / 1e3;
            }
        }
        // A release every seven months: 0.5 dex of compute a year, falling.
        let phase = (clock.elapsed() as usize + i).is_multiple_of(7);
        if firm.row.developer && total > 500.0 && phase {
            let lab = world.get::<Lab>(entity).expect("a lab");
            let lag = if firm.row.home == "chn" { 0.2 } else { 0.0 };
            let flop = 24.0 + 0.55 * years - 0.012 * years * years - lag
                + 0.2 * f64::from(firm.row.id == "openai");
            let quality = flop + lab.ln_a_train / maths::ln(10.0) + 0.1 * years;
            let open = firm.row.open_weights;
            let mut book = world.resource_mut::<ModelBook>();
            for (tier, down) in [(Tier::Big, 0.0), (Tier::Small, 1.3)] {
                let at = book.models.len() as u32;
                let per = 356.5 * maths::exp10(-0.42 * (flop - down - 24.53));
                book.models.push(model(at, i, tier, quality - down, per, open));
                book.deployed[i][tier as usize] = Some(at);
                if open
                    && book
                        .best_open
                        .is_none_or(|b| book.models[b as usize].quality < quality - down)
                {
                    book.best_open = Some(at);
                }
            }
        }
        world.get_mut::<Lab>(entity).expect("a lab").possible_capability = 23.0 + years;
    }
}

/// Scripted events that the market reads.
fn money_events() -> Vec<ShockRow> {
    use crate::entities::script::ShockKind::{Awareness, DemandGrowth, TokenPrice};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
    let file = if folder.join("events.csv").exists() { "events.csv" } else { "events.market.csv" };
    let mut shocks = rows::<ShockRow>(file);
    shocks.retain(|shock| matches!(shock.kind, Awareness | DemandGrowth | TokenPrice));
    shocks
}

/// A decade and a half of a drawn-up world: the trajectories that the two rooms must not lose.
#[test]
fn fourteen_years_without_a_bust() {
    let firms = rows::<FirmRow>("firms.csv");
    let countries = nations();
    let mut world = world(&firms, &countries, parameters());
    let mut script = Script { shocks: money_events(), ..Script::default() };
    script.shocks.sort_by(|a, b| (a.month, &a.id).cmp(&(b.month, &b.id)));
    script.happened = vec![None; script.shocks.len()];
    world.insert_resource(script);
    let homes = home_of(&firms, &countries);
    let mut sites = Vec::new();
    for (i, row) in firms.iter().enumerate() {
        let places: Vec<usize> = match row.id.as_str() {
            "rest-of-world" | "microsoft" => {
                (0..countries.len()).filter(|c| countries[*c].id != "chn").collect()
            }
            "alibaba" => vec![homes[i].index(), 12],
            _ => vec![homes[i].index()],
        };
        for c in places {
            sites.push(world.spawn((site(i, c, sites.len(), row), Halls::default())).id());
        }
    }
    world.resource_mut::<Roster>().sites = sites;
    world.resource_mut::<ModelBook>().deployed = vec![[None, None]; firms.len()];
    let mut fleet: Vec<f64> =
        firms.iter().map(|row| row.ai_capex_usd_bn * 1e9 * 0.6 * 2.0 / 46_000.0).collect();
    let mut spare: Vec<f64> = fleet.iter().map(|h| h * 0.4).collect();
    let mut schedule = month();
    let (mut peak, mut last) = (0.0_f64, 0.0);
    let mut lowest_price = f64::INFINITY;
    for elapsed in 0..168 {
        world.resource_mut::<Ledger>().turn_page();
        rest_of_the_month(&mut world, &mut fleet, &mut spare);
        schedule.run(&mut world);
        let r = world.resource::<Readings>();
        let capex = r.get(&finance::W_CAPEX);
        peak = peak.max(capex);
        last = capex;
        lowest_price = r.get(&measures::MEAN_PRICE).min(lowest_price);
        if elapsed % 6 == 5 {
            let of = |id: &str, m: &'static Metric| {
                r.get_for(m, firms.iter().position(|f| f.id == id).expect("a firm"))
            };
            println!(
                "{} E {:7.1} paid {:7.1} uns {:.3} T/d {:9.2} chn {:8.2} p {:8.4} util {:.2} capex {:6.0} K {:6.0} | 3rd {:.3} spend {:.3} poor {:.3} slope {:+.2} rout {:.3} open {:.2} | c {:.2} pr {:.3} gpt4 {:.3} | ms {:4.0} am {:4.0} al {:4.0} me {:4.0} bd {:3.0} tc {:3.0} xa {:3.0} nc {:3.0} rev bd {:3.0} oai {:.1} cash {:.0} val bd {:.0} goog press {:.2} oai {:.2} bd {:.2} ds {:.2}",
                world.resource::<Clock>().now,
                r.get(&measures::AI_SPEND) / 1e9,
                r.get(&measures::AI_PAID) / 1e9,
                r.get(&measures::AI_UNSERVED),
                r.get(&measures::TOKENS),
                r.get(&measures::TOKENS_CHINA),
                r.get(&measures::MEAN_PRICE),
                r.get(&measures::SERVING_USE),
                capex / 1e9,
                r.get(&finance::W_CAPITAL) / 1e9,
                r.get(&measures::THIRD_SHARE),
                r.get(&measures::THIRD_SHARE_SPEND),
                r.get(&measures::THIRD_SHARE_POOR),
                r.get(&measures::THIRD_SLOPE),
                r.get(&measures::ROUTER_SHARE),
                r.get(&measures::OPEN_SHARE),
                r.get(&measures::COST_RATIO),
                r.get(&measures::PRICE_RATIO),
                r.get(&measures::REFERENCE_PRICE),
                of("microsoft", &finance::F_CAPEX) / 1e9,
                of("amazon", &finance::F_CAPEX) / 1e9,
                of("alphabet", &finance::F_CAPEX) / 1e9,
                of("meta", &finance::F_CAPEX) / 1e9,
                of("bytedance", &finance::F_CAPEX) / 1e9,
                of("tencent", &finance::F_CAPEX) / 1e9,
                of("xai", &finance::F_CAPEX) / 1e9,
                of("neoclouds", &finance::F_CAPEX) / 1e9,
                of("bytedance", &finance::F_REVENUE) / 1e9,
                of("openai", &finance::F_REVENUE) / 1e9,
                of("openai", &finance::F_CASH) / 1e9,
                of("bytedance", &finance::F_VALUE) / 1e9,
                of("alphabet", &measures::F_PRESSURE),
                of("openai", &measures::F_PRESSURE),
                of("bytedance", &measures::F_PRESSURE),
                of("deepseek", &measures::F_PRESSURE),
            );
        }
        world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
    }
    for event in world.resource::<Chronicle>().events().iter().take(60) {
        println!(
            "{} {} {} {} {:.3e} {}",
            event.month, event.kind, event.subject, event.object, event.quantity, event.text
        );
    }
    assert_eq!(world.resource::<Ledger>().sum(), 0);
    assert!(last > 0.5 * peak, "capex fell from {peak:e} to {last:e}");
    assert!(lowest_price > 1e-3, "tokens for {lowest_price} USD per million");
}
