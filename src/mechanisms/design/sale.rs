//! Sale: what can be ordered.
//!
//! A SKU is on sale from its launch up to its end. Variants that history designed are on sale only
//! when the model does not design its own; whatever a rule caused, only once that rule has been
//! announced. A variant is off sale while a rule in force with at least a presumption of denial catches it
//! for the country that it was made for.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{DesignBook, ON_SALE, VARIANTS_ON_SALE};
use crate::entities::chip::{Catalogue, Origin};
use crate::entities::country::{Bloc, Country};
use crate::entities::rule::{RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::metric::Readings;

/// Opens and closes sale of every SKU.
pub(crate) fn open_and_close_sales(
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    countries: Query<&Country>,
    book: Res<Rulebook>,
    mut designs: ResMut<DesignBook>,
    mut catalogue: ResMut<Catalogue>,
    mut readings: ResMut<Readings>,
) {
    let designs = &mut *designs;
    let catalogue = &mut *catalogue;
    designs.made_for.resize(catalogue.skus.len(), None);
    let china =
        || countries.iter_many(&roster.countries).flatten().find(|c| c.row.bloc == Bloc::China);
    let mut variants = 0;
    for (at, sku) in catalogue.skus.iter_mut().enumerate() {
        let row = &sku.row;
        let mut sale = row.launch <= clock.now && row.end.is_none_or(|end| clock.now < end);
        let variant = matches!(row.origin, Origin::HistoricalVariant | Origin::Designed);
        if row.origin == Origin::HistoricalVariant {
            sale &= switches.variants && !settings.endogenous_variants;
            if designs.made_for[at].is_none() {
                designs.made_for[at] = china().map(|c| c.id);
            }
        }
        sale &= sku.caused_by.is_none_or(|rule| book.rules[rule.index()].announced);
        if sale
            && variant
            && let Some(country) = designs.made_for[at]
        {
            sale = !book.rules.iter().any(|rule| {
                rule.in_force
                    && rule.row.kind == RuleKind::ChipExport
                    && rule.row.treatment >= Treatment::PresumptionOfDenial
                    && rule.firms.is_empty()
                    && book.verdicts[rule.id.index()][at] != Verdict::Free
                    && rule.covers_lane(country, country)
                    && !book.rules.iter().any(|other| {
                        other.in_force
                            && other.replaces.contains(&rule.id)
                            && book.verdicts[other.id.index()][at] == Verdict::Controlled
                            && other.covers_lane(country, country)
                    })
            });
        }
        sku.on_sale = sale;
        variants += i32::from(sale && variant);
        readings.set_for(&ON_SALE, at, f64::from(u8::from(sale)));
    }
    readings.set(&VARIANTS_ON_SALE, f64::from(variants));
}
