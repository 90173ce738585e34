//! A checked world: every table typed, sorted by id, every reference known to exist.

use crate::calendar::Month;
use crate::entities::Switches;
use crate::entities::chip::{ChipRow, DieRow};
use crate::entities::country::CountryRow;
use crate::entities::firm::{FirmRow, RentalRow};
use crate::entities::line::{ContractRow, LineRow};
use crate::entities::regulator::{RegimeRow, RegulatorRow};
use crate::entities::rule::{ClauseRow, RuleRow};
use crate::entities::script::{FrontierRow, ShockRow, StockRow};
use crate::entities::site::SiteRow;
use crate::entities::vendor::VendorRow;
use crate::parameters::ParameterRow;
use crate::schema::{Column, Row, Value};
use crate::world::observation::ObservationRow;

/// Settings of a world file that are not a table.
#[derive(Clone, Debug)]
pub struct Head {
    /// Id: the folder's or file's name.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// What the world tells.
    pub story: String,
    /// First month.
    pub start: Month,
    /// Last month.
    pub end: Month,
    /// The ledger's quantum, in units of currency.
    pub money_quantum: f64,
    /// Whether compliance variants are designed by the model.
    pub endogenous_variants: bool,
    /// Mechanisms on or off.
    pub switches: Switches,
}

macro_rules! definition {
    ($($(#[doc = $doc:literal])+ $table:ident: $row:ty,)*) => {
        /// A checked world.
        #[derive(Clone, Debug)]
        pub struct Definition {
            /// Settings.
            pub head: Head,
            $($(#[doc = $doc])+ pub $table: Vec<$row>,)*
        }

        impl Definition {
            /// Name, documentation and columns of every table, in the order of the documentation.
            pub const TABLES: &'static [(&'static str, &'static str, &'static [Column])] = &[
                $((<$row as Row>::TABLE, <$row as Row>::DOC, <$row as Row>::COLUMNS),)*
            ];

            /// Builds a definition from checked rows: `rows(table)` gives (id, values) of
            /// every row of a table, in any order.
            pub fn build(
                head: Head,
                rows: &mut dyn FnMut(&'static str) -> Vec<(String, Vec<Value>)>,
            ) -> Self {
                Self { head, $($table: sorted(rows(<$row as Row>::TABLE)),)* }
            }
        }
    };
}

fn sorted<R: Row>(mut rows: Vec<(String, Vec<Value>)>) -> Vec<R> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().map(|(id, values)| R::build(id, &mut values.into_iter())).collect()
}

definition! {
    /// Countries.
    countries: CountryRow,
    /// Regimes.
    regimes: RegimeRow,
    /// Regulators.
    regulators: RegulatorRow,
    /// Rules.
    rules: RuleRow,
    /// Clauses of rules.
    clauses: ClauseRow,
    /// Vendors.
    vendors: VendorRow,
    /// Dies.
    dies: DieRow,
    /// Chips.
    chips: ChipRow,
    /// Lines.
    lines: LineRow,
    /// Contracts of lines and vendors.
    contracts: ContractRow,
    /// Firms.
    firms: FirmRow,
    /// Rentals.
    rentals: RentalRow,
    /// Data centres.
    data_centres: SiteRow,
    /// Stocks.
    stocks: StockRow,
    /// Scripted events.
    events: ShockRow,
    /// The frontier's history.
    frontier: FrontierRow,
    /// Parameters.
    parameters: ParameterRow,
    /// What really happened; never read by the model.
    observations: ObservationRow,
}
