//! Firms' money: what they earn, what they plan to build, who lets them.
//!
//! **Core revenue** grows by the firm's row and is raised by AI:
//! `revenue = core (1 + ε_u ln(Q / Q₀))`, `ln Q = ln(core compute / users) + ln A_serve + w q̂`:
//! quality-weighted inference per user (`q̂` capability in dex), `Q₀` that of the first month, so that one per cent of
//! time, retention or conversion has a price. The row's 2021 revenue is the mean of a year and
//! stands for its middle; half a year of growth leads to the first month.
//!
//! **Cash** ([`cash`]): core, tokens and rent come in; core cost, energy, wages, running cost of
//! serving, interest, base capex and the part of AI capex that is not chips go out. Then, in this order:
//! labs draw equity on offer up to a runway, firms borrow up to a multiple of operating
//! cash flow (OCF), states support their own, surplus cash repays debt and is paid out.
//! A firm that is still short stops buying; after some months its investors rescue it.
//!
//! **Capex plan** ([`plan`]), annual:
//!
//! `I* = max(0, (m k E^e κ^−ζ + c R − K − S) / τ_K + K / life + ρ_r (median rival intensity − own) revenue)`
//!
//! - `m` share of the world's AI spend that the firm plans for, `k` USD of capital per USD of annual
//!   spend, `E^e` spend expected a horizon ahead with saturation (`SpendOutlook::expected`), κ shadow
//!   price of compute, `c R` the capital that core workloads need (`c` kept from the start:
//!   without it every fleet would shrink until demand for tokens is discovered), `K` AI capital;
//! - `S` the supply line: money in escrow over the chip share. Who forgets what is on order orders it
//!   again (Sterman 1989);
//! - intensity = AI capex / revenue, rivals = other public firms of the group with a plan: those whose books one can read;
//! - capped: `AI capex ≤ φ · OCF + debt that may be drawn (+ idle cash and equity on offer, unless
//!   public) − (1 − c) base capex`; adjusted a share a month;
//! - times the product of scripted `capex_plan` events that name the firm;
//! - less `12 U / (n χ)`, `U` chip money unspent for want of chips or power: it is spent before new money is asked for, so that
//!   plans follow what can be bought;
//! - what AI capex has grown by since the start it takes from base capex first, up to the share c of it: general
//!   servers and halls made way in 2023, when the total stood still.
//!
//! **Investors**: a public firm whose free-cash-flow margin stays below tolerance for some quarters has its φ cut, and wins it
//! back slowly. Ownership sets φ, horizon, debt limit, interest, payout and the discount rate.
//!
//! **Value**, from the present state only: `F (1 − e^(−(r−g)H))/(r−g) + F e^(−(r−g)H)/(r−g_T) + cash − debt`,
//! `F` = OCF − base capex − K / life (free cash flow with the fleet merely kept), `g` the row's late growth of
//! core revenue and the expected growth of AI spend weighted by revenue, `g_T` in the long run.

use crate::entities::firm::{Finance, FirmRow, Ownership};
use crate::entities::ledger::{Account, Ledger, Outside, Purpose};
use crate::entities::vendor::VendorRow;
use crate::entities::{FirmId, VendorId};
use crate::maths;
use crate::units::Money;

pub mod cash;
pub mod plan;

crate::parameters! {
    /// Parameters of finance.
    pub struct FinanceParameters in "finance" {
        /// Share of AI capex that buys accelerators (share).
        chip_share_of_ai_capex,
        /// Months within which chip money that waits unspent is to be spent before new money is asked for, n (month).
        unspent_spend_months,
        /// Life of AI capital (month).
        chip_life_months,
        /// Annual running cost besides energy, share of the annual cost of chips (share).
        running_cost_share,
        /// Annual cost of a researcher in the first month (USD/year).
        wage_usd_year,
        /// Growth of researchers' wages (ln/year).
        wage_growth,
        /// Elasticity ε_u of core revenue to quality-weighted inference per user (1).
        uplift_elasticity,
        /// Weight of a dex of capability in ln inference (ln/dex).
        uplift_quality_weight,
        /// Share of uplift that is kept after cost (share).
        uplift_margin,
        /// Capital k per unit of annual AI spend (USD per USD/year).
        capital_per_spend,
        /// Time τ_K to close the gap to the capital wanted (year).
        plan_adjustment_years,
        /// Exponent ζ on the shadow price of compute (1).
        access_exponent,
        /// Speed ρ_r of the pull towards rivals' intensity (1).
        race_strength,
        /// Share of the gap to the plan that capex closes (1/month).
        capex_adjustment,
        /// Largest share of base capex that AI capex crowds out (share).
        base_crowding_share,
        /// Planning horizon of public firms (year).
        planning_horizon_public,
        /// Planning horizon of private firms (year).
        planning_horizon_private,
        /// Planning horizon of state firms (year).
        planning_horizon_state,
        /// Ceiling φ of capex of public firms, share of OCF (share).
        capex_ceiling_public,
        /// Ceiling φ of capex of private firms, share of OCF (share).
        capex_ceiling_private,
        /// Ceiling φ of capex of state firms, share of OCF (share).
        capex_ceiling_state,
        /// Debt limit of public firms, in years of OCF (year).
        debt_limit_public,
        /// Debt limit of private firms, in years of OCF (year).
        debt_limit_private,
        /// Debt limit of state firms, in years of OCF (year).
        debt_limit_state,
        /// Share of unused debt capacity that capex may count on in a year (1/year).
        debt_draw_rate,
        /// Interest of public firms (1/year).
        interest_public,
        /// Interest of private firms (1/year).
        interest_private,
        /// Interest of state firms (1/year).
        interest_state,
        /// Free-cash-flow margin that investors of public firms tolerate (share).
        discipline_margin,
        /// Quarters below tolerance before φ is cut (quarter).
        discipline_quarters,
        /// Cut of φ for each quarter beyond (share).
        discipline_cut,
        /// Lowest φ after cuts, in units of the φ of public firms (share).
        discipline_floor,
        /// Share of a cut that is won back a quarter (share).
        discipline_recovery,
        /// Cash below which a firm borrows, share of annual revenue (share).
        cash_floor_ratio,
        /// Largest cash that a firm keeps, in years of revenue (year).
        cash_ratio_cap,
        /// Share of idle cash that firms not publicly owned count on for capex in a year (1/year).
        cash_use_rate,
        /// Share of surplus cash that public firms return a month (1/month).
        payout_public,
        /// Share of surplus cash that private firms return a month (1/month).
        payout_private,
        /// Share of surplus cash that state firms return a month (1/month).
        payout_state,
        /// Months of cash burn that a lab raises equity for (month).
        runway_months,
        /// Months short of cash after which investors rescue a firm (month).
        rescue_months,
        /// Discount rate of public firms (1/year).
        discount_public,
        /// Discount rate of private firms (1/year).
        discount_private,
        /// Discount rate of state firms (1/year).
        discount_state,
        /// Years of explicit growth in the value of public firms (year).
        value_horizon_public,
        /// Years of explicit growth in the value of private firms (year).
        value_horizon_private,
        /// Years of explicit growth in the value of state firms (year).
        value_horizon_state,
        /// Growth in the long run (ln/year).
        value_growth_terminal,
        /// Largest growth that a value counts on (ln/year).
        value_growth_cap,
    }
}

/// Terms on which a firm's owners let it act.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Ceiling φ of capex, share of OCF.
    pub(crate) ceiling: f64,
    /// Planning horizon, years.
    pub(crate) horizon: f64,
    /// Debt limit, years of OCF.
    pub(crate) debt_limit: f64,
    /// Interest, 1/year.
    pub(crate) interest: f64,
    /// Share of surplus cash returned a month.
    pub(crate) payout: f64,
    /// Discount rate, 1/year.
    pub(crate) discount: f64,
    /// Years of explicit growth in the value.
    pub(crate) value_horizon: f64,
}

impl Terms {
    /// Terms by ownership; lenders' by the firm's own row where it says so.
    pub(crate) fn of(p: &FinanceParameters, row: &FirmRow) -> Self {
        let mut terms = match row.ownership {
            Ownership::Public => Self {
                ceiling: p.capex_ceiling_public,
                horizon: p.planning_horizon_public,
                debt_limit: p.debt_limit_public,
                interest: p.interest_public,
                payout: p.payout_public,
                discount: p.discount_public,
                value_horizon: p.value_horizon_public,
            },
            Ownership::Private => Self {
                ceiling: p.capex_ceiling_private,
                horizon: p.planning_horizon_private,
                debt_limit: p.debt_limit_private,
                interest: p.interest_private,
                payout: p.payout_private,
                discount: p.discount_private,
                value_horizon: p.value_horizon_private,
            },
            Ownership::State => Self {
                ceiling: p.capex_ceiling_state,
                horizon: p.planning_horizon_state,
                debt_limit: p.debt_limit_state,
                interest: p.interest_state,
                payout: p.payout_state,
                discount: p.discount_state,
                value_horizon: p.value_horizon_state,
            },
        };
        if let Some(years) = row.debt_limit_years {
            terms.debt_limit = years;
        }
        terms
    }
}

/// Dollars in a billion.
pub(crate) const USD_PER_BN: f64 = 1e9;

/// A firm's finances before the first month.
#[must_use]
pub(crate) fn start(p: &FinanceParameters, row: &FirmRow) -> Finance {
    let core = row.revenue_usd_bn * USD_PER_BN * maths::exp(row.revenue_growth / 2.0);
    let ai_capex = row.ai_capex_usd_bn * USD_PER_BN;
    // A fleet that has grown with the firm: K = I / (1 / life + g).
    let decay = 12.0 / p.chip_life_months + row.revenue_growth.max(0.0);
    let capital = if decay > 0.0 { ai_capex / decay } else { 0.0 };
    Finance {
        core_revenue_usd_year: core,
        uplifted_revenue_usd_year: core,
        operating_cash_flow_usd_year: core * row.cash_flow_margin,
        ai_capex_usd_year: ai_capex,
        ai_capex_start_usd_year: ai_capex,
        base_capex_usd_year: row.base_capex_usd_bn * USD_PER_BN,
        capex_ceiling: Terms::of(p, row).ceiling,
        ai_capital_usd: capital,
        debt_usd: row.debt_usd_bn * USD_PER_BN,
        core_capital_ratio: if core > 0.0 { capital / core } else { 0.0 },
        free_cash_flow_usd_year: core * row.cash_flow_margin
            - ai_capex
            - row.base_capex_usd_bn * USD_PER_BN,
        ..Finance::default()
    }
}

/// Base capex of a year after AI has taken servers, halls and money that it would have had:
/// `B − min(c B, (AI capex − AI capex of the first month)⁺)`.
#[must_use]
pub(crate) fn base_capex(p: &FinanceParameters, f: &Finance) -> f64 {
    let grown = (f.ai_capex_usd_year - f.ai_capex_start_usd_year).max(0.0);
    f.base_capex_usd_year - grown.min(p.base_crowding_share * f.base_capex_usd_year)
}

/// Books the opening cash of firms and vendors against investors.
pub(crate) fn open_books(
    ledger: &mut Ledger,
    firms: &[FirmRow],
    vendors: &[VendorRow],
    quantum: f64,
) {
    let cash = |bn: f64| Money::from_amount(bn * USD_PER_BN, quantum);
    let investors = Account::Outside(Outside::Investors);
    for (i, row) in firms.iter().enumerate() {
        let firm = Account::Firm(FirmId::at(i));
        ledger.pay(investors, firm, cash(row.cash_usd_bn), Purpose::Opening);
    }
    for (i, row) in vendors.iter().enumerate() {
        let vendor = Account::Vendor(VendorId::at(i));
        ledger.pay(investors, vendor, cash(row.cash_usd_bn), Purpose::Opening);
    }
}

crate::metrics! {
    World {
        W_CAPEX = "ai_capex_usd_year", "USD/year", "Planned capex for AI of all firms, annual rate.";
        W_CAPEX_TOTAL = "capex_usd_year", "USD/year", "Capex of all firms paid this month × 12: chips as delivered, building as planned, base capex.";
        W_EXPECTED = "ai_spend_expected_usd_year", "USD/year", "AI spend of the world that public firms expect at their planning horizon.";
        W_CAPITAL = "ai_capital_usd", "USD", "Book value of AI capital of all firms.";
        W_CAPEX_CONSTRAINED = "ai_capex_usd_year_constrained", "USD/year", "Planned capex for AI of the constrained group's firms, annual rate.";
        W_CAPEX_UNCONSTRAINED = "ai_capex_usd_year_unconstrained", "USD/year", "The same of the unconstrained group's firms.";
        W_INTENSITY_CONSTRAINED = "ai_capex_to_revenue_constrained", "ratio", "Planned AI capex of the constrained group's firms over their revenue (core with uplift, tokens, rent): capital intensity.";
        W_INTENSITY_UNCONSTRAINED = "ai_capex_to_revenue_unconstrained", "ratio", "The same of the unconstrained group's firms.";
        W_PAYBACK_CONSTRAINED = "payback_years_constrained", "year", "AI capital of the constrained group's firms over its annual income, both summed (income as in payback_years of a firm). Empty while the income is not positive.";
        W_PAYBACK_UNCONSTRAINED = "payback_years_unconstrained", "year", "The same of the unconstrained group's firms. Empty while the income is not positive.";
        W_VALUE_CONSTRAINED = "firm_value_usd_constrained", "USD", "Sum of firm_value_usd over the constrained group's firms.";
        W_VALUE_UNCONSTRAINED = "firm_value_usd_unconstrained", "USD", "The same of the unconstrained group's firms.";
        W_RESCUED = "rescued_usd", "USD", "Equity with which investors rescued firms short of cash, and support of states to their own, this month.";
    }
    Firm {
        F_REVENUE = "revenue_usd", "USD/year", "Core revenue with uplift, tokens and rent received, annual rate.";
        F_CORE = "core_revenue_usd", "USD/year", "Core revenue before uplift, annual rate.";
        F_UPLIFT = "uplift_usd", "USD/year", "Core revenue that AI adds: core × ε_u ln(Q / Q₀), annual rate.";
        F_UPLIFT_PERCENT = "uplift_percent_value_usd", "USD/year", "Worth of one per cent more time, retention or conversion: uplifted core revenue / 100, annual rate.";
        F_AI_REVENUE = "ai_revenue_usd", "USD/year", "Revenue from tokens and rent received this month × 12.";
        F_OCF = "operating_cash_flow_usd", "USD/year", "Operating cash flow, exponentially smoothed over a year, annual rate.";
        F_FCF = "free_cash_flow_usd", "USD/year", "Operating cash flow less all capex paid, exponentially smoothed over a year, annual rate.";
        F_CASH = "cash_usd", "USD", "Cash at the end of the month, money set aside for chips included.";
        F_DEBT = "debt_usd", "USD", "Debt.";
        F_CAPEX = "capex_usd", "USD/year", "Capex paid this month × 12: chips as delivered, building as planned, base capex less what AI crowds out.";
        F_AI_CAPEX = "ai_capex_usd", "USD/year", "Planned AI capex, annual rate.";
        F_INTENSITY = "ai_capex_to_revenue", "ratio", "Planned AI capex over revenue (core with uplift, tokens, rent): capital intensity.";
        F_CAPITAL = "ai_capital_usd", "USD", "Book value of AI capital, declining by 1 / life.";
        F_PAYBACK = "payback_years", "year", "AI capital over its annual income: tokens, rent received and kept uplift less energy, running cost and rent paid. Empty while the income is not positive.";
        F_VALUE = "firm_value_usd", "USD", "Discounted free cash flow with the fleet kept, two-stage growth, plus cash less debt; from the present state only.";
        F_CEILING = "capex_ceiling", "share", "φ: ceiling of capex as a share of operating cash flow.";
        F_SHORT = "months_short_of_cash", "month", "Months in a row in which the firm could not pay.";
        F_EQUITY = "equity_raised_usd", "USD", "Equity raised (positive) or returned (negative) this month.";
    }
}
