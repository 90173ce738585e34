//! Firms that buy compute: clouds, labs, and those that are both.

use bevy_ecs::prelude::Component;

use super::chronicle::EventId;
use super::{CountryId, FirmId};
use crate::random::Stream;
use crate::schema::{choice, flag, id_of, number, optional, share, text};
use crate::units::Money;

crate::choice! {
    /// The side of the question that a firm is on, the same in all arms.
    pub enum Group {
        /// Firms that the regime makes scarce of compute.
        Constrained = "constrained",
        /// Their rivals.
        Unconstrained = "unconstrained",
        /// Neither.
        Neither = "neither",
    }
}

crate::choice! {
    /// Who owns a firm, and so whom it answers to.
    pub enum Ownership {
        /// Shareholders with a quarterly horizon.
        Public = "public",
        /// Founders and patient investors.
        Private = "private",
        /// A state.
        State = "state",
    }
}

crate::table! {
    /// Firms that buy compute.
    pub struct FirmRow in "firms" {
        /// Name for people.
        name: String = text(),
        /// Country of the headquarters.
        home: String = id_of("countries"),
        /// Side of the question.
        group: Group = choice(Group::WORDS),
        /// Ownership.
        ownership: Ownership = choice(Ownership::WORDS),
        /// Whether the firm trains and sells models of its own.
        developer: bool = flag(),
        /// Whether its models are released with open weights.
        open_weights: bool = flag(),
        /// Core revenue (not AI) in 2021, annual.
        revenue_usd_bn: f64 = number("bn USD/year", 0.0, 5e3),
        /// Growth of core revenue to the end of 2025.
        revenue_growth: f64 = number("ln/year", -1.0, 2.0),
        /// Growth of core revenue after 2025.
        revenue_growth_late: f64 = number("ln/year", -1.0, 1.0),
        /// Operating cash flow for each unit of core revenue.
        cash_flow_margin: f64 = number("share", -1.0, 1.0),
        /// Capex that is not for AI, annual, January 2022.
        base_capex_usd_bn: f64 = number("bn USD/year", 0.0, 500.0),
        /// Growth of base capex.
        base_capex_growth: f64 = number("ln/year", -1.0, 1.0),
        /// Capex for AI, annual, January 2022.
        ai_capex_usd_bn: f64 = number("bn USD/year", 0.0, 500.0),
        /// Share of the world's AI spend that the firm plans capacity for.
        plan_share: f64 = share(),
        /// Cash at the start.
        cash_usd_bn: f64 = number("bn USD", 0.0, 1e3),
        /// Debt at the start.
        debt_usd_bn: f64 = number("bn USD", 0.0, 1e3),
        /// Most debt that lenders allow, in years of operating cash flow (empty: by ownership). Lenders on contracts and
        /// on the machines themselves go further than those on cash flow alone.
        debt_limit_years: Option<f64> = optional(number("year", 0.0, 50.0)),
        /// Annual equity that investors offer a lab in January 2023.
        funding_usd_bn: f64 = number("bn USD/year", 0.0, 500.0),
        /// Growth of the equity on offer.
        funding_growth: f64 = number("ln/year", -1.0, 3.0),
        /// People who do research and engineering of models, January 2022.
        research_staff: f64 = number("person", 0.0, 1e5),
        /// Growth of research staff that the firm plans without reallocation.
        staff_growth: f64 = number("ln/year", -1.0, 2.0),
        /// Log of training efficiency, January 2022, frontier = 0.
        ln_a_train: f64 = number("ln", -10.0, 10.0),
        /// Log of serving efficiency, January 2022, frontier = 0.
        ln_a_serve: f64 = number("ln", -10.0, 10.0),
        /// Training compute of the model deployed in January 2022.
        deployed_log10_flop: Option<f64> = optional(number("log10 FLOP", 15.0, 40.0)),
        /// Share of compute that core workloads use (ranking, advertising, rented-out capacity).
        core_share: f64 = share(),
        /// Users that its products reach.
        users_m: f64 = number("million", 0.0, 1e4),
        /// Where the figures come from.
        source: String = text(),
    }
}

crate::table! {
    /// Who rents compute from whom: labs that own little run on hosts' fleets.
    pub struct RentalRow in "rentals" {
        /// The firm that rents.
        tenant: String = id_of("firms"),
        /// The firm that owns.
        host: String = id_of("firms"),
        /// Share of the host's compute outside its core workloads.
        share: f64 = share(),
        /// Where the figure comes from.
        source: String = text(),
    }
}

/// A firm.
#[derive(Component, Clone, Debug)]
pub struct Firm {
    /// Dense id.
    pub id: FirmId,
    /// Country of the headquarters.
    pub home: CountryId,
    /// What the table says.
    pub row: FirmRow,
}

/// Plans and results in money, annual rates unless said otherwise. Written by `finance`.
#[derive(Component, Clone, Debug, Default)]
pub struct Finance {
    /// Core revenue before any uplift.
    pub core_revenue_usd_year: f64,
    /// Core revenue with the uplift that AI gives.
    pub uplifted_revenue_usd_year: f64,
    /// Revenue from tokens and rent, last month × 12.
    pub ai_revenue_usd_year: f64,
    /// Operating cash flow, trailing.
    pub operating_cash_flow_usd_year: f64,
    /// Capex for AI: accelerators, buildings, networks.
    pub ai_capex_usd_year: f64,
    /// Capex for AI in the first month.
    pub ai_capex_start_usd_year: f64,
    /// Capex that is not for AI, before AI crowds a part of it out.
    pub base_capex_usd_year: f64,
    /// Capex of all kinds paid this month × 12, chips as they were delivered.
    pub capex_paid_usd_year: f64,
    /// Ceiling on capex as a share of operating cash flow.
    pub capex_ceiling: f64,
    /// Expected annual AI spend at the planning horizon.
    pub expected_spend_usd_year: f64,
    /// Book value of the AI capital, depreciated.
    pub ai_capital_usd: f64,
    /// Debt.
    pub debt_usd: f64,
    /// Quarters in a row with free cash flow below tolerance.
    pub quarters_below: i64,
    /// Free cash flow of this quarter so far, for discipline.
    pub quarter_free_cash_flow_usd: f64,
    /// Present value of the firm's free cash flow (see `finance`).
    pub value_usd: f64,
    /// Months in a row in which the firm could not pay; it stops buying until it can.
    pub months_short_of_cash: i64,
    /// Capital that core workloads need for each unit of core revenue, kept from the start.
    pub core_capital_ratio: f64,
    /// Annual equity on offer from investors now.
    pub equity_on_offer_usd_year: f64,
    /// ln of the quality-weighted inference per user in the first month; none before it.
    pub ln_inference_start: Option<f64>,
    /// ln of the quality-weighted inference per user over the first month's.
    pub ln_inference_gain: f64,
    /// Free cash flow, trailing, annual.
    pub free_cash_flow_usd_year: f64,
    /// Revenue of core business, tokens and rent of this quarter so far, for discipline.
    pub quarter_revenue_usd: f64,
    /// Event of the last change of plan.
    pub event: Option<EventId>,
}

impl Finance {
    /// Core revenue with its uplift, tokens and rent, annual.
    #[must_use]
    pub fn revenue_usd_year(&self) -> f64 {
        self.uplifted_revenue_usd_year + self.ai_revenue_usd_year
    }

    /// AI capex for each unit of revenue; 0 without revenue.
    #[must_use]
    pub fn intensity(&self) -> f64 {
        let revenue = self.revenue_usd_year();
        if revenue > 0.0 { self.ai_capex_usd_year / revenue } else { 0.0 }
    }
}

/// Buying of accelerators. Written by `procurement`; `licensing` and `allocation`
/// return money to `unspent`, `shipping` releases `escrow`.
#[derive(Component, Clone, Debug)]
pub struct Purse {
    /// Accelerator money of earlier months that found nothing to buy.
    pub unspent: Money,
    /// Money set aside for open orders: the sum over open orders of open units × what is set aside for one.
    pub escrow: Money,
    /// Shadow price of compute κ ≥ 1, from last month's prices and waits.
    pub kappa: f64,
    /// κ as research feels it, with a lag.
    pub kappa_lagged: f64,
    /// The last event that changed what the firm can buy or at which cost.
    pub event: Option<EventId>,
    /// Money moved from unspent chip budget to research staff this month: `research` takes it out
    /// of `unspent`, `finance` pays it as wages.
    pub reallocated: Money,
    /// H100e wanted by the plan and not obtained, over H100e wanted, trailing.
    pub shortfall: f64,
}

impl Default for Purse {
    /// An empty purse: nothing ordered, compute at its reference price (κ = 1).
    fn default() -> Self {
        Self {
            unspent: Money::ZERO,
            escrow: Money::ZERO,
            kappa: 1.0,
            kappa_lagged: 1.0,
            event: None,
            reallocated: Money::ZERO,
            shortfall: 0.0,
        }
    }
}

/// Compute that a firm can use, H100e. Written by `data_centres`, the split by
/// `data_centres` from last month's utilisation.
#[derive(Component, Clone, Debug, Default)]
pub struct Compute {
    /// Installed and powered, training performance.
    pub owned_train_h100e: f64,
    /// Installed and powered, serving performance.
    pub owned_serve_h100e: f64,
    /// Rented from hosts (negative for what a host lends), training performance.
    pub rented_train_h100e: f64,
    /// Rented from hosts, serving performance.
    pub rented_serve_h100e: f64,
    /// Share of compute for core workloads.
    pub core_share: f64,
    /// Share for serving tokens (ω).
    pub serving_share: f64,
    /// Share for training runs.
    pub training_share: f64,
    /// Share for experiments.
    pub experiment_share: f64,
    /// Compute for experiments, training performance.
    pub experiments_h100e: f64,
    /// Compute for training runs, training performance.
    pub training_h100e: f64,
    /// Compute for serving, serving performance.
    pub serving_h100e: f64,
    /// Peak 16-bit compute of the training part, FLOP/s, software maturity included.
    pub training_flop_s: f64,
    /// Mean interconnect of the training part, GB/s; weak links pay a penalty.
    pub training_interconnect_gbps: f64,
    /// Capacity rented abroad on the open market, serving performance, part of `rented_serve_h100e`.
    pub rented_abroad_h100e: f64,
    /// Power drawn by the firm's accelerators, PUE included.
    pub power_mw: f64,
    /// Annual cost of energy.
    pub energy_usd_year: f64,
    /// Annual cost of capital of the installed fleet (price paid / life).
    pub capital_usd_year: f64,
    /// Annual rent paid (positive) or received (negative).
    pub rent_usd_year: f64,
    /// Utilisation of serving compute last month; written by `market`.
    pub utilisation: f64,
    /// Compute wanted last month at posted prices over serving compute; above 1, buyers were turned away.
    pub demand_pressure: f64,
    /// Share of usable compute that stands idle for an experiment; written by `shortage`.
    pub idle_share: f64,
}

/// Research state. Written by `research`, the last three fields but one by `training`.
#[derive(Component, Clone, Debug)]
pub struct Lab {
    /// Researchers and engineers: planned and reallocated.
    pub staff: f64,
    /// The part that the firm plans without reallocation.
    pub planned_staff: f64,
    /// The part that unspent chip money pays, through [`Purse::reallocated`].
    pub reallocated_staff: f64,
    /// ln of training efficiency A_train.
    pub ln_a_train: f64,
    /// ln of serving efficiency A_serve.
    pub ln_a_serve: f64,
    /// Quality bonus B: post-training and data, in dex of effective compute.
    pub quality_bonus: f64,
    /// Capability copied by distillation D, in dex, recorded apart.
    pub distilled: f64,
    /// Research input R of this month, frontier lab at the start of its record = 1.
    pub input: f64,
    /// Elasticity of R with respect to experiment compute, ∂lnR/∂lnK.
    pub experiment_elasticity: f64,
    /// Shares of research effort: training efficiency, serving efficiency, quality.
    pub direction: [f64; 3],
    /// What each source gave to ln A_train since the start: own research, spillover, noise.
    pub gain_train: [f64; 3],
    /// What each source gave to ln A_serve since the start: own research, spillover, learning by
    /// serving, noise.
    pub gain_serve: [f64; 4],
    /// What each source gave to B since the start, dex: own research, paradigms, fading (negative).
    pub gain_quality: [f64; 3],
    /// Weight in the mean of the firm's group: training compute in the first month, H100e.
    pub weight: f64,
    /// The last event that moved this firm's research: a paradigm, a change of staff.
    pub event: Option<EventId>,
    /// Capability that the firm could train now, q̂, in dex of effective FLOP; 0 without compute.
    /// Written by `training`.
    pub possible_capability: f64,
    /// log10 of the training compute that the firm could spend on a run now; 0 without compute.
    /// Written by `training`.
    pub possible_log10_flop: f64,
    /// ln of training efficiency at the scale of that run, A_eff. Written by `training`.
    pub ln_a_effective: f64,
    /// Draws of research noise.
    pub luck: Stream,
}

impl Lab {
    /// A lab with nobody in it.
    #[must_use]
    pub const fn at_rest(luck: Stream) -> Self {
        Self {
            staff: 0.0,
            planned_staff: 0.0,
            reallocated_staff: 0.0,
            ln_a_train: 0.0,
            ln_a_serve: 0.0,
            quality_bonus: 0.0,
            distilled: 0.0,
            input: 0.0,
            experiment_elasticity: 0.0,
            direction: [0.0, 0.0, 1.0],
            gain_train: [0.0; 3],
            gain_serve: [0.0; 4],
            gain_quality: [0.0; 3],
            weight: 0.0,
            event: None,
            possible_capability: 0.0,
            possible_log10_flop: 0.0,
            ln_a_effective: 0.0,
            luck,
        }
    }
}

#[cfg(test)]
impl FirmRow {
    /// A developer without means, for tests to change.
    pub(crate) fn example(id: &str, group: Group) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            home: "usa".to_owned(),
            group,
            ownership: Ownership::Private,
            developer: true,
            open_weights: false,
            revenue_usd_bn: 0.0,
            revenue_growth: 0.0,
            revenue_growth_late: 0.0,
            cash_flow_margin: 0.0,
            base_capex_usd_bn: 0.0,
            base_capex_growth: 0.0,
            ai_capex_usd_bn: 0.0,
            plan_share: 0.0,
            cash_usd_bn: 0.0,
            debt_usd_bn: 0.0,
            debt_limit_years: None,
            funding_usd_bn: 0.0,
            funding_growth: 0.0,
            research_staff: 100.0,
            staff_growth: 0.0,
            ln_a_train: 0.0,
            ln_a_serve: 0.0,
            deployed_log10_flop: None,
            core_share: 0.0,
            users_m: 0.0,
            source: "test".to_owned(),
        }
    }
}
