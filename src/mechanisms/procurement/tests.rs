//! Numbers worked by hand on a world of two firms, two vendors and three countries.

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::*;
use crate::calendar::Month;
use crate::entities::boards::GreyMarket;
use crate::entities::chip::{ChipRow, Origin, Sku};
use crate::entities::country::{Bloc, CountryRow};
use crate::entities::firm::{FirmRow, Group, Ownership};
use crate::entities::rule::{Bound, Clause, Rule, RuleKind, RuleRow, Verdict};
use crate::entities::site::SiteRow;
use crate::entities::vendor::VendorRow;
use crate::entities::{CountryId, DieId, RegulatorId, RuleId, SiteId, SkuId};
use crate::random::{Luck, Purpose};

const NOW: Month = Month::new(2022, 6);

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

fn sku(id: &str, vendor: u16, price_usd: f64, paper: f64, tpp: f64) -> Sku {
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
        regime: crate::entities::RegimeId(0),
        caused_by: None,
        everywhere: false,
        vendors: Vec::new(),
        exists: true,
        clauses: vec![Clause {
            id: "c".into(),
            bounds: vec![Bound {
                attribute: crate::entities::chip::Attribute::Tpp,
                threshold: tpp_min,
                at_least: true,
            }],
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
fn world(treatment: Option<(Treatment, f64)>) -> World {
    world_with(
        treatment,
        vec![sku("hw", 0, 10_000.0, 0.25, 4000.0), sku("nv", 1, 20_000.0, 1.0, 16_000.0)],
    )
}

fn world_with(treatment: Option<(Treatment, f64)>, skus: Vec<Sku>) -> World {
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
    world.insert_resource(crate::entities::licence::Quotas::default());
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

fn run(world: &mut World) {
    world.run_system_once(commit_power).unwrap();
    world.run_system_once(price_channels).unwrap();
    world.run_system_once(place_orders).unwrap();
    world.run_system_once(record_procurement).unwrap();
}

fn kappa(world: &mut World, firm: usize) -> f64 {
    let entity = world.resource::<Roster>().firms[firm];
    world.get::<Purse>(entity).unwrap().kappa
}

fn purse(world: &World, firm: usize) -> Purse {
    world.get::<Purse>(world.resource::<Roster>().firms[firm]).unwrap().clone()
}

#[test]
fn kappa_is_one_without_rules_and_queues() {
    let mut world = world(None);
    run(&mut world);
    assert_eq!((kappa(&mut world, 0), kappa(&mut world, 1)), (1.0, 1.0));
}

#[test]
fn kappa_is_the_ratio_of_hard_minima() {
    // Reference 20 000 / 1.0 = 20 000 per H100e. Denied at home, open abroad: 20 000 × 1.25 = 25 000;
    // domestic 10 000 / 0.25 = 40 000. κ = 25 / 20 = 1.25; κ̄ = 1 + 0.25 / 10.
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.25).abs() < 1e-12);
    assert!((purse(&world, 0).kappa_lagged - 1.025).abs() < 1e-12);
    assert_eq!(kappa(&mut world, 1), 1.0);
    // Without own sites abroad the domestic chip is what is left: κ = 40 / 20 = 2.
    world.resource_mut::<Switches>().offshore = false;
    run(&mut world);
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
    // Brokers at twice the list price: 40 000 too; a premium of 0.5 gives 30 000, κ = 1.5.
    world.resource_mut::<GreyMarkets>().markets.push(GreyMarket {
        country: CountryId(0),
        ln_premium: crate::maths::ln(0.5),
        offered_usd: vec![],
        filled: 1.0,
        landed: 0,
        landed_total: 0,
        landed_h100e: 0.0,
        landed_h100e_total: 0.0,
        seized: 0,
        luck: Luck::new(1).stream(Purpose::Seizure, 1),
    });
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.5).abs() < 1e-12);
    assert_eq!(world.resource::<GreyMarkets>().markets[0].offered_usd.len(), 1);
}

#[test]
fn kappa_is_largest_when_nothing_is_open() {
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    let mut switches = world.resource_mut::<Switches>();
    switches.offshore = false;
    switches.domestic_chips = false;
    run(&mut world);
    assert_eq!(kappa(&mut world, 0), 8.0);
    assert!(world.resource::<OrderBook>().orders.iter().all(|o| o.buyer == FirmId(1)));
    // The money waits: a month's million, whole.
    assert_eq!(purse(&world, 0).unspent, Money::from_amount(1e6, 0.01));
    // It would all have gone to nv but for hw's part, which the switch closed for both.
    assert!(world.resource::<Channels>().lost_usd > 999_999.0);
}

#[test]
fn an_identical_sku_leaves_kappa_and_its_vendors_share_alone() {
    let twice = vec![
        sku("hw", 0, 10_000.0, 0.25, 4000.0),
        sku("nv", 1, 20_000.0, 1.0, 16_000.0),
        sku("nv-again", 1, 20_000.0, 1.0, 16_000.0),
    ];
    let (mut one, mut two) = (world(None), world_with(None, twice));
    for world in [&mut one, &mut two] {
        world.resource_mut::<ChipMarket>().wait_months.fill(4.0);
        run(world);
    }
    // A wait of 4 months at 5 % a month: κ = 1.2 for everybody, "shortage raises everybody's κ".
    for world in [&mut one, &mut two] {
        assert!((kappa(world, 0) - 1.2).abs() < 1e-12);
        assert!((kappa(world, 1) - 1.2).abs() < 1e-12);
    }
    let domestic =
        |world: &World| world.resource::<Channels>().placed_usd[Channel::Domestic as usize];
    assert!((domestic(&one) - domestic(&two)).abs() < 20_000.0);
}

#[test]
fn shares_follow_cost_with_the_channel_elasticity() {
    // Import 20 000, domestic 40 000, elasticity 2: odds 1 : 1/4, shares 0.8 and 0.2 of 1 M USD:
    // 40 and 20 chips, 0.04 and 0.02 MW at 1 kW: within 1 MW.
    let mut world = world(None);
    run(&mut world);
    let orders = &world.resource::<OrderBook>().orders;
    let units = |sku: u16| -> i64 {
        orders.iter().filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(sku)).map(|o| o.open).sum()
    };
    assert_eq!((units(1), units(0)), (40, 20));
    assert!(orders.iter().all(|o| o.clearance == Clearance::NotNeeded));
}

#[test]
fn an_equal_tax_and_an_equal_shortage_give_the_same_kappa() {
    // A duty of 20 % by rule, let through on notice, against four months' wait at 5 %: κ = 1.2 both
    // ways. The domestic chip at 40 000 is no way out.
    let mut taxed = world(Some((Treatment::Notify, 4800.0)));
    taxed.resource_mut::<Rulebook>().rules[0].row.duty = 0.2;
    taxed.resource_mut::<Switches>().offshore = false;
    run(&mut taxed);
    assert!((kappa(&mut taxed, 0) - 1.2).abs() < 1e-12);
    let order =
        taxed.resource::<OrderBook>().orders.iter().find(|o| o.sku == SkuId(1)).unwrap().clone();
    assert_eq!(order.fee, Money::from_amount(4000.0, 0.01));
    assert_eq!(order.set_aside, Money::from_amount(24_000.0, 0.01));
    let mut short = world(None);
    short.resource_mut::<ChipMarket>().wait_months.fill(4.0);
    run(&mut short);
    assert!((kappa(&mut short, 0) - kappa(&mut taxed, 0)).abs() < 1e-12);
}

#[test]
fn a_rule_that_catches_nothing_does_exactly_nothing() {
    let outcome = |treatment: Option<(Treatment, f64)>, fear: f64| {
        let mut world = world(treatment);
        world.resource_mut::<Fears>().hazard.fill(fear);
        run(&mut world);
        let orders: Vec<_> = world
            .resource::<OrderBook>()
            .orders
            .iter()
            .map(|o| (o.buyer, o.sku, o.site, o.open, o.set_aside, o.clearance))
            .collect();
        (orders, purse(&world, 0).unspent, purse(&world, 0).kappa.to_bits())
    };
    let free = outcome(None, 0.0);
    assert_eq!(free, outcome(Some((Treatment::Deny, 1e9)), 0.0));
    // Fear of a rule that would catch no SKU changes nothing either.
    assert_eq!(free, outcome(None, 0.5));
    assert_eq!(free, outcome(Some((Treatment::Allow, 4800.0)), 0.5));
}

#[test]
fn an_announced_clause_pulls_orders_forward_within_cash() {
    let mut world = world(None);
    world.resource_mut::<Fears>().announced[1][0] = 1.0;
    // Cash of 10 M: ψ · hazard · share = 1 · 1 · 0.8 of a million more, all on the caught SKU.
    let ten = Money::from_amount(10e6, 0.01);
    let mut ledger = world.resource_mut::<Ledger>();
    let from = Account::Outside(crate::entities::ledger::Outside::Investors);
    ledger.pay(from, Account::Firm(FirmId(0)), ten, crate::entities::ledger::Purpose::Opening);
    run(&mut world);
    let channels = world.resource::<Channels>();
    assert!((channels.ahead_usd - 800_000.0).abs() < 1.0);
    let units: i64 = world
        .resource::<OrderBook>()
        .orders
        .iter()
        .filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(1))
        .map(|o| o.open)
        .sum();
    assert_eq!(units, 80);
    // Without cash or credit nobody can: 40 as planned.
    let mut poor = self::world(None);
    poor.resource_mut::<Fears>().announced[1][0] = 1.0;
    run(&mut poor);
    assert_eq!(poor.resource::<Channels>().ahead_usd, 0.0);
}

#[test]
fn guidance_caps_imports_and_the_rest_goes_to_others() {
    // Unguided shares 0.8 and 0.2; a quarter let in: 0.2 imports, 0.8 domestic: 80 chips.
    let mut world = world(None);
    world.resource_mut::<Switches>().offshore = false;
    world.resource_mut::<Fears>().import_allowed[0] = 0.25;
    run(&mut world);
    let orders = &world.resource::<OrderBook>().orders;
    let units = |sku: u16| -> i64 {
        orders.iter().filter(|o| o.buyer == FirmId(0) && o.sku == SkuId(sku)).map(|o| o.open).sum()
    };
    assert_eq!((units(1), units(0)), (10, 80));
    // κ sees 20 000 / 0.25 = 80 000 against 40 000 domestic: 2.
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
}

#[test]
fn risk_of_denial_mixes_the_treatment_with_what_was_decided() {
    use crate::entities::licence::{Application, Outcome};
    // Logit 0 case by case: P₀ = 0.5 with weight 10. Ten decisions, nine granted in full:
    // (10 · 0.5 + 9) / (10 + 10) = 0.7. Cost 20 000 · (1 + 0.05 · 2) / 0.7 = 31 428.6.
    let mut world = world(Some((Treatment::CaseByCase, 4800.0)));
    world.resource_mut::<Switches>().offshore = false;
    for n in 0..10 {
        let granted = if n == 0 { 0 } else { 5 };
        world.resource_mut::<LicenceBook>().applications.push(Application {
            id: n,
            order: n,
            rule: RuleId(0),
            regulator: RegulatorId(0),
            vendor: VendorId(1),
            buyer: FirmId(0),
            sku: SkuId(1),
            units: 5,
            granted,
            shipped: 0,
            filed: NOW - 3,
            due: NOW - 2,
            decided: Some(NOW - 1),
            expires: None,
            odds: 0.5,
            outcome: Outcome::Approved,
            conditions: "",
            event: None,
            placed: NOW - 4,
            key: n,
        });
    }
    run(&mut world);
    assert!((kappa(&mut world, 0) - 1.1 / 0.7).abs() < 1e-9);
    let book = world.resource::<OrderBook>();
    let order = book.orders.iter().find(|o| o.sku == SkuId(1) && o.buyer == FirmId(0)).unwrap();
    assert_eq!(order.clearance, Clearance::Pending);
    // A quota that is used up closes: κ falls back on the domestic chip.
    let quota = world.resource::<Rulebook>().rules[0].id;
    world.resource_mut::<Quotas>().by_buyer.insert((quota, FirmId(0), NOW.year()), 45);
    let mut rulebook = world.resource_mut::<Rulebook>();
    rulebook.rules[0].row.treatment = Treatment::Quota;
    rulebook.rules[0].row.cap_units = Some(45.0);
    rulebook.revision += 1;
    run(&mut world);
    assert!((kappa(&mut world, 0) - 2.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_powered_is_not_ordered() {
    // Sites of 10 kW: 10 chips of 1 kW each, two sites of firm 0. 40 + 20 are wanted.
    let mut world = world(None);
    let sites = world.resource::<Roster>().sites.clone();
    for site in sites {
        world.get_mut::<Halls>(site).unwrap().power_mw = 0.01;
    }
    run(&mut world);
    let ordered: i64 = world
        .resource::<OrderBook>()
        .orders
        .iter()
        .filter(|o| o.buyer == FirmId(0))
        .map(|o| o.open)
        .sum();
    assert_eq!(ordered, 20);
    // What it would have drawn is planned for: 60 chips, half at either site, smoothed over one month.
    assert!((world.resource::<PowerPlans>().planned_mw_month[0] - 0.03).abs() < 1e-9);
}

#[test]
fn escrow_is_what_open_orders_set_aside() {
    let mut world = world(Some((Treatment::Deny, 4800.0)));
    for month in 0..6 {
        world.resource_mut::<Clock>().now = NOW + month;
        run(&mut world);
        for (firm, total) in [(0_u16, 0), (1, 1)] {
            let book = world.resource::<OrderBook>();
            let open: Money = book
                .orders
                .iter()
                .filter(|o| o.buyer == FirmId(firm))
                .map(|o| o.set_aside.times(o.open))
                .sum();
            let purse = purse(&world, total);
            assert_eq!(purse.escrow, open);
            // Nothing was paid yet: all budgets so far are either set aside or unspent.
            let budgets = Money::from_amount(1e6, 0.01).times(i64::from(month) + 1);
            assert_eq!(purse.escrow + purse.unspent, budgets);
        }
    }
}

#[test]
fn a_variant_is_sold_only_where_its_parent_may_not_be() {
    let mut cut = sku("nv-cut", 1, 15_000.0, 0.9, 2000.0);
    cut.parent = Some(SkuId(1));
    cut.row.origin = Origin::Designed;
    let skus =
        vec![sku("hw", 0, 10_000.0, 0.25, 4000.0), sku("nv", 1, 20_000.0, 1.0, 16_000.0), cut];
    let bought = |treatment| {
        let mut world = world_with(treatment, skus.clone());
        run(&mut world);
        let kappa = kappa(&mut world, 0);
        (world.resource::<OrderBook>().orders.iter().any(|o| o.sku == SkuId(2)), kappa)
    };
    assert_eq!(bought(None), (false, 1.0));
    // The cut at 15 000 / 0.9 = 16 667 is cheaper than the reference: κ stays at its floor.
    assert_eq!(bought(Some((Treatment::Deny, 4800.0))), (true, 1.0));
}
