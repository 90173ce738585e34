//! Parameters: named numbers with a unit, a prior and a source, in
//! `parameters.csv`. Each room declares the ones it reads with
//! [`parameters!`](macro@crate::parameters); no other number of the model exists in code.

use crate::schema::{number, text};

crate::table! {
    /// Parameters of the model, each with its prior and its source.
    pub struct ParameterRow in "parameters" {
        /// Value in this world.
        value: f64 = number("see unit", -1e18, 1e18),
        /// Lower end of the prior.
        low: f64 = number("see unit", -1e18, 1e18),
        /// Upper end of the prior.
        high: f64 = number("see unit", -1e18, 1e18),
        /// Shape of the prior between low and high: uniform, lognormal, normal, whole, fixed.
        distribution: Distribution = crate::schema::choice(Distribution::WORDS),
        /// Unit of the value.
        unit: String = text(),
        /// Where value and prior come from; `assumption` counts as a source.
        source: String = text(),
        /// What to know when changing it.
        note: Option<String> = crate::schema::optional(text()),
    }
}

crate::choice! {
    /// Shape of a prior.
    pub enum Distribution {
        /// Flat between low and high.
        Uniform = "uniform",
        /// Log-normal with low and high as the 5 % and 95 % points.
        Lognormal = "lognormal",
        /// Normal with low and high as the 5 % and 95 % points.
        Normal = "normal",
        /// Whole numbers from low to high, all alike.
        Whole = "whole",
        /// Not varied.
        Fixed = "fixed",
    }
}

/// A parameter that some room reads.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Name: the `id` in `parameters.csv`.
    pub name: &'static str,
    /// The room that declares it.
    pub room: &'static str,
    /// What it is.
    pub doc: &'static str,
}

/// Declares the parameters of a room: a resource with one `f64` a parameter.
///
/// ```
/// frugality::parameters! {
///     /// Parameters of an example.
///     pub struct ExampleParameters in "example" {
///         /// Months that something takes.
///         example_months,
///     }
/// }
/// let p = ExampleParameters::from_values(&mut |name| f64::from(name == "example_months"));
/// assert_eq!(p.example_months, 1.0);
/// assert_eq!(ExampleParameters::DECLARED[0].room, "example");
/// ```
#[macro_export]
macro_rules! parameters {
    (
        $(#[doc = $struct_doc:literal])+
        pub struct $name:ident in $room:literal {
            $($(#[doc = $doc:literal])+ $field:ident,)*
        }
    ) => {
        $(#[doc = $struct_doc])+
        #[derive(::bevy_ecs::prelude::Resource, Clone, Debug)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: f64,)* }
        impl $name {
            /// The parameters of this room, in the order of declaration.
            pub const DECLARED: &'static [$crate::parameters::Declared] = &[
                $($crate::parameters::Declared {
                    name: stringify!($field),
                    room: $room,
                    doc: concat!($($doc),+),
                },)*
            ];
            /// Reads every parameter by name.
            pub fn from_values(value: &mut dyn FnMut(&'static str) -> f64) -> Self {
                Self { $($field: value(stringify!($field)),)* }
            }
        }
    };
}
