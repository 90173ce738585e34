//! The rooms of supply together: fabs, allocation, grey market, shipping. Balances on small
//! worlds with two vendors, three SKUs and three lines; trajectories on the reference tables.

use std::path::Path;
use std::sync::OnceLock;

use bevy_ecs::prelude::{Entity, World};
use bevy_ecs::system::RunSystemOnce;
use proptest::prelude::*;

use super::allocation::AllocationParameters;
use super::fabs::FabsParameters;
use super::grey_market::GreyParameters;
use super::{allocation, fabs, grey_market, shipping};
use crate::calendar::Month;
use crate::entities::boards::{ChipMarket, Dock, Fears, GreyMarkets};
use crate::entities::chip::{Catalogue, ChipRow, Die, DieRow, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, CountryRow};
use crate::entities::firm::{Firm, FirmRow, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::line::{ContractRow, Line, LineKind, LineRow, LineState, Parts};
use crate::entities::order::{Channel, Clearance, Order, OrderBook};
use crate::entities::rule::{Rule, RuleKind, RuleRow, Rulebook, Treatment, Verdict};
use crate::entities::script::{Script, ShockKind, ShockRow, StockKind, StockRow};
use crate::entities::site::{Halls, Site, SiteRow};
use crate::entities::vendor::{Sales, Vendor, VendorRow};
use crate::entities::{
    Clock, CountryId, DieId, FirmId, LineId, RegulatorId, Roster, RuleId, Settings, SiteId, SkuId,
    Switches, VendorId,
};
use crate::metric::{Metric, Readings, Scope};
use crate::random::Luck;
use crate::schema::{Kind, Row, Value};
use crate::units::{Count, Money};
use crate::world::Definition;

const START: Month = Month::new(2022, 1);

/// A row whose cells are the lowest that their columns allow.
fn blank<R: Row>(id: &str) -> R {
    let mut cells = R::COLUMNS.iter().map(|column| match column.kind {
        _ if column.optional => Value::Missing,
        Kind::Text | Kind::Id(_) => Value::Text(String::new()),
        Kind::Number { low, .. } => Value::Number(low.max(0.0)),
        Kind::Whole { low, .. } => Value::Whole(low.max(0)),
        Kind::Flag => Value::Flag(false),
        Kind::Month => Value::Month(START),
        Kind::Choice(words) => Value::Text(words[0].to_owned()),
        Kind::Ids(_) | Kind::Words => Value::List(Vec::new()),
    });
    R::build(id.to_owned(), &mut cells)
}

/// The reference world.
fn loaded() -> &'static Definition {
    static LOADED: OnceLock<Definition> = OnceLock::new();
    LOADED.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/reference");
        let declared = super::declared_parameters();
        crate::world::load(&path, &[], &declared).map(|loaded| loaded.definition).unwrap()
    })
}

/// The value of a parameter in the reference world.
fn parameter(name: &str) -> f64 {
    let found = loaded().parameters.iter().find(|row| row.id == name);
    found.unwrap_or_else(|| panic!("no parameter {name}")).value
}

struct Tables {
    countries: Vec<CountryRow>,
    firms: Vec<(FirmRow, usize)>,
    vendors: Vec<VendorRow>,
    dies: Vec<DieRow>,
    chips: Vec<ChipRow>,
    lines: Vec<LineRow>,
    contracts: Vec<ContractRow>,
    stocks: Vec<StockRow>,
    shocks: Vec<ShockRow>,
}

fn place<T>(rows: &[T], id: &str, name: impl Fn(&T) -> &str) -> usize {
    rows.iter().position(|row| name(row) == id).unwrap_or_else(|| panic!("no {id}"))
}

fn build(tables: &Tables) -> World {
    let mut world = World::new();
    let luck = Luck::new(1);
    let country = |id: &str| CountryId::at(place(&tables.countries, id, |row| &row.id));
    let mut catalogue = Catalogue {
        reference: (1979.0, 3350.0),
        reference_tflops: 989.5,
        serving_exponent: 0.5,
        mix: (0.5, 1.0),
        ..Catalogue::default()
    };
    catalogue.dies = tables.dies.iter().map(|row| Die { row: row.clone() }).collect();
    for row in &tables.chips {
        catalogue.skus.push(Sku {
            id: row.id.clone(),
            vendor: VendorId::at(place(&tables.vendors, &row.vendor, |v| &v.id)),
            die: DieId::at(place(&tables.dies, &row.die, |d| &d.id)),
            parent: None,
            caused_by: None,
            row: row.clone(),
            train_paper: 1.0,
            serve_paper: 1.0,
            work_paper: 1.0,
            price_usd: row.price_usd,
            on_sale: true,
            approved_units_month: 0.0,
        });
    }
    let ids: Vec<String> = tables.vendors.iter().map(|v| v.id.clone()).collect();
    let mut roster = Roster::default();
    for (i, row) in tables.countries.iter().enumerate() {
        roster.countries.push(world.spawn(Country { id: CountryId::at(i), row: row.clone() }).id());
    }
    for (i, (row, home)) in tables.firms.iter().enumerate() {
        let home = CountryId::at(*home);
        let purse = Purse {
            unspent: Money::from_amount(1e13, 0.01),
            escrow: Money::ZERO,
            kappa: 1.0,
            kappa_lagged: 1.0,
            reallocated: Money::ZERO,
            shortfall: 0.0,
            event: None,
        };
        roster
            .firms
            .push(world.spawn((Firm { id: FirmId::at(i), home, row: row.clone() }, purse)).id());
        let site = Site {
            id: SiteId::at(i),
            owner: FirmId::at(i),
            country: home,
            row: blank::<SiteRow>(&format!("site-{i}")),
        };
        roster.sites.push(world.spawn((site, Halls::default())).id());
    }
    for (i, row) in tables.vendors.iter().enumerate() {
        let captive =
            row.captive.as_ref().map(|id| FirmId::at(place(&tables.firms, id, |f| &f.0.id)));
        let vendor =
            Vendor { id: VendorId::at(i), home: country(&row.home), captive, row: row.clone() };
        roster.vendors.push(world.spawn((vendor, Sales::default())).id());
    }
    for (i, row) in tables.lines.iter().enumerate() {
        let mut contracts: Vec<_> = tables
            .contracts
            .iter()
            .filter(|c| c.line == row.id)
            .map(|c| {
                (
                    VendorId::at(place(&tables.vendors, &c.vendor, |v| &v.id)),
                    c.weight,
                    c.from,
                    c.until,
                )
            })
            .collect();
        contracts.sort_by_key(|c| c.0);
        let line =
            Line { id: LineId::at(i), country: country(&row.country), row: row.clone(), contracts };
        roster.lines.push(world.spawn((line, fabs::line_state(row, START))).id());
    }
    let p = AllocationParameters::from_values(&mut parameter);
    let (market, dock) = allocation::opening(&catalogue, &tables.stocks, &p);
    let mut book = OrderBook::default();
    for _ in &catalogue.skus {
        book.add_sku();
    }
    let n = tables.countries.len();
    world.insert_resource(fabs::opening_parts(&ids, &catalogue, &tables.stocks));
    world.insert_resource(fabs::works(&tables.lines, ids.len(), n, &luck));
    let grey = GreyParameters::from_values(&mut parameter);
    world.insert_resource(GreyMarkets {
        markets: vec![grey_market::opening(country("chn"), "chn", &grey, &luck)],
    });
    world.insert_resource(grey);
    world.insert_resource(grey_market::GreyTrade::default());
    world.insert_resource(p);
    world.insert_resource(FabsParameters::from_values(&mut parameter));
    world.insert_resource(allocation::SalesDesk::default());
    world.insert_resource(market);
    world.insert_resource(dock);
    world.insert_resource(book);
    world.insert_resource(Ledger::new(tables.firms.len(), ids.len()));
    world.insert_resource(LicenceBook::default());
    world.insert_resource(Quotas::default());
    world.insert_resource(Rulebook::default());
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Switches::default());
    world.insert_resource(Settings { quantum: 0.01, endogenous_variants: false });
    world.insert_resource(Clock { start: START, now: START, end: START + 168 });
    world.insert_resource(Fears {
        memory_withheld: vec![0.0; n],
        foundry_withheld: vec![0.0; n],
        equipment_withheld: vec![0.0; n],
        enforcement: vec![0.0; n],
        ..Fears::default()
    });
    world.insert_resource(Script {
        flows: tables.stocks.iter().filter(|s| s.monthly > 0.0).cloned().collect(),
        shocks: tables.shocks.clone(),
        ..Script::default()
    });
    let skus = catalogue.skus.len();
    let rows = [1, tables.firms.len(), ids.len(), n, skus, tables.lines.len()];
    world.insert_resource(Readings::new(super::all_metrics(), rows));
    world.insert_resource(catalogue);
    world.insert_resource(roster);
    world
}

macro_rules! run {
    ($world:expr, $($system:path),* $(,)?) => { $( $world.run_system_once($system).unwrap(); )* };
}

fn make(world: &mut World) {
    run!(
        world,
        fabs::lines::receive_scripted,
        fabs::lines::update_lines,
        fabs::chips::finish,
        fabs::planning::plan,
        fabs::parts::start_parts,
        fabs::chips::start_chips,
        fabs::lines::expand,
    );
}

fn sell(world: &mut World) {
    run!(
        world,
        allocation::open_month,
        allocation::roll_over,
        allocation::cancel_stale,
        allocation::ration,
        allocation::update_market,
        grey_market::clear,
        shipping::deliver,
    );
}

fn turn(world: &mut World) {
    world.resource_mut::<Ledger>().turn_page();
    world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
}

/// Places an order as procurement does: money from `unspent` to `escrow`.
fn order(world: &mut World, firm: usize, sku: usize, units: Count, clearance: Clearance) {
    if units <= 0 {
        return;
    }
    let now = world.resource::<Clock>().now;
    let (vendor, price) = {
        let sku = &world.resource::<Catalogue>().skus[sku];
        (sku.vendor, sku.price_usd)
    };
    let roster = world.resource::<Roster>();
    let (entity, seller) = (roster.firms[firm], roster.vendors[vendor.index()]);
    let attach = world.get::<Vendor>(seller).unwrap().row.attach;
    let price = Money::from_amount(price, 0.01);
    let fee = price.scaled(0.01);
    let set_aside = price.scaled(attach) + fee;
    let mut purse = world.get_mut::<Purse>(entity).unwrap();
    purse.unspent -= set_aside.times(units);
    purse.escrow += set_aside.times(units);
    world.resource_mut::<OrderBook>().place(Order {
        id: 0,
        buyer: FirmId::at(firm),
        vendor,
        sku: SkuId::at(sku),
        site: SiteId::at(firm),
        channel: Channel::Import,
        placed: now,
        ordinal: 0,
        open: units,
        shipped: 0,
        price,
        set_aside,
        fee,
        clearance,
        cause: None,
    });
}

/// Every book of supply, exactly.
fn check(world: &mut World) {
    let halls: Vec<Entity> = world.resource::<Roster>().sites.clone();
    let skus = world.resource::<Catalogue>().skus.len();
    let mut warehouse = vec![0; skus];
    for site in halls {
        for cohort in &world.get::<Halls>(site).unwrap().warehouse {
            assert!(cohort.count >= 0);
            warehouse[cohort.sku.index()] += cohort.count;
        }
    }
    let (parts, book) = (world.resource::<Parts>(), world.resource::<OrderBook>());
    for (s, stored) in warehouse.iter().enumerate() {
        let transit: Count =
            book.shipments.iter().filter(|x| x.sku.index() == s).map(|x| x.units).sum();
        assert!(parts.inventory[s] >= 0);
        assert_eq!(
            parts.made[s],
            parts.inventory[s] + transit + stored + book.seized[s] + parts.written_off[s],
            "SKU {s}"
        );
        assert_eq!(parts.made[s], parts.inventory[s] + book.shipped[s] + parts.written_off[s]);
    }
    for v in 0..parts.dies.len() {
        for d in 0..parts.dies[v].len() {
            assert!(parts.dies[v][d] >= 0);
            assert_eq!(parts.dies_in[v][d], parts.dies[v][d] + parts.dies_used[v][d]);
        }
        assert!(parts.memory_gb[v] >= 0);
        assert_eq!(parts.memory_in[v], parts.memory_gb[v] + parts.memory_used[v]);
    }
    let ledger = world.resource::<Ledger>();
    assert_eq!(ledger.sum(), 0);
    assert!(ledger.misposted().is_none());
    let firms = world.resource::<Roster>().firms.clone();
    for (f, entity) in firms.iter().enumerate() {
        let escrow: Money = book
            .orders
            .iter()
            .filter(|o| o.buyer.index() == f)
            .map(|o| o.set_aside.times(o.open))
            .sum();
        assert_eq!(world.get::<Purse>(*entity).unwrap().escrow, escrow, "escrow of firm {f}");
    }
    for state in world.query::<&LineState>().iter(world) {
        assert!(state.capacity.is_finite() && state.capacity >= 0.0);
        assert!((0.0..=1.0).contains(&state.utilisation), "{}", state.utilisation);
        assert!((0.0..=1.0).contains(&state.yield_now));
    }
    for sku in &world.resource::<Catalogue>().skus {
        assert!(sku.price_usd.is_finite() && sku.price_usd > 0.0);
    }
}

/// Two vendors, three SKUs (one without memory and packaging), three lines.
fn small(capacity: [f64; 3]) -> Tables {
    let country = |id: &str, bloc| {
        let mut row: CountryRow = blank(id);
        row.bloc = bloc;
        row
    };
    let vendor = |id: &str, home: &str| {
        let mut row: VendorRow = blank(id);
        row.home = home.to_owned();
        row.attach = 1.2;
        row.shipping_months = 1;
        row
    };
    let chip = |id: &str, vendor: &str, die: &str, dies: i64, hbm: f64, ppw: f64| {
        let mut row: ChipRow = blank(id);
        row.vendor = vendor.to_owned();
        row.die = die.to_owned();
        row.dies_per_chip = dies;
        row.hbm_gb = hbm;
        row.packages_per_wafer = ppw;
        row.price_usd = 10_000.0;
        row.unit_cost_usd = 3_000.0;
        row.tops_8bit = 1979.0;
        row.origin = Origin::Roadmap;
        row
    };
    let die = |id: &str| {
        let mut row: DieRow = blank(id);
        row.node = "n5".to_owned();
        row.gross_dies_per_wafer = 60.0;
        row.yield_factor = 1.0;
        row
    };
    let line = |id: &str, kind, capacity: f64, cycle: i64| {
        let mut row: LineRow = blank(id);
        row.kind = kind;
        row.country = "usa".to_owned();
        row.nodes = vec!["n5".to_owned()];
        row.capacity = capacity;
        row.cycle_months = cycle;
        row.expansion_months = 4;
        row.growth_cap = 0.05;
        row.growth_cap_late = 0.01;
        row.late_above = 4.0 * capacity;
        row.capacity_ceiling = 10.0 * capacity + 1.0;
        row.yield_start = 0.5;
        row.yield_end = 0.8;
        row.yield_wafers = 1_000.0;
        row.price_usd = 10.0;
        row
    };
    let contract = |line: &str, vendor: &str, weight: f64| {
        let mut row: ContractRow = blank(&format!("{line}-{vendor}"));
        row.line = line.to_owned();
        row.vendor = vendor.to_owned();
        row.weight = weight;
        row
    };
    let stock = |id: &str, kind, place: &str, item: Option<&str>, amount: f64| {
        let mut row: StockRow = blank(id);
        row.kind = kind;
        row.place = place.to_owned();
        row.item = item.map(str::to_owned);
        row.amount = amount;
        row
    };
    Tables {
        countries: vec![country("chn", Bloc::China), country("usa", Bloc::Us)],
        firms: vec![(blank("far"), 0), (blank("near"), 1)],
        vendors: vec![vendor("a", "usa"), vendor("b", "chn")],
        dies: vec![die("da"), die("db")],
        chips: vec![
            chip("a1", "a", "da", 1, 80.0, 25.0),
            chip("a2", "a", "da", 2, 192.0, 12.0),
            chip("b1", "b", "db", 1, 0.0, 0.0),
        ],
        lines: vec![
            line("logic", LineKind::Logic, capacity[0], 3),
            line("memory", LineKind::Memory, capacity[1], 4),
            line("packaging", LineKind::Packaging, capacity[2], 2),
        ],
        contracts: vec![
            contract("logic", "a", 0.5),
            contract("logic", "b", 0.3),
            contract("memory", "a", 0.9),
            contract("packaging", "a", 0.9),
        ],
        stocks: vec![
            stock("s1", StockKind::Dies, "a", Some("da"), 900.0),
            stock("s2", StockKind::Memory, "a", None, 100_000.0),
            stock("s3", StockKind::Chips, "a", Some("a1"), 200.0),
            stock("s4", StockKind::Chips, "b", Some("b1"), 50.0),
        ],
        shocks: Vec::new(),
    }
}

/// A rule that closes SKU `sku` to buyers in China.
fn close(world: &mut World, sku: usize) {
    let mut row: RuleRow = blank("closed");
    (row.kind, row.treatment) = (RuleKind::ChipExport, Treatment::Deny);
    govern(world, sku, row, vec![true, false]);
}

/// A rule in force on SKU `sku` for buyers at home in the countries of `whom`, wherever they are there.
fn govern(world: &mut World, sku: usize, row: RuleRow, whom: Vec<bool>) {
    let skus = world.resource::<Catalogue>().skus.len();
    let mut book = world.resource_mut::<Rulebook>();
    book.rules.push(Rule {
        id: RuleId(0),
        row,
        issuer: RegulatorId(0),
        regime: crate::entities::RegimeId(0),
        caused_by: None,
        everywhere: false,
        vendors: Vec::new(),
        exists: true,
        clauses: Vec::new(),
        destinations: whom.clone(),
        headquarters: whom,
        firms: Vec::new(),
        replaces: Vec::new(),
        announced: true,
        in_force: true,
        event: None,
    });
    let mut verdicts = vec![Verdict::Free; skus];
    verdicts[sku] = Verdict::Controlled;
    book.verdicts.push(verdicts);
}

fn ship_small(capacity: [f64; 3], orders: &[(u8, u8, u16)], months: usize) -> World {
    let mut world = build(&small(capacity));
    close(&mut world, 0);
    for month in 0..months {
        make(&mut world);
        for (firm, sku, units) in orders.iter().skip(month % 3).step_by(3) {
            let clearance = if *units % 5 == 0 { Clearance::Pending } else { Clearance::NotNeeded };
            order(
                &mut world,
                usize::from(*firm % 2),
                usize::from(*sku % 3),
                Count::from(*units),
                clearance,
            );
        }
        let offer = orders.first().map_or(0.0, |o| f64::from(o.2) * 3e4);
        world.resource_mut::<GreyMarkets>().markets[0].offered_usd.push((FirmId(0), offer));
        sell(&mut world);
        check(&mut world);
        turn(&mut world);
    }
    world
}

#[test]
fn books_balance_on_a_small_world() {
    let orders = [(1, 0, 301), (1, 1, 101), (0, 2, 77), (1, 0, 502), (0, 2, 203), (1, 1, 90)];
    let world = ship_small([20.0, 60_000.0, 20.0], &orders, 48);
    let book = world.resource::<OrderBook>();
    assert!(book.shipped.iter().all(|n| *n > 0), "{:?}", book.shipped);
    let market = &world.resource::<GreyMarkets>().markets[0];
    assert!(market.landed_total > 0);
    assert!(
        market.landed_total < book.shipped[0] / 5,
        "{} of {}",
        market.landed_total,
        book.shipped[0]
    );
}

#[test]
fn parts_do_not_pile_up_behind_a_short_one() {
    // Memory for 60 GB/80 GB a chip... next to none: dies stay within months of what memory can use.
    let orders = [(1, 0, 301), (1, 1, 101), (1, 0, 502)];
    let mut tables = small([500.0, 8_000.0, 500.0]);
    tables.lines[1].growth_cap = 0.0;
    let mut world = build(&tables);
    for month in 0..60 {
        make(&mut world);
        let (firm, sku, units) = orders[month % 3];
        order(&mut world, firm, sku, units, Clearance::NotNeeded);
        sell(&mut world);
        turn(&mut world);
    }
    // 8 000 GB × 0.9 a month is 90 chips of 80 GB; cycle 3 + cover: far below the 15 000 good dies
    // that the logic line could make in a month.
    let parts = world.resource::<Parts>();
    assert!(parts.dies[0][0] < 1_500, "{}", parts.dies[0][0]);
}

#[test]
fn withheld_memory_stops_and_home_lines_do_not() {
    let orders = [(1, 0, 300)];
    let run = |withheld: f64, abroad: bool| {
        let mut tables = small([50.0, 60_000.0, 50.0]);
        tables.vendors[0].home = "chn".to_owned();
        if !abroad {
            tables.lines[1].country = "chn".to_owned();
        }
        // A line at home would grow for self-reliance.
        tables.lines[1].growth_cap = 0.0;
        let mut world = build(&tables);
        world.resource_mut::<Fears>().memory_withheld[0] = withheld;
        let opening = world.resource::<Parts>().memory_in[0];
        for _ in 0..12 {
            make(&mut world);
            order(&mut world, 1, 0, orders[0].2, Clearance::NotNeeded);
            sell(&mut world);
            turn(&mut world);
        }
        world.resource::<Parts>().memory_in[0] - opening
    };
    assert_eq!(run(1.0, true), 0);
    assert!(run(0.0, true) > 0);
    // To the whole gigabyte that remainders carry over.
    assert!((run(1.0, false) - run(0.0, false)).abs() <= 1);
}

/// A hundred old chips on order, thirty later ones in stock; the buyer's purse before and after a month's sales.
fn later_chips_in_stock(duty: Option<f64>) -> (World, Entity, Money) {
    let mut tables = small([0.0, 0.0, 0.0]);
    tables.stocks.clear();
    // A year later, twice the throughput for 12 000 USD instead of 10 000 and twice the power.
    (tables.chips[0].tflops_16bit, tables.chips[0].tdp_w) = (100.0, 500.0);
    (tables.chips[1].tflops_16bit, tables.chips[1].tdp_w) = (200.0, 1_000.0);
    tables.chips[1].launch = START + 12;
    tables.chips[1].price_usd = 12_000.0;
    let mut world = build(&tables);
    let mut parts = world.resource_mut::<Parts>();
    (parts.inventory[1], parts.made[1]) = (30, 30);
    order(&mut world, 1, 0, 100, Clearance::NotNeeded);
    order(&mut world, 1, 0, 7, Clearance::NotNeeded);
    // The second pays a fee, so nobody touches it.
    let freed = {
        let mut book = world.resource_mut::<OrderBook>();
        let fee = std::mem::replace(&mut book.orders[0].fee, Money::ZERO);
        book.orders[0].set_aside -= fee;
        fee.times(100)
    };
    let buyer = world.resource::<Roster>().firms[1];
    let mut purse = world.get_mut::<Purse>(buyer).unwrap();
    purse.escrow -= freed;
    purse.unspent += freed;
    let before = purse.unspent;
    if let Some(duty) = duty {
        // A tariff on the later chip alone.
        let mut row: RuleRow = blank("tariff");
        (row.kind, row.treatment, row.duty) = (RuleKind::Tariff, Treatment::Notify, duty);
        govern(&mut world, 1, row, vec![false, true]);
    }
    sell(&mut world);
    check(&mut world);
    (world, buyer, before)
}

#[test]
fn orders_that_wait_are_filled_with_later_chips_in_stock() {
    let (world, buyer, before) = later_chips_in_stock(None);
    // k = min(12 000/14 400, 500/1 000) = 1/2: 30 chips for 60 that waited; back come
    // 60 · 12 000 − 30 · 14 400 = 288 000 USD.
    assert_eq!(world.resource::<OrderBook>().shipped[1], 30);
    let open: Vec<Count> = world.resource::<OrderBook>().orders.iter().map(|o| o.open).collect();
    assert_eq!(open, [40, 7]);
    let back = world.get::<Purse>(buyer).unwrap().unspent - before;
    assert_eq!(back, Money::from_amount(288_000.0, 0.01));
}

#[test]
fn nobody_is_given_a_later_chip_that_costs_a_duty() {
    let shipped = |duty| later_chips_in_stock(Some(duty)).0.resource::<OrderBook>().shipped[1];
    assert_eq!((shipped(0.0), shipped(0.25)), (30, 0));
}

#[test]
fn a_lost_line_stops_and_comes_back() {
    let mut tables = small([50.0, 60_000.0, 50.0]);
    let mut shock: ShockRow = blank("lost");
    shock.kind = ShockKind::LineCapacity;
    shock.month = START + 10;
    shock.months = Some(6);
    shock.subjects = vec!["packaging".to_owned()];
    tables.shocks.push(shock);
    let mut world = build(&tables);
    let mut made = Vec::new();
    for _ in 0..36 {
        make(&mut world);
        order(&mut world, 1, 0, 900, Clearance::NotNeeded);
        sell(&mut world);
        check(&mut world);
        made.push(world.resource::<ChipMarket>().output[0]);
        turn(&mut world);
    }
    let back = made[18..24].iter().filter(|n| **n > 0).count();
    assert!(made[11] > 0 && made[13] == 0 && made[17] == 0 && back >= 4, "{made:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn books_balance_whatever_the_capacities_and_orders(
        logic in 0.0..200.0_f64,
        memory in 0.0..200_000.0_f64,
        packaging in 0.0..200.0_f64,
        orders in proptest::collection::vec((0_u8..2, 0_u8..3, 0_u16..3000), 0..12),
    ) {
        ship_small([logic, memory, packaging], &orders, 20);
    }
}

fn reference() -> Tables {
    let world = loaded();
    let country = |id: &str, bloc| {
        let mut row: CountryRow = blank(id);
        row.bloc = bloc;
        row
    };
    Tables {
        countries: vec![
            country("chn", Bloc::China),
            country("kor", Bloc::Allied),
            country("twn", Bloc::Allied),
            country("usa", Bloc::Us),
        ],
        firms: vec![
            (blank("alphabet"), 3),
            (blank("amazon"), 3),
            (blank("bytedance"), 0),
            (blank("meta"), 3),
        ],
        vendors: world.vendors.clone(),
        dies: world.dies.clone(),
        chips: world.chips.clone(),
        lines: world.lines.clone(),
        contracts: world.contracts.clone(),
        stocks: world
            .stocks
            .iter()
            .filter(|row| row.kind != StockKind::Installed)
            .cloned()
            .collect(),
        shocks: Vec::new(),
    }
}

/// A stream of orders that grows and saturates, over the reference tables; look at it with
/// `cargo test --lib supply_tests::trajectories -- --nocapture`.
#[test]
fn trajectories_are_plausible() {
    static METRICS: OnceLock<Vec<&'static Metric>> = std::sync::OnceLock::new();
    let metrics = METRICS.get_or_init(|| {
        [fabs::METRICS, allocation::METRICS, grey_market::METRICS, shipping::METRICS].concat()
    });
    let tables = reference();
    let mut world = build(&tables);
    let skus = tables.chips.len();
    let rows = [1, 4, tables.vendors.len(), 4, skus, tables.lines.len()];
    world.insert_resource(Readings::new(metrics, rows));
    let line = |id: &str| place(&tables.lines, id, |l| &l.id);
    let sku = |id: &str| place(&tables.chips, id, |c| &c.id);
    let vendor = |id: &str| place(&tables.vendors, id, |v| &v.id);
    let (mut year, mut wafers, mut hbm, mut nvidia, mut ascend) = (2022, 0.0, 0.0, 0.0, 0.0);
    let mut units = vec![0.0; skus];
    close(&mut world, sku("nvidia-h100"));
    world.resource_mut::<Rulebook>().rules[0].destinations = vec![true, false, false, false];
    world.resource_mut::<Rulebook>().rules[0].headquarters = vec![true, false, false, false];
    for month in 0..168 {
        let now = world.resource::<Clock>().now;
        for sku in &mut world.resource_mut::<Catalogue>().skus {
            sku.on_sale = sku.row.launch <= now && sku.row.end.is_none_or(|end| now < end);
        }
        {
            let mut fears = world.resource_mut::<Fears>();
            fears.foundry_withheld[0] = 1.0;
            fears.equipment_withheld[0] = f64::from(u8::from(now >= Month::new(2022, 10)));
            fears.memory_withheld[0] = f64::from(u8::from(now >= Month::new(2025, 1)));
            fears.enforcement[0] = 0.3;
        }
        make(&mut world);
        // World budget for accelerators, bn USD a month.
        let t = f64::from(month);
        let boom = (t - 13.0).max(0.0);
        let budget =
            if boom > 0.0 { (2.5e9 * crate::maths::exp(0.06 * boom)).min(1.3e11) } else { 1.1e9 };
        let newest = |world: &World, vendor: &str, chinese: bool| {
            let catalogue = world.resource::<Catalogue>();
            let v = place(&tables.vendors, vendor, |v| &v.id);
            catalogue
                .iter()
                .filter(|(_, s)| {
                    s.vendor.index() == v
                        && s.on_sale
                        && (s.row.origin == Origin::HistoricalVariant)
                            == (chinese && v == place(&tables.vendors, "nvidia", |v| &v.id))
                })
                .max_by_key(|(_, s)| s.row.launch)
                .map(|(id, s)| (id.index(), s.price_usd))
        };
        let china_import = if now < Month::new(2025, 4) { 0.1 } else { 0.0 };
        for (firm, of, share, chinese) in [
            (3, "nvidia", 0.62, false),
            (0, "nvidia", 0.08, false),
            (3, "amd", 0.06, false),
            (0, "google-tpu", 0.08, false),
            (1, "amazon-trainium", 0.04, false),
            (2, "nvidia", china_import, true),
            (2, "huawei", 0.08, true),
            (2, "cambricon", 0.006, true),
            (2, "cn-others", 0.02, true),
        ] {
            if let Some((s, price)) = newest(&world, of, chinese) {
                order(
                    &mut world,
                    firm,
                    s,
                    (budget * share / price / 1.2) as Count,
                    Clearance::NotNeeded,
                );
            }
        }
        world.resource_mut::<GreyMarkets>().markets[0].offered_usd.push((FirmId(2), budget * 0.1));
        sell(&mut world);
        check(&mut world);
        run!(world, fabs::measure, allocation::measure, grey_market::measure, shipping::measure);
        let readings = world.resource::<Readings>();
        let at = |scope: Scope, name: &str, row: usize| {
            let metric = metrics.iter().find(|m| m.scope == scope && m.name == name).unwrap();
            readings.get_for(metric, row)
        };
        wafers += at(Scope::Line, "line_output", line("tsmc-cowos"));
        hbm += at(Scope::World, "hbm_usd", 0);
        nvidia += at(Scope::Vendor, "datacentre_revenue_usd", vendor("nvidia"));
        ascend += at(Scope::Vendor, "vendor_shipped_units", vendor("huawei"));
        for (s, total) in units.iter_mut().enumerate() {
            let n = at(Scope::Sku, "shipped_units", s);
            *total += if n.is_nan() { 0.0 } else { n };
        }
        if now.month() == 12 {
            println!(
                "{year}: budget {:.1} bn/mo; CoWoS {:.0} k/yr (cap {:.0}, wait {:.1}); HBM {:.1} bn, {:.0} M GB/mo; NVIDIA {:.1} bn; Ascend {:.0} k; dies bank huawei {:.2} M, mem {:.0} M GB; nvidia mem {:.0} M; smic yield {:.2} cap {:.0}; cn-pack {:.0}; H100 {:.1} k USD wait {:.1}; grey {:.0} k premium {:.2}; domestic share {:.2}; stock {:.2} M",
                budget / 1e9,
                wafers / 1e3,
                at(Scope::Line, "line_capacity", line("tsmc-cowos")),
                at(Scope::Line, "line_backlog_months", line("tsmc-cowos")),
                hbm / 1e9,
                at(Scope::World, "hbm_gb", 0) / 1e6,
                nvidia / 1e9,
                ascend / 1e3,
                at(Scope::Vendor, "die_bank_dies", vendor("huawei")) / 1e6,
                at(Scope::Vendor, "memory_bank_gb", vendor("huawei")) / 1e6,
                at(Scope::Vendor, "memory_bank_gb", vendor("nvidia")) / 1e6,
                at(Scope::Line, "line_yield", line("smic-n2")),
                at(Scope::Line, "line_capacity", line("smic-n2")),
                at(Scope::Line, "line_capacity", line("cn-packaging")),
                at(Scope::Sku, "price_usd", sku("nvidia-h100")) / 1e3,
                at(Scope::Sku, "wait_months", sku("nvidia-h100")),
                at(Scope::World, "grey_landed_h100e_total", 0) / 1e3,
                at(Scope::Country, "grey_premium", 0),
                at(Scope::World, "china_domestic_unit_share", 0),
                at(Scope::World, "shipped_h100e_total", 0) / 1e6,
            );
            let list: Vec<String> = units
                .iter()
                .zip(&tables.chips)
                .filter(|(n, _)| **n >= 500.0)
                .map(|(n, c)| format!("{} {:.0}k", c.id, n / 1e3))
                .collect();
            println!("      {}", list.join(", "));
            (wafers, hbm, nvidia, ascend) = (0.0, 0.0, 0.0, 0.0);
            units.fill(0.0);
            year += 1;
        }
        turn(&mut world);
    }
    let parts = world.resource::<Parts>();
    let bank: Count = parts.dies[vendor("huawei")].iter().sum();
    assert!(bank < 20_000_000, "dies pile up: {bank}");
    let dock = world.resource::<Dock>();
    assert!(dock.expected_output.iter().all(|x| x.is_finite()));
}
