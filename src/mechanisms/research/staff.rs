//! Staff: hired as planned, and from unspent chip money.
//!
//! **Staff** grows as planned: at the firm's own rate for some years, then at a rate that fades to a
//! common one. **Reallocation** adds people E: a share of unspent chip money a year, divided by the
//! wage `w = w₀ e^(g_w t)(1 + E/L_planned)^η`, is where E wants to be; it goes there at a limited
//! speed. `w E` of a month leaves [`Purse::unspent`] for [`Purse::reallocated`], which `finance` pays.

use bevy_ecs::prelude::{Query, Res};

use super::{ResearchParameters, YEAR, concerns};
use crate::entities::firm::{Compute, Firm, Lab, Purse};
use crate::entities::script::{Script, ShockKind};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;
use crate::units::Money;

/// Staff grows as planned, and unspent chip money hires more of it.
pub(crate) fn hire(
    clock: Res<Clock>,
    switches: Res<Switches>,
    settings: Res<Settings>,
    p: Res<ResearchParameters>,
    script: Res<Script>,
    roster: Res<Roster>,
    mut firms: Query<(&Firm, &Compute, &mut Purse, &mut Lab)>,
) {
    let years = clock.years();
    let late = (years - p.staff_growth_years).max(0.0);
    let fade = if p.staff_growth_fade_years > 0.0 {
        maths::exp(-late / p.staff_growth_fade_years)
    } else if late > 0.0 {
        0.0
    } else {
        1.0
    };
    let wage = p.wage_usd_year * maths::exp(p.wage_growth * years);
    let mut labs = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, compute, mut purse, mut lab))) = labs.fetch_next() {
        let lab = &mut *lab;
        let purse = &mut *purse;
        if clock.elapsed() == 0 {
            lab.weight = (compute.owned_train_h100e + compute.rented_train_h100e).max(0.0);
        } else {
            let growth = p.staff_growth_late + (firm.row.staff_growth - p.staff_growth_late) * fade;
            lab.planned_staff *= maths::exp(growth / f64::from(YEAR));
        }
        for (at, shock) in script.beginning(clock.now) {
            if shock.kind == ShockKind::Staff && concerns(shock, &firm.row.id) {
                lab.planned_staff *= shock.quantity.max(0.0);
                lab.event = script.happened.get(at).copied().flatten().or(lab.event);
            }
        }
        reallocate(&p, wage, &settings, switches.reallocation, purse, lab);
        lab.staff = lab.planned_staff + lab.reallocated_staff;
    }
}

/// Moves unspent money to people, within this month's means and the speed of hiring.
fn reallocate(
    p: &ResearchParameters,
    wage: f64,
    settings: &Settings,
    on: bool,
    purse: &mut Purse,
    lab: &mut Lab,
) {
    purse.reallocated = Money::ZERO;
    let unspent = purse.unspent.max(Money::ZERO);
    if !on || lab.planned_staff <= 0.0 || wage <= 0.0 {
        lab.reallocated_staff = 0.0;
        return;
    }
    let means = unspent.amount(settings.quantum);
    let extra = lab.reallocated_staff / lab.planned_staff;
    let dear = wage * maths::pow(1.0 + extra, p.wage_slope);
    let wanted = p.reallocation_rate * means / dear;
    let step = (p.reallocation_speed * (wanted - lab.reallocated_staff))
        .min(p.reallocation_limit * (lab.planned_staff + lab.reallocated_staff) / f64::from(YEAR));
    let payable = means * f64::from(YEAR) / dear;
    let staff = (lab.reallocated_staff + step).clamp(0.0, payable);
    let pay = Money::from_amount(staff * dear / f64::from(YEAR), settings.quantum).min(unspent);
    purse.unspent -= pay;
    purse.reallocated = pay;
    lab.reallocated_staff = staff;
}
