//! What leaves a run: the months as tables, what happened as a log, and a
//! manifest from which the whole can be made again.
//!
//! A run hands each month to a [`Sink`] as a [`Page`] and, when it is over,
//! leaves an [`Ending`]. [`Panels`] turns pages into CSV, [`Kept`] keeps them in
//! memory, [`Folder`] writes everything at once so that a folder is whole or absent;
//! [`Archive`] reads such a folder back and [`Log`] walks its causes.

use std::io;

use crate::calendar::Month;
use crate::entities::chip::Catalogue;
use crate::entities::names::Names;
use crate::metric::{Metric, Readings, Scope};

pub mod archive;
pub mod causes;
pub mod cell;
pub mod csv_text;
pub mod docs;
pub mod ending;
pub mod folder;
pub mod headline;
pub mod kept;
pub mod manifest;
pub mod observed;
pub mod outputs;
pub mod panels;

pub use archive::Archive;
pub use causes::Log;
pub use csv_text::CsvText;
pub use ending::Ending;
pub use folder::{Folder, FolderError};
pub use kept::Kept;
pub use manifest::Manifest;
pub use panels::Panels;

/// One month of a run, as a sink sees it.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The month.
    pub month: Month,
    /// The values of the month.
    pub readings: &'a Readings,
    /// Ids of members.
    pub names: &'a Names,
    /// SKUs, some of which may have been added this month.
    pub catalogue: &'a Catalogue,
}

impl Page<'_> {
    /// The id of member `row` of `scope`; empty for the world, and where there is no such member.
    #[must_use]
    pub fn id(&self, scope: Scope, row: usize) -> &str {
        match scope {
            Scope::World => "",
            Scope::Firm => at(&self.names.firms, row),
            Scope::Vendor => at(&self.names.vendors, row),
            Scope::Country => at(&self.names.countries, row),
            Scope::Line => at(&self.names.lines, row),
            Scope::Sku => self.catalogue.skus.get(row).map_or("", |sku| sku.id.as_str()),
        }
    }

    /// The rows of `scope` that hold a value this month: member's id, values in
    /// the order of the scope's metrics. The world's row is there always.
    pub fn rows(&self, scope: Scope) -> impl Iterator<Item = (&str, &[f64])> {
        let (_, rows) = self.readings.table(scope);
        (0..rows).filter_map(move |row| {
            let values = self.readings.row(scope, row);
            let holds = scope == Scope::World || values.iter().any(|x| x.is_finite());
            holds.then(|| (self.id(scope, row), values))
        })
    }
}

fn at(ids: &[String], row: usize) -> &str {
    ids.get(row).map_or("", String::as_str)
}

/// The metrics of `scope` among `metrics`, in the order of the columns.
pub fn columns(
    metrics: &'static [&'static Metric],
    scope: Scope,
) -> impl Iterator<Item = &'static Metric> {
    metrics.iter().copied().filter(move |metric| metric.scope == scope)
}

/// Whoever wants the months of a run as they pass: a table, a bar, a study.
pub trait Sink {
    /// Takes the readings of a month that has been simulated and audited.
    ///
    /// # Errors
    /// When they cannot be kept; the run stops.
    fn month(&mut self, page: &Page<'_>) -> io::Result<()>;
}

/// Wants nothing.
impl Sink for () {
    fn month(&mut self, _: &Page<'_>) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        (**self).month(page)
    }
}

impl<A: Sink, B: Sink> Sink for (A, B) {
    fn month(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.0.month(page)?;
        self.1.month(page)
    }
}
