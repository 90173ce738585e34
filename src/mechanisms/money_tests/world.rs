//! A drawn-up world with everything that market and finance read, and their month.

use bevy_ecs::prelude::{Schedule, World};
use bevy_ecs::schedule::IntoScheduleConfigs;

use crate::calendar::Month;
use crate::entities::boards::{Offers, SELF_HOSTED};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, CountryRow};
use crate::entities::firm::{Compute, Firm, FirmRow, Lab, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::model::{Model, ModelBook, Tier};
use crate::entities::script::Script;
use crate::entities::site::{Site, SiteRow};
use crate::entities::vendor::{Vendor, VendorRow};
use crate::entities::{Clock, CountryId, FirmId, Roster, Settings, SiteId, Switches, VendorId};
use crate::mechanisms::finance::{self, FinanceParameters};
use crate::mechanisms::market::*;
use crate::mechanisms::reference::{parameter, reference};
use crate::metric::{Metric, Readings};
use crate::random::{Luck, Purpose as Draw};

/// The market's parameters in the reference world.
pub(super) fn parameters() -> MarketParameters {
    MarketParameters::from_values(&mut parameter)
}

pub(super) fn country(
    id: &str,
    bloc: Bloc,
    gdp: f64,
    power: f64,
    constraint: f64,
    ideal: f64,
) -> CountryRow {
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

pub(super) fn nations() -> Vec<CountryRow> {
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

pub(super) fn home_of(firms: &[FirmRow], countries: &[CountryRow]) -> Vec<CountryId> {
    firms
        .iter()
        .map(|row| CountryId::at(countries.iter().position(|c| c.id == row.home).expect("a home")))
        .collect()
}

/// A world of these firms and countries with everything that both rooms read.
pub(super) fn world(firms: &[FirmRow], countries: &[CountryRow], p: MarketParameters) -> World {
    let fp = FinanceParameters::from_values(&mut parameter);
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
pub(super) fn month() -> Schedule {
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

pub(super) fn model(id: u32, firm: usize, tier: Tier, quality: f64, per: f64, open: bool) -> Model {
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

pub(super) fn two_firms() -> Vec<FirmRow> {
    let of_two = |row: &&FirmRow| ["alphabet", "deepseek"].contains(&row.id.as_str());
    reference().firms.iter().filter(of_two).cloned().collect()
}

/// Money paid in country `c`.
pub(super) fn paid(t: &Trading, offers: &Offers, c: usize) -> f64 {
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

pub(super) fn site(owner: usize, country: usize, at: usize, row: &FirmRow) -> Site {
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
