//! Procurement: what firms pay for compute, how scarce it is, and what they order.
//!
//! - `prices`: prices, waits and the work of chips;
//! - `access`: which rule governs which delivery, and the risk of denial;
//! - `fills`: what part of the money offered to brokers and hosts finds something;
//! - `survey`: what ways a firm has to spend its money, what each costs, the shadow price κ;
//! - `shares`: how money spreads over them;
//! - `lost`: what rules keep from vendors;
//! - `channels`: all of these for every firm, and `news` of them;
//! - `budget`: what a firm sets aside, and `anticipation`: what it spends ahead;
//! - `power`: what is spoken for, and where chips find some;
//! - `orders`: a month's orders, offers and bids;
//! - `measures`: what is written down each month;
//! - here: what these share.
//!
//! Sources: MODEL sections of `docs/model.md`; discrete choice after McFadden (1974) and nested
//! logit after Train (2009); see each parameter's row.

use bevy_ecs::prelude::Resource;

use self::access::Access;
use self::fills::Fills;
use self::prices::Prices;
use self::survey::Candidate;
use crate::entities::chronicle::EventId;
use crate::entities::order::Channel;
use crate::entities::{FirmId, VendorId};
use crate::units::Money;

mod access;
mod anticipation;
mod budget;
mod channels;
mod fills;
mod lost;
mod measures;
mod news;
mod orders;
mod power;
mod prices;
mod shares;
mod survey;
#[cfg(test)]
mod tests;

pub(crate) use self::channels::price_channels;
pub use self::measures::METRICS;
pub(crate) use self::measures::record_procurement;
pub(crate) use self::orders::place_orders;
pub(crate) use self::power::commit_power;

crate::parameters! {
    /// Parameters of procurement.
    pub struct ProcurementParameters in "procurement" {
        /// Share of AI capex that buys accelerators.
        chip_share_of_ai_capex,
        /// Share of unspent accelerator money that is offered again in a month.
        unspent_use,
        /// Share of unspent accelerator money that goes back to the treasury in a month.
        unspent_leak,
        /// Months of the plan that may lie unspent; beyond them nothing new is set aside.
        unspent_limit_months,
        /// Elasticity γ of channel shares to generalised cost.
        channel_elasticity,
        /// Speed with which a buyer's shares of vendors and channels follow their cost.
        habit_speed,
        /// Elasticity of shares among SKUs of one vendor and channel.
        sku_elasticity,
        /// Channel share below which nothing is ordered.
        smallest_channel_share,
        /// Smallest order: a server.
        smallest_order_chips,
        /// Cost of a month's wait, as a share of price.
        waiting_cost,
        /// Share of what guidance keeps from imports that it keeps from brokers too (share).
        guidance_reaches_brokers,
        /// Service life of an accelerator.
        chip_life_months,
        /// Rate at which lifetime cost is discounted.
        energy_discount_rate,
        /// Watts of server for each watt of accelerator.
        server_overhead,
        /// Cost of a watt of hall, building and power supply.
        hall_usd_watt,
        /// Exponent ν on the work of a chip over that of the best on sale (1).
        concentration,
        /// Mean draw over full draw of an installed fleet.
        fleet_utilisation,
        /// Largest shadow price: what the plan would pay before giving up.
        kappa_max,
        /// Months with which research feels the shadow price.
        kappa_lag_months,
        /// Risk of denial from which a channel counts as closed.
        denial_closes,
        /// Share of reviewed applications that are approved whatever their merits, a₀.
        approval_floor,
        /// Prior odds of approval case by case, in logits.
        odds_case_by_case,
        /// Prior odds of approval under a presumption of denial, in logits.
        odds_presumption_of_denial,
        /// Fall of the odds of approval with the regulator's stance, b_h.
        approval_stance_slope,
        /// Weight of prior odds against experience, in applications.
        approval_prior_applications,
        /// Months of decisions that buyers remember.
        approval_memory_months,
        /// Months that a buyer expects a licence review to take.
        review_months_expected,
        /// Cost of running chips in one's own site abroad, over running them at home.
        offshore_premium,
        /// Weight of channels abroad in the choice: the part of the work that may leave the country.
        abroad_weight,
        /// Step with which buyers learn what part of their offers finds something, s.
        fill_learning,
        /// Least part that they reckon with.
        fill_floor,
        /// Premium that buyers would pay to avoid smuggled chips: no warranty, no support, legal risk.
        grey_reluctance,
        /// Strength ψ with which fear of a rule moves orders ahead.
        anticipation_strength,
        /// Part of cash that may be spent ahead of the plan.
        anticipation_cash_share,
        /// Months of operating cash flow that may be borrowed to spend ahead of the plan.
        anticipation_credit_months,
        /// Share of what was spent ahead that later budgets pay back in a month.
        anticipation_repayment,
        /// Months over which planned power is smoothed.
        power_plan_smoothing_months,
        /// Share of the free power of a site that one order of a month may fill.
        room_pace,
        /// Months ahead for whose halls chips are ordered, however long the queue.
        order_horizon_months,
    }
}

/// What firms saw when they chose this month: candidates, shares, κ. Private to this room; the
/// buffers live on from month to month.
#[derive(Resource, Clone, Debug, Default)]
pub struct Channels {
    access: Access,
    prices: Prices,
    /// Candidates of firm i: `candidates[ranges[i].0..ranges[i].1]`.
    candidates: Vec<Candidate>,
    ranges: Vec<(usize, usize)>,
    /// Sites of each firm, by position, home ones first.
    sites: Vec<Vec<usize>>,
    /// Whether all imports of firm i were closed last month; changes are logged.
    closed: Vec<bool>,
    /// Placed this month by channel, USD, in the order of [`Channel`]'s words.
    placed_usd: [f64; CHANNELS.len()],
    lost_usd: f64,
    ahead_usd: f64,
    /// Reference cost of the system per H100e of work, `[firm]`.
    reference_usd: Vec<f64>,
    /// Share of a firm's budget that rules keep from a vendor.
    lost: Vec<(FirmId, VendorId, f64)>,
    /// New accelerator money of this month, `[firm]`.
    budget: Vec<Money>,
    /// Money spent ahead of the plan and not yet paid back, `[firm]`.
    advanced: Vec<Money>,
    /// Shadow price when last reported, and the event that closed imports, `[firm]`.
    reported: Vec<(f64, Option<EventId>)>,
    /// Share of its money that each firm gives to a channel and platform, `[firm][slot]`.
    habits: Vec<Vec<f64>>,
    /// Slots of the candidates of one firm.
    slots: Vec<usize>,
    fills: Fills,
}

impl Channels {
    /// Makes room for `firms`, given the owner of each site in order.
    fn open(&mut self, firms: usize, owners: impl Iterator<Item = FirmId>) {
        self.sites = vec![Vec::new(); firms];
        self.closed = vec![false; firms];
        self.budget = vec![Money::ZERO; firms];
        self.reported = vec![(1.0, None); firms];
        self.advanced = vec![Money::ZERO; firms];
        for (index, owner) in owners.enumerate() {
            self.sites[owner.index()].push(index);
        }
    }
}

const CHANNELS: [Channel; 7] = [
    Channel::Import,
    Channel::Variant,
    Channel::Domestic,
    Channel::Grey,
    Channel::Offshore,
    Channel::Rental,
    Channel::Own,
];
