//! Boards: small tables that one room publishes a month and others read.
//! A board read before its room has run this month holds last month's values.

use bevy_ecs::prelude::Resource;

use super::{CountryId, FirmId};
use crate::maths;
use crate::random::Stream;

/// Last month's state of the chip market, `[sku]`. Written by `allocation`.
#[derive(Resource, Clone, Debug, Default)]
pub struct ChipMarket {
    /// Months that a new order can expect to wait.
    pub wait_months: Vec<f64>,
    /// Units ordered and open.
    pub backlog: Vec<i64>,
    /// Units finished this month.
    pub output: Vec<i64>,
    /// Units shipped this month.
    pub shipped: Vec<i64>,
    /// Units ordered this month.
    pub ordered: Vec<i64>,
    /// Smoothed orders a month: the vendor's forecast.
    pub forecast: Vec<f64>,
}

impl ChipMarket {
    /// Room for one more SKU, at the end.
    pub fn add_sku(&mut self) {
        self.wait_months.push(0.0);
        self.backlog.push(0);
        self.output.push(0);
        self.shipped.push(0);
        self.ordered.push(0);
        self.forecast.push(0.0);
    }
}

/// What buyers and vendors fear. Written by `policy` from last month's state.
#[derive(Resource, Clone, Debug, Default)]
pub struct Fears {
    /// Chance a month that a new, stricter rule comes, as felt, for each country of headquarters, `[country]`.
    pub hazard: Vec<f64>,
    /// Whether an announced rule that is not yet in force will catch a SKU for a home country,
    /// `[sku][country]`: 1 caught, 0 not.
    pub announced: Vec<Vec<f64>>,
    /// Whether the feared next rule would catch a SKU, `[sku][country]`: last thresholds tightened once.
    pub feared: Vec<Vec<f64>>,
    /// Share of imports that the buyer's own state lets in, `[country]`, 1 where there is no guidance.
    pub import_allowed: Vec<f64>,
    /// Share of remote access that rules leave open, `[country]` of the tenant's headquarters.
    pub remote_access: Vec<f64>,
    /// Strength with which memory exports to a vendor's country are withheld, `[country]`.
    pub memory_withheld: Vec<f64>,
    /// Strength with which foundry service to a vendor's country is withheld, `[country]`.
    pub foundry_withheld: Vec<f64>,
    /// Strength with which equipment exports to a country are withheld, `[country]`.
    pub equipment_withheld: Vec<f64>,
    /// Strength of enforcement against grey trade into a country, `[country]`.
    pub enforcement: Vec<f64>,
}

/// The grey market of one destination. Written by `grey_market`.
#[derive(Clone, Debug)]
pub struct GreyMarket {
    /// Where the chips end up.
    pub country: CountryId,
    /// ln of the premium over list price.
    pub ln_premium: f64,
    /// Money that buyers offer this month, USD. Written by `procurement`.
    pub offered_usd: Vec<(FirmId, f64)>,
    /// Units landed this month.
    pub landed: i64,
    /// Units landed since the start.
    pub landed_total: i64,
    /// H100e landed since the start.
    pub landed_h100e_total: f64,
    /// Units seized this month.
    pub seized: i64,
    /// Draws of interdiction.
    pub luck: Stream,
}

/// Grey markets, one for each country whose firms cannot buy.
#[derive(Resource, Clone, Debug, Default)]
pub struct GreyMarkets {
    /// Markets in the order of countries.
    pub markets: Vec<GreyMarket>,
}

/// Capability frontiers. Written by `training`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Frontier {
    /// Best possible capability of the unconstrained group, by month since the history's first.
    pub unconstrained: Vec<f64>,
    /// Best possible capability of the constrained group, by month since the start.
    pub constrained: Vec<f64>,
    /// Months by which the constrained frontier trails (negative: leads).
    pub lag_months: f64,
    /// log10 of the largest training run so far, any firm.
    pub log10_largest_run: f64,
    /// The same by group: constrained, unconstrained.
    pub log10_largest_run_group: [f64; 2],
    /// Best open-weights quality.
    pub best_open: f64,
}

/// Self-hosted options of every country: best open model of the constrained
/// group's developers (big, small), then of everybody else (big, small).
pub const SELF_HOSTED: usize = 4;

/// Token offers of this month, `[option]`. Options are every developer's tiers in
/// order of firms (big, small), then [`SELF_HOSTED`] open models that countries run
/// themselves, then nothing. Written by `market`; the lists here hold the hosted ones.
#[derive(Resource, Clone, Debug, Default)]
pub struct Offers {
    /// Firm of each hosted option.
    pub firm: Vec<FirmId>,
    /// Tier index of each hosted option.
    pub tier: Vec<usize>,
    /// Posted price, USD per million tokens; not a number when nothing is on offer.
    pub price_usd_m: Vec<f64>,
    /// Quality, dex; not a number when nothing is on offer.
    pub quality: Vec<f64>,
    /// Cost, fleet average, USD per million tokens.
    pub cost_usd_m: Vec<f64>,
    /// Cost of a token from chips bought today, USD per million tokens.
    pub replacement_cost_usd_m: Vec<f64>,
    /// Energy, PUE included, kWh per million tokens.
    pub energy_kwh_m: Vec<f64>,
    /// Tokens served this month, millions.
    pub tokens_m: Vec<f64>,
    /// Revenue this month, USD.
    pub revenue_usd: Vec<f64>,
    /// The model behind each self-hosted option (position in `ModelBook::models`), if any.
    pub self_hosted: [Option<u32>; SELF_HOSTED],
}

/// Annual AI spend of the world and its growth as planners see it. Written by `market`.
#[derive(Resource, Clone, Debug, Default)]
pub struct SpendOutlook {
    /// World AI spend, annual.
    pub spend_usd_year: f64,
    /// Saturation of it.
    pub spend_max_usd_year: f64,
    /// Growth that planners expect while nothing saturates, ln a year.
    pub expected_growth: f64,
    /// Shape of the saturation that planners know of (1: logistic).
    pub saturation_shape: f64,
}

impl SpendOutlook {
    /// Spend expected `years` ahead: the Richards curve through today's spend,
    /// `E x / (1 + f^s (x^s − 1))^(1/s)`, x = e^(years · growth), f = E / E_max.
    #[must_use]
    pub fn expected(&self, years: f64) -> f64 {
        if self.spend_usd_year <= 0.0 || self.spend_max_usd_year <= 0.0 {
            return self.spend_usd_year.max(0.0);
        }
        let s = self.saturation_shape;
        let x = maths::exp(years * self.expected_growth);
        let f = maths::pow((self.spend_usd_year / self.spend_max_usd_year).min(1.0), s);
        self.spend_usd_year * x / maths::pow(1.0 + f * (maths::pow(x, s) - 1.0), 1.0 / s)
    }
}
