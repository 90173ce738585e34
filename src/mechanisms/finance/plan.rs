//! What investors tolerate, what firms plan to build, and what they are worth.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::cash::kept_cash;
use super::{
    F_AI_CAPEX, F_AI_REVENUE, F_CAPEX, F_CAPITAL, F_CASH, F_CEILING, F_CORE, F_DEBT, F_EQUITY,
    F_FCF, F_INTENSITY, F_OCF, F_PAYBACK, F_REVENUE, F_SHORT, F_UPLIFT, F_UPLIFT_PERCENT, F_VALUE,
    FinanceParameters, Terms, W_CAPEX, W_CAPEX_CONSTRAINED, W_CAPEX_TOTAL, W_CAPEX_UNCONSTRAINED,
    W_CAPITAL, W_EXPECTED, W_INTENSITY_CONSTRAINED, W_INTENSITY_UNCONSTRAINED,
    W_PAYBACK_CONSTRAINED, W_PAYBACK_UNCONSTRAINED, W_VALUE_CONSTRAINED, W_VALUE_UNCONSTRAINED,
    base_capex,
};
use crate::calendar::Month;
use crate::entities::boards::SpendOutlook;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Finance, Firm, Group, Ownership, Purse};
use crate::entities::ledger::{Account, Ledger, Purpose};
use crate::entities::script::{Script, ShockKind};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;
use crate::metric::Readings;

/// Hundredths in a whole.
const PERCENT: f64 = 100.0;

/// At the end of a quarter, lets investors of public firms judge free cash flow.
pub(crate) fn answer_to_investors(
    p: Res<FinanceParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    mut chronicle: ResMut<Chronicle>,
    mut firms: Query<(&Firm, &mut Finance)>,
) {
    if !clock.now.ends_quarter() {
        return;
    }
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut finance))) = each.fetch_next() {
        let f = &mut *finance;
        let margin = if f.quarter_revenue_usd > 0.0 {
            f.quarter_free_cash_flow_usd / f.quarter_revenue_usd
        } else {
            0.0
        };
        f.quarter_free_cash_flow_usd = 0.0;
        f.quarter_revenue_usd = 0.0;
        let full = Terms::of(&p, &firm.row).ceiling;
        if firm.row.ownership != Ownership::Public || !switches.discipline {
            f.capex_ceiling = full;
            f.quarters_below = 0;
            continue;
        }
        if margin >= p.discipline_margin {
            f.quarters_below = 0;
            f.capex_ceiling += p.discipline_recovery * (full - f.capex_ceiling);
            continue;
        }
        f.quarters_below += 1;
        if f.quarters_below as f64 > p.discipline_quarters {
            let lowest = p.discipline_floor * full;
            let cut = (f.capex_ceiling * (1.0 - p.discipline_cut)).max(lowest);
            if cut < f.capex_ceiling {
                let quarters = f.quarters_below;
                let id = chronicle.log(
                    clock.now,
                    "capex_ceiling_cut",
                    (&firm.row.id, ""),
                    (cut, "share of operating cash flow"),
                    f.event,
                    || {
                        format!(
                            "{} has had a free-cash-flow margin below tolerance for {quarters} quarters; \
                             investors lower its capex ceiling",
                            firm.row.name
                        )
                    },
                );
                f.event = Some(id);
                f.capex_ceiling = cut;
            }
        }
    }
}

/// Desired AI capex I* before any ceiling, annual.
pub(crate) fn desired(
    p: &FinanceParameters,
    f: &Finance,
    plan_share: f64,
    expected: f64,
    kappa: f64,
    rivals: Option<f64>,
    committed: f64,
) -> f64 {
    let access = maths::pow(kappa.max(1.0), -p.access_exponent);
    let wanted = plan_share * p.capital_per_spend * expected * access
        + f.core_capital_ratio * f.core_revenue_usd_year;
    let race = rivals
        .map_or(0.0, |median| p.race_strength * (median - f.intensity()) * f.revenue_usd_year());
    ((wanted - f.ai_capital_usd - committed) / p.plan_adjustment_years
        + 12.0 * f.ai_capital_usd / p.chip_life_months
        + race)
        .max(0.0)
}

/// Annual AI capex for which new money is asked, when chip money `unspent` waits for want of chips or power: it is to be
/// spent first, within n months, `(I − 12 U / (n χ))⁺`. So a plan settles where it asks for what can be bought.
pub(crate) fn fresh_money(p: &FinanceParameters, plan: f64, unspent: f64) -> f64 {
    let waiting = unspent / p.chip_share_of_ai_capex;
    (plan - 12.0 * waiting / p.unspent_spend_months.max(1.0)).max(0.0)
}

/// What scripted events make of a firm's plan: the product of those at work.
fn scripted(script: &Script, now: Month, firm: &str) -> f64 {
    script
        .at_work(ShockKind::CapexPlan, now)
        .filter(|shock| shock.subjects.is_empty() || shock.subjects.iter().any(|id| id == firm))
        .map(|shock| shock.quantity.max(0.0))
        .product()
}

/// Median of `sorted` without one that is `own`, if there is such a one.
fn median_without(sorted: &[f64], own: f64) -> Option<f64> {
    let left_out = sorted.binary_search_by(|x| x.total_cmp(&own)).ok();
    let others = sorted.len() - usize::from(left_out.is_some());
    let at = |i: usize| sorted[i + usize::from(left_out.is_some_and(|own| i >= own))];
    (others > 0).then(|| f64::midpoint(at((others - 1) / 2), at(others / 2)))
}

/// Moves every firm's AI capex towards what it wants and may spend.
pub(crate) fn plan_capex(
    p: Res<FinanceParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    outlook: Res<SpendOutlook>,
    script: Res<Script>,
    ledger: Res<Ledger>,
    mut chronicle: ResMut<Chronicle>,
    mut firms: Query<(&Firm, &mut Finance, &Purse)>,
    mut intensities: Local<(Vec<f64>, [Vec<f64>; Group::WORDS.len()])>,
) {
    let (own, racing) = &mut *intensities;
    own.clear();
    racing.iter_mut().for_each(Vec::clear);
    for (firm, finance, _) in firms.iter_many(&roster.firms).flatten() {
        // Not a number marks a firm that is nobody's rival: without a plan, or without public books.
        let races = firm.row.plan_share > 0.0
            && firm.row.ownership == Ownership::Public
            && finance.revenue_usd_year() > 0.0;
        let intensity = if races { finance.intensity() } else { f64::NAN };
        own.push(intensity);
        if intensity.is_finite() {
            racing[firm.row.group as usize].push(intensity);
        }
    }
    for group in &mut *racing {
        group.sort_unstable_by(f64::total_cmp);
    }
    // Firms with the same horizon expect the same.
    let horizons =
        [p.planning_horizon_public, p.planning_horizon_private, p.planning_horizon_state];
    let expected = horizons.map(|years| (years, outlook.expected(years)));
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut finance, purse))) = each.fetch_next() {
        let (row, f) = (&firm.row, &mut *finance);
        let terms = Terms::of(&p, row);
        let known = expected.iter().find(|(years, _)| *years == terms.horizon);
        let expected = known.map_or_else(|| outlook.expected(terms.horizon), |(_, usd)| *usd);
        f.expected_spend_usd_year = expected;
        let races = switches.capex_race && row.plan_share > 0.0 && f.revenue_usd_year() > 0.0;
        let rivals = &racing[row.group as usize];
        let median = median_without(rivals, own[firm.id.index()]).filter(|_| races);
        // Chips ordered, and what will house them. What is unspent is taken off below, once.
        let committed = purse.escrow.amount(settings.quantum) / p.chip_share_of_ai_capex;
        let wanted = desired(&p, f, row.plan_share, expected, purse.kappa, median, committed);

        let flow = f.operating_cash_flow_usd_year;
        let room = (terms.debt_limit * flow - f.debt_usd).max(0.0);
        let mut ceiling = f.capex_ceiling * flow.max(0.0) + p.debt_draw_rate * room
            - (1.0 - p.base_crowding_share) * f.base_capex_usd_year;
        if row.ownership != Ownership::Public {
            let cash = ledger.balance(Account::Firm(firm.id)) - purse.escrow - purse.unspent;
            let idle = cash.amount(settings.quantum) - kept_cash(&p, row, f.revenue_usd_year());
            ceiling += p.cash_use_rate * idle.max(0.0);
            if f.equity_on_offer_usd_year > 0.0 {
                ceiling += (f.equity_on_offer_usd_year + flow.min(0.0)).max(0.0);
            }
        }
        let stopped = f.months_short_of_cash > 0;
        let before = f.ai_capex_usd_year;
        let fresh = fresh_money(&p, wanted.min(ceiling), purse.unspent.amount(settings.quantum));
        let target = if stopped { 0.0 } else { fresh * scripted(&script, clock.now, &row.id) };
        f.ai_capex_usd_year += p.capex_adjustment * (target - before);
        // A plan that doubles is news in the first month of a year.
        if clock.now.month() == 1 && before > 0.0 && target >= 2.0 * before {
            let factor = target / before;
            let id = chronicle.log(
                clock.now,
                "capex_plan_raised",
                (&row.id, ""),
                (target, "USD/year"),
                outlook.event,
                || {
                    format!(
                        "{} aims at {factor:.1} times its AI capex: it expects more demand",
                        row.name
                    )
                },
            );
            f.event = Some(id);
        }
        // A year's plan that starts to fall is news once a year, in its first month.
        if clock.now.month() == 1 && target < before * (1.0 - p.capex_adjustment) && before > 0.0 {
            let (bound, cause) = if stopped {
                ("it is short of cash", f.event)
            } else if wanted > ceiling {
                (
                    "its cash flow and debt allow no more",
                    f.event.filter(|_| f.capex_ceiling < terms.ceiling),
                )
            } else if purse.kappa > 1.0 && purse.event.is_some() {
                ("compute is too dear to earn its cost", purse.event)
            } else {
                ("it expects to need no more", None)
            };
            let id = chronicle.log(
                clock.now,
                "capex_plan_cut",
                (&row.id, ""),
                (target, "USD/year"),
                cause,
                || format!("{} lowers its plan for AI capex: {bound}", row.name),
            );
            f.event = Some(id);
        }
    }
}

/// Worth of a free cash flow `flow` that grows by `growth` for `years` and by `terminal`
/// ever after, discounted at `rate` (all continuous).
#[must_use]
pub(crate) fn worth(flow: f64, growth: f64, rate: f64, years: f64, terminal: f64) -> f64 {
    let d = rate - growth;
    let last = maths::exp(-d * years);
    let first = if d == 0.0 { years } else { (1.0 - last) / d };
    let after = if rate > terminal { last / (rate - terminal) } else { 0.0 };
    flow * (first + after)
}

/// Values firms and writes the metrics of the month.
pub(crate) fn measure(
    p: Res<FinanceParameters>,
    settings: Res<Settings>,
    roster: Res<Roster>,
    outlook: Res<SpendOutlook>,
    ledger: Res<Ledger>,
    mut readings: ResMut<Readings>,
    mut firms: Query<(&Firm, &mut Finance, &Compute)>,
) {
    let quantum = settings.quantum;
    let ai_growth = if outlook.spend_usd_year > 0.0 {
        maths::ln(outlook.expected(1.0) / outlook.spend_usd_year)
    } else {
        0.0
    };
    let (mut ai_capex, mut capex, mut capital) = (0.0, 0.0, 0.0);
    // Of the constrained and the unconstrained: AI capex, revenue, AI capital, income, value.
    let mut groups = [[0.0; 5]; 2];
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut finance, compute))) = each.fetch_next() {
        let (row, f, i) = (&firm.row, &mut *finance, firm.id.index());
        let terms = Terms::of(&p, row);
        let account = Account::Firm(firm.id);
        let cash = ledger.balance(account).amount(quantum);
        let revenue = f.revenue_usd_year();
        let growth = if revenue > 0.0 {
            (row.revenue_growth_late * f.uplifted_revenue_usd_year
                + ai_growth * f.ai_revenue_usd_year)
                / revenue
        } else {
            0.0
        };
        let keep = base_capex(&p, f) + 12.0 * f.ai_capital_usd / p.chip_life_months;
        f.value_usd = worth(
            f.operating_cash_flow_usd_year - keep,
            growth.min(p.value_growth_cap),
            terms.discount,
            terms.value_horizon,
            p.value_growth_terminal,
        ) + cash
            - f.debt_usd;
        let uplift = f.uplifted_revenue_usd_year - f.core_revenue_usd_year;
        let rent = 12.0 * ledger.this_month(account, Purpose::Rent).amount(quantum);
        let income = f.ai_revenue_usd_year + rent.min(0.0) + p.uplift_margin * uplift
            - compute.energy_usd_year
            - p.running_cost_share * compute.capital_usd_year;
        let payback = if income > 0.0 { f.ai_capital_usd / income } else { f64::NAN };
        let total = f.capex_paid_usd_year;
        ai_capex += f.ai_capex_usd_year;
        capex += total;
        capital += f.ai_capital_usd;
        if let Some(sums) = match row.group {
            Group::Constrained => Some(&mut groups[0]),
            Group::Unconstrained => Some(&mut groups[1]),
            Group::Neither => None,
        } {
            let terms = [f.ai_capex_usd_year, revenue, f.ai_capital_usd, income, f.value_usd];
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += term;
            }
        }
        for (metric, value) in [
            (&F_REVENUE, revenue),
            (&F_CORE, f.core_revenue_usd_year),
            (&F_UPLIFT, uplift),
            (&F_UPLIFT_PERCENT, f.uplifted_revenue_usd_year / PERCENT),
            (&F_AI_REVENUE, f.ai_revenue_usd_year),
            (&F_OCF, f.operating_cash_flow_usd_year),
            (&F_FCF, f.free_cash_flow_usd_year),
            (&F_CASH, cash),
            (&F_DEBT, f.debt_usd),
            (&F_CAPEX, total),
            (&F_AI_CAPEX, f.ai_capex_usd_year),
            (&F_INTENSITY, if revenue > 0.0 { f.intensity() } else { f64::NAN }),
            (&F_CAPITAL, f.ai_capital_usd),
            (&F_PAYBACK, payback),
            (&F_VALUE, f.value_usd),
            (&F_CEILING, f.capex_ceiling),
            (&F_SHORT, f.months_short_of_cash as f64),
            (&F_EQUITY, ledger.this_month(account, Purpose::Equity).amount(quantum)),
        ] {
            readings.set_for(metric, i, value);
        }
    }
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { f64::NAN };
    let [constrained, unconstrained] = groups;
    for ([spent, revenue, fleet, income, value], metrics) in [
        (
            constrained,
            [
                &W_CAPEX_CONSTRAINED,
                &W_INTENSITY_CONSTRAINED,
                &W_PAYBACK_CONSTRAINED,
                &W_VALUE_CONSTRAINED,
            ],
        ),
        (
            unconstrained,
            [
                &W_CAPEX_UNCONSTRAINED,
                &W_INTENSITY_UNCONSTRAINED,
                &W_PAYBACK_UNCONSTRAINED,
                &W_VALUE_UNCONSTRAINED,
            ],
        ),
    ] {
        for (metric, x) in
            metrics.into_iter().zip([spent, ratio(spent, revenue), ratio(fleet, income), value])
        {
            readings.set(metric, x);
        }
    }
    readings.set(&W_CAPEX, ai_capex);
    readings.set(&W_CAPEX_TOTAL, capex);
    readings.set(&W_CAPITAL, capital);
    readings.set(&W_EXPECTED, outlook.expected(p.planning_horizon_public));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_a_rival_of_its_own() {
        let sorted = [1.0, 2.0, 2.0, 4.0, 9.0];
        assert_eq!(median_without(&sorted, 9.0), Some(2.0));
        assert_eq!(median_without(&sorted, 2.0), Some(3.0));
        // Who does not race leaves none out.
        assert_eq!(median_without(&sorted, f64::NAN), Some(2.0));
        assert_eq!(median_without(&[7.0], 7.0), None);
        assert_eq!(median_without(&[], f64::NAN), None);
    }

    fn parameters() -> FinanceParameters {
        let mut p = FinanceParameters::from_values(&mut |_| 0.0);
        (p.capital_per_spend, p.plan_adjustment_years, p.chip_life_months) = (3.0, 2.0, 60.0);
        (p.access_exponent, p.race_strength) = (0.5, 0.2);
        p
    }

    #[test]
    fn the_plan_is_the_accelerator_with_access_and_race() {
        let f = Finance {
            ai_capital_usd: 40.0,
            core_revenue_usd_year: 100.0,
            uplifted_revenue_usd_year: 100.0,
            ai_capex_usd_year: 10.0,
            core_capital_ratio: 0.1,
            ..Finance::default()
        };
        let p = parameters();
        // K* = 0.1 · 3 · 200 · 4^−0.5 + 0.1 · 100 = 30 + 10 = 40 = K: replacement only, 40 / 5 = 8.
        assert!((desired(&p, &f, 0.1, 200.0, 4.0, None, 0.0) - 8.0).abs() < 1e-9);
        // Without scarcity K* = 70: (70 − 40) / 2 + 8 = 23; rivals spend 0.2 of revenue against
        // 0.1 of one's own: + 0.2 · 0.1 · 100 = 2.
        assert!((desired(&p, &f, 0.1, 200.0, 1.0, Some(0.2), 0.0) - 25.0).abs() < 1e-9);
        // 20 are on order: (70 − 40 − 20) / 2 + 8 + 2.
        assert!((desired(&p, &f, 0.1, 200.0, 1.0, Some(0.2), 20.0) - 15.0).abs() < 1e-9);
        // Far too much capital: nothing, never less.
        assert_eq!(desired(&p, &f, 0.0, 200.0, 1.0, Some(0.0), 0.0), 0.0);
    }

    #[test]
    fn what_finds_nothing_to_buy_is_spent_before_new_money_is_asked_for() {
        let mut p = parameters();
        (p.unspent_spend_months, p.chip_share_of_ai_capex) = (6.0, 0.5);
        // 1.5 of chips waits, 3 of capex; spent in half a year that is 6 a year.
        assert!((fresh_money(&p, 24.0, 1.5) - 18.0).abs() < 1e-12);
        assert_eq!((fresh_money(&p, 24.0, 0.0), fresh_money(&p, 24.0, 100.0)), (24.0, 0.0));
    }

    #[test]
    fn worth_is_an_annuity_and_a_perpetuity() {
        // Flow 10, growth 0.03, rate 0.13, 10 years: d = 0.1, e^−1 = 0.367879;
        // 10 · (0.632121 / 0.1 + 0.367879 / (0.13 − 0.03)) = 63.212 + 36.788 = 100.
        assert!((worth(10.0, 0.03, 0.13, 10.0, 0.03) - 100.0).abs() < 1e-9);
        // Growth equal to the rate: ten years of 10, then 10 / 0.1.
        assert!((worth(10.0, 0.13, 0.13, 10.0, 0.03) - 200.0).abs() < 1e-9);
    }
}
