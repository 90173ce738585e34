//! Two firms, two vendors and three countries.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Fears, GreyMarkets, PowerPlans, RentalMarket};
use crate::entities::chip::{Attribute, Catalogue, ChipRow, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, CountryRow};
use crate::entities::firm::{Finance, Firm, FirmRow, Group, Ownership, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::order::OrderBook;
use crate::entities::rule::{Bound, Clause, Rule, RuleKind, RuleRow, Rulebook, Treatment, Verdict};
use crate::entities::script::Script;
use crate::entities::site::{Halls, Site, SiteRow};
use crate::entities::vendor::{Sales, Vendor, VendorRow};
use crate::entities::{
    Clock, CountryId, DieId, FirmId, RegimeId, RegulatorId, Roster, RuleId, Settings, SiteId,
    Switches, VendorId,
};
use crate::mechanisms::procurement::{
    Channels, METRICS, ProcurementParameters, commit_power, place_orders, price_channels,
    record_procurement,
};
use crate::metric::Readings;

pub(super) const NOW: Month = Month::new(2022, 6);

fn parameters() -> ProcurementParameters {
    // Elasticities of 2 and 4, no small-share cut: shares can be worked by hand. Energy is left
    // out (utilisation 0) except where a test is about it.
    ProcurementParameters::from_values(&mut |name| match name {
        "sku_elasticity" => 4.0,
        "smallest_order_chips"
        | "server_overhead"
        | "anticipation_strength"
        | "power_plan_smoothing_months"
        | "chip_share_of_ai_capex"
        | "anticipation_cash_share"
        | "habit_speed"
        | "room_pace" => 1.0,
        "unspent_limit_months" => 1e6,
        "waiting_cost" => 0.05,
        "abroad_weight" => 0.5,
        "chip_life_months" => 60.0,
        "kappa_max" => 8.0,
        "kappa_lag_months" | "approval_prior_applications" => 10.0,
        "denial_closes" => 0.95,
        "offshore_premium" => 0.25,
        "approval_memory_months" => 12.0,
        "review_months_expected" | "channel_elasticity" => 2.0,
        _ => 0.0,
    })
}

fn country(id: &str, bloc: Bloc) -> CountryRow {
    CountryRow {
        id: id.into(),
        name: id.into(),
        bloc,
        tier: 0,
        third_market: false,
        gdp_usd_bn: 1.0,
        population_m: 1.0,
        power_price_usd_kwh: 0.1,
        carbon_g_kwh: 0.0,
        pue: 1.0,
        build_months: 24,
        ai_power_mw: 100.0,
        ai_power_growth: 0.0,
        ai_power_ceiling_mw: 100.0,
        infrastructure_constraint: 0.0,
        ideal_point: 0.0,
        ai_intensity: 1.0,
        source: "test".into(),
    }
}

pub(super) fn sku(id: &str, vendor: u16, price_usd: f64, paper: f64, tpp: f64) -> Sku {
    Sku {
        id: id.into(),
        vendor: VendorId(vendor),
        die: DieId(0),
        parent: None,
        caused_by: None,
        row: ChipRow {
            id: id.into(),
            name: id.into(),
            vendor: String::new(),
            launch: NOW,
            end: None,
            tflops_16bit: 1.0,
            tops_8bit: 1.0,
            tpp: Some(tpp),
            performance_density: None,
            interconnect_gbps: None,
            memory_bandwidth_gbps: None,
            hbm_gb: 0.0,
            tdp_w: 1000.0,
            die: String::new(),
            dies_per_chip: 1,
            packages_per_wafer: 0.0,
            price_usd,
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
        price_usd,
        on_sale: true,
        approved_units_month: 0.0,
    }
}

fn firm(id: u16, name: &str, home: u16, group: Group) -> Firm {
    Firm {
        id: FirmId(id),
        home: CountryId(home),
        row: FirmRow {
            id: name.into(),
            name: name.into(),
            home: String::new(),
            group,
            ownership: Ownership::Public,
            developer: true,
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
            core_share: 0.0,
            users_m: 0.0,
            source: "test".into(),
        },
    }
}

fn rule(treatment: Treatment, tpp_min: f64, skus: &[Sku]) -> (Rule, Vec<Verdict>) {
    let rule = Rule {
        id: RuleId(0),
        row: RuleRow {
            id: "rule".into(),
            name: "rule".into(),
            issuer: "us".into(),
            kind: RuleKind::ChipExport,
            enabled: true,
            announced: NOW,
            from: NOW,
            until: None,
            regime: "r".into(),
            caused_by: None,
            replaces: vec![],
            countries: vec![],
            blocs: vec![],
            tiers: vec![],
            headquarters: vec![],
            firms: vec![],
            vendors: vec![],
            treatment,
            cap_units: None,
            cap_tpp: None,
            cap_units_buyer: None,
            cap_home_share: None,
            revenue_share: 0.0,
            duty: 0.0,
            strength: 1.0,
            conditions: None,
            odds: None,
            domestic: None,
            review_months_added: 0,
            source: "test".into(),
        },
        issuer: RegulatorId(0),
        regime: RegimeId(0),
        caused_by: None,
        everywhere: false,
        vendors: Vec::new(),
        exists: true,
        clauses: vec![Clause {
            id: "c".into(),
            bounds: vec![Bound { attribute: Attribute::Tpp, threshold: tpp_min, at_least: true }],
            marketed_for_datacentre: None,
        }],
        destinations: vec![true, false, false],
        headquarters: vec![false; 3],
        firms: vec![],
        replaces: vec![],
        announced: true,
        in_force: true,
        event: None,
    };
    let verdicts = skus.iter().map(|sku| rule.verdict(sku)).collect();
    (rule, verdicts)
}

/// Countries 0 chn, 1 mys, 2 usa; vendors 0 hw (chn), 1 nv (usa); firms 0 cn, 1 us; sites 0 cn-chn,
/// 1 cn-mys, 2 us-usa; SKUs 0 hw (10 000 USD, 0.25), 1 nv (20 000 USD, 1.0, TPP 16 000).
pub(super) fn world(treatment: Option<(Treatment, f64)>) -> World {
    world_with(
        treatment,
        vec![sku("hw", 0, 10_000.0, 0.25, 4000.0), sku("nv", 1, 20_000.0, 1.0, 16_000.0)],
    )
}

pub(super) fn world_with(treatment: Option<(Treatment, f64)>, skus: Vec<Sku>) -> World {
    let mut world = World::new();
    let mut roster = Roster::default();
    for (id, (name, bloc)) in
        [("chn", Bloc::China), ("mys", Bloc::Nonaligned), ("usa", Bloc::Us)].into_iter().enumerate()
    {
        let row = country(name, bloc);
        roster.countries.push(world.spawn(Country { id: CountryId(id as u16), row }).id());
    }
    for (id, (name, home)) in [("hw", 0), ("nv", 2)].into_iter().enumerate() {
        let vendor = Vendor {
            id: VendorId(id as u16),
            home: CountryId(home),
            captive: None,
            row: VendorRow {
                id: name.into(),
                name: name.into(),
                home: String::new(),
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
    }
    for firm in [firm(0, "cn", 0, Group::Constrained), firm(1, "us", 2, Group::Unconstrained)] {
        // 12 M USD a year: 1 M a month, chip share 1.
        let finance = Finance { ai_capex_usd_year: 12e6, ..Finance::default() };
        roster.firms.push(world.spawn((firm, finance, Purse::default())).id());
    }
    for (id, (name, owner, place)) in
        [("cn-chn", 0, 0), ("cn-mys", 0, 1), ("us-usa", 1, 2)].into_iter().enumerate()
    {
        let site = Site {
            id: SiteId(id as u16),
            owner: FirmId(owner),
            country: CountryId(place),
            row: SiteRow {
                id: name.into(),
                owner: String::new(),
                country: String::new(),
                power_mw: 1.0,
                build_share: 0.5,
                source: "test".into(),
            },
        };
        let halls = Halls { power_mw: 1.0, ..Halls::default() };
        roster.sites.push(world.spawn((site, halls)).id());
    }
    let mut rulebook = Rulebook::default();
    if let Some((treatment, tpp)) = treatment {
        let (rule, verdicts) = rule(treatment, tpp, &skus);
        rulebook.rules.push(rule);
        rulebook.verdicts.push(verdicts);
    }
    let n = skus.len();
    let mut chips = ChipMarket::default();
    (0..n).for_each(|_| chips.add_sku());
    world.insert_resource(roster);
    world.insert_resource(parameters());
    world.insert_resource(Clock { start: NOW, now: NOW, end: NOW + 12 });
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: false });
    world.insert_resource(Switches::default());
    world.insert_resource(Catalogue { skus, ..Catalogue::default() });
    world.insert_resource(rulebook);
    world.insert_resource(LicenceBook::default());
    world.insert_resource(Quotas::default());
    world.insert_resource(Fears {
        hazard: vec![0.0; 3],
        announced: vec![vec![0.0; 3]; n],
        feared: vec![vec![0.0; 3]; n],
        import_allowed: vec![1.0; 3],
        remote_access: vec![1.0; 3],
        ..Fears::default()
    });
    world.insert_resource(chips);
    world.insert_resource(GreyMarkets::default());
    world.insert_resource(RentalMarket::new(2));
    world.insert_resource(PowerPlans::new(3));
    world.insert_resource(Script::default());
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(OrderBook::default());
    world.insert_resource(Ledger::new(2, 2));
    world.insert_resource(Channels::default());
    world.insert_resource(Readings::new(METRICS, [1, 2, 2, 3, n, 0]));
    world
}

pub(super) fn run(world: &mut World) {
    world.run_system_once(commit_power).unwrap();
    world.run_system_once(price_channels).unwrap();
    world.run_system_once(place_orders).unwrap();
    world.run_system_once(record_procurement).unwrap();
}

pub(super) fn kappa(world: &mut World, firm: usize) -> f64 {
    let entity = world.resource::<Roster>().firms[firm];
    world.get::<Purse>(entity).unwrap().kappa
}

pub(super) fn purse(world: &World, firm: usize) -> Purse {
    world.get::<Purse>(world.resource::<Roster>().firms[firm]).unwrap().clone()
}
