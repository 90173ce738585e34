//! Countries: markets, grids and jurisdictions.

use bevy_ecs::prelude::Component;

use super::CountryId;
use crate::schema::{choice, flag, number, share, text, whole};

crate::choice! {
    /// Political alignment, as the reference world's sources label it.
    pub enum Bloc {
        /// The United States.
        Us = "us",
        /// Treaty allies and partners that align with US controls.
        Allied = "allied",
        /// China.
        China = "china",
        /// Everybody else.
        Nonaligned = "nonaligned",
    }
}

/// Tier of countries under arms embargo in the framework of January 2025.
pub const BARRED_TIER: i64 = 3;

crate::table! {
    /// Countries and regions: market, grid, alignment.
    pub struct CountryRow in "countries" {
        /// Name for people.
        name: String = text(),
        /// Bloc.
        bloc: Bloc = choice(Bloc::WORDS),
        /// Tier of the AI diffusion framework of January 2025 (0 home, 1 ally, 2 capped, 3 barred).
        tier: i64 = whole("1", 0, 3),
        /// Whether this is a third market: not aligned with either group of developers.
        third_market: bool = flag(),
        /// Gross domestic product, 2024.
        gdp_usd_bn: f64 = number("bn USD", 0.0, 1e6),
        /// People, 2024.
        population_m: f64 = number("million", 0.0, 1e4),
        /// Industrial price of electricity.
        power_price_usd_kwh: f64 = number("USD/kWh", 0.0, 5.0),
        /// Carbon intensity of the grid.
        carbon_g_kwh: f64 = number("g/kWh", 0.0, 2000.0),
        /// Power usage effectiveness of a typical data centre.
        pue: f64 = number("1", 1.0, 3.0),
        /// Months from a decision to build to power at the rack.
        build_months: i64 = whole("month", 1, 180),
        /// Power that AI could use in January 2022, halls that can be converted included.
        ai_power_mw: f64 = number("MW", 0.0, 1e6),
        /// Fastest growth of power that the grid can connect for AI.
        ai_power_growth: f64 = number("ln/year", 0.0, 3.0),
        /// Power that the grid can connect for AI in the end.
        ai_power_ceiling_mw: f64 = number("MW", 0.0, 1e7),
        /// Infrastructure constraint, 0 none to 1 severe.
        infrastructure_constraint: f64 = share(),
        /// UN General Assembly ideal point; distances to the home of a developer lower trust.
        ideal_point: f64 = number("1", -5.0, 5.0),
        /// AI spend for each unit of GDP relative to the United States.
        ai_intensity: f64 = number("ratio", 0.0, 5.0),
        /// Where the figures come from.
        source: String = text(),
    }
}

/// A country.
#[derive(Component, Clone, Debug)]
pub struct Country {
    /// Dense id.
    pub id: CountryId,
    /// What the table says.
    pub row: CountryRow,
}

/// Power for AI. Written by `data_centres`.
#[derive(Component, Clone, Debug)]
pub struct Grid {
    /// Power that the grid grants to AI: connected, or reserved for halls under construction.
    pub connected_mw: f64,
    /// The part of it that no site has been granted yet.
    pub headroom_mw: f64,
    /// Power asked for and not granted, last time sites asked.
    pub refused_mw: f64,
    /// Share of what was asked for that was refused, smoothed over years.
    pub pressure: f64,
}

/// Demand for AI. Written by `market`.
#[derive(Component, Clone, Debug)]
pub struct Demand {
    /// Annual spend on AI.
    pub spend_usd_year: f64,
    /// Saturation of the spend.
    pub spend_max_usd_year: f64,
    /// ln of the quality-adjusted price, last month and the twelve before (newest first).
    pub ln_price_history: [f64; 13],
    /// Share of tokens of each option last month, `[option]` (see `boards::Offers`); the last,
    /// nothing, is the share of wants that no offer drew.
    pub share: Vec<f64>,
    /// Awareness of each firm's models in this country, 0 to 1, `[firm]`.
    pub awareness: Vec<f64>,
    /// Tokens used this month, millions.
    pub tokens_m: f64,
    /// Tokens used this month on models of the constrained group, millions.
    pub constrained_tokens_m: f64,
    /// Money spent on AI this month, USD.
    pub paid_usd: f64,
    /// Money that found no capacity this month, USD.
    pub unserved_usd: f64,
    /// Compute for self-hosting, H100e.
    pub self_host_h100e: f64,
    /// ln of what scarcity adds to the price of self-hosting here.
    pub self_host_scarcity: f64,
    /// Habit of each option but nothing, `[option]`: smoothed utility over the
    /// dissimilarity of its nest; minus infinity while it is not on offer.
    pub habit: Vec<f64>,
}
