//! A world of supply, made of tables and with the parameters of the reference world.

use bevy_ecs::prelude::World;

use crate::calendar::Month;
use crate::entities::boards::{Fears, GreyMarkets};
use crate::entities::chip::{Catalogue, ChipRow, Die, DieRow, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Country, CountryRow};
use crate::entities::firm::{Firm, FirmRow, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::line::{ContractRow, Line, LineRow};
use crate::entities::order::OrderBook;
use crate::entities::rule::{Rule, RuleKind, RuleRow, Rulebook, Treatment, Verdict};
use crate::entities::script::{Script, ShockRow, StockRow};
use crate::entities::site::{Halls, Site, SiteRow};
use crate::entities::vendor::{Sales, Vendor, VendorRow};
use crate::entities::{
    Clock, CountryId, DieId, FirmId, LineId, RegulatorId, Roster, RuleId, Settings, SiteId,
    Switches, VendorId,
};
use crate::mechanisms::allocation::{self, AllocationParameters};
use crate::mechanisms::fabs::{self, FabsParameters};
use crate::mechanisms::grey_market::{self, GreyParameters};
use crate::mechanisms::reference::parameter;
use crate::metric::Readings;
use crate::random::Luck;
use crate::schema::blank;
use crate::units::Money;

pub(super) const START: Month = Month::new(2022, 1);

pub(super) struct Tables {
    pub(super) countries: Vec<CountryRow>,
    pub(super) firms: Vec<(FirmRow, usize)>,
    pub(super) vendors: Vec<VendorRow>,
    pub(super) dies: Vec<DieRow>,
    pub(super) chips: Vec<ChipRow>,
    pub(super) lines: Vec<LineRow>,
    pub(super) contracts: Vec<ContractRow>,
    pub(super) stocks: Vec<StockRow>,
    pub(super) shocks: Vec<ShockRow>,
}

pub(super) fn place<T>(rows: &[T], id: &str, name: impl Fn(&T) -> &str) -> usize {
    rows.iter().position(|row| name(row) == id).unwrap_or_else(|| panic!("no {id}"))
}

pub(super) fn build(tables: &Tables) -> World {
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
    world.insert_resource(Readings::new(crate::mechanisms::all_metrics(), rows));
    world.insert_resource(catalogue);
    world.insert_resource(roster);
    world
}

/// A rule that closes SKU `sku` to buyers in China.
pub(super) fn close(world: &mut World, sku: usize) {
    let mut row: RuleRow = blank("closed");
    (row.kind, row.treatment) = (RuleKind::ChipExport, Treatment::Deny);
    govern(world, sku, row, vec![true, false]);
}

/// A rule in force on SKU `sku` for buyers at home in the countries of `whom`, wherever they are there.
pub(super) fn govern(world: &mut World, sku: usize, row: RuleRow, whom: Vec<bool>) {
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
