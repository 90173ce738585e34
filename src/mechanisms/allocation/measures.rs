//! Metrics of sales.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{AllocationParameters, SalesDesk};
use crate::entities::boards::{ChipMarket, GreyMarkets};
use crate::entities::chip::Catalogue;
use crate::entities::line::Parts;
use crate::entities::order::Channel;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, Roster};
use crate::maths;
use crate::metric::{Metric, Readings};

/// Dollars in a billion.
const BILLION: f64 = 1e9;
/// Weeks in a month.
const WEEKS_PER_MONTH: f64 = 52.0 / 12.0;

/// Writes the metrics of sales; after grey trade, whose purchases are shipments too.
pub(crate) fn measure(
    clock: Res<Clock>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    p: Res<AllocationParameters>,
    desk: Res<SalesDesk>,
    market: Res<ChipMarket>,
    parts: Res<Parts>,
    grey: Res<GreyMarkets>,
    mut readings: ResMut<Readings>,
    vendors: Query<(&Vendor, &Sales)>,
) {
    let years = clock.years();
    let growth = maths::exp(p.other_revenue_growth * years);
    let (mut world, mut lost) = (0.0, 0.0);
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        let v = vendor.id.index();
        let other = vendor.row.other_revenue_usd_bn * BILLION / 12.0 * growth;
        let other_china = other * vendor.row.other_revenue_china_share;
        world += sales.revenue_usd;
        lost += sales.lost_to_rules_total_usd;
        readings.set_for(&ACCELERATOR_USD, v, sales.revenue_usd);
        readings.set_for(&ACCELERATOR_CHINA_USD, v, sales.revenue_china_usd);
        readings.set_for(&REVENUE_USD, v, sales.revenue_usd + other);
        readings.set_for(&REVENUE_CHINA_USD, v, sales.revenue_china_usd + other_china);
        readings.set_for(&LOST_USD, v, sales.lost_to_rules_total_usd);
        readings.set_for(&VENDOR_UNITS, v, desk.units[v] as f64);
        readings.set_for(&VENDOR_H100E, v, desk.h100e[v]);
        readings.set_for(&VENDOR_CHINA_H100E, v, desk.china_nvidia_like[v]);
    }
    for (firm, paid) in desk.paid.iter().enumerate() {
        for ((_, metric), usd) in PAID.iter().zip(paid) {
            readings.set_for(metric, firm, *usd);
        }
    }
    for (id, sku) in catalogue.iter() {
        let s = id.index();
        if !(sku.on_sale || market.backlog[s] > 0 || parts.made[s] > 0) {
            continue;
        }
        let months = vendors
            .iter_many(&roster.vendors)
            .flatten()
            .nth(sku.vendor.index())
            .map_or(0.0, |(v, _)| v.row.shipping_months as f64);
        readings.set_for(&ORDERED_UNITS, s, market.ordered[s] as f64);
        readings.set_for(&CANCELLED_UNITS, s, desk.cancelled[s] as f64);
        readings.set_for(&SHIPPED_UNITS, s, market.shipped[s] as f64);
        readings.set_for(&BACKLOG_UNITS, s, market.backlog[s] as f64);
        readings.set_for(&INVENTORY_UNITS, s, parts.inventory[s] as f64);
        readings.set_for(&WRITTEN_OFF_UNITS, s, parts.written_off[s] as f64);
        readings.set_for(&FORECAST_UNITS, s, market.forecast[s]);
        readings.set_for(&PRICE_USD, s, sku.price_usd);
        readings.set_for(&WAIT_MONTHS, s, market.wait_months[s]);
        readings.set_for(&LEAD_WEEKS, s, (market.wait_months[s] + months) * WEEKS_PER_MONTH);
    }
    let grey_total: f64 = grey.markets.iter().map(|m| m.landed_h100e_total).sum();
    let cards = (p.cards_china_units_month * maths::exp(p.cards_china_growth * years))
        .min(p.cards_china_ceiling);
    let [foreign, domestic] = desk.china_units;
    let all = foreign + domestic + cards;
    let [abroad, home] = desk.constrained_h100e;
    let smuggled: f64 = grey.markets.iter().map(|m| m.landed_h100e).sum();
    let got = abroad + home + smuggled;
    readings.set(&DOMESTIC_CHIP_SHARE, if got > 0.0 { home / got } else { f64::NAN });
    readings.set(&GREY_SHARE, if got > 0.0 { smuggled / got } else { f64::NAN });
    readings.set(&LOST_WORLD_USD, lost);
    readings.set(&WORLD_USD, world);
    readings.set(&WORLD_H100E, desk.world_h100e_total + grey_total);
    readings.set(&CHINA_IMPORT_H100E, desk.china_h100e[0]);
    readings.set(&CHINA_LAWFUL_STOCK, desk.china_h100e_total[0] + desk.china_h100e_total[1]);
    readings.set(&CHINA_DOMESTIC_H100E, desk.china_h100e[1]);
    readings.set(&CHINA_DOMESTIC_UNITS, domestic);
    readings.set(&CHINA_FOREIGN_UNITS, foreign);
    readings.set(&CHINA_ALL_UNITS, all);
    readings.set(&CHINA_CARDS, cards);
    readings.set(&DOMESTIC_SHARE, if all > 0.0 { domestic / all } else { 0.0 });
}

/// What firms pay vendors, by channel.
pub(super) static PAID: [(Channel, &Metric); 5] = [
    (Channel::Import, &PAID_IMPORT),
    (Channel::Variant, &PAID_VARIANT),
    (Channel::Domestic, &PAID_DOMESTIC),
    (Channel::Offshore, &PAID_OFFSHORE),
    (Channel::Own, &PAID_OWN),
];

crate::metrics! {
    World {
        WORLD_USD = "accelerator_revenue_usd", "USD/month", "Revenue of all vendors from accelerators and systems this month, grey purchases included.";
        WORLD_H100E = "shipped_h100e_total", "H100e", "8-bit H100e (dense 8-bit throughput / that of the reference chip) shipped to buyers since the start, without retirement; landed grey chips included.";
        CHINA_IMPORT_H100E = "china_lawful_import_h100e", "H100e/month", "8-bit H100e that foreign vendors shipped lawfully this month to firms headquartered in China, for sites in China.";
        CHINA_DOMESTIC_H100E = "china_domestic_h100e", "H100e/month", "The same from vendors at home in China.";
        CHINA_LAWFUL_STOCK = "china_lawful_h100e_total", "H100e", "Both together since the start, without retirement: lawful and domestic, no grey chips, none abroad.";
        CHINA_DOMESTIC_UNITS = "china_domestic_units", "chips/month", "Chips of vendors at home in China shipped this month to Chinese firms' sites in China.";
        CHINA_FOREIGN_UNITS = "china_foreign_units", "chips/month", "Chips of foreign vendors shipped lawfully this month to Chinese firms' sites in China.";
        CHINA_CARDS = "china_card_units", "cards/month", "Cards without high-bandwidth memory sold in China: min(n₀e^(gt), n_max); outside the model's compute.";
        CHINA_ALL_UNITS = "china_all_units", "chips/month", "Domestic and foreign chips and cards together: what market researchers count.";
        DOMESTIC_SHARE = "china_domestic_unit_share", "share", "Domestic chips / all of them, this month.";
    }
    World {
        DOMESTIC_CHIP_SHARE = "domestic_chip_share", "share", "8-bit H100e that vendors at home in the buyer's country shipped this month to firms of the constrained group, over all 8-bit H100e that these firms got this month: from home, from abroad, and landed through brokers; empty in a month without any.";
        GREY_SHARE = "grey_share", "share", "8-bit H100e landed through brokers this month over all 8-bit H100e that firms of the constrained group got this month; empty in a month without any.";
        LOST_WORLD_USD = "vendor_revenue_lost_usd", "USD", "Sum over vendors of vendor_revenue_lost_usd: units refused by licensing since the start, at the list price of the month × attach.";
    }
    Firm {
        PAID_IMPORT = "paid_import_usd", "USD/month", "Paid this month for foreign chips shipped to sites at home, fees included.";
        PAID_VARIANT = "paid_variant_usd", "USD/month", "The same for compliance variants.";
        PAID_DOMESTIC = "paid_domestic_usd", "USD/month", "The same for chips of vendors of the firm's own country.";
        PAID_OFFSHORE = "paid_offshore_usd", "USD/month", "The same for own sites abroad because home is restricted.";
        PAID_OWN = "paid_own_usd", "USD/month", "The same for the firm's own silicon.";
    }
    Vendor {
        ACCELERATOR_USD = "datacentre_revenue_usd", "USD/month", "Revenue from accelerators and systems this month.";
        ACCELERATOR_CHINA_USD = "datacentre_revenue_china_usd", "USD/month", "The part from buyers headquartered in China.";
        REVENUE_USD = "total_revenue_usd", "USD/month", "Accelerator revenue and other revenue.";
        REVENUE_CHINA_USD = "total_revenue_china_usd", "USD/month", "The part from China: accelerators by headquarters, other revenue by its share.";
        LOST_USD = "vendor_revenue_lost_usd", "USD", "Units refused by licensing since the start, at the list price of the month × attach.";
        VENDOR_UNITS = "vendor_shipped_units", "chips/month", "Chips shipped this month to buyers.";
        VENDOR_H100E = "vendor_shipped_h100e", "H100e/month", "8-bit H100e shipped this month to buyers, grey purchases left out.";
        VENDOR_CHINA_H100E = "vendor_china_h100e", "H100e/month", "8-bit H100e shipped this month to Chinese firms' sites in China.";
    }
    Sku {
        ORDERED_UNITS = "ordered_units", "chips/month", "Chips ordered this month.";
        CANCELLED_UNITS = "cancelled_units", "chips/month", "Chips of open orders that were given up this month: stale ones, and those that a later chip took the place of.";
        SHIPPED_UNITS = "shipped_units", "chips/month", "Chips that left the dock this month, grey purchases included.";
        BACKLOG_UNITS = "backlog_units", "chips", "Chips ordered and open, those that wait for a licence included.";
        INVENTORY_UNITS = "inventory_units", "chips", "Finished chips at the dock.";
        WRITTEN_OFF_UNITS = "written_off_units", "chips", "Chips written off since the start.";
        FORECAST_UNITS = "forecast_units", "chips/month", "Smoothed orders: the vendor's forecast.";
        PRICE_USD = "price_usd", "USD", "List price.";
        WAIT_MONTHS = "wait_months", "month", "(Backlog − inventory) / expected output, bounded.";
        LEAD_WEEKS = "lead_weeks", "week", "Wait and transport, in weeks.";
    }
}
