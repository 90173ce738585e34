//! What two mechanisms share: actors as entities, goods and papers in books,
//! boards that one room publishes and others read.
//!
//! Actors and things that last (countries, regulators, vendors, lines, firms,
//! data centres) are ECS entities. Orders, shipments, applications, training
//! runs and projects come and go by the dozen every month; they live in books:
//! dense lists whose entries carry an id that is never used again.
//!
//! Every table row gets a dense number in the order of its *id* (never of its
//! place in the file), and every loop whose order can be felt follows that
//! number through [`Roster`].

use bevy_ecs::prelude::{Entity, Resource};

use crate::calendar::Month;

pub mod boards;
pub mod breach;
pub mod chip;
pub mod chronicle;
pub mod country;
pub mod firm;
pub mod fleet;
pub mod ledger;
pub mod licence;
pub mod line;
pub mod model;
pub mod names;
pub mod order;
pub mod regulator;
pub mod rule;
pub mod script;
pub mod site;
pub mod vendor;

/// Declares a dense id: the position of a row when rows are sorted by id.
macro_rules! dense {
    ($($(#[$meta:meta])* $name:ident)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);
        impl $name {
            /// Position in arrays indexed by this id.
            #[must_use]
            pub const fn index(self) -> usize { self.0 as usize }
            /// The id at `index`.
            #[must_use]
            pub const fn at(index: usize) -> Self { Self(index as u16) }
        }
    )*};
}

dense! {
    /// A country or region.
    CountryId
    /// A firm that buys compute.
    FirmId
    /// A chip vendor.
    VendorId
    /// A chip model (stock-keeping unit); variants designed during a run come after the table's.
    SkuId
    /// A die that one or more SKUs carry.
    DieId
    /// A logic, memory or packaging line.
    LineId
    /// A data centre: one owner in one country.
    SiteId
    /// A regulator.
    RegulatorId
    /// A rule of a regulator.
    RuleId
    /// A regime: the set of rules that a world can remove as one.
    RegimeId
}

/// The month that is being simulated, and the run's bounds.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Clock {
    /// First month of the run.
    pub start: Month,
    /// The month being simulated.
    pub now: Month,
    /// Last month of the run.
    pub end: Month,
}

impl Clock {
    /// Months since the start.
    #[must_use]
    pub fn elapsed(&self) -> i32 {
        self.now - self.start
    }
    /// Years since the start.
    #[must_use]
    pub fn years(&self) -> f64 {
        f64::from(self.elapsed()) / 12.0
    }
}

/// Settings of a world that are neither a table nor a parameter.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Settings {
    /// The ledger's quantum in units of currency (0.01: cents).
    pub quantum: f64,
    /// Whether compliance variants are designed by the model; otherwise the
    /// historical ones of the chips table appear at their launch dates.
    pub endogenous_variants: bool,
}

/// The entities of each kind, in the order of their dense ids.
#[derive(Resource, Clone, Debug, Default)]
pub struct Roster {
    /// Countries.
    pub countries: Vec<Entity>,
    /// Regulators.
    pub regulators: Vec<Entity>,
    /// Vendors.
    pub vendors: Vec<Entity>,
    /// Lines.
    pub lines: Vec<Entity>,
    /// Firms.
    pub firms: Vec<Entity>,
    /// Data centres.
    pub sites: Vec<Entity>,
}

macro_rules! switches {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Mechanisms that a world can switch off, each by its name in `[mechanisms]`.
        #[derive(Resource, Clone, Copy, Debug)]
        pub struct Switches { $($(#[doc = $doc])+ pub $name: bool,)* }

        impl Default for Switches {
            fn default() -> Self { Self { $($name: true,)* } }
        }

        impl Switches {
            /// Names and what each switch stops.
            pub const ALL: &'static [(&'static str, &'static str)] =
                &[$((stringify!($name), concat!($($doc),+)),)*];

            /// The switch of this name.
            pub fn get_mut(&mut self, name: &str) -> Option<&mut bool> {
                match name { $(stringify!($name) => Some(&mut self.$name),)* _ => None }
            }

            /// The position of the switch of this name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<bool> {
                match name { $(stringify!($name) => Some(self.$name),)* _ => None }
            }
        }
    };
}

switches! {
    /// Chip, memory, equipment and other rules bind; off, rules are announced and never enforced.
    enforcement,
    /// Announced and feared rules move orders ahead of their date.
    anticipation,
    /// Stance moves beyond the last known rule and issues new rules.
    stance,
    /// Lost vendor revenue softens stance.
    lobbying,
    /// The buyer's state gates imports.
    import_guidance,
    /// Vendors design compliance variants.
    variants,
    /// Applications queue and may be refused; off, every application is approved at once.
    licence_queue,
    /// Yield rises with cumulative wafers.
    yield_learning,
    /// Lines expand with backlog.
    expansion,
    /// Prices of chips follow backlog.
    chip_prices,
    /// Diverted chips reach those who may not buy them.
    grey_market,
    /// Firms buy and house chips abroad.
    offshore,
    /// Firms rent capacity abroad and labs rent from hosts.
    rental,
    /// Domestic vendors are a substitute; off, firms of the constrained group buy none.
    domestic_chips,
    /// Power limits what can be installed.
    power,
    /// Research direction answers to the shadow price of compute.
    direction,
    /// Unspent chip money hires researchers.
    reallocation,
    /// Efficiency gains that need scale are worth less below it.
    scale_dependence,
    /// Published and leaked techniques are absorbed.
    spillover,
    /// Followers distil from the frontier's models.
    distillation,
    /// Serving under rationing teaches efficiency.
    learning_by_serving,
    /// Paradigm events happen.
    paradigms,
    /// Providers enter consideration slowly.
    awareness,
    /// Countries host open models themselves.
    self_hosting,
    /// Capex plans are pulled towards rivals' intensity.
    capex_race,
    /// Quality of inference raises core revenue.
    uplift,
    /// Public firms answer to investors for free cash flow.
    discipline,
}
