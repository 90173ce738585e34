//! Boards: small tables that one room publishes a month and others read.
//! A board read before its room has run this month holds last month's values.

use bevy_ecs::prelude::Resource;

use super::chronicle::EventId;
use super::{CountryId, FirmId};
use crate::calendar::Month;
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

/// What lies between order and dock, `[sku]`, besides the public [`ChipMarket`].
/// Written by `allocation` (held back: used up by `grey_market`), read by `fabs`
/// a month later. Rooms that write it make room for new SKUs themselves.
#[derive(Resource, Clone, Debug, Default)]
pub struct Dock {
    /// Open units that could ship today: no licence needed, or one in hand.
    pub cleared: Vec<i64>,
    /// Open units that the vendor counts on: cleared ones, and pending ones by their odds.
    pub likely: Vec<f64>,
    /// Finished units that brokers can buy under hub buyers' names this month.
    pub held_back: Vec<i64>,
    /// Units shipped this month to buyers from whose deliveries brokers divert.
    pub divertible: Vec<i64>,
    /// Units a month that the vendor expects to finish.
    pub expected_output: Vec<f64>,
}

impl Dock {
    /// Makes room for `skus` SKUs.
    pub fn fit(&mut self, skus: usize) {
        self.cleared.resize(skus, 0);
        self.likely.resize(skus, 0.0);
        self.held_back.resize(skus, 0);
        self.divertible.resize(skus, 0);
        self.expected_output.resize(skus, 0.0);
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
    /// The same for one vendor, its country's and its own listing together, `[vendor]`.
    pub foundry_withheld_vendor: Vec<f64>,
    /// Strength with which materials and tools of chip design are withheld from a country, `[country]`.
    pub materials_withheld: Vec<f64>,
    /// Strength of enforcement against grey trade into a country, `[country]`.
    pub enforcement: Vec<f64>,
}

impl Fears {
    /// Nothing feared, nothing withheld, everything let in.
    #[must_use]
    pub fn new(skus: usize, countries: usize, vendors: usize) -> Self {
        Self {
            hazard: vec![0.0; countries],
            announced: vec![vec![0.0; countries]; skus],
            feared: vec![vec![0.0; countries]; skus],
            import_allowed: vec![1.0; countries],
            remote_access: vec![1.0; countries],
            memory_withheld: vec![0.0; countries],
            foundry_withheld: vec![0.0; countries],
            equipment_withheld: vec![0.0; countries],
            foundry_withheld_vendor: vec![0.0; vendors],
            materials_withheld: vec![0.0; countries],
            enforcement: vec![0.0; countries],
        }
    }

    /// Room for one more SKU, at the end.
    pub fn add_sku(&mut self) {
        let countries = self.hazard.len();
        self.announced.push(vec![0.0; countries]);
        self.feared.push(vec![0.0; countries]);
    }
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
    /// Share of the money offered that chips on offer could take this month; 1 with no offer.
    pub filled: f64,
    /// Units landed this month.
    pub landed: i64,
    /// Units landed since the start.
    pub landed_total: i64,
    /// 8-bit H100e landed this month.
    pub landed_h100e: f64,
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

/// Rented compute: what it is worth, what tenants abroad bid and get. Bids are written by
/// `procurement`, everything else by `data_centres`.
#[derive(Resource, Clone, Debug, Default)]
pub struct RentalMarket {
    /// What an H100e earns in a month at replacement cost, USD: the cheapest chip on open sale at
    /// this month's price, hosting included, spread over its life, and its energy. NaN: unknown.
    pub value_usd_month: f64,
    /// What hosts ask of tenants abroad for an H100e and month, USD. NaN: nothing on offer.
    pub price_usd_month: f64,
    /// Money that tenants offer a month for capacity abroad, USD, `[firm]`.
    pub bid_usd_month: Vec<f64>,
    /// Capacity on offer to tenants abroad, H100e of serving performance.
    pub offered_h100e: f64,
    /// Capacity that tenants rent abroad, H100e of serving performance, `[firm]`.
    pub let_h100e: Vec<f64>,
}

impl RentalMarket {
    /// A market of `firms` without bids or offers.
    #[must_use]
    pub fn new(firms: usize) -> Self {
        Self {
            value_usd_month: f64::NAN,
            price_usd_month: f64::NAN,
            bid_usd_month: vec![0.0; firms],
            offered_h100e: 0.0,
            let_h100e: vec![0.0; firms],
        }
    }
}

/// The want of compute to which firms are kept, for experiments: what they could use in another world. Empty but in a run
/// that is told to be as scarce as another. Factors are written by `shortage`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Shortage {
    /// Compute that each firm could use there, H100e of serving performance, `[month since the start][firm]`; NaN: a firm
    /// that is not known there.
    pub usable_h100e: Vec<Vec<f64>>,
    /// Factor on the price of accelerators, `[firm]`.
    pub factor: Vec<f64>,
}

impl Shortage {
    /// What `firm` could use there `months` after the start, or in the last month known; none where it is free.
    #[must_use]
    pub fn usable(&self, firm: FirmId, months: i32) -> Option<f64> {
        let last = self.usable_h100e.len().checked_sub(1)?;
        let month = usize::try_from(months).unwrap_or(0).min(last);
        self.usable_h100e[month].get(firm.index()).copied().filter(|usable| usable.is_finite())
    }

    /// Factor on the price of accelerators that `firm` pays.
    #[must_use]
    pub fn factor(&self, firm: FirmId) -> f64 {
        self.factor.get(firm.index()).copied().unwrap_or(1.0)
    }
}

/// What buying means for power, `[site]`. Written by `procurement`; `data_centres` builds for it.
#[derive(Resource, Clone, Debug, Default)]
pub struct PowerPlans {
    /// Power that this month's purchases would draw if power did not bind, MW a month, smoothed.
    pub planned_mw_month: Vec<f64>,
    /// Power of everything installed, waiting, on its way and ordered, MW.
    pub committed_mw: Vec<f64>,
}

impl PowerPlans {
    /// Plans of `sites` that plan nothing.
    #[must_use]
    pub fn new(sites: usize) -> Self {
        Self { planned_mw_month: vec![0.0; sites], committed_mw: vec![0.0; sites] }
    }
}

/// Where compute stands, whoever uses it. Written by `data_centres`.
#[derive(Resource, Clone, Debug, Default)]
pub struct ComputeMap {
    /// Installed compute, training performance, H100e, `[country]`.
    pub train_h100e: Vec<f64>,
    /// Installed compute, serving performance, H100e, `[country]`.
    pub serve_h100e: Vec<f64>,
    /// Installed compute of each firm, serving performance, H100e, `[firm × countries + country]`.
    pub serve_of_firm: Vec<f64>,
    /// Power that sites have connected, MW, `[country]`.
    pub power_mw: Vec<f64>,
    /// Power drawn when everything runs, MW, `[country]`.
    pub drawn_mw: Vec<f64>,
}

impl ComputeMap {
    /// An empty map.
    #[must_use]
    pub fn new(firms: usize, countries: usize) -> Self {
        Self {
            train_h100e: vec![0.0; countries],
            serve_h100e: vec![0.0; countries],
            serve_of_firm: vec![0.0; firms * countries],
            power_mw: vec![0.0; countries],
            drawn_mw: vec![0.0; countries],
        }
    }

    /// Serving compute that `firm` has installed in `country`, H100e.
    #[must_use]
    pub fn serving_of(&self, firm: FirmId, country: CountryId) -> f64 {
        let countries = self.serve_h100e.len();
        self.serve_of_firm.get(firm.index() * countries + country.index()).copied().unwrap_or(0.0)
    }
}

/// Capability frontiers. Written by `training`.
///
/// Histories hold, by month since `first`, the best capability reached so far (they never fall).
/// The `before` months that precede the run have the shape of the `frontier` table, moved up or
/// down so that each history meets the run's first month; minus infinity while nobody is there.
#[derive(Resource, Clone, Debug, Default)]
pub struct Frontier {
    /// First month of the histories.
    pub first: Month,
    /// Months of the histories that precede the run.
    pub before: usize,
    /// Capability in the table at the start of the run, dex: what the histories are moved by.
    pub anchor: f64,
    /// Best possible capability of any firm, dex.
    pub best: Vec<f64>,
    /// Best possible capability of the unconstrained group, dex.
    pub unconstrained: Vec<f64>,
    /// Best possible capability of the constrained group, dex.
    pub constrained: Vec<f64>,
    /// Best possible capability of developers that keep their weights, dex.
    pub closed: Vec<f64>,
    /// Best possible capability of developers that publish their weights, dex.
    pub open: Vec<f64>,
    /// Best quality released so far, dex: constrained, unconstrained, closed, open.
    pub released: [Vec<f64>; 4],
    /// Months by which what the constrained group has released trails (negative: leads).
    pub released_lag_months: f64,
    /// Months by which released open models trail closed ones (negative: lead).
    pub open_released_lag_months: f64,
    /// Months by which the constrained frontier trails (negative: leads).
    pub lag_months: f64,
    /// Months by which developers with open weights trail those without (negative: lead).
    pub open_lag_months: f64,
    /// log10 of the largest finished training run so far, any firm.
    pub log10_largest_run: f64,
    /// The same by group: constrained, unconstrained.
    pub log10_largest_run_group: [f64; 2],
    /// Best open-weights quality among released models, dex.
    pub best_open: f64,
}

impl Frontier {
    /// Months of the run whose capability is known.
    #[must_use]
    pub fn months_simulated(&self) -> usize {
        self.best.len() - self.before.min(self.best.len())
    }

    /// The best capability of any firm at the end of `month`; none before the histories or after them.
    #[must_use]
    pub fn best_at(&self, month: Month) -> Option<f64> {
        usize::try_from(month - self.first).ok().and_then(|i| self.best.get(i)).copied()
    }
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
    /// The last event that moved the growth of spend: what shortages come from.
    pub event: Option<EventId>,
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
