//! The rooms: one file a mechanism, none of which knows another.
//!
//! A mechanism file holds its equations, the parameters that it reads, its
//! systems, its metrics and tests with numbers worked by hand. What two rooms
//! need lives in [`crate::entities`].

use std::sync::OnceLock;

use bevy_ecs::prelude::World;

use crate::entities::chip::CatalogueParameters;
use crate::metric::Metric;
use crate::parameters::Declared;

macro_rules! rooms {
    ($($room:ident $(: $parameters:ident)?,)*) => {
        $(pub mod $room;)*

        /// The parameters of every room, room by room.
        #[must_use]
        pub fn declared_parameters() -> Vec<&'static Declared> {
            let mut all: Vec<&'static Declared> = CatalogueParameters::DECLARED.iter().collect();
            $($(all.extend($room::$parameters::DECLARED);)?)*
            all
        }

        /// The metrics of every room, room by room.
        #[must_use]
        pub fn all_metrics() -> &'static [&'static Metric] {
            static ALL: OnceLock<Vec<&'static Metric>> = OnceLock::new();
            ALL.get_or_init(|| {
                let mut all: Vec<&'static Metric> = Vec::new();
                $(all.extend($room::METRICS);)*
                all
            })
        }

        /// Gives every room its parameters.
        pub fn insert_parameters(world: &mut World, value: &mut dyn FnMut(&'static str) -> f64) {
            $($(world.insert_resource($room::$parameters::from_values(value));)?)*
        }
    };
}

#[cfg(test)]
mod money_tests;
#[cfg(test)]
mod supply_tests;
#[cfg(test)]
mod trajectories;

rooms! {
    policy: PolicyParameters,
    design: DesignParameters,
    fabs: FabsParameters,
    licensing: LicensingParameters,
    procurement: ProcurementParameters,
    allocation: AllocationParameters,
    grey_market: GreyParameters,
    shipping,
    data_centres: DataCentreParameters,
    research: ResearchParameters,
    training: TrainingParameters,
    market: MarketParameters,
    finance: FinanceParameters,
}
