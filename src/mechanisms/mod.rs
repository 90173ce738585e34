//! The rooms: one file or folder a mechanism, none of which knows another.
//!
//! A mechanism file holds its equations, the parameters that it reads, its
//! systems, its metrics and tests with numbers worked by hand. What two rooms
//! need lives in [`crate::entities`].

use std::sync::OnceLock;

use bevy_ecs::prelude::World;

use crate::entities::chip::CatalogueParameters;
use crate::metric::Metric;
use crate::parameters::Declared;

// Declared one by one, and not by the macro, so that the formatter finds them.
pub mod allocation;
pub mod data_centres;
pub mod design;
pub mod fabs;
pub mod finance;
pub mod grey_market;
pub mod licensing;
pub mod market;
pub mod policy;
pub mod procurement;
pub mod research;
pub mod shipping;
pub mod shortage;
pub mod training;

#[cfg(test)]
mod money_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod supply_tests;
#[cfg(test)]
mod trajectories;

macro_rules! rooms {
    ($($room:ident $(: $parameters:ident)?,)*) => {
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

rooms! {
    policy: PolicyParameters,
    design: DesignParameters,
    fabs: FabsParameters,
    licensing: LicensingParameters,
    shortage: ShortageParameters,
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
