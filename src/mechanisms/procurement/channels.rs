//! Every channel of every firm, priced: the shadow price of compute follows.
//!
//! Firms feel κ late: `κ̄' = κ̄ + (κ − κ̄)/lag`.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::lost::lost_sales;
use super::shares::share_out;
use super::survey::{Market, survey};
use super::{Channels, ProcurementParameters, news};
use crate::entities::boards::{
    ChipMarket, Fears, GreyMarkets, RentalMarket, Shortage, SpendOutlook,
};
use crate::entities::chip::Catalogue;
use crate::entities::chronicle::Chronicle;
use crate::entities::country::Country;
use crate::entities::firm::{Firm, Purse};
use crate::entities::licence::{LicenceBook, Quotas};
use crate::entities::regulator::Stance;
use crate::entities::rule::Rulebook;
use crate::entities::script::{Script, ShockKind, ShockRow};
use crate::entities::site::Site;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, FirmId, Roster, Switches};

/// Prices every channel of every firm and sets shadow prices.
pub(crate) fn price_channels(
    clock: Res<Clock>,
    roster: Res<Roster>,
    switches: Res<Switches>,
    p: Res<ProcurementParameters>,
    catalogue: Res<Catalogue>,
    (rulebook, licences, fears): (Res<Rulebook>, Res<LicenceBook>, Res<Fears>),
    quotas: Res<Quotas>,
    (chips, grey, rental): (Res<ChipMarket>, Res<GreyMarkets>, Res<RentalMarket>),
    (script, outlook): (Res<Script>, Option<Res<SpendOutlook>>),
    shortage: Option<Res<Shortage>>,
    vendors: Query<(&Vendor, &Sales)>,
    (countries, sites, stances): (Query<&Country>, Query<&Site>, Query<&Stance>),
    mut firms: Query<(&Firm, &mut Purse)>,
    mut chronicle: ResMut<Chronicle>,
    mut channels: ResMut<Channels>,
) {
    let channels = &mut *channels;
    if channels.sites.len() != roster.firms.len() {
        let owners = sites.iter_many(&roster.sites).flatten().map(|site| site.owner);
        channels.open(roster.firms.len(), owners);
    }
    channels.prices.refresh(&roster, &p, &catalogue, &chips, &vendors, &countries);
    let own_sites = |firm: FirmId| {
        channels.sites[firm.index()]
            .iter()
            .filter_map(|at| sites.get(roster.sites[*at]).ok().map(|site| site.country))
    };
    channels.access.refresh(
        switches.enforcement,
        &rulebook,
        &catalogue,
        &channels.prices,
        firms.iter_many(&roster.firms).flatten().map(|(firm, _)| (firm.id, firm.home)),
        own_sites,
    );
    let hs = stances.iter_many(&roster.regulators).flatten().map(|stance| stance.h);
    channels.access.remember(&clock, &p, &switches, &rulebook, (&licences, &quotas), hs);
    channels.fills.learn(&p, &grey, &rental);
    channels.candidates.clear();
    channels.ranges.clear();
    channels.reference_usd.clear();
    channels.lost.clear();
    // Without any, which is most months, this asks for no memory.
    let shocks: Vec<&ShockRow> = script.at_work(ShockKind::ChipPrice, clock.now).collect();
    let mut all = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut purse))) = all.fetch_next() {
        let from = channels.candidates.len();
        let (filled_grey, filled_rental) = channels.fills.expected(&p, &grey, firm.home);
        let short = shortage.as_ref().map_or(1.0, |shortage| shortage.factor(firm.id));
        let market = Market {
            p: &p,
            filled_grey,
            filled_rental,
            switches: &switches,
            catalogue: &catalogue,
            rulebook: &rulebook,
            fears: &fears,
            grey: &grey,
            rental: &rental,
            surcharge: surcharge(&shocks, short, firm),
        };
        let seen =
            survey(firm, &market, &channels.access, &channels.prices, &mut channels.candidates);
        let to = channels.candidates.len();
        channels.ranges.push((from, to));
        channels.reference_usd.push(seen.reference_usd);
        let kappa = seen.kappa(p.kappa_max);
        purse.kappa = kappa;
        purse.kappa_lagged += (kappa - purse.kappa_lagged) / p.kappa_lag_months.max(1.0);
        channels.habits.resize(roster.firms.len(), Vec::new());
        share_out(
            &mut channels.candidates[from..to],
            &mut channels.habits[firm.id.index()],
            &mut channels.slots,
            &p,
        );
        if seen.restricted {
            lost_sales(
                firm,
                &market,
                &channels.access,
                &channels.prices,
                &channels.candidates[from..to],
                &mut channels.lost,
            );
        }
        let told = &mut channels.reported[firm.id.index()];
        news::tell_of_imports(
            clock.now,
            (&rulebook, &channels.prices.on_sale),
            firm,
            (&seen, kappa),
            (&mut channels.closed[firm.id.index()], &mut told.1),
            &mut chronicle,
        );
        let demand = outlook.as_ref().and_then(|outlook| outlook.event);
        news::tell_of_price(
            clock.now,
            (&rulebook, &channels.prices.on_sale),
            firm,
            (&seen, demand),
            (&mut purse, &mut told.0),
            &mut chronicle,
        );
    }
}

/// Factor of scripted price shocks, and of a shortage, on chips of each vendor for this firm.
fn surcharge<'a>(
    shocks: &'a [&ShockRow],
    shortage: f64,
    firm: &'a Firm,
) -> impl Fn(&str) -> f64 + 'a {
    move |vendor: &str| {
        let scripted: f64 = shocks
            .iter()
            .filter(|shock| {
                let named = |id: &str| shock.subjects.iter().any(|s| s == id);
                shock.subjects.is_empty() || named(&firm.row.id) || named(vendor)
            })
            .map(|shock| shock.quantity.max(0.0))
            .product();
        scripted * shortage
    }
}
