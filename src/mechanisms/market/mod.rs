//! The market for tokens: who buys how much AI, from whom, at what price.
//!
//! **Spend is the state, tokens follow** ([`demand`]). A country's AI spend `E` (USD/year)
//! grows by adoption, faster while AI gets better for its money:
//!
//! `d ln E = g_E (1 − (E / E_max)^s) pace^ν dt`
//!
//! - `g_E` (ln/year): the start's growth, or what a scripted `demand_growth` event says;
//! - `E_max = m · GDP · intensity` (USD/year); `s` shape of the saturation (Richards; 1 is the
//!   logistic curve; below 1 the slowdown begins earlier and lasts longer);
//! - `pace = clip(−Δ₁₂ P / pace₀)`, `P = Σ share_k (ln p_k − (μ_q / μ_p) q_k)` the ln
//!   quality-adjusted price (what a token costs less what its quality is worth); 1 until a year of prices is known, counted from
//!   the discovery of demand on, because what hardly anybody buys has no price to learn from.
//!
//! Planners expect the growth that they have heard of, times the pace that they have seen over a year.
//!
//! Tokens are spend over price, so a fall in price cannot feed on itself without end.
//!
//! **Awareness** `w` of a firm's models in a country: `w' = w + r n w (1 − w)`, nearness
//! `n = clip(2 − trail / gap, 0, 1)`: 1 while the firm's best tier trails the best on offer there by less
//! than a gap (dex), 0 beyond twice the gap. An offer that reaches a share of the country's users counts
//! `ln(share)/μ_q` less. What is talked about is quality, and a low price by as
//! much as a parameter says (0: not at all): `q − ω (μ_p / μ_q) ln p`. Scripted events multiply odds `w / (1 − w)`.
//!
//! **Offers** ([`offers`]). An H100e serves in a month
//! `tokens = T_m · A L / (A + L)`, `T_m` the model's tokens at `A_serve = 1` (falls with the size of its run),
//! `A` the developer's serving efficiency and `L` the multiple at which memory
//! traffic and arithmetic leave nothing to save: without it tokens would cost nothing in the end.
//! Cost of a token, fleet average: `(capital / life / chip share + running + energy + rent) / tokens`;
//! replacement: the same with today's cheapest chip × the shadow price κ. The posted price moves a
//! share a month towards
//!
//! `ln p* = ln cost + ln(1 + m₀) + m_q min(lead, cap) + ln(home factor) + scarcity`, and never below energy + running,
//!
//! `lead` = quality above the best alternative (dex): the best open model, or the best that a rival sells in
//! the developer's home market, less `ln(1/access)/μ_q` where it reaches a part of the users; the home factor stands for competition and subsidy among
//! Chinese hosts, `scarcity' = clip(scarcity + η_p clip(ln(pressure / target), −2, 2))`, pressure =
//! compute wanted at posted prices over compute for serving; idleness alone does not take it below a floor. A scripted price cut multiplies
//! posted prices and moves scarcity by its ln; while it lasts scarcity does not rise (a price
//! war rations). Cost, price and margin are three series: a price below cost is a subsidy.
//!
//! **Choice** ([`clearing`]): nested logit over *tokens*; nests are the hosted tiers of all
//! developers, open models on the country's own compute, and nothing.
//!
//! `V = μ_q q − μ_p ln p − μ_T D − latency − ration · unserved`, `P_k ∝ w_k a_k e^(u_k)` within a nest,
//! `u_k' = lock · u_k + (1 − lock) V_k / λ`, nest value `λ ln (Σ w a e^u / W)`, nothing = best offer − gap. Only
//! those choose who know somebody within reach, a part `W = 1 − Π (1 − w_d a_d)` over developers: the
//! discovery of AI is that somebody becomes known.
//!
//! Where infrastructure is short, price weighs more: `μ_p (1 + θ x)`, `x` the infrastructure constraint
//! (`θ = price_weight_poor`, counted from the price of the best offer, so that it moves shares and not their sum).
//!
//! Since `ln(share_k / w_k) = u_k − const`, this is `V + lock · ln share(t−1)` with the weights of `V`
//! scaled by `1 − lock`: lock-in sets how fast shares move, tastes set where to. A new offer starts
//! with `u = V/λ − entry`. `D = bloc distance + weight · |ideal point of the country − of the developer's home|`,
//! times a factor for open weights that one runs oneself. Access `a`: foreign APIs in China, US and
//! allied APIs in barred countries (tier 3), Chinese APIs in the US and its allies; latency where
//! no site of the developer's country stands. A developer sells at home from the month of its event
//! `service` on (no such event: always) and abroad from `service_abroad` on; until then nobody there can
//! choose it, and awareness of it does not grow, except where its weights may be used.
//!
//! **Hosts**, firms without models of their own, run open models on a part of their compute that moves as
//! developers' does: `s' = clip(s + r (min(pressure, 2) − target), floor, most)`, by country, 0 while no weights
//! may be used.
//!
//! **Clearing**: prices are posted; each firm's compute is one pool for its tiers, each country's
//! host compute one for its open models. What a pool cannot serve is rationed alike for all buyers; a
//! share of the money left over goes to options with free compute, in at most three passes; the
//! rest stays unspent and is counted.
//!
//! Sources: nested logit, Berry (1994), McFadden (1978); saturation, Richards (1959); prices and
//! volumes that the parameters are set from are named in `parameters.csv`.

use bevy_ecs::prelude::Resource;

use crate::entities::boards::{Offers, SELF_HOSTED, SpendOutlook};
use crate::entities::country::{BARRED_TIER, Bloc, CountryRow, Demand};
use crate::entities::firm::{FirmRow, Group};
use crate::entities::{CountryId, FirmId};

pub mod clearing;
pub mod demand;
pub mod measures;
pub mod offers;

pub use measures::METRICS;

crate::parameters! {
    /// Parameters of the market for tokens.
    pub struct MarketParameters in "market" {
        /// World AI spend in the first month, annual (USD/year).
        spend_start_usd_year,
        /// Start of AI spend in countries of the Chinese bloc, relative to their weight at saturation (1).
        spend_start_china_factor,
        /// Growth of AI spend before any scripted demand event (ln/year).
        spend_growth_start,
        /// Factor on the growth that scripted demand events set (1).
        demand_growth_scale,
        /// AI spend at saturation, share of GDP at an AI intensity of 1 (share).
        spend_max_gdp_share,
        /// Shape s of saturation (1 logistic; less: an earlier, longer slowdown).
        spend_saturation_shape,
        /// Fall of the ln quality-adjusted price at which growth is unchanged (ln/year).
        spend_pace_reference,
        /// Lowest pace (1).
        spend_pace_min,
        /// Highest pace (1).
        spend_pace_max,
        /// Exponent ν on pace (1).
        spend_pace_exponent,
        /// Speed at which planners take in news of growth (1/month).
        growth_expectation_speed,
        /// Months of prices over which planners judge the pace of demand (month).
        pace_memory_months,
        /// Growth r of awareness (1/month).
        awareness_growth,
        /// Gap to the best model within which awareness grows (dex).
        awareness_gap_dex,
        /// How much a low price is talked about, relative to its weight in choice (1).
        awareness_price_weight,
        /// Awareness at home of any developer in the first month (share).
        awareness_start_home,
        /// Awareness abroad of US developers in the first month (share).
        awareness_start_us,
        /// Awareness abroad of allied developers in the first month (share).
        awareness_start_allied,
        /// Awareness abroad of Chinese developers in the first month (share).
        awareness_start_china,
        /// Awareness abroad of non-aligned developers in the first month (share).
        awareness_start_nonaligned,
        /// Weight μ_q of quality in utility (1/dex).
        quality_weight,
        /// Weight μ_p of ln price in utility (1).
        price_weight,
        /// Extra weight of price in a country without infrastructure, share of μ_p (share).
        price_weight_poor,
        /// Weight μ_T of trust distance in utility (1).
        trust_weight,
        /// Lock-in: share of last month's habit that stays (1).
        lock,
        /// Utility lost where the developer's country has no site (1).
        latency_penalty,
        /// Utility lost for being turned away, at a share served of 0 (1).
        ration_penalty,
        /// Dissimilarity λ of the options within a nest (1).
        nest_dissimilarity,
        /// Habit that a new offer lacks (ln).
        entry_gap,
        /// How far nothing lies below the best offer anywhere (utility).
        outside_gap,
        /// Trust distance between China and the US or its allies (1).
        bloc_distance_aligned_china,
        /// Trust distance between non-aligned countries and China (1).
        bloc_distance_nonaligned_china,
        /// Trust distance between non-aligned countries and the US or its allies (1).
        bloc_distance_nonaligned_us,
        /// Trust distance for each unit of distance between ideal points (1).
        ideal_point_weight,
        /// Trust distance of an open model that one runs oneself, relative to its developer's API (1).
        open_trust_factor,
        /// Share of users in China whom foreign APIs reach (share).
        access_foreign_in_china,
        /// Share of users in barred countries whom US and allied APIs reach (share).
        access_us_in_barred,
        /// Share of users in the US and its allies whom Chinese APIs reach (share).
        access_china_in_aligned,
        /// Largest share of the serving compute of firms without models of their own that runs open models (share).
        self_host_share,
        /// Speed at which compute for serving follows demand (1/month); shared with data centres.
        service_share_adjustment,
        /// Least share of compute that serves (share); shared with data centres.
        serving_share_floor,
        /// Margin of hosts of open models over their cost (share).
        self_host_margin,
        /// Serving efficiency of hosts of open models, relative to the developer's own (1).
        self_host_efficiency,
        /// Speed at which posted prices move to their target (1/month).
        price_adjustment,
        /// Margin m₀ of a model that is no better than the best alternative (share).
        price_margin_base,
        /// ln of margin for each dex of quality above the best alternative (1/dex).
        price_margin_lead,
        /// Largest lead that is paid for (dex).
        price_lead_cap,
        /// Factor on the price that Chinese hosts ask: competition and subsidy (1).
        price_factor_china,
        /// Lowest price, in units of energy and running cost (1).
        price_floor_factor,
        /// Speed η_p of scarcity (1/month).
        scarcity_speed,
        /// Scarcity below which idle compute does not push prices (ln).
        scarcity_low,
        /// Highest scarcity (ln).
        scarcity_high,
        /// Utilisation of serving compute that hosts aim at (share).
        serving_utilisation_target,
        /// Share of the money turned away that goes to another option (share).
        spill_share,
        /// Multiple of the throughput at A_serve = 1 that physics allows (1).
        serving_gain_limit,
        /// Exponent ς: tokens of an H100e fall with the training compute of the model (1).
        serving_size_exponent,
        /// Annual running cost besides energy, share of the annual cost of chips (share).
        running_cost_share,
        /// Share of AI capex that buys accelerators (share).
        chip_share_of_ai_capex,
        /// Life of AI capital (month).
        chip_life_months,
        /// Power drawn by a server and its network for each watt of its accelerators (1).
        server_overhead,
        /// Tokens that a request to a big model takes in the first month (token).
        tokens_per_request_big,
        /// Tokens that a request to a small model takes in the first month (token).
        tokens_per_request_small,
        /// Growth of tokens per request: reasoning and agents (ln/year).
        tokens_per_request_growth,
        /// Largest multiple of tokens per request (1).
        tokens_per_request_ceiling,
        /// Quality of the model trained with 2.1e25 FLOP in 2022 (dex).
        reference_quality,
        /// Infrastructure constraint from which a third market counts as poor (share).
        poor_market_threshold,
        /// Price sensitivity of users of neutral routers, relative to everybody's (1).
        router_price_factor,
        /// Odds that a router's user knows a provider, relative to everybody's (1).
        router_awareness_odds,
    }
}

/// What the market remembers from month to month, and its buffers.
#[derive(Resource, Clone, Debug, Default)]
pub struct Trading {
    /// Firms that sell models of their own, in order.
    pub developers: Vec<FirmId>,
    /// Hosted options: tiers × developers.
    pub hosted: usize,
    /// Static part of utility over λ, `[country][developer]`: trust and latency.
    pub geography: Vec<f64>,
    /// Trust part of utility over λ for self-hosted models, `[country][developer]`.
    pub open_geography: Vec<f64>,
    /// Share of users whom a developer's API reaches, `[country][developer]`.
    pub access: Vec<f64>,
    /// Position of a developer's home, `[developer]`.
    pub home: Vec<usize>,
    /// Best quality that a developer has on sale, dex; minus infinity: nothing, `[developer]`.
    pub best: Vec<f64>,
    /// Whether a developer serves abroad, `[developer]`.
    pub abroad: Vec<bool>,
    /// Whether a developer's weights may be used by anybody, `[developer]`.
    pub weights: Vec<bool>,
    /// ln of what scarcity adds to the price, `[firm]`.
    pub scarcity: Vec<f64>,
    /// Compute wanted over compute for serving, `[firm]`.
    pub pressure: Vec<f64>,
    /// Share of wanted tokens that the firm served in the first pass, `[firm]`.
    pub served: Vec<f64>,
    /// Tokens of an H100e-month, millions, `[option but nothing]`.
    pub per_h100e: Vec<f64>,
    /// Quality, `[option but nothing]`; not a number when not on offer.
    pub quality: Vec<f64>,
    /// Developer (position) behind each self-hosted option.
    pub origin: [usize; SELF_HOSTED],
    /// Lowest price, USD per million tokens, `[hosted option]`.
    pub floor: Vec<f64>,
    /// ln of the posted price in quanta of the ledger, `[hosted option]`.
    pub ln_price: Vec<f64>,
    /// Whether a developer is of the constrained group, `[developer]`.
    pub constrained: Vec<bool>,
    /// Cost of an H100e-month, fleet average, USD, `[firm]`; not a number without compute.
    pub unit_cost: Vec<f64>,
    /// Cost of an H100e-month from chips bought today, USD, `[firm]`.
    pub unit_replacement: Vec<f64>,
    /// Energy and running cost of an H100e-month, USD, `[firm]`.
    pub unit_floor: Vec<f64>,
    /// Energy of an H100e-month, PUE included, kWh, `[firm]`.
    pub unit_energy: Vec<f64>,
    /// Compute that hosts offer for open models: country, host, H100e.
    pub hosts: Vec<(CountryId, FirmId, f64)>,
    /// Share of hosts' compute that runs open models, `[country]`.
    pub host_share: Vec<f64>,
    /// Compute wanted over compute of hosts, `[country]`.
    pub host_pressure: Vec<f64>,
    /// Share of wanted tokens that hosts served in the first pass, `[country]`.
    pub host_served: Vec<f64>,
    /// Price of self-hosted tokens, USD per million, `[country][self-hosted]`.
    pub open_price: Vec<f64>,
    /// Cost of an H100e-month of host compute, USD, `[country]`.
    pub open_unit: Vec<f64>,
    /// Shares of tokens of each option but nothing, `[country][option]`.
    pub shares: Vec<f64>,
    /// Share of nothing, `[country]`.
    pub nothing: Vec<f64>,
    /// Tokens used, millions, `[country][option]`.
    pub used: Vec<f64>,
    /// Money left to spend this month, USD, `[country]`.
    pub purse: Vec<f64>,
    /// Money that found no capacity, USD, `[country]`.
    pub unserved: Vec<f64>,
    /// Growth of spend in the world that planners have heard of, pace apart, ln/year.
    pub growth_heard: f64,
    /// Pace^ν that planners reckon with, 1.
    pub pace_seen: f64,
    /// Position of the newest model looked at, and best open models so far.
    pub scanned: usize,
}

/// The number of tiers in which a firm offers models.
pub const TIERS: usize = 2;

impl Trading {
    /// Options but nothing.
    pub(crate) const fn options(&self) -> usize {
        self.hosted + SELF_HOSTED
    }
}

/// Trust distance between a country and a developer's home.
#[must_use]
pub(crate) fn trust_distance(p: &MarketParameters, country: &CountryRow, home: &CountryRow) -> f64 {
    let aligned = |bloc| matches!(bloc, Bloc::Us | Bloc::Allied);
    let bloc = match (country.bloc, home.bloc) {
        (a, b) if a == b || (aligned(a) && aligned(b)) => 0.0,
        (Bloc::China, b) | (b, Bloc::China) if aligned(b) => p.bloc_distance_aligned_china,
        (Bloc::China, _) | (_, Bloc::China) => p.bloc_distance_nonaligned_china,
        _ => p.bloc_distance_nonaligned_us,
    };
    if country.id == home.id {
        return 0.0;
    }
    bloc + p.ideal_point_weight * (country.ideal_point - home.ideal_point).abs()
}

/// Share of a country's users whom the API of a developer from `home` reaches.
#[must_use]
pub(crate) fn access(p: &MarketParameters, country: &CountryRow, home: &CountryRow) -> f64 {
    let aligned = |row: &CountryRow| matches!(row.bloc, Bloc::Us | Bloc::Allied);
    if country.id == home.id || country.bloc == home.bloc {
        1.0
    } else if country.bloc == Bloc::China {
        p.access_foreign_in_china
    } else if country.tier >= BARRED_TIER && aligned(home) {
        p.access_us_in_barred
    } else if aligned(country) && home.bloc == Bloc::China {
        p.access_china_in_aligned
    } else {
        1.0
    }
}

/// What a world needs before its first month: the market's memory, empty offers, the outlook.
/// `sites` gives (owner's home, country) of every data centre.
#[must_use]
pub(crate) fn start(
    p: &MarketParameters,
    countries: &[CountryRow],
    firms: &[FirmRow],
    home_of: &[CountryId],
    sites: &[(CountryId, CountryId)],
) -> (Trading, Offers, SpendOutlook) {
    let developers: Vec<FirmId> =
        (0..firms.len()).filter(|&i| firms[i].developer).map(FirmId::at).collect();
    let hosted = developers.len() * TIERS;
    let options = hosted + SELF_HOSTED;
    let mut trading = Trading {
        hosted,
        scarcity: vec![0.0; firms.len()],
        pressure: vec![0.0; firms.len()],
        served: vec![1.0; firms.len()],
        per_h100e: vec![0.0; options],
        quality: vec![f64::NAN; options],
        floor: vec![f64::NAN; hosted],
        ln_price: vec![f64::NAN; hosted],
        home: developers.iter().map(|f| home_of[f.index()].index()).collect(),
        best: vec![f64::NEG_INFINITY; developers.len()],
        abroad: vec![true; developers.len()],
        weights: vec![false; developers.len()],
        constrained: developers
            .iter()
            .map(|f| firms[f.index()].group == Group::Constrained)
            .collect(),
        unit_cost: vec![f64::NAN; firms.len()],
        unit_replacement: vec![f64::NAN; firms.len()],
        unit_floor: vec![0.0; firms.len()],
        unit_energy: vec![0.0; firms.len()],
        host_pressure: vec![0.0; countries.len()],
        host_served: vec![1.0; countries.len()],
        host_share: vec![0.0; countries.len()],
        open_price: vec![f64::NAN; countries.len() * SELF_HOSTED],
        open_unit: vec![f64::NAN; countries.len()],
        shares: vec![0.0; countries.len() * options],
        nothing: vec![1.0; countries.len()],
        used: vec![0.0; countries.len() * options],
        purse: vec![0.0; countries.len()],
        unserved: vec![0.0; countries.len()],
        growth_heard: p.spend_growth_start,
        pace_seen: 1.0,
        ..Trading::default()
    };
    for (c, country) in countries.iter().enumerate() {
        for firm in &developers {
            let at_home = home_of[firm.index()];
            let home = &countries[at_home.index()];
            let distance = trust_distance(p, country, home);
            let local = at_home.index() == c
                || sites.iter().any(|(owner, place)| *owner == at_home && place.index() == c);
            let latency = if local { 0.0 } else { p.latency_penalty };
            let lambda = p.nest_dissimilarity;
            trading.geography.push((-p.trust_weight * distance - latency) / lambda);
            trading.open_geography.push(-p.trust_weight * p.open_trust_factor * distance / lambda);
            trading.access.push(access(p, country, home));
        }
    }
    let offers = Offers {
        firm: developers.iter().flat_map(|f| [*f; TIERS]).collect(),
        tier: developers.iter().flat_map(|_| 0..TIERS).collect(),
        price_usd_m: vec![f64::NAN; hosted],
        quality: vec![f64::NAN; hosted],
        cost_usd_m: vec![f64::NAN; hosted],
        replacement_cost_usd_m: vec![f64::NAN; hosted],
        energy_kwh_m: vec![f64::NAN; hosted],
        tokens_m: vec![0.0; hosted],
        revenue_usd: vec![0.0; hosted],
        self_hosted: [None; SELF_HOSTED],
    };
    trading.developers = developers;
    let max = countries.iter().map(|row| spend_max(p, row)).sum();
    let outlook = SpendOutlook {
        spend_usd_year: p.spend_start_usd_year,
        spend_max_usd_year: max,
        expected_growth: p.spend_growth_start,
        saturation_shape: p.spend_saturation_shape,
        event: None,
    };
    (trading, offers, outlook)
}

/// AI spend of a country at saturation, USD/year.
fn spend_max(p: &MarketParameters, row: &CountryRow) -> f64 {
    const USD_PER_BN: f64 = 1e9;
    p.spend_max_gdp_share * row.gdp_usd_bn * USD_PER_BN * row.ai_intensity
}

/// Demand of country `c` in the first month. Spend is spread by GDP × AI intensity; China, where
/// services for the public waited for licences, begins with a part of that.
#[must_use]
pub(crate) fn demand_of(
    p: &MarketParameters,
    c: usize,
    countries: &[CountryRow],
    firms: &[FirmRow],
    home_of: &[CountryId],
) -> Demand {
    let row = &countries[c];
    let max = spend_max(p, row);
    let world: f64 = countries.iter().map(|row| spend_max(p, row)).sum();
    let developers = firms.iter().filter(|row| row.developer).count();
    let options = developers * TIERS + SELF_HOSTED;
    let awareness = (0..firms.len())
        .map(|i| {
            let home = &countries[home_of[i].index()];
            if home.id == row.id {
                return p.awareness_start_home;
            }
            match home.bloc {
                Bloc::Us => p.awareness_start_us,
                Bloc::Allied => p.awareness_start_allied,
                Bloc::China => p.awareness_start_china,
                Bloc::Nonaligned => p.awareness_start_nonaligned,
            }
        })
        .collect();
    let mut share = vec![0.0; options + 1];
    share[options] = 1.0;
    Demand {
        spend_usd_year: if world > 0.0 {
            let late = if row.bloc == Bloc::China { p.spend_start_china_factor } else { 1.0 };
            p.spend_start_usd_year * late * max / world
        } else {
            0.0
        },
        spend_max_usd_year: max,
        ln_price_history: [0.0; 13],
        share,
        awareness,
        tokens_m: 0.0,
        constrained_tokens_m: 0.0,
        paid_usd: 0.0,
        unserved_usd: 0.0,
        self_host_h100e: 0.0,
        self_host_scarcity: 0.0,
        habit: vec![f64::NEG_INFINITY; options],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::blank;

    fn country(id: &str, bloc: Bloc, tier: i64, ideal_point: f64) -> CountryRow {
        CountryRow { bloc, tier, ideal_point, ..blank(id) }
    }

    #[test]
    fn trust_and_access_follow_blocs_and_votes() {
        let mut p = MarketParameters::from_values(&mut |_| 1.0);
        (p.bloc_distance_nonaligned_china, p.ideal_point_weight) = (0.5, 0.1);
        (p.access_foreign_in_china, p.access_us_in_barred, p.access_china_in_aligned) =
            (0.1, 0.2, 0.3);
        let chn = country("chn", Bloc::China, 3, -1.2);
        let deu = country("deu", Bloc::Allied, 1, 1.2);
        let ind = country("ind", Bloc::Nonaligned, 2, -0.57);
        let rus = country("rus", Bloc::Nonaligned, 3, -1.27);
        let usa = country("usa", Bloc::Us, 0, 2.0);
        // India to China: 0.5 + 0.1 · |−0.57 + 1.2| = 0.563.
        assert!((trust_distance(&p, &ind, &chn) - 0.563).abs() < 1e-12);
        // Germany to the US: no bloc distance, 0.1 · |1.2 − 2.0| = 0.08.
        assert!((trust_distance(&p, &deu, &usa) - 0.08).abs() < 1e-12);
        assert_eq!(trust_distance(&p, &chn, &chn), 0.0);
        assert_eq!(access(&p, &chn, &usa), 0.1);
        assert_eq!(access(&p, &rus, &usa), 0.2);
        assert_eq!(access(&p, &rus, &chn), 1.0);
        assert_eq!(access(&p, &usa, &chn), 0.3);
        assert_eq!(access(&p, &ind, &usa), 1.0);
    }
}
