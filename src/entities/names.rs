//! Ids for people and files: the words behind the dense numbers.

use bevy_ecs::prelude::Resource;

use super::country::CountryRow;
use super::firm::FirmRow;
use super::line::LineRow;
use super::regulator::RegulatorRow;
use super::vendor::VendorRow;

/// The table id of every member, by dense id. SKUs and rules are added during a
/// run and carry their ids in `Catalogue` and `Rulebook`.
#[derive(Resource, Clone, Debug, Default)]
pub struct Names {
    /// Firms.
    pub firms: Vec<String>,
    /// Vendors.
    pub vendors: Vec<String>,
    /// Countries.
    pub countries: Vec<String>,
    /// Lines.
    pub lines: Vec<String>,
    /// Regulators.
    pub regulators: Vec<String>,
}

impl Names {
    /// The ids of rows that are sorted by id, as a checked world's are.
    #[must_use]
    pub fn of_rows(
        firms: &[FirmRow],
        vendors: &[VendorRow],
        countries: &[CountryRow],
        lines: &[LineRow],
        regulators: &[RegulatorRow],
    ) -> Self {
        Self {
            firms: firms.iter().map(|row| row.id.clone()).collect(),
            vendors: vendors.iter().map(|row| row.id.clone()).collect(),
            countries: countries.iter().map(|row| row.id.clone()).collect(),
            lines: lines.iter().map(|row| row.id.clone()).collect(),
            regulators: regulators.iter().map(|row| row.id.clone()).collect(),
        }
    }
}
