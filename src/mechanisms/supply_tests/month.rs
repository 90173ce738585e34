//! A month of supply: making, selling, orders as procurement places them, and the books
//! that must balance afterwards.

use bevy_ecs::prelude::{Entity, World};
use bevy_ecs::system::RunSystemOnce;

use crate::entities::chip::Catalogue;
use crate::entities::firm::Purse;
use crate::entities::ledger::Ledger;
use crate::entities::line::{LineState, Parts};
use crate::entities::order::{Channel, Clearance, Order, OrderBook};
use crate::entities::site::Halls;
use crate::entities::vendor::Vendor;
use crate::entities::{Clock, FirmId, Roster, SiteId, SkuId};
use crate::mechanisms::{allocation, fabs, grey_market, shipping};
use crate::units::{Count, Money};

macro_rules! run {
    ($world:expr, $($system:path),* $(,)?) => { $( $world.run_system_once($system).unwrap(); )* };
}

pub(super) use run;

pub(super) fn make(world: &mut World) {
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

pub(super) fn sell(world: &mut World) {
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

pub(super) fn turn(world: &mut World) {
    world.resource_mut::<Ledger>().turn_page();
    world.resource_mut::<Clock>().now = world.resource::<Clock>().now + 1;
}

/// Places an order as procurement does: money from `unspent` to `escrow`.
pub(super) fn order(
    world: &mut World,
    firm: usize,
    sku: usize,
    units: Count,
    clearance: Clearance,
) {
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
pub(super) fn check(world: &mut World) {
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
