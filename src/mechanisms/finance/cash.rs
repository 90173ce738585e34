//! What comes in, what goes out, and where the difference is found or goes.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::{FinanceParameters, Terms, USD_PER_BN, W_RESCUED, base_capex};
use crate::calendar::Month;
use crate::entities::boards::SpendOutlook;
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Compute, Finance, Firm, Lab, Ownership, Purse};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::{Clock, FirmId, Roster, Settings, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::units::Money;

/// First month in which the rows' growth "after 2025" holds (a boundary of the firms table).
const LATE: Month = Month::new(2026, 1);
/// Month for which the firms table states equity on offer.
const FUNDING_BASE: Month = Month::new(2023, 1);

/// One firm's cash desk: pays and keeps score in currency.
struct Desk<'a> {
    ledger: &'a mut Ledger,
    firm: FirmId,
    quantum: f64,
}

impl Desk<'_> {
    fn receives(&mut self, from: Outside, usd: f64, purpose: Purpose) {
        let amount = Money::from_amount(usd, self.quantum);
        self.ledger.pay(Account::Outside(from), Account::Firm(self.firm), amount, purpose);
    }
    fn pays(&mut self, to: Outside, usd: f64, purpose: Purpose) {
        self.receives(to, -usd, purpose);
    }
    fn month(&self, purpose: Purpose) -> f64 {
        self.ledger.this_month(Account::Firm(self.firm), purpose).amount(self.quantum)
    }
    fn balance(&self) -> f64 {
        self.ledger.balance(Account::Firm(self.firm)).amount(self.quantum)
    }
}

/// ln of quality-weighted inference per user; none without core compute.
fn ln_inference(p: &FinanceParameters, compute: &Compute, lab: &Lab, users_m: f64) -> Option<f64> {
    let core = compute.core_share * (compute.owned_serve_h100e + compute.rented_serve_h100e);
    (core > 0.0 && users_m > 0.0).then(|| {
        maths::ln(core / users_m)
            + lab.ln_a_serve
            + p.uplift_quality_weight * lab.possible_capability
    })
}

/// Books the month of every firm: revenue, costs, capex other than chips, and then equity,
/// debt, support and payouts.
pub(crate) fn settle(
    p: Res<FinanceParameters>,
    clock: Res<Clock>,
    settings: Res<Settings>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    outlook: Res<SpendOutlook>,
    mut ledger: ResMut<Ledger>,
    mut chronicle: ResMut<Chronicle>,
    mut readings: ResMut<Readings>,
    mut firms: Query<(&Firm, &mut Finance, &Compute, &Lab, &Purse)>,
) {
    let wage = p.wage_usd_year * maths::exp(p.wage_growth * clock.years());
    let late = clock.now >= LATE;
    let mut rescued = 0.0;
    let mut each = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, mut finance, compute, lab, purse))) = each.fetch_next() {
        let (row, f) = (&firm.row, &mut *finance);
        let terms = Terms::of(&p, row);
        let mut desk = Desk { ledger: &mut ledger, firm: firm.id, quantum: settings.quantum };
        if clock.elapsed() > 0 {
            let growth = if late { row.revenue_growth_late } else { row.revenue_growth };
            f.core_revenue_usd_year *= maths::exp(growth / 12.0);
            f.base_capex_usd_year *= maths::exp(row.base_capex_growth / 12.0);
        }
        grow_offer(f, row.funding_usd_bn * USD_PER_BN, row.funding_growth, &clock, &outlook);

        // Uplift.
        f.ln_inference_gain = match ln_inference(&p, compute, lab, row.users_m) {
            Some(now) => now - *f.ln_inference_start.get_or_insert(now),
            None => f.ln_inference_gain,
        };
        let gain = if switches.uplift { p.uplift_elasticity * f.ln_inference_gain } else { 0.0 };
        let uplift = f.core_revenue_usd_year * gain.max(-1.0);
        f.uplifted_revenue_usd_year = f.core_revenue_usd_year + uplift;

        // Operations.
        desk.receives(
            Outside::CoreCustomers,
            f.uplifted_revenue_usd_year / 12.0,
            Purpose::CoreRevenue,
        );
        let cost = f.core_revenue_usd_year * (1.0 - row.cash_flow_margin)
            + uplift * (1.0 - p.uplift_margin);
        desk.pays(Outside::CoreSuppliers, cost / 12.0, Purpose::CoreCost);
        desk.pays(Outside::Utilities, compute.energy_usd_year / 12.0, Purpose::Energy);
        desk.pays(
            Outside::Staff,
            lab.planned_staff * wage / 12.0 + purse.reallocated.amount(settings.quantum),
            Purpose::Wages,
        );
        desk.pays(
            Outside::Suppliers,
            p.running_cost_share * compute.capital_usd_year / 12.0,
            Purpose::ServingOverhead,
        );
        let overdraft = (-desk.balance()).max(0.0);
        desk.pays(
            Outside::Creditors,
            terms.interest * (f.debt_usd + overdraft) / 12.0,
            Purpose::Interest,
        );
        // Capex but chips.
        let building = (1.0 - p.chip_share_of_ai_capex) * f.ai_capex_usd_year / 12.0;
        desk.pays(Outside::Builders, building, Purpose::Building);
        let base = base_capex(&p, f) / 12.0;
        desk.pays(Outside::Builders, base, Purpose::BaseCapex);

        // The score of the month.
        let rent = desk.month(Purpose::Rent);
        f.ai_revenue_usd_year = 12.0 * (desk.month(Purpose::Tokens) + rent.max(0.0));
        let operating = [
            Purpose::CoreRevenue,
            Purpose::CoreCost,
            Purpose::Energy,
            Purpose::Wages,
            Purpose::ServingOverhead,
            Purpose::Interest,
            Purpose::Tokens,
            Purpose::Rent,
        ]
        .into_iter()
        .map(|purpose| desk.month(purpose))
        .sum::<f64>();
        let chips = -(desk.month(Purpose::Chips) + desk.month(Purpose::Fees));
        let capex = chips + building + base;
        let free = operating - capex;
        f.capex_paid_usd_year = 12.0 * capex;
        f.operating_cash_flow_usd_year += operating - f.operating_cash_flow_usd_year / 12.0;
        f.free_cash_flow_usd_year += free - f.free_cash_flow_usd_year / 12.0;
        f.quarter_free_cash_flow_usd += free;
        f.quarter_revenue_usd += f.revenue_usd_year() / 12.0;
        f.ai_capital_usd +=
            chips.max(0.0) + building - f.ai_capital_usd / p.chip_life_months.max(1.0);

        rescued += balance_out(&p, terms, row, f, purse, &mut desk, &clock, &mut chronicle);
    }
    readings.set(&W_RESCUED, rescued);
}

/// Equity on offer grows by the row; after 2025 no faster than planners expect AI spend to grow.
fn grow_offer(f: &mut Finance, base: f64, growth: f64, clock: &Clock, outlook: &SpendOutlook) {
    if clock.elapsed() == 0 {
        let years = f64::from(clock.now - FUNDING_BASE) / 12.0;
        f.equity_on_offer_usd_year = base * maths::exp(growth * years);
    } else if f.equity_on_offer_usd_year > 0.0 {
        let pace = if clock.now >= LATE {
            let ahead = outlook.expected(1.0) / outlook.spend_usd_year;
            if ahead > 0.0 { growth.min(maths::ln(ahead)) } else { growth }
        } else {
            growth
        };
        f.equity_on_offer_usd_year *= maths::exp(pace / 12.0);
    }
}

/// Finds what is missing and returns what is too much; the answer is what a rescue cost.
fn balance_out(
    p: &FinanceParameters,
    terms: Terms,
    row: &crate::entities::firm::FirmRow,
    f: &mut Finance,
    purse: &Purse,
    desk: &mut Desk<'_>,
    clock: &Clock,
    chronicle: &mut Chronicle,
) -> f64 {
    let set_aside = (purse.escrow + purse.unspent).amount(desk.quantum);
    let revenue = f.revenue_usd_year();
    let mut free = desk.balance() - set_aside;

    // Equity of labs, up to a runway.
    if f.equity_on_offer_usd_year > 0.0 {
        let burn = (-f.free_cash_flow_usd_year).max(0.0) / 12.0;
        let wanted = (p.runway_months * burn - free).max(0.0);
        let raised = wanted.min(f.equity_on_offer_usd_year / 12.0);
        desk.receives(Outside::Investors, raised, Purpose::Equity);
        free += raised;
    }
    // Debt, up to the limit.
    let room = (terms.debt_limit * f.operating_cash_flow_usd_year - f.debt_usd).max(0.0);
    let floor = p.cash_floor_ratio * revenue;
    if free < floor && room > 0.0 {
        let borrowed = (floor - free).min(room);
        desk.receives(Outside::Creditors, borrowed, Purpose::Debt);
        f.debt_usd += borrowed;
        free += borrowed;
    }
    // A state supports its own.
    let mut rescue = 0.0;
    if row.ownership == Ownership::State && free < 0.0 {
        desk.receives(Outside::Treasuries, -free, Purpose::Support);
        rescue -= free;
    }
    // Short of cash: no more buying; in the end investors put up what is missing.
    let short = desk.balance();
    if short < 0.0 {
        f.months_short_of_cash += 1;
        if f.months_short_of_cash == 1 {
            let id = chronicle.log(
                clock.now,
                "short_of_cash",
                (&row.id, ""),
                (-short, "USD"),
                f.event,
                || format!("{} cannot pay and stops buying", row.name),
            );
            f.event = Some(id);
        } else if f.months_short_of_cash as f64 >= p.rescue_months {
            desk.receives(Outside::Investors, -short, Purpose::Equity);
            rescue -= short;
            let id = chronicle.log(
                clock.now,
                "rescued",
                (&row.id, ""),
                (-short, "USD"),
                f.event,
                || format!("investors of {} put up what is missing", row.name),
            );
            f.event = Some(id);
            f.months_short_of_cash = 0;
        }
    } else {
        f.months_short_of_cash = 0;
    }
    // Surplus: above what the firm has always kept, repay, then return.
    let runway = p.runway_months * (-f.free_cash_flow_usd_year).max(0.0) / 12.0;
    let surplus = terms.payout * (free - kept_cash(p, row, revenue).max(runway));
    if surplus > 0.0 {
        let repaid = surplus.min(f.debt_usd);
        desk.pays(Outside::Creditors, repaid, Purpose::Debt);
        f.debt_usd -= repaid;
        desk.pays(Outside::Investors, surplus - repaid, Purpose::Equity);
    }
    rescue
}

/// Cash that a firm keeps: its first ratio of cash to revenue, capped, times revenue.
pub(crate) fn kept_cash(
    p: &FinanceParameters,
    row: &crate::entities::firm::FirmRow,
    revenue: f64,
) -> f64 {
    let ratio = if row.revenue_usd_bn > 0.0 {
        (row.cash_usd_bn / row.revenue_usd_bn).min(p.cash_ratio_cap)
    } else {
        p.cash_ratio_cap
    };
    ratio * revenue
}
