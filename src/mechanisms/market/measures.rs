//! What the market reports.
//!
//! **Cost by source.** A token costs c = u / (A_serve · r), u the cost of compute a firm pays, r tokens per compute at
//! A_serve = 1, which falls with the size of models and moves with the mix of tiers. Since the first month with a cost,
//! `Δln c = Δln u − Δ(own + noise) − Δ(spillover) − Δ(learning by serving) − Δln r`: the parts are the whole. Distillation
//! changes no cost: tokens are dear by the size of the run.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{MarketParameters, TIERS, Trading};
use crate::entities::boards::{Offers, SELF_HOSTED, SpendOutlook};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Bloc, Country, Demand};
use crate::entities::firm::{Compute, Firm, Group, Lab};
use crate::entities::model::{ModelBook, Tier};
use crate::entities::{Clock, Roster};
use crate::maths;
use crate::metric::{Metric, Readings};

/// Days in a mean month.
const DAYS: f64 = 365.0 / 12.0;
/// Tokens in a million; millions of tokens in a trillion.
const MILLION: f64 = 1e6;
/// Hundredths in a whole.
const PERCENT: f64 = 100.0;
/// Joules in a kilowatt-hour.
const JOULES_A_KWH: f64 = 3.6e6;

crate::metrics! {
    World {
        AI_SPEND = "ai_spend_usd_year", "USD/year", "Money that the world wants to spend on AI, annual rate: sum of E over countries.";
        AI_PAID = "ai_paid_usd_year", "USD/year", "Money paid for tokens this month × 12.";
        AI_UNSERVED = "ai_unserved_share", "share", "Money for tokens that found no capacity over money for tokens this month.";
        TOKENS = "tokens_per_day", "T/day", "Tokens used in the world, trillions a day: month's tokens / (365/12).";
        TOKENS_CHINA = "tokens_per_day_china", "T/day", "Tokens used in countries of the bloc china, trillions a day.";
        TOKENS_THIRD = "tokens_per_day_third", "T/day", "Tokens used in third markets, trillions a day.";
        REQUESTS = "requests_per_day", "1e9/day", "Requests, billions a day: tokens of big and small tiers over their tokens per request.";
        MEAN_PRICE = "token_price_mean_usd_m", "USD/M tokens", "Money paid over tokens used in the world.";
        THIRD_SHARE = "third_market_share", "share", "Tokens used in third markets on models of the constrained group's developers, hosted by them or run from open weights, over all tokens used there.";
        THIRD_SHARE_SPEND = "third_market_share_spend", "share", "Money paid in third markets for models of the constrained group's developers over all money paid there.";
        THIRD_PROFIT = "third_market_gross_profit_usd", "USD/year", "Sales of constrained developers' own tokens in third markets less their fleet-average cost, month × 12.";
        THIRD_SHARE_POOR = "third_market_share_poor", "share", "third_market_share over third markets whose infrastructure constraint reaches poor_market_threshold.";
        THIRD_SLOPE = "third_market_slope", "share", "Slope of the constrained group's token share on the infrastructure constraint, least squares over third markets, unweighted.";
        THIRD_OPEN = "third_market_open_share", "share", "Part of third_market_share that runs from open weights on the country's own compute.";
        COST_RATIO = "serving_cost_ratio", "ratio", "min over constrained over min over unconstrained developers' tiers of cost × 10^(−ς q): fleet-average USD per million tokens at equal quality, ς = serving_size_exponent.";
        ENERGY_RATIO = "serving_energy_ratio", "ratio", "The same with energy (kWh per million tokens at equal quality).";
        PRICE_RATIO = "flagship_price_ratio", "ratio", "Median posted price of the big tier over constrained developers, over the same of unconstrained ones.";
        REFERENCE_PRICE = "cheapest_reference_price_usd_m", "USD/M tokens", "Lowest posted price among hosted tiers of quality ≥ reference_quality (the level of the 2.1e25 FLOP model of 2022).";
        ROUTER_SHARE = "router_share", "share", "Observation operator of a neutral router: share of constrained developers' hosted tiers, where they serve abroad, in P ∝ w e^(μ_q q − f μ_p ln p), f = router_price_factor, w = mean awareness outside China (by spend) with its odds multiplied by router_awareness_odds.";
        SERVING_USE = "serving_utilisation", "share", "Compute used over compute for serving, all developers and hosts of open models.";
        OPEN_DOWNLOADS = "open_download_share", "share", "Tokens run from open weights of the constrained group's developers over all tokens run from open weights on countries' own compute: stands for downloads of open models.";
        COST_CONSTRAINED = "cost_per_token_usd_m_constrained", "USD/M tokens", "Fleet-average cost of tokens served, mean over the constrained group's developers weighted by their tokens.";
        COST_UNCONSTRAINED = "cost_per_token_usd_m_unconstrained", "USD/M tokens", "The same over the unconstrained group's developers.";
        REQUEST_CONSTRAINED = "cost_per_request_usd_constrained", "USD", "Fleet-average cost of all requests served by the constrained group's developers over their number.";
        REQUEST_UNCONSTRAINED = "cost_per_request_usd_unconstrained", "USD", "The same over the unconstrained group's developers.";
        DENSITY_CONSTRAINED = "inference_density_constrained", "tokens/J", "Tokens served by the constrained group's developers over the energy that serving them takes, PUE included.";
        DENSITY_UNCONSTRAINED = "inference_density_unconstrained", "tokens/J", "The same over the unconstrained group's developers.";
        CONSTRAINED_COST_WHOLE = "cost_growth_constrained_ln", "ln", "Mean cost_growth_ln of the constrained group's developers that have one, unweighted: the sum of its five parts. Empty without any.";
        CONSTRAINED_COST_CHIPS = "cost_growth_constrained_chips_ln", "ln", "The part of cost_growth_constrained_ln from the cost of compute. Empty without any.";
        CONSTRAINED_COST_OWN = "cost_growth_constrained_own_ln", "ln", "The part from own efficiency. Empty without any.";
        CONSTRAINED_COST_SPILLOVER = "cost_growth_constrained_spillover_ln", "ln", "The part from spillover. Empty without any.";
        CONSTRAINED_COST_LEARNING = "cost_growth_constrained_learning_ln", "ln", "The part from serving under rationing. Empty without any.";
        CONSTRAINED_COST_SCALE = "cost_growth_constrained_scale_ln", "ln", "The part from the size of models and the mix of tiers. Empty without any.";
        UNCONSTRAINED_COST_WHOLE = "cost_growth_unconstrained_ln", "ln", "Mean cost_growth_ln of the unconstrained group's developers that have one, unweighted: the sum of its five parts. Empty without any.";
        UNCONSTRAINED_COST_CHIPS = "cost_growth_unconstrained_chips_ln", "ln", "The part of cost_growth_unconstrained_ln from the cost of compute. Empty without any.";
        UNCONSTRAINED_COST_OWN = "cost_growth_unconstrained_own_ln", "ln", "The part from own efficiency. Empty without any.";
        UNCONSTRAINED_COST_SPILLOVER = "cost_growth_unconstrained_spillover_ln", "ln", "The part from spillover. Empty without any.";
        UNCONSTRAINED_COST_LEARNING = "cost_growth_unconstrained_learning_ln", "ln", "The part from serving under rationing. Empty without any.";
        UNCONSTRAINED_COST_SCALE = "cost_growth_unconstrained_scale_ln", "ln", "The part from the size of models and the mix of tiers. Empty without any.";
        OPEN_SHARE = "self_hosted_share", "share", "Tokens from open models on countries' own compute over all tokens.";
    }
    Firm {
        F_TOKENS = "tokens_per_day", "T/day", "Tokens served of the firm's own tiers, trillions a day.";
        F_PRICE = "token_price_usd_m", "USD/M tokens", "Revenue from tokens over tokens.";
        F_COST = "cost_per_token_usd_m", "USD/M tokens", "Fleet-average cost of the tokens served: (capital / life / chip share + running + energy + rent) / tokens; of the cheapest tier while none is served.";
        F_COST_WHOLE = "cost_growth_ln", "ln", "ln cost_per_token_usd_m less that of the first month with a cost: the sum of cost_growth_chips_ln, cost_growth_own_ln, cost_growth_spillover_ln, cost_growth_learning_ln and cost_growth_scale_ln. Empty without a cost.";
        F_COST_CHIPS = "cost_growth_chips_ln", "ln", "Part of cost_growth_ln from the cost of compute. Empty without a cost.";
        F_COST_OWN = "cost_growth_own_ln", "ln", "Part from serving efficiency by own research, noise included: negative where it makes tokens cheaper. Empty without a cost.";
        F_COST_SPILLOVER = "cost_growth_spillover_ln", "ln", "Part from serving efficiency copied from others. Empty without a cost.";
        F_COST_LEARNING = "cost_growth_learning_ln", "ln", "Part from serving efficiency learnt under rationing. Empty without a cost.";
        F_COST_SCALE = "cost_growth_scale_ln", "ln", "Part from the size of models and the mix of tiers. Empty without a cost.";
        F_REPLACEMENT = "cost_per_token_replacement_usd_m", "USD/M tokens", "The same with today's cheapest chip × shadow price of compute.";
        F_REQUEST = "cost_per_request_usd", "USD", "Fleet-average cost of the requests served: cost of a token × tokens per request of the tier.";
        F_MARGIN = "token_margin", "share", "1 − cost / price of the tokens served: below 0 a subsidy.";
        F_DENSITY = "inference_density", "tokens/J", "Tokens for each joule that serving them takes, PUE included.";
        F_USE = "capacity_utilisation", "share", "Compute used over compute for serving.";
        F_PRESSURE = "demand_pressure", "ratio", "Compute wanted at posted prices over compute for serving.";
        F_BIG = "price_big_usd_m", "USD/M tokens", "Posted price of the big tier.";
        F_SMALL = "price_small_usd_m", "USD/M tokens", "Posted price of the small tier.";
        F_SCARCITY = "price_scarcity_ln", "ln", "What scarcity adds to the target of the posted price.";
        F_PER_H100E = "tokens_m_per_h100e", "M tokens", "Tokens that an H100e serves in a month at equal quality: best tier's tokens × 10^(ς (q − reference_quality)).";
        F_AWARENESS = "awareness_third", "share", "Mean awareness of the developer in third markets, weighted by spend.";
        F_THIRD = "third_market_share_own", "share", "Share of third markets' tokens on the firm's models, hosted or run from open weights.";
    }
    Country {
        C_TOKENS = "tokens_per_day", "T/day", "Tokens used, trillions a day.";
        C_SPEND = "ai_spend_usd_year", "USD/year", "Money that the country wants to spend on AI, annual rate.";
        C_PAID = "ai_paid_usd_year", "USD/year", "Money paid for tokens this month × 12.";
        C_SHARE = "constrained_share", "share", "Tokens on models of the constrained group's developers over all tokens.";
        C_SHARE_SPEND = "constrained_share_spend", "share", "Money for models of the constrained group's developers over all money paid.";
        C_OPEN = "self_hosted_share", "share", "Tokens from open models on the country's own compute over all tokens.";
        C_LEADER = "open_developer_hosted_share", "share", "Largest share of hosted tokens that one constrained developer of open models has: the observation operator of DeepSeek's share of chatbots.";
        C_NOTHING = "nothing_share", "share", "Share of wants that no offer drew.";
        C_UNSERVED = "ai_unserved_usd_year", "USD/year", "Money that found no capacity this month × 12.";
        C_HOST = "self_host_h100e", "H100e", "Compute that hosts offer for open models.";
    }
}

/// Numerators and denominators of third markets.
#[derive(Default)]
struct Third {
    tokens: f64,
    constrained: f64,
    open: f64,
    paid: f64,
    paid_constrained: f64,
    profit: f64,
    poor: f64,
    poor_constrained: f64,
    /// Sums of the least-squares fit: n, x, y, xx, xy.
    fit: [f64; 5],
}

/// ln of the cost of a token, and what it is made of: compute, own efficiency, spillover, learning, scale.
const COST_TERMS: usize = 6;

fn cost_terms(cost: f64, unit: f64, lab: &Lab) -> [f64; COST_TERMS] {
    let (whole, chips) = (maths::ln(cost), maths::ln(unit));
    let own = -(lab.gain_serve[0] + lab.gain_serve[3]);
    let (spillover, learning) = (-lab.gain_serve[1], -lab.gain_serve[2]);
    [whole, chips, own, spillover, learning, whole - chips - own - spillover - learning]
}

/// A firm's growth of cost and its parts.
static COST_GROWTH: [&Metric; COST_TERMS] =
    [&F_COST_WHOLE, &F_COST_CHIPS, &F_COST_OWN, &F_COST_SPILLOVER, &F_COST_LEARNING, &F_COST_SCALE];

/// The same of the groups: constrained, unconstrained.
static GROUP_COST_GROWTH: [[&Metric; COST_TERMS]; 2] = [
    [
        &CONSTRAINED_COST_WHOLE,
        &CONSTRAINED_COST_CHIPS,
        &CONSTRAINED_COST_OWN,
        &CONSTRAINED_COST_SPILLOVER,
        &CONSTRAINED_COST_LEARNING,
        &CONSTRAINED_COST_SCALE,
    ],
    [
        &UNCONSTRAINED_COST_WHOLE,
        &UNCONSTRAINED_COST_CHIPS,
        &UNCONSTRAINED_COST_OWN,
        &UNCONSTRAINED_COST_SPILLOVER,
        &UNCONSTRAINED_COST_LEARNING,
        &UNCONSTRAINED_COST_SCALE,
    ],
];

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { f64::NAN }
}

/// Slope of y on x from the sums n, Σx, Σy, Σxx, Σxy; not a number for fewer than two points.
#[must_use]
pub(crate) fn slope([n, x, y, xx, xy]: [f64; 5]) -> f64 {
    ratio(n * xy - x * y, n * xx - x * x)
}

/// Median of `values`, which is sorted in place.
#[must_use]
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Writes the market's metrics of the month.
pub(crate) fn measure(
    p: Res<MarketParameters>,
    clock: Res<Clock>,
    roster: Res<Roster>,
    trading: Res<Trading>,
    offers: Res<Offers>,
    outlook: Res<SpendOutlook>,
    mut readings: ResMut<Readings>,
    firms: Query<(&Firm, &Compute, &Lab)>,
    countries: Query<(&Country, &Demand)>,
    models: Res<ModelBook>,
    mut chronicle: ResMut<Chronicle>,
    mut buffers: Local<(Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>)>,
    mut groups: Local<Vec<Group>>,
    mut year_ago: Local<Vec<[f64; 3]>>,
    mut first: Local<Vec<Option<[f64; COST_TERMS]>>>,
) {
    first.resize(roster.firms.len(), None);
    let mut falls = [[0.0; COST_TERMS + 1]; 2];
    year_ago.resize(roster.firms.len(), [f64::NAN; 3]);
    let (t, hosted, options) = (&*trading, trading.hosted, trading.options());
    let (third_of, known, paid_to, list) = &mut *buffers;
    third_of.clear();
    third_of.resize(t.developers.len(), 0.0);
    known.clear();
    known.resize(t.developers.len(), 0.0);
    paid_to.clear();
    paid_to.resize(t.developers.len(), 0.0);
    let grown = maths::exp(p.tokens_per_request_growth * clock.years());
    let grown = grown.min(p.tokens_per_request_ceiling);
    let per_request = [p.tokens_per_request_big * grown, p.tokens_per_request_small * grown];

    let mut third = Third::default();
    let (mut tokens, mut china, mut paid, mut unserved) = (0.0, 0.0, 0.0, 0.0);
    let mut of_tier = [0.0; TIERS];
    let (mut open, mut abroad, mut third_spend) = (0.0, 0.0, 0.0);
    let mut open_constrained = 0.0;
    for (country, demand) in countries.iter_many(&roster.countries).flatten() {
        let c = country.id.index();
        let mut here = (0.0, 0.0, 0.0, 0.0, 0.0); // constrained, its money, profit, open, open constrained
        list.clear();
        let mut hosted_here = 0.0;
        let (used, open_used) = t.used[c * options..(c + 1) * options].split_at(hosted);
        let price =
            offers.price_usd_m.chunks_exact(TIERS).zip(offers.cost_usd_m.chunks_exact(TIERS));
        for ((used, (price, cost)), constrained) in
            used.chunks_exact(TIERS).zip(price).zip(&t.constrained)
        {
            let mut sold = 0.0;
            for (tier, used) in used.iter().enumerate() {
                of_tier[tier] += used;
                sold += used;
                if *constrained && *used > 0.0 {
                    here.1 += used * price[tier];
                    here.2 += used * (price[tier] - cost[tier]);
                }
            }
            hosted_here += sold;
            list.push(sold);
            here.0 += if *constrained { sold } else { 0.0 };
        }
        for (s, used) in open_used.iter().enumerate().filter(|(_, used)| **used > 0.0) {
            // Open models too take turns by tier.
            of_tier[s % TIERS] += used;
            here.3 += used;
            if t.constrained[t.origin[s]] {
                here.0 += used;
                here.1 += used * t.open_price[c * SELF_HOSTED + s];
                here.4 += used;
            }
            if country.row.third_market {
                third_of[t.origin[s]] += used;
            }
        }
        if country.row.third_market {
            for (third, sold) in third_of.iter_mut().zip(&*list) {
                *third += sold;
            }
        }
        tokens += demand.tokens_m;
        paid += demand.paid_usd;
        unserved += demand.unserved_usd;
        open += here.3;
        open_constrained += here.4;
        if country.row.bloc == Bloc::China {
            china += demand.tokens_m;
        } else {
            abroad += demand.spend_usd_year;
            for (d, firm) in t.developers.iter().enumerate() {
                known[d] += demand.awareness[firm.index()] * demand.spend_usd_year;
            }
        }
        if country.row.third_market {
            third.tokens += demand.tokens_m;
            third.constrained += here.0;
            third.open += here.4;
            third.paid += demand.paid_usd;
            third.paid_constrained += here.1;
            third.profit += here.2;
            third_spend += demand.spend_usd_year;
            for (d, firm) in t.developers.iter().enumerate() {
                paid_to[d] += demand.awareness[firm.index()] * demand.spend_usd_year;
            }
            if country.row.infrastructure_constraint >= p.poor_market_threshold {
                third.poor += demand.tokens_m;
                third.poor_constrained += here.0;
            }
            if demand.tokens_m > 0.0 {
                let (x, y) = (country.row.infrastructure_constraint, here.0 / demand.tokens_m);
                for (sum, term) in third.fit.iter_mut().zip([1.0, x, y, x * x, x * y]) {
                    *sum += term;
                }
            }
        }
        let leader = list
            .iter()
            .zip(t.constrained.iter().zip(&t.weights))
            .filter(|(_, (constrained, weights))| **constrained && **weights)
            .map(|(used, _)| *used)
            .fold(0.0, f64::max);
        readings.set_for(&C_TOKENS, c, demand.tokens_m / MILLION / DAYS);
        readings.set_for(&C_SPEND, c, demand.spend_usd_year);
        readings.set_for(&C_PAID, c, demand.paid_usd * 12.0);
        readings.set_for(&C_SHARE, c, ratio(here.0, demand.tokens_m));
        readings.set_for(&C_SHARE_SPEND, c, ratio(here.1, demand.paid_usd));
        readings.set_for(&C_OPEN, c, ratio(here.3, demand.tokens_m));
        readings.set_for(&C_LEADER, c, ratio(leader, hosted_here));
        readings.set_for(&C_NOTHING, c, demand.share[options]);
        readings.set_for(&C_UNSERVED, c, demand.unserved_usd * 12.0);
        readings.set_for(&C_HOST, c, demand.self_host_h100e);
    }

    let requests: f64 =
        of_tier.iter().zip(per_request).map(|(tokens, each)| tokens / each.max(1.0)).sum();

    // Of the constrained and the unconstrained: tokens, cost, energy, requests, their cost.
    let mut sums = [[0.0; 4]; 2];
    let (mut had, mut used_compute) = (0.0, 0.0);
    for (firm, compute, lab) in firms.iter_many(&roster.firms).flatten() {
        let i = firm.id.index();
        let capacity = if firm.row.developer {
            compute.serving_h100e.max(0.0)
        } else {
            t.hosts.iter().filter(|h| h.1.index() == i).map(|h| h.2).sum()
        };
        had += capacity;
        used_compute += capacity * compute.utilisation;
        readings.set_for(&F_USE, i, compute.utilisation);
        readings.set_for(&F_PRESSURE, i, t.pressure[i]);
        let Some(d) = t.developers.iter().position(|f| f.index() == i) else { continue };
        let (mut served, mut cost, mut replacement, mut energy, mut revenue) =
            (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut asked, mut request_cost) = (0.0, 0.0);
        let mut per = f64::NAN;
        let mut cheapest = (f64::NAN, f64::NAN, f64::NAN);
        for (k, requested) in (d * TIERS..(d + 1) * TIERS).zip(per_request) {
            if !t.quality[k].is_finite() {
                continue;
            }
            let equal =
                maths::exp10(p.serving_size_exponent * (t.quality[k] - p.reference_quality));
            per = (t.per_h100e[k] * equal).max(per);
            // `f64::min` takes the number where the other is none.
            cheapest = (
                offers.cost_usd_m[k].min(cheapest.0),
                offers.replacement_cost_usd_m[k].min(cheapest.1),
                offers.energy_kwh_m[k].min(cheapest.2),
            );
            let n = offers.tokens_m[k];
            served += n;
            cost += n * offers.cost_usd_m[k];
            replacement += n * offers.replacement_cost_usd_m[k];
            energy += n * offers.energy_kwh_m[k];
            revenue += offers.revenue_usd[k];
            asked += n / requested.max(1.0);
            request_cost += n * offers.cost_usd_m[k];
        }
        if let Some(sum) = match firm.row.group {
            Group::Constrained => Some(&mut sums[0]),
            Group::Unconstrained => Some(&mut sums[1]),
            Group::Neither => None,
        } {
            for (total, term) in sum.iter_mut().zip([served, cost, energy, asked]) {
                *total += term;
            }
        }
        let mean = |sum: f64, none: f64| if served > 0.0 { sum / served } else { none };
        if clock.now.month() == 1 {
            let now = [mean(cost, cheapest.0), t.unit_cost[i], lab.ln_a_serve];
            let before = std::mem::replace(&mut year_ago[i], now);
            let ln = |a: f64, b: f64| maths::ln(a / b);
            // Cost of a token = cost of compute / tokens per compute; the latter by efficiency, the rest
            // by the size of models and the mix of tiers.
            let fall = ln(before[0], now[0]);
            let (cheaper, frugal) = (ln(before[1], now[1]), now[2] - before[2]);
            let smaller = fall - cheaper - frugal;
            if fall.is_finite() && fall > 0.0 && smaller.is_finite() {
                let share = |x: f64| PERCENT * (1.0 - maths::exp(-x));
                let newest = models.deployed.get(i).and_then(|of| of.iter().flatten().max());
                let release = newest.and_then(|id| models.models[*id as usize].event);
                // Efficiency has many parents: replayed without the rule that turned a firm's research,
                // its costs fall as much. Only a release is named.
                let cause = release.filter(|_| smaller > cheaper && smaller > frugal);
                chronicle.log(
                    clock.now,
                    "serving_cost_fell",
                    (&firm.row.id, ""),
                    (share(fall), "% in a year"),
                    cause,
                    || {
                        format!(
                            "{} serves a token {:.0} % cheaper than a year ago: {:+.0} % by efficiency, \
                             {:+.0} % by price of compute, {:+.0} % by size of models and mix",
                            firm.row.name,
                            share(fall),
                            -share(frugal),
                            -share(cheaper),
                            -share(smaller)
                        )
                    },
                );
            }
        }
        let now = cost_terms(mean(cost, cheapest.0), t.unit_cost[i], lab);
        if now.iter().all(|x| x.is_finite()) {
            let before = *first[i].get_or_insert(now);
            let mut grown = now;
            for (term, before) in grown.iter_mut().zip(before) {
                *term -= before;
            }
            for (metric, term) in COST_GROWTH.iter().zip(grown) {
                readings.set_for(metric, i, term);
            }
            let side = match firm.row.group {
                Group::Constrained => Some(0),
                Group::Unconstrained => Some(1),
                Group::Neither => None,
            };
            if let Some(side) = side {
                for (sum, term) in falls[side].iter_mut().zip(grown.into_iter().chain([1.0])) {
                    *sum += term;
                }
            }
        }
        readings.set_for(&F_TOKENS, i, served / MILLION / DAYS);
        readings.set_for(&F_PRICE, i, ratio(revenue, served));
        readings.set_for(&F_COST, i, mean(cost, cheapest.0));
        readings.set_for(&F_REPLACEMENT, i, mean(replacement, cheapest.1));
        // Tokens in millions on both sides: cost (USD) over requests (millions).
        readings.set_for(&F_REQUEST, i, ratio(request_cost, asked * MILLION));
        readings.set_for(&F_MARGIN, i, 1.0 - ratio(cost, revenue));
        readings.set_for(&F_DENSITY, i, ratio(MILLION, mean(energy, cheapest.2) * JOULES_A_KWH));
        readings.set_for(&F_BIG, i, offers.price_usd_m[d * TIERS + Tier::Big as usize]);
        readings.set_for(&F_SMALL, i, offers.price_usd_m[d * TIERS + Tier::Small as usize]);
        readings.set_for(&F_SCARCITY, i, t.scarcity[i]);
        readings.set_for(&F_PER_H100E, i, per);
        readings.set_for(&F_AWARENESS, i, ratio(paid_to[d], third_spend));
        readings.set_for(&F_THIRD, i, ratio(third_of[d], third.tokens));
    }

    for (terms, metrics) in falls.iter().zip(GROUP_COST_GROWTH) {
        for (metric, sum) in metrics.iter().zip(terms) {
            readings.set(metric, ratio(*sum, terms[COST_TERMS]));
        }
    }

    // Costs at equal quality, flagship prices, the router's users.
    groups.clear();
    groups.extend(
        firms
            .iter_many(t.developers.iter().map(|f| roster.firms[f.index()]))
            .flatten()
            .map(|(firm, ..)| firm.row.group),
    );
    let group = |k: usize| groups[k / TIERS];
    let mut best = [[f64::NAN; 2]; 2]; // [constrained, unconstrained][cost, energy]
    let mut reference = f64::NAN;
    let finest = t.quality[..hosted].iter().copied().fold(f64::NAN, f64::max);
    let (mut router, mut router_constrained) = (0.0, 0.0);
    for k in 0..hosted {
        if !t.quality[k].is_finite() {
            continue;
        }
        let side = match group(k) {
            Group::Constrained => Some(0),
            Group::Unconstrained => Some(1),
            Group::Neither => None,
        };
        let below = t.quality[k] - finest;
        let equal = maths::exp10(-p.serving_size_exponent * below);
        if let Some(side) = side {
            best[side][0] = (offers.cost_usd_m[k] * equal).min(best[side][0]);
            best[side][1] = (offers.energy_kwh_m[k] * equal).min(best[side][1]);
        }
        if t.quality[k] >= p.reference_quality {
            reference = offers.price_usd_m[k].min(reference);
        }
        let w = if abroad > 0.0 { known[k / TIERS] / abroad } else { 0.0 };
        let odds = p.router_awareness_odds;
        let w = odds * w / (1.0 + (odds - 1.0) * w);
        let u = p.quality_weight * below - p.router_price_factor * p.price_weight * t.ln_price[k];
        let weight = if t.abroad[k / TIERS] { w * maths::exp(u) } else { 0.0 };
        router += weight;
        if side == Some(0) {
            router_constrained += weight;
        }
    }
    let mut flagship = |side: Group| {
        list.clear();
        list.extend(
            (0..hosted)
                .filter(|&k| {
                    offers.tier[k] == Tier::Big as usize
                        && offers.price_usd_m[k] > 0.0
                        && group(k) == side
                })
                .map(|k| offers.price_usd_m[k]),
        );
        median(list)
    };
    let prices = (flagship(Group::Constrained), flagship(Group::Unconstrained));

    let [constrained, unconstrained] = sums;
    for ([tokens, cost, energy, asked], metrics) in [
        (constrained, [&COST_CONSTRAINED, &REQUEST_CONSTRAINED, &DENSITY_CONSTRAINED]),
        (unconstrained, [&COST_UNCONSTRAINED, &REQUEST_UNCONSTRAINED, &DENSITY_UNCONSTRAINED]),
    ] {
        readings.set(metrics[0], ratio(cost, tokens));
        // Tokens and requests in millions.
        readings.set(metrics[1], ratio(cost, asked * MILLION));
        readings.set(metrics[2], ratio(tokens * MILLION, energy * JOULES_A_KWH));
    }
    readings.set(&OPEN_DOWNLOADS, ratio(open_constrained, open));
    readings.set(&AI_SPEND, outlook.spend_usd_year);
    readings.set(&AI_PAID, paid * 12.0);
    readings.set(&AI_UNSERVED, ratio(unserved, paid + unserved));
    readings.set(&TOKENS, tokens / MILLION / DAYS);
    readings.set(&TOKENS_CHINA, china / MILLION / DAYS);
    readings.set(&TOKENS_THIRD, third.tokens / MILLION / DAYS);
    readings.set(&REQUESTS, requests / THOUSAND / DAYS);
    readings.set(&MEAN_PRICE, ratio(paid, tokens));
    readings.set(&THIRD_SHARE, ratio(third.constrained, third.tokens));
    readings.set(&THIRD_SHARE_SPEND, ratio(third.paid_constrained, third.paid));
    readings.set(&THIRD_PROFIT, third.profit * 12.0);
    readings.set(&THIRD_SHARE_POOR, ratio(third.poor_constrained, third.poor));
    readings.set(&THIRD_SLOPE, slope(third.fit));
    readings.set(&THIRD_OPEN, ratio(third.open, third.tokens));
    readings.set(&COST_RATIO, best[0][0] / best[1][0]);
    readings.set(&ENERGY_RATIO, best[0][1] / best[1][1]);
    readings.set(&PRICE_RATIO, prices.0 / prices.1);
    readings.set(&REFERENCE_PRICE, reference);
    readings.set(&ROUTER_SHARE, ratio(router_constrained, router));
    readings.set(&SERVING_USE, ratio(used_compute, had));
    readings.set(&OPEN_SHARE, ratio(open, tokens));
}

/// Millions in a billion.
const THOUSAND: f64 = 1e3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_and_medians() {
        // Points (0, 1), (1, 3), (2, 5): slope 2.
        assert!((slope([3.0, 3.0, 9.0, 5.0, 13.0]) - 2.0).abs() < 1e-12);
        assert!(slope([1.0, 1.0, 1.0, 1.0, 1.0]).is_nan());
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }
}
