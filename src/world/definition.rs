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
use crate::schema::{Column, FromValue, Row, Spec, Value, flag, month, number, text};
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

            /// How many rows each table has, in the order of [`Self::TABLES`].
            #[must_use]
            pub fn counts(&self) -> Vec<(&'static str, usize)> {
                vec![$((<$row as Row>::TABLE, self.$table.len()),)*]
            }

            /// The same world with the rows of every table in the order of their ids: the
            /// order that a loaded world has, whatever the order in its files.
            #[must_use]
            pub fn sorted(mut self) -> Self {
                $(self.$table.sort_by(|a, b| a.id.cmp(&b.id));)*
                self
            }

            /// Puts a checked value into a cell of a row; false where there is no such row.
            pub fn set_cell(&mut self, table: &str, id: &str, column: usize, value: Value) -> bool {
                $(if table == <$row as Row>::TABLE {
                    return set(&mut self.$table, id, column, value);
                })*
                false
            }

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

impl Definition {
    /// Name and columns of the table called `name`.
    #[must_use]
    pub fn columns(name: &str) -> Option<(&'static str, &'static [Column])> {
        Self::TABLES.iter().find(|t| t.0 == name).map(|t| (t.0, t.2))
    }
}

impl Head {
    /// The settings of a world file that are not a table, as columns; `id` comes
    /// from the file's name and `[mechanisms]` from [`Switches::ALL`].
    pub const COLUMNS: &'static [Column] = &[
        column("title", text(), "Title for people."),
        column("story", text(), "What the world tells."),
        column("start", month(), "First month of the run."),
        column("end", month(), "Last month of the run."),
        column(
            "money_quantum",
            number("unit of currency", 1e-9, 1e9),
            "The ledger's quantum: 0.01 for cents of a dollar.",
        ),
        column(
            "endogenous_variants",
            flag(),
            "Whether compliance variants of chips are designed by the model; otherwise the \
             historical ones of the chips table appear at their launch.",
        ),
    ];

    /// Builds the settings from one checked value a column of [`Self::COLUMNS`].
    #[must_use]
    pub fn build(id: String, values: Vec<Value>, switches: Switches) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or(Value::Missing);
        Self {
            id,
            title: FromValue::from_value(next()),
            story: FromValue::from_value(next()),
            start: FromValue::from_value(next()),
            end: FromValue::from_value(next()),
            money_quantum: FromValue::from_value(next()),
            endogenous_variants: FromValue::from_value(next()),
            switches,
        }
    }
}

const fn column(name: &'static str, spec: Spec, doc: &'static str) -> Column {
    Column { name, unit: spec.unit, kind: spec.kind, optional: spec.optional, doc }
}

fn sorted<R: Row>(mut rows: Vec<(String, Vec<Value>)>) -> Vec<R> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().map(|(id, values)| R::build(id, &mut values.into_iter())).collect()
}

fn set<R: Row>(rows: &mut [R], id: &str, column: usize, value: Value) -> bool {
    match rows.binary_search_by(|row| row.id().cmp(id)) {
        Ok(at) => {
            rows[at].set(column, value);
            true
        }
        Err(_) => false,
    }
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
