//! Definition → ECS world: every actor spawned, every book and board opened.
//!
//! Dense ids follow the order of the tables, which a [`Definition`] keeps sorted
//! by id; what a row refers to was checked by the loader.

use std::collections::BTreeMap;

use bevy_ecs::prelude::World;

use crate::calendar::Month;
use crate::entities::boards::{ComputeMap, Fears, GreyMarkets, PowerPlans, RentalMarket, Shortage};
use crate::entities::breach::FirstBreach;
use crate::entities::chip::{Catalogue, CatalogueParameters, ChipRow, Die, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::Country;
use crate::entities::firm::{Firm, Group, Purse};
use crate::entities::ledger::Ledger;
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::line::Line;
use crate::entities::names::Names;
use crate::entities::order::OrderBook;
use crate::entities::regulator::Regulator;
use crate::entities::rule::{self, Rulebook};
use crate::entities::script::{Script, StockKind};
use crate::entities::site::{Retirements, Site};
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{
    Clock, CountryId, DieId, FirmId, LineId, RegimeId, RegulatorId, Roster, RuleId, Settings,
    SiteId, SkuId, VendorId,
};
use crate::mechanisms::{
    self, allocation, data_centres, design, fabs, finance, grey_market, market, policy,
    procurement, research, training,
};
use crate::metric::Readings;
use crate::random::Luck;
use crate::units::{Count, Money};
use crate::world::Definition;

/// Positions of ids in a table, which is sorted by id.
struct Places<'a>(BTreeMap<&'a str, usize>);

impl<'a> Places<'a> {
    fn of(ids: impl Iterator<Item = &'a String>) -> Self {
        Self(ids.enumerate().map(|(place, id)| (id.as_str(), place)).collect())
    }

    /// The position of an id that the loader has found in the table.
    fn at(&self, id: &str) -> usize {
        *self.0.get(id).unwrap_or_else(|| panic!("the loader let the unknown id {id} through"))
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.0.get(id).copied()
    }
}

/// The world at the start of a run.
///
/// # Panics
/// When a row refers to an id that no table holds: the loader refuses such worlds.
#[must_use]
pub fn populate(definition: &Definition, luck: Luck, keep_events: bool) -> World {
    let d = definition.clone().sorted().without_what_does_not_exist();
    let (start, end) = (d.head.start, d.head.end);
    let quantum = d.head.money_quantum;
    let mut world = World::new();

    let values: BTreeMap<&str, f64> =
        d.parameters.iter().map(|row| (row.id.as_str(), row.value)).collect();
    let mut value = |name: &'static str| {
        *values.get(name).unwrap_or_else(|| panic!("the loader let a world without {name} through"))
    };
    let chips = CatalogueParameters::from_values(&mut value);
    mechanisms::insert_parameters(&mut world, &mut value);

    let countries = Places::of(d.countries.iter().map(|row| &row.id));
    let firms = Places::of(d.firms.iter().map(|row| &row.id));
    let vendors = Places::of(d.vendors.iter().map(|row| &row.id));
    let regimes = Places::of(d.regimes.iter().map(|row| &row.id));
    let rules = Places::of(d.rules.iter().map(|row| &row.id));
    let skus: Vec<&ChipRow> =
        d.chips.iter().filter(|row| vendors.find(&row.vendor).is_some()).collect();
    let sku_places = Places::of(skus.iter().map(|row| &row.id));
    let vendor_ids: Vec<String> = d.vendors.iter().map(|row| row.id.clone()).collect();

    let catalogue = catalogue(&d, &skus, &sku_places, &vendors, &rules, &chips);
    let tables = rule::Names {
        countries: &d.countries,
        firms: &d.firms,
        vendors: &d.vendors,
        regulators: &d.regulators,
        regimes: &d.regimes,
    };
    let book = Rulebook::compile(&d.rules, &d.clauses, &tables, &catalogue);

    let mut roster = Roster::default();
    for (i, row) in d.regulators.iter().enumerate() {
        let regulator = Regulator {
            id: RegulatorId::at(i),
            country: CountryId::at(countries.at(&row.country)),
            regime: RegimeId::at(regimes.at(&row.regime)),
            row: row.clone(),
        };
        roster.regulators.push(world.spawn((regulator, policy::opening_stance(row, &luck))).id());
    }
    for (i, row) in d.vendors.iter().enumerate() {
        let vendor = Vendor {
            id: VendorId::at(i),
            home: CountryId::at(countries.at(&row.home)),
            captive: row.captive.as_deref().map(|firm| FirmId::at(firms.at(firm))),
            row: row.clone(),
        };
        roster.vendors.push(world.spawn((vendor, Sales::default())).id());
    }
    for (i, row) in d.lines.iter().enumerate() {
        let mut contracts: Vec<(VendorId, f64, Option<Month>, Option<Month>)> = d
            .contracts
            .iter()
            .filter(|contract| contract.line == row.id)
            .map(|c| (VendorId::at(vendors.at(&c.vendor)), c.weight, c.from, c.until))
            .collect();
        contracts.sort_by_key(|contract| contract.0);
        let line = Line {
            id: LineId::at(i),
            country: CountryId::at(countries.at(&row.country)),
            row: row.clone(),
            contracts,
        };
        roster.lines.push(world.spawn((line, fabs::line_state(row, start))).id());
    }

    let home_of: Vec<CountryId> =
        d.firms.iter().map(|row| CountryId::at(countries.at(&row.home))).collect();
    spawn_firms(&mut world, &mut roster, &d, &home_of, &luck);
    let granted = spawn_sites(&mut world, &mut roster, &d, &countries, &firms, &catalogue, quantum);
    for (i, row) in d.countries.iter().enumerate() {
        let demand = market::demand_of(world.resource(), i, &d.countries, &d.firms, &home_of);
        let country = Country { id: CountryId::at(i), row: row.clone() };
        let grid = data_centres::start_grid(row, granted[i]);
        roster.countries.push(world.spawn((country, grid, demand)).id());
    }

    let mut parts = fabs::opening_parts(&vendor_ids, &catalogue, &d.stocks);
    for row in d.stocks.iter().filter(|row| row.kind == StockKind::Installed) {
        if let Some(sku) = row.item.as_deref().and_then(|item| sku_places.find(item)) {
            parts.made[sku] += crate::maths::whole(row.amount);
        }
    }
    let (market_board, dock) = allocation::opening(&catalogue, &d.stocks, world.resource());
    let mut ledger = Ledger::new(d.firms.len(), d.vendors.len());
    finance::open_books(&mut ledger, &d.firms, &d.vendors, quantum);
    let sites: Vec<(CountryId, CountryId)> = d
        .data_centres
        .iter()
        .map(|row| (home_of[firms.at(&row.owner)], CountryId::at(countries.at(&row.country))))
        .collect();
    let (trading, offers, outlook) =
        market::start(world.resource(), &d.countries, &d.firms, &home_of, &sites);
    let mut frontier = d.frontier.clone();
    frontier.sort_by(|a, b| (a.month, &a.id).cmp(&(b.month, &b.id)));
    let (training, models) =
        training::start(world.resource(), &d.head.switches, &d.firms, &d.events, &luck, start);
    let rows =
        [1, d.firms.len(), d.vendors.len(), d.countries.len(), catalogue.skus.len(), d.lines.len()];

    world.insert_resource(Clock { start, now: start, end });
    world.insert_resource(Settings { quantum, endogenous_variants: d.head.endogenous_variants });
    world.insert_resource(d.head.switches);
    world.insert_resource(Chronicle::new(keep_events));
    world.insert_resource(FirstBreach::default());
    world.insert_resource(Names::of_rows(
        &d.firms,
        &d.vendors,
        &d.countries,
        &d.lines,
        &d.regulators,
    ));
    world.insert_resource(Readings::new(mechanisms::all_metrics(), rows));
    world.insert_resource(Fears::new(catalogue.skus.len(), d.countries.len(), d.vendors.len()));
    world.insert_resource(design::opening_book(d.vendors.len(), d.countries.len()));
    world.insert_resource(fabs::works(&d.lines, d.vendors.len(), d.countries.len(), &luck));
    world.insert_resource(grey_markets(&d, &home_of, world.resource(), &luck));
    world.insert_resource(grey_market::GreyTrade::default());
    world.insert_resource(OrderBook::of(catalogue.skus.len()));
    world.insert_resource(Retirements { retired: vec![0; catalogue.skus.len()] });
    world.insert_resource(LicenceBook::default());
    world.insert_resource(Quotas::default());
    world.insert_resource(allocation::SalesDesk::default());
    world.insert_resource(procurement::Channels::default());
    world.insert_resource(RentalMarket::new(d.firms.len()));
    world.insert_resource(Shortage::default());
    world.insert_resource(PowerPlans::new(d.data_centres.len()));
    world.insert_resource(ComputeMap::new(d.firms.len(), d.countries.len()));
    world.insert_resource(data_centres::FleetTally::default());
    world.insert_resource(data_centres::Rentals::new(
        d.rentals
            .iter()
            .map(|row| {
                (FirmId::at(firms.at(&row.tenant)), FirmId::at(firms.at(&row.host)), row.share)
            })
            .collect(),
    ));
    world.insert_resource(research::start(world.resource(), &frontier, &d.firms, &luck));
    world.insert_resource(training::frontier(&frontier, &d.firms, &models, start));
    world.insert_resource(script(&d, frontier));
    world.insert_resource(training);
    world.insert_resource(models);
    world.insert_resource(trading);
    world.insert_resource(offers);
    world.insert_resource(outlook);
    world.insert_resource(ledger);
    world.insert_resource(parts);
    world.insert_resource(market_board);
    world.insert_resource(dock);
    world.insert_resource(book);
    world.insert_resource(catalogue);
    world.insert_resource(roster);
    world.insert_resource(luck);
    world
}

fn catalogue(
    d: &Definition,
    skus: &[&ChipRow],
    places: &Places,
    vendors: &Places,
    rules: &Places,
    chips: &CatalogueParameters,
) -> Catalogue {
    let dies = Places::of(d.dies.iter().map(|row| &row.id));
    let mut catalogue = Catalogue {
        skus: Vec::new(),
        dies: d.dies.iter().map(|row| Die { row: row.clone() }).collect(),
        reference: (chips.reference_tops_8bit, chips.reference_bandwidth_gbps),
        reference_tflops: chips.reference_tflops_16bit,
        serving_exponent: chips.serving_flop_exponent,
        mix: (chips.train_weight, chips.work_specialisation),
    };
    let sku = |row: &&ChipRow| {
        let paper = catalogue.performance(row);
        Sku {
            id: row.id.clone(),
            vendor: VendorId::at(vendors.at(&row.vendor)),
            die: DieId::at(dies.at(&row.die)),
            parent: row.parent.as_deref().and_then(|id| places.find(id)).map(SkuId::at),
            caused_by: row.caused_by.as_deref().map(|id| RuleId::at(rules.at(id))),
            train_paper: paper.train,
            serve_paper: paper.serve,
            work_paper: paper.work,
            price_usd: row.price_usd,
            on_sale: false,
            approved_units_month: 0.0,
            row: (*row).clone(),
        }
    };
    catalogue.skus = skus.iter().map(sku).collect();
    catalogue
}

fn spawn_firms(
    world: &mut World,
    roster: &mut Roster,
    d: &Definition,
    home_of: &[CountryId],
    luck: &Luck,
) {
    for (i, row) in d.firms.iter().enumerate() {
        let firm = Firm { id: FirmId::at(i), home: home_of[i], row: row.clone() };
        let finances = finance::start(world.resource(), row);
        let compute = data_centres::start_compute(row, world.resource());
        let lab = research::lab(row, world.resource(), luck);
        let entity = world.spawn((firm, finances, Purse::default(), compute, lab)).id();
        roster.firms.push(entity);
    }
}

/// Spawns the data centres; the power granted in each country.
fn spawn_sites(
    world: &mut World,
    roster: &mut Roster,
    d: &Definition,
    countries: &Places,
    firms: &Places,
    catalogue: &Catalogue,
    quantum: f64,
) -> Vec<f64> {
    let mut granted = vec![0.0; d.countries.len()];
    for (i, row) in d.data_centres.iter().enumerate() {
        let place = countries.at(&row.country);
        let fleet: Vec<(SkuId, Count, Money)> = catalogue
            .iter()
            .map(|(id, sku)| {
                let chips = d
                    .stocks
                    .iter()
                    .filter(|s| s.kind == StockKind::Installed && s.place == row.id)
                    .filter(|s| s.item.as_deref() == Some(&sku.id))
                    .map(|s| crate::maths::whole(s.amount))
                    .sum();
                (id, chips, Money::from_amount(sku.row.price_usd, quantum))
            })
            .filter(|(_, chips, _)| *chips > 0)
            .collect();
        let halls = data_centres::start_halls(
            row,
            &d.countries[place],
            &fleet,
            d.head.start,
            world.resource(),
        );
        granted[place] += halls.power_mw + halls.building.iter().map(|b| b.1).sum::<f64>();
        let site = Site {
            id: SiteId::at(i),
            owner: FirmId::at(firms.at(&row.owner)),
            country: CountryId::at(place),
            row: row.clone(),
        };
        roster.sites.push(world.spawn((site, halls)).id());
    }
    granted
}

/// A grey market for each home of constrained firms, whether or not any rule binds there.
fn grey_markets(
    d: &Definition,
    home_of: &[CountryId],
    p: &grey_market::GreyParameters,
    luck: &Luck,
) -> GreyMarkets {
    let mut homes: Vec<CountryId> = d
        .firms
        .iter()
        .zip(home_of)
        .filter(|(row, _)| row.group == Group::Constrained)
        .map(|(_, home)| *home)
        .collect();
    homes.sort_unstable();
    homes.dedup();
    let markets = homes
        .into_iter()
        .map(|home| grey_market::opening(home, &d.countries[home.index()].id, p, luck))
        .collect();
    GreyMarkets { markets }
}

fn script(d: &Definition, frontier: Vec<crate::entities::script::FrontierRow>) -> Script {
    let mut shocks = d.events.clone();
    shocks.sort_by(|a, b| (a.month, &a.id).cmp(&(b.month, &b.id)));
    let mut flows: Vec<_> = d.stocks.iter().filter(|row| row.monthly > 0.0).cloned().collect();
    flows.sort_by(|a, b| a.id.cmp(&b.id));
    Script { happened: vec![None; shocks.len()], shocks, flows, frontier }
}
