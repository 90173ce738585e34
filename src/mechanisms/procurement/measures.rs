//! What procurement writes down each month.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{CHANNELS, Channels};
use crate::entities::firm::{Firm, Purse};
use crate::entities::{Roster, Settings};
use crate::metric::Readings;

/// Writes the metrics of this room.
pub(crate) fn record_procurement(
    roster: Res<Roster>,
    settings: Res<Settings>,
    channels: Res<Channels>,
    firms: Query<(&Firm, &Purse)>,
    mut readings: ResMut<Readings>,
) {
    let quantum = settings.quantum;
    let mut worst: f64 = 1.0;
    for (firm, purse) in firms.iter_many(&roster.firms).flatten() {
        let row = firm.id.index();
        worst = worst.max(purse.kappa);
        readings.set_for(&KAPPA, row, purse.kappa);
        readings.set_for(&KAPPA_LAGGED, row, purse.kappa_lagged);
        readings.set_for(&UNSPENT, row, purse.unspent.amount(quantum));
        readings.set_for(&ESCROW, row, purse.escrow.amount(quantum));
        readings.set_for(&BUDGET, row, channels.budget[row].amount(quantum));
        readings.set_for(&ADVANCED, row, channels.advanced[row].amount(quantum));
        readings.set_for(&SHORTFALL, row, purse.shortfall);
    }
    readings.set(&KAPPA_LARGEST, worst);
    let by_channel = [
        &PLACED_IMPORT,
        &PLACED_VARIANT,
        &PLACED_DOMESTIC,
        &PLACED_GREY,
        &PLACED_OFFSHORE,
        &PLACED_RENTAL,
        &PLACED_OWN,
    ];
    for (metric, channel) in by_channel.into_iter().zip(CHANNELS) {
        readings.set(metric, channels.placed_usd[channel as usize]);
    }
    readings.set(&CLOSED_CHANNELS, channels.lost_usd);
    readings.set(&ORDERED_AHEAD, channels.ahead_usd);
}

crate::metrics! {
    World {
        KAPPA_LARGEST = "kappa_largest", "ratio", "Largest shadow price of compute of any firm.";
        PLACED_IMPORT = "placed_import_usd", "USD/month", "Orders placed this month for foreign chips at home.";
        PLACED_VARIANT = "placed_variant_usd", "USD/month", "Orders placed this month for compliance variants.";
        PLACED_DOMESTIC = "placed_domestic_usd", "USD/month", "Orders placed this month with vendors of the buyer's own country.";
        PLACED_GREY = "placed_grey_usd", "USD/month", "Money offered to brokers this month.";
        PLACED_OFFSHORE = "placed_offshore_usd", "USD/month", "Orders placed this month for own sites abroad because home is restricted.";
        PLACED_RENTAL = "placed_rental_usd", "USD/month", "Money offered to hosts abroad this month.";
        PLACED_OWN = "placed_own_usd", "USD/month", "Orders placed this month for the buyer's own silicon.";
        CLOSED_CHANNELS = "closed_channels_usd", "USD/month", "What firms would have spent with vendors without rules, at this month's budgets and prices, and could not.";
        ORDERED_AHEAD = "ordered_ahead_usd", "USD/month", "Money spent ahead of the plan for fear of a rule.";
    }
    Firm {
        KAPPA = "kappa", "ratio", "Shadow price of compute: cheapest generalised cost now over the cheapest at list price without queue or rule, between 1 and kappa_max.";
        KAPPA_LAGGED = "kappa_lagged", "ratio", "Shadow price as research feels it: moves towards kappa by 1/kappa_lag_months a month.";
        UNSPENT = "unspent_usd", "USD", "Accelerator money of earlier months that found nothing to buy.";
        ESCROW = "escrow_usd", "USD", "Money set aside for open orders: the sum of open units × money set aside for one.";
        BUDGET = "chip_budget_usd", "USD/month", "New accelerator money of this month.";
        ADVANCED = "spent_ahead_usd", "USD", "Money spent ahead of the plan and not yet paid back out of later budgets.";
        SHORTFALL = "compute_shortfall", "share", "Compute that the budget would have bought at reference cost and did not, trailing twelve months.";
    }
}
