//! The reference tables under a given demand.

use std::sync::OnceLock;

use bevy_ecs::prelude::World;
use bevy_ecs::system::RunSystemOnce;

use super::month::{check, make, order, run, sell, turn};
use super::world::{Tables, build, close, place};
use crate::calendar::Month;
use crate::entities::boards::{Dock, Fears, GreyMarkets};
use crate::entities::chip::{Catalogue, Origin};
use crate::entities::country::{Bloc, CountryRow};
use crate::entities::line::Parts;
use crate::entities::order::Clearance;
use crate::entities::rule::Rulebook;
use crate::entities::script::StockKind;
use crate::entities::{Clock, FirmId};
use crate::mechanisms::reference::reference;
use crate::mechanisms::{allocation, fabs, grey_market, shipping};
use crate::metric::{Metric, Readings, Scope};
use crate::schema::blank;
use crate::units::Count;

fn tables() -> Tables {
    let world = reference();
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
    let tables = tables();
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
