//! What part of the money offered to brokers and to hosts abroad finds something.
//!
//! `f' = f + (found/offered − f)·s`, never reckoned below a floor: what is offered there costs over that part, so that nobody
//! keeps bidding for what is not there.

use super::ProcurementParameters;
use crate::entities::CountryId;
use crate::entities::boards::{GreyMarkets, RentalMarket};

/// Parts of the money offered that found something, smoothed.
#[derive(Clone, Debug, Default)]
pub(super) struct Fills {
    /// With hosts abroad; 0 before the first month.
    rental: f64,
    /// With brokers, `[market]`.
    grey: Vec<f64>,
}

impl Fills {
    /// Learns from last month.
    pub fn learn(&mut self, p: &ProcurementParameters, grey: &GreyMarkets, rental: &RentalMarket) {
        if self.rental <= 0.0 {
            self.rental = 1.0;
        }
        let bids: f64 = rental.bid_usd_month.iter().sum();
        let value = rental.offered_h100e * rental.price_usd_month;
        if bids > 0.0 && value.is_finite() {
            self.rental += p.fill_learning * ((value / bids).min(1.0) - self.rental);
        } else {
            self.rental += p.fill_learning * (1.0 - self.rental);
        }
        self.grey.resize(grey.markets.len(), 1.0);
        for (filled, market) in self.grey.iter_mut().zip(&grey.markets) {
            *filled += p.fill_learning * (market.filled - *filled);
        }
    }

    /// What firms expect with the brokers of `home` and with hosts abroad.
    pub fn expected(
        &self,
        p: &ProcurementParameters,
        grey: &GreyMarkets,
        home: CountryId,
    ) -> (f64, f64) {
        let here = grey.markets.iter().position(|market| market.country == home);
        let brokers = here.map_or(1.0, |market| self.grey[market].max(p.fill_floor));
        (brokers, self.rental.max(p.fill_floor))
    }
}
