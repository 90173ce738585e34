//! Numbers worked by hand on two firms, one country and one SKU.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::*;
use crate::entities::boards::{ComputeMap, PowerPlans, RentalMarket, SpendOutlook};
use crate::entities::chip::{Catalogue, ChipRow, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country};
use crate::entities::firm::{Firm, Group, Ownership, Purse};
use crate::entities::ledger::{Account, Ledger};
use crate::entities::script::Script;
use crate::entities::site::{Retirements, Site};
use crate::entities::vendor::{Sales, Vendor, VendorRow};
use crate::entities::{Clock, CountryId, DieId, Roster, Settings, SiteId, Switches, VendorId};
use crate::metric::Readings;
use crate::random::Luck;

const NOW: Month = Month::new(2024, 3);

fn parameters() -> DataCentreParameters {
    DataCentreParameters::from_values(&mut |name| match name {
        "server_overhead" | "fleet_utilisation" | "opening_pipeline" | "hosting_overhead" => 1.0,
        "rent_markup"
        | "abroad_rent_markup"
        | "training_share_of_research"
        | "abroad_offer_share" => 0.5,
        "chip_life_months" => 60.0,
        "opening_fleet_quarters" | "displacement_ratio" => 4.0,
        "service_share_adjustment" => 0.1,
        "serving_utilisation_target" => 0.8,
        "serving_share_start" => 0.2,
        "serving_share_floor" => 0.02,
        "power_foresight_months" => 24.0,
        _ => 0.0,
    })
}

fn country() -> CountryRow {
    CountryRow {
        id: "usa".into(),
        name: "usa".into(),
        bloc: Bloc::Us,
        tier: 0,
        third_market: false,
        gdp_usd_bn: 1.0,
        population_m: 1.0,
        power_price_usd_kwh: 0.1,
        carbon_g_kwh: 0.0,
        pue: 1.25,
        build_months: 12,
        ai_power_mw: 10.0,
        ai_power_growth: 0.6,
        ai_power_ceiling_mw: 20.0,
        infrastructure_constraint: 0.0,
        ideal_point: 0.0,
        ai_intensity: 1.0,
        source: "test".into(),
    }
}

fn firm(id: u16, developer: bool) -> Firm {
    let name = if developer { "lab" } else { "cloud" };
    Firm {
        id: FirmId(id),
        home: CountryId(0),
        row: FirmRow {
            id: name.into(),
            name: name.into(),
            home: "usa".into(),
            group: if developer { Group::Constrained } else { Group::Unconstrained },
            ownership: Ownership::Public,
            developer,
            open_weights: false,
            revenue_usd_bn: 0.0,
            revenue_growth: 0.0,
            revenue_growth_late: 0.0,
            cash_flow_margin: 0.0,
            base_capex_usd_bn: 0.0,
            base_capex_growth: 0.0,
            ai_capex_usd_bn: 0.0,
            plan_share: 0.0,
            cash_usd_bn: 0.0,
            debt_usd_bn: 0.0,
            debt_limit_years: None,
            funding_usd_bn: 0.0,
            funding_growth: 0.0,
            research_staff: 0.0,
            staff_growth: 0.0,
            ln_a_train: 0.0,
            ln_a_serve: 0.0,
            deployed_log10_flop: None,
            core_share: if developer { 0.0 } else { 0.5 },
            users_m: 0.0,
            source: "test".into(),
        },
    }
}

fn sku(id: &str, tdp_w: f64, paper: f64) -> Sku {
    Sku {
        id: id.into(),
        vendor: VendorId(0),
        die: DieId(0),
        parent: None,
        caused_by: None,
        row: ChipRow {
            id: id.into(),
            name: id.into(),
            vendor: "nv".into(),
            launch: NOW,
            end: None,
            tflops_16bit: 1000.0,
            tops_8bit: 1.0,
            tpp: None,
            performance_density: None,
            interconnect_gbps: Some(900.0),
            memory_bandwidth_gbps: None,
            hbm_gb: 0.0,
            tdp_w,
            die: String::new(),
            dies_per_chip: 1,
            packages_per_wafer: 0.0,
            price_usd: 20_000.0,
            unit_cost_usd: 0.0,
            marketed_for_datacentre: true,
            origin: Origin::Roadmap,
            parent: None,
            caused_by: None,
            board_share: None,
            source: "test".into(),
        },
        train_paper: paper,
        serve_paper: paper,
        work_paper: paper,
        price_usd: 20_000.0,
        on_sale: true,
        approved_units_month: 0.0,
    }
}

fn cohort(sku: u16, quarter: i32, count: Count) -> Cohort {
    Cohort { sku: SkuId(sku), quarter, count, paid: Money::from_amount(20_000.0, 0.01) }
}

/// SKU 0: 800 W (1 kW from the grid at PUE 1.25), 1 H100e; SKU 1: the same draw, 0.2 H100e.
/// Firm 0 is a cloud with a site of 1 MW, firm 1 a lab with one of 0.1 MW.
fn world() -> World {
    let mut world = World::new();
    let mut roster = Roster::default();
    let grid = Grid { connected_mw: 10.0, headroom_mw: 1.0, refused_mw: 0.0, pressure: 0.0 };
    roster.countries.push(world.spawn((Country { id: CountryId(0), row: country() }, grid)).id());
    let vendor = Vendor {
        id: VendorId(0),
        home: CountryId(0),
        captive: None,
        row: VendorRow {
            id: "nv".into(),
            name: "nv".into(),
            home: "usa".into(),
            captive: None,
            attach: 1.0,
            host_usd: 0.0,
            software_start: 1.0,
            software_end: 1.0,
            software_half_units: 1.0,
            shipping_months: 1,
            other_revenue_usd_bn: 0.0,
            other_revenue_china_share: 0.0,
            cash_usd_bn: 0.0,
            source: "test".into(),
        },
    };
    roster.vendors.push(world.spawn((vendor, Sales::default())).id());
    let p = parameters();
    for firm in [firm(0, false), firm(1, true)] {
        let compute = start_compute(&firm.row, &p);
        roster.firms.push(world.spawn((firm, compute, Purse::default())).id());
    }
    for (id, mw) in [(0, 1.0), (1, 0.1)] {
        let row = SiteRow {
            id: format!("site-{id}"),
            owner: String::new(),
            country: "usa".into(),
            power_mw: mw,
            build_share: 1.0,
            source: "test".into(),
        };
        let halls = Halls { power_mw: mw, ..Halls::default() };
        let site = Site { id: SiteId(id), owner: FirmId(id), country: CountryId(0), row };
        roster.sites.push(world.spawn((site, halls)).id());
    }
    let skus = vec![sku("new", 800.0, 1.0), sku("old", 800.0, 0.2)];
    world.insert_resource(roster);
    world.insert_resource(p);
    world.insert_resource(Clock { start: NOW, now: NOW, end: NOW + 12 });
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: false });
    world.insert_resource(Switches::default());
    world.insert_resource(Catalogue { skus, reference_tflops: 1000.0, ..Catalogue::default() });
    world.insert_resource(Retirements { retired: vec![0; 2] });
    world.insert_resource(RentalMarket::new(2));
    world.insert_resource(PowerPlans::new(2));
    world.insert_resource(ComputeMap::new(2, 1));
    world.insert_resource(FleetTally::default());
    world.insert_resource(Rentals::default());
    world.insert_resource(Script::default());
    world.insert_resource(SpendOutlook::default());
    world.insert_resource(Luck::new(1));
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Ledger::new(2, 1));
    world.insert_resource(Readings::new(METRICS, [1, 2, 1, 1, 2, 0]));
    world
}

fn halls(world: &mut World, site: usize) -> bevy_ecs::prelude::Mut<'_, Halls> {
    let entity = world.resource::<Roster>().sites[site];
    world.get_mut::<Halls>(entity).unwrap()
}

fn compute(world: &World, firm: usize) -> Compute {
    world.get::<Compute>(world.resource::<Roster>().firms[firm]).unwrap().clone()
}

fn measure(world: &mut World) {
    world.run_system_once(install_chips).unwrap();
    world.run_system_once(measure_fleets).unwrap();
    world.run_system_once(value_compute).unwrap();
    world.run_system_once(let_capacity).unwrap();
    world.run_system_once(split_compute).unwrap();
    world.run_system_once(record_compute).unwrap();
}

#[test]
fn chips_are_installed_in_order_as_far_as_power_reaches() {
    // 1 MW at 1 kW a chip: 1 000 chips. 600 old ones came first, then 900 new ones: 400 fit.
    let mut world = world();
    halls(&mut world, 0).warehouse = vec![cohort(1, 0, 600), cohort(0, 0, 900)];
    world.resource_mut::<DataCentreParameters>().displacement_ratio = 100.0;
    world.run_system_once(install_chips).unwrap();
    let site = halls(&mut world, 0);
    assert_eq!(site.fleet.cohorts().iter().map(|c| c.count).collect::<Vec<_>>(), [600, 400]);
    assert_eq!(site.warehouse[0].count, 500);
    assert!((site.drawn_mw - 1.0).abs() < 1e-9);
    // Five times the work per watt beats a ratio of 4: 500 old chips make room.
    world.resource_mut::<DataCentreParameters>().displacement_ratio = 4.0;
    world.run_system_once(install_chips).unwrap();
    assert_eq!(world.resource::<Retirements>().retired, [0, 500]);
    assert!(halls(&mut world, 0).warehouse.is_empty());
}

#[test]
fn without_the_power_switch_everything_is_installed() {
    let mut world = world();
    world.resource_mut::<Switches>().power = false;
    halls(&mut world, 1).warehouse = vec![cohort(0, 0, 500)];
    world.run_system_once(install_chips).unwrap();
    assert!(halls(&mut world, 1).warehouse.is_empty());
    assert!(halls(&mut world, 1).power_mw >= halls(&mut world, 1).drawn_mw);
}

#[test]
fn a_cohort_goes_over_the_months_of_a_quarter_as_it_came() {
    let mut world = world();
    let quarter = NOW.quarter();
    halls(&mut world, 0).fleet = [cohort(0, quarter - 20, 10)].into_iter().collect();
    let retired: Vec<_> = (0..4)
        .map(|month| {
            world.resource_mut::<Clock>().now = NOW + (NOW.months_left_in_quarter() - 3 + month);
            world.run_system_once(retire_chips).unwrap();
            world.resource::<Retirements>().retired[0]
        })
        .collect();
    // A third rounded up, half of the rest, the rest.
    assert_eq!(retired, [4, 7, 10, 10]);
}

#[test]
fn chips_retire_by_age_and_when_they_do_not_earn_their_energy() {
    // Life of 60 months: 20 quarters. Energy of 1 kW: 876 kWh-USD a year, 73 a month. At 100 USD an
    // H100e-month the new chip earns 100, the old one 20.
    let mut world = world();
    let quarter = NOW.quarter();
    halls(&mut world, 0).fleet =
        [cohort(0, quarter - 21, 5), cohort(0, quarter - 19, 7), cohort(1, quarter, 11)]
            .into_iter()
            .collect();
    world.run_system_once(retire_chips).unwrap();
    assert_eq!(world.resource::<Retirements>().retired, [5, 0]);
    world.resource_mut::<RentalMarket>().value_usd_month = 100.0;
    world.run_system_once(retire_chips).unwrap();
    assert_eq!(world.resource::<Retirements>().retired, [5, 11]);
    assert_eq!(halls(&mut world, 0).fleet.cohorts().len(), 1);
}

#[test]
fn grids_grow_to_their_ceiling_and_ration_asks() {
    // 10 MW of 20: ΔR = 10 · 0.6 / 12 · (1 − 0.5) = 0.25.
    let mut world = world();
    world.run_system_once(grow_grids).unwrap();
    let country = world.resource::<Roster>().countries[0];
    let grid = world.get::<Grid>(country).unwrap().clone();
    assert!((grid.connected_mw - 10.25).abs() < 1e-12);
    assert!((grid.headroom_mw - 1.25).abs() < 1e-12);
    // Wanted 2 + 0.1 · 12 = 3.2 of which 1 is there: 2.2; the other 0.4 − 0.1 = 0.3. Half is granted.
    let mut plans = world.resource_mut::<PowerPlans>();
    plans.committed_mw = vec![2.0, 0.4];
    plans.planned_mw_month = vec![0.1, 0.0];
    world.run_system_once(ask_for_power).unwrap();
    let building: Vec<_> = (0..2).map(|s| halls(&mut world, s).building.clone()).collect();
    assert_eq!(building[0][0].0, NOW + 12);
    assert!((building[0][0].1 - 1.1).abs() < 1e-9);
    assert!((building[1][0].1 - 0.15).abs() < 1e-9);
    let grid = world.get::<Grid>(country).unwrap().clone();
    assert!(grid.headroom_mw.abs() < 1e-12 && (grid.refused_mw - 1.25).abs() < 1e-9);
    world.resource_mut::<Clock>().now = NOW + 12;
    world.run_system_once(open_halls).unwrap();
    assert!((halls(&mut world, 0).power_mw - 2.1).abs() < 1e-9);
}

#[test]
fn halls_for_general_servers_are_converted_first() {
    // Asked 2.5 as above. 0.4 · 10 / 4 = 1 MW a quarter is converted, within 3 months; of the other 1.5 a grid with 0.75
    // grants half. Of its 2.2 the first site gets 2.2 / 2.5 = 0.88 soon and 0.66 in a year.
    let mut world = world();
    let mut p = world.resource_mut::<DataCentreParameters>();
    (p.conversion_share, p.conversion_months) = (0.4, 3.0);
    let mut plans = world.resource_mut::<PowerPlans>();
    plans.committed_mw = vec![2.0, 0.4];
    plans.planned_mw_month = vec![0.1, 0.0];
    let country = world.resource::<Roster>().countries[0];
    let mut grid = world.get_mut::<Grid>(country).unwrap();
    grid.headroom_mw = 0.75;
    let connected = grid.connected_mw;
    world.run_system_once(ask_for_power).unwrap();
    let building = halls(&mut world, 0).building.clone();
    assert_eq!(building.iter().map(|(due, _)| *due).collect::<Vec<_>>(), [NOW + 3, NOW + 12]);
    assert!((building[0].1 - 0.88).abs() < 1e-9 && (building[1].1 - 0.66).abs() < 1e-9);
    let grid = world.get::<Grid>(country).unwrap();
    assert!((grid.connected_mw - connected - 1.0).abs() < 1e-12);
    assert!(grid.headroom_mw.abs() < 1e-12 && (grid.refused_mw - 0.75).abs() < 1e-9);
}

#[test]
fn opening_halls_fleets_and_grids_agree() {
    let (p, row) = (parameters(), country());
    let site = SiteRow {
        id: "s".into(),
        owner: "o".into(),
        country: "usa".into(),
        power_mw: 10.0,
        build_share: 1.0,
        source: "test".into(),
    };
    let paid = Money::from_amount(1.0, 0.01);
    let halls = start_halls(&site, &row, &[(SkuId(0), 10, paid)], NOW, &p);
    assert_eq!(halls.fleet.cohorts().iter().map(|c| c.count).collect::<Vec<_>>(), [3, 3, 2, 2]);
    assert_eq!(halls.fleet.cohorts()[0].quarter, NOW.quarter() - 4);
    // The whole path of a lead time of twelve months is being built: 20 / (1 + e^−0.6) = 12.9131.
    let granted: f64 = halls.power_mw + halls.building.iter().map(|(_, mw)| mw).sum::<f64>();
    assert!((granted - 12.913_126).abs() < 1e-5);
    let grid = start_grid(&row, granted);
    assert!(grid.headroom_mw.abs() < 1e-9);
}

#[test]
fn labs_rent_from_hosts_at_cost_and_margin() {
    // The cloud has 400 chips: 400 H100e, core half. The lab rents 0.25 of the rest: 50 H100e.
    // Capital 400 · 20 000 / 5 = 1.6 M a year, energy 400 kW · 8 760 h · 0.1 = 350 400:
    // rent = 0.125 · 1 950 400 · 1.5 = 365 700 a year, 30 475 a month.
    let mut world = world();
    halls(&mut world, 0).warehouse = vec![cohort(0, 0, 400)];
    let rows = vec![(FirmId(1), FirmId(0), 0.25)];
    *world.resource_mut::<Rentals>() = Rentals::new(rows);
    measure(&mut world);
    let (cloud, lab) = (compute(&world, 0), compute(&world, 1));
    assert!((lab.rented_serve_h100e - 50.0).abs() < 1e-9);
    assert!((cloud.rented_serve_h100e + 50.0).abs() < 1e-9);
    assert!((lab.rent_usd_year - 365_700.0).abs() < 1e-6);
    let cash = world.resource::<Ledger>().balance(Account::Firm(FirmId(0)));
    assert_eq!(cash, Money::from_amount(30_475.0, 0.01));
    assert_eq!(world.resource::<Ledger>().sum(), 0);
    // The cloud keeps 350: core 200 of them, the rest serves.
    assert!((cloud.core_share - 200.0 / 350.0).abs() < 1e-12);
    assert!((cloud.serving_h100e - 150.0).abs() < 1e-9);
    // The lab: ω stays 0.2 at its target; of the other 0.8 half trains.
    assert!((lab.serving_share - 0.2).abs() < 1e-12);
    assert!((lab.training_h100e - 20.0).abs() < 1e-9);
    assert!((lab.training_flop_s - 20.0 * 1e15).abs() < 1.0);
    assert!((lab.training_interconnect_gbps - 900.0).abs() < 1e-9);
}

#[test]
fn bids_from_abroad_are_served_in_proportion_and_paid_from_unspent() {
    // Free 200 H100e, half of it on offer: 100. Value: 20 000 / a + energy, a = 5 years at rate 0
    // → (4 000 + 876) / 12 = 406.33; price × 1.5 = 609.50. A bid of 121 900 wants 200: gets 100.
    let mut world = world();
    halls(&mut world, 0).warehouse = vec![cohort(0, 0, 400)];
    world.resource_mut::<RentalMarket>().bid_usd_month = vec![0.0, 121_900.0];
    let tenant = world.resource::<Roster>().firms[1];
    world.get_mut::<Purse>(tenant).unwrap().unspent = Money::from_amount(100_000.0, 0.01);
    measure(&mut world);
    let lab = compute(&world, 1);
    assert!((world.resource::<RentalMarket>().price_usd_month - 609.5).abs() < 1e-9);
    assert!((lab.rented_abroad_h100e - 100.0).abs() < 1e-6);
    let left = world.get::<Purse>(tenant).unwrap().unspent;
    assert_eq!(left, Money::from_amount(39_050.0, 0.01));
    // A rent that rounding puts a cent above what is there takes what is there.
    world.get_mut::<Purse>(tenant).unwrap().unspent = Money::from_amount(60_949.99, 0.01);
    measure(&mut world);
    assert_eq!(world.get::<Purse>(tenant).unwrap().unspent, Money::ZERO);
    world.resource_mut::<Switches>().rental = false;
    measure(&mut world);
    assert_eq!(compute(&world, 1).rented_serve_h100e, 0.0);
}

#[test]
fn development_keeps_its_reserve() {
    // ω = 0.2 + 0.1 · (1.8 − 0.8) = 0.3 is more than 1 − 0.75 = 0.25 of what is not core.
    let mut world = world();
    halls(&mut world, 1).warehouse = vec![cohort(0, 0, 10)];
    let lab = world.resource::<Roster>().firms[1];
    world.get_mut::<Compute>(lab).unwrap().utilisation = 1.8;
    world.resource_mut::<DataCentreParameters>().development_reserve = 0.75;
    measure(&mut world);
    assert!((compute(&world, 1).serving_share - 0.25).abs() < 1e-12);
}

#[test]
fn the_serving_share_follows_utilisation() {
    // ω = 0.2 + 0.1 · (1.8 − 0.8) = 0.3.
    let mut world = world();
    halls(&mut world, 1).warehouse = vec![cohort(0, 0, 10)];
    let lab = world.resource::<Roster>().firms[1];
    world.get_mut::<Compute>(lab).unwrap().utilisation = 1.8;
    measure(&mut world);
    let lab = compute(&world, 1);
    assert!((lab.serving_share - 0.3).abs() < 1e-12);
    let sum = lab.core_share + lab.serving_share + lab.training_share + lab.experiment_share;
    assert!((sum - 1.0).abs() < 1e-12);
    let readings = world.resource::<Readings>();
    assert!((readings.get(&COMPUTE_SHARE_OWNED) - 1.0).abs() < 1e-12);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn power_is_never_exceeded_and_no_chip_is_lost(
        power in 0.0..3.0_f64,
        arrivals in proptest::collection::vec((0_u16..2, 0_i64..800), 0..8),
    ) {
        let mut world = world();
        halls(&mut world, 0).power_mw = power;
        let mut came = [0, 0];
        for (sku, count) in arrivals {
            came[usize::from(sku)] += count;
            halls(&mut world, 0).warehouse.push(cohort(sku, 0, count));
            world.run_system_once(install_chips).unwrap();
            let retired = world.resource::<Retirements>().retired.clone();
            let site = halls(&mut world, 0);
            proptest::prop_assert!(site.drawn_mw <= site.power_mw + 1e-9);
            for sku in 0..2_usize {
                let here: Count = site
                    .fleet
                    .cohorts()
                    .iter()
                    .chain(&site.warehouse)
                    .filter(|c| c.sku.index() == sku)
                    .map(|c| c.count)
                    .sum();
                proptest::prop_assert_eq!(here + retired[sku], came[sku]);
            }
        }
    }
}
