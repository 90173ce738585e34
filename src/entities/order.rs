//! Orders and shipments: the books between a firm's plan and a rack.

use bevy_ecs::prelude::Resource;

use super::chronicle::EventId;
use super::{FirmId, RuleId, SiteId, SkuId, VendorId};
use crate::calendar::Month;
use crate::units::{Count, Money};

crate::choice! {
    /// How a firm gets at compute.
    pub enum Channel {
        /// A chip of a foreign vendor, at home.
        Import = "import",
        /// A compliance variant, at home.
        Variant = "variant",
        /// A chip of a vendor of the buyer's own country.
        Domestic = "domestic",
        /// A controlled chip through brokers.
        Grey = "grey",
        /// A chip housed in the buyer's site abroad.
        Offshore = "offshore",
        /// Capacity rented from owners abroad.
        Rental = "rental",
        /// The buyer's own silicon.
        Own = "own",
    }
}

/// Where an order stands with the licensing authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// No rule in force covers it.
    NotNeeded,
    /// It fitted into the quota of this rule when it was placed, and was counted there.
    WithinQuota(RuleId),
    /// An application is to be filed or is pending.
    Pending,
    /// A licence covers `left` more units until `expires`.
    Licensed {
        /// Units that may still ship.
        left: Count,
        /// First month in which the licence no longer holds.
        expires: Month,
    },
}

/// An open order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Id, never used again.
    pub id: u64,
    /// The firm that pays.
    pub buyer: FirmId,
    /// The vendor.
    pub vendor: VendorId,
    /// The SKU.
    pub sku: SkuId,
    /// Where the chips go.
    pub site: SiteId,
    /// How they get there.
    pub channel: Channel,
    /// When it was placed.
    pub placed: Month,
    /// Number among the buyer's orders of this SKU, site and month.
    pub ordinal: u16,
    /// Units ordered and neither shipped nor cancelled.
    pub open: Count,
    /// Units shipped.
    pub shipped: Count,
    /// Price of one, attach and fees not included, fixed when the order is placed.
    pub price: Money,
    /// What the firm sets aside for one: price, attach, fees and premium.
    pub set_aside: Money,
    /// Fees for each unit (revenue share, tariff), part of `set_aside`.
    pub fee: Money,
    /// Where it stands with the licensing authority.
    pub clearance: Clearance,
    /// The event that the order follows from.
    pub cause: Option<EventId>,
}

/// Chips on their way.
#[derive(Clone, Debug)]
pub struct Shipment {
    /// The SKU.
    pub sku: SkuId,
    /// Where it goes.
    pub site: SiteId,
    /// Units.
    pub units: Count,
    /// What was paid for one.
    pub paid: Money,
    /// Month of arrival.
    pub due: Month,
}

/// Open orders (in order of filing) and shipments, and totals for the books.
#[derive(Resource, Clone, Debug, Default)]
pub struct OrderBook {
    next: u64,
    /// Open orders, in order of id.
    pub orders: Vec<Order>,
    /// Chips on their way.
    pub shipments: Vec<Shipment>,
    /// Units shipped since the start, `[sku]`, grey ones included.
    pub shipped: Vec<Count>,
    /// Units seized since the start, `[sku]`.
    pub seized: Vec<Count>,
    /// Units shipped under licence since the start.
    pub shipped_under_licence: Count,
    /// Licensed orders that were closed, with the units that each shipped; `licensing` takes them.
    pub closed_under_licence: Vec<(u64, Count)>,
}

impl OrderBook {
    /// An empty book for `skus` SKUs.
    #[must_use]
    pub fn of(skus: usize) -> Self {
        Self { shipped: vec![0; skus], seized: vec![0; skus], ..Self::default() }
    }

    /// Adds an order; its id is set here.
    pub fn place(&mut self, mut order: Order) -> u64 {
        order.id = self.next;
        self.next += 1;
        let id = order.id;
        self.orders.push(order);
        id
    }

    /// The open order with this id.
    #[must_use]
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Order> {
        let at = self.orders.binary_search_by_key(&id, |order| order.id).ok()?;
        self.orders.get_mut(at)
    }

    /// Drops orders with nothing open.
    pub fn close_finished(&mut self) {
        let closed = &mut self.closed_under_licence;
        self.orders.retain(|order| {
            let open = order.open > 0;
            if !open && matches!(order.clearance, Clearance::Licensed { .. }) {
                closed.push((order.id, order.shipped));
            }
            open
        });
    }

    /// Room for one more SKU, at the end.
    pub fn add_sku(&mut self) {
        self.shipped.push(0);
        self.seized.push(0);
    }
}
