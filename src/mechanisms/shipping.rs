//! Shipping: what is due reaches the buyer's warehouse.
//!
//! A shipment that left in month t arrives in t + lead, the lead being the vendor's (or the brokers'). It joins the cohort of its SKU
//! and quarter in the site's warehouse; what was paid for a chip of the cohort is the mean over its chips, to the
//! nearest quantum. Chips are conserved exactly.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::entities::chip::Catalogue;
use crate::entities::order::{OrderBook, Shipment};
use crate::entities::site::{Cohort, Halls, Site};
use crate::entities::{Clock, Roster};
use crate::metric::Readings;

/// Moves due shipments into warehouses, in order of shipping.
pub(crate) fn deliver(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    mut book: ResMut<OrderBook>,
    mut readings: ResMut<Readings>,
    mut halls: Query<(&Site, &mut Halls)>,
    mut due: Local<Vec<Shipment>>,
    mut delivered: Local<Vec<f64>>,
) {
    delivered.clear();
    delivered.resize(roster.firms.len(), 0.0);
    due.clear();
    book.shipments.retain(|shipment| {
        let stays = shipment.due > clock.now || shipment.site.index() >= roster.sites.len();
        if !stays {
            due.push(shipment.clone());
        }
        stays
    });
    let quarter = clock.now.quarter();
    for shipment in &*due {
        let Ok((site, mut halls)) = halls.get_mut(roster.sites[shipment.site.index()]) else {
            continue;
        };
        if let (Some(sum), Some(sku)) =
            (delivered.get_mut(site.owner.index()), catalogue.skus.get(shipment.sku.index()))
        {
            *sum += shipment.units as f64 * sku.row.tops_8bit / catalogue.reference.0;
        }
        let same = |c: &&mut Cohort| c.sku == shipment.sku && c.quarter == quarter;
        if let Some(cohort) = halls.warehouse.iter_mut().find(same) {
            let count = cohort.count + shipment.units;
            if count > 0 {
                let share = shipment.units as f64 / count as f64;
                cohort.paid += (shipment.paid - cohort.paid).scaled(share);
            }
            cohort.count = count;
        } else {
            halls.warehouse.push(Cohort {
                sku: shipment.sku,
                quarter,
                count: shipment.units,
                paid: shipment.paid,
            });
        }
    }
    for (firm, h100e) in delivered.iter().enumerate() {
        readings.set_for(&DELIVERED_H100E, firm, *h100e);
    }
}

/// Writes the metrics of shipping.
pub(crate) fn measure(book: Res<OrderBook>, mut readings: ResMut<Readings>) {
    let units: i64 = book.shipments.iter().map(|shipment| shipment.units).sum();
    readings.set(&IN_TRANSIT, units as f64);
}

crate::metrics! {
    World {
        IN_TRANSIT = "in_transit_units", "chips", "Chips shipped and not yet delivered.";
    }
    Firm {
        DELIVERED_H100E = "delivered_h100e", "H100e/month", "8-bit H100e (dense 8-bit throughput / that of the reference chip) delivered this month to the firm's own sites, grey chips included; powered or not.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Month;
    use crate::entities::{SiteId, SkuId};
    use crate::units::Money;
    use bevy_ecs::prelude::World;
    use bevy_ecs::system::RunSystemOnce;

    #[test]
    fn a_shipment_arrives_when_due_and_cohorts_merge() {
        let mut world = World::new();
        let now = Month::new(2024, 2);
        let site = world.spawn(Halls::default()).id();
        world.insert_resource(Clock { start: now, now, end: now + 12 });
        world.insert_resource(Roster { sites: vec![site], ..Roster::default() });
        let shipment = |units, dollars, due| Shipment {
            sku: SkuId(0),
            site: SiteId(0),
            units,
            paid: Money::from_amount(dollars, 1.0),
            due,
        };
        let mut book = OrderBook::default();
        book.shipments =
            vec![shipment(10, 100.0, now), shipment(30, 200.0, now), shipment(5, 1.0, now + 1)];
        world.insert_resource(book);
        world.run_system_once(deliver).unwrap();
        let halls = world.get::<Halls>(site).unwrap();
        assert_eq!(halls.warehouse.len(), 1);
        assert_eq!(halls.warehouse[0].count, 40);
        // (10 × 100 + 30 × 200) / 40 = 175
        assert_eq!(halls.warehouse[0].paid.quanta(), 175);
        assert_eq!(world.resource::<OrderBook>().shipments.len(), 1);
    }
}
