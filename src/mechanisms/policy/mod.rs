//! Policy: rules come, go and are feared; regulators' stance moves.
//!
//! - `enactment`: rules and scripted events by date;
//! - `stance`: the stance of regulators, and the rules that it issues;
//! - `fears`: what buyers must expect of rules to come;
//! - `strengths`: what rules withhold, and enforcement against grey trade;
//! - `guidance`: what a buyer's own state lets in;
//! - `measures`: what is written down each month.
//!
//! Sources: Federal Register notices as cited in `rules.toml`; priors in `parameters.csv`.

mod enactment;
mod fears;
mod guidance;
mod measures;
mod stance;
mod strengths;
#[cfg(test)]
mod tests;

pub(crate) use self::enactment::{enact_rules, log_shocks};
pub(crate) use self::fears::{judge_hazard, publish_fears};
pub(crate) use self::guidance::guide_imports;
pub use self::measures::METRICS;
pub(crate) use self::measures::measure_policy;
pub(crate) use self::stance::{move_stance, opening_stance};
pub(crate) use self::strengths::publish_strengths;

crate::parameters! {
    /// Parameters of policy.
    pub struct PolicyParameters in "policy" {
        /// Speed ρ at which stance returns to the stance aimed at.
        stance_speed,
        /// Standard deviation σ of a month's noise in stance.
        stance_noise,
        /// Rise of stance a month for each month by which the lag falls short of the target, β_gap.
        stance_gap_response,
        /// Fall of stance a month for a share of 1 of revenue lost to rules, β_lobby.
        stance_lobby_response,
        /// Lowest stance that an election can aim at.
        election_stance_low,
        /// Highest stance that an election can aim at.
        election_stance_high,
        /// Months between a regulator's reviews.
        review_interval_months,
        /// Change of stance since the last rule that makes a new one, δ_h.
        stance_trigger,
        /// Log of thresholds for a unit of stance, b_T of new rules.
        threshold_stance_slope,
        /// Months from announcement to force of a rule that stance issues.
        rule_lead_months,
        /// Log-odds of a coming rule at stance 0 and no gap, a₀.
        hazard_base,
        /// Log-odds for a unit of stance, a_h.
        hazard_stance_slope,
        /// Log-odds for a month of gap, a_g.
        hazard_gap_slope,
        /// Log by which minima of the feared rule lie below the last ones, x.
        feared_tightening,
        /// Share of imports that guidance lets in however mature domestic supply is.
        guidance_floor,
        /// Speed at which the share let in moves, r.
        guidance_speed,
        /// Share of AI capex that buys accelerators.
        chip_share_of_ai_capex,
        /// Relative change of enforcement for a unit of stance, b_e.
        enforcement_stance_slope,
    }
}
