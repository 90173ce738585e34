//! How much a country wants to spend on AI, and whose models it knows.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::{MarketParameters, TIERS, Trading};
use crate::entities::boards::{Offers, SpendOutlook};
use crate::entities::chronicle::Chronicle;
use crate::entities::country::{Country, Demand};
use crate::entities::firm::Firm;
use crate::entities::script::{Script, ShockKind};
use crate::entities::{Clock, Roster, Settings, Switches};
use crate::maths;

/// Moves the AI spend of every country by adoption, and the planners' view of its growth.
pub(crate) fn grow_spend(
    p: Res<MarketParameters>,
    clock: Res<Clock>,
    script: Res<Script>,
    roster: Res<Roster>,
    mut trading: ResMut<Trading>,
    mut outlook: ResMut<SpendOutlook>,
    mut chronicle: ResMut<Chronicle>,
    mut countries: Query<(&Country, &mut Demand)>,
) {
    for (at, shock) in script.beginning(clock.now) {
        if shock.kind == ShockKind::DemandGrowth {
            let cause = script.happened.get(at).copied().flatten();
            let event = chronicle.log(
                clock.now,
                "demand_discovered",
                (&shock.id, ""),
                (shock.quantity * p.demand_growth_scale, "ln/year"),
                cause,
                || format!("AI spend now grows by {} ln/year: {}", shock.quantity, shock.name),
            );
            // A change in some countries alone does not move the world's plans.
            if shock.subjects.is_empty() {
                outlook.event = Some(event);
            }
        }
    }
    let first = clock.elapsed() == 0;
    let priced = months_priced(&script, &clock);
    let (mut before, mut after, mut most, mut news, mut free) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let demand = &mut *demand;
        before += demand.spend_usd_year;
        if !first {
            let discovered = scripted_growth(&p, &script, &clock, &country.row.id);
            let growth = discovered * pace(&p, demand, priced);
            news += discovered * demand.spend_usd_year;
            free += growth * demand.spend_usd_year;
            demand.spend_usd_year *= maths::exp(growth * room(&p, demand) / 12.0);
        }
        after += demand.spend_usd_year;
        most += demand.spend_max_usd_year;
    }
    outlook.spend_usd_year = after;
    outlook.spend_max_usd_year = most;
    if !first && before > 0.0 {
        // Planners see growth and saturation apart, and what everybody has heard of apart from the prices of one month.
        trading.growth_heard += p.growth_expectation_speed * (news / before - trading.growth_heard);
        let paced = if news > 0.0 { free / news } else { 1.0 };
        trading.pace_seen += (paced - trading.pace_seen) / p.pace_memory_months.max(1.0);
        outlook.expected_growth = trading.growth_heard * trading.pace_seen;
    }
}

/// Growth g_E of a country, ln/year: of the scripted events at work that name it (or
/// nobody), the last to begin.
fn scripted_growth(p: &MarketParameters, script: &Script, clock: &Clock, id: &str) -> f64 {
    script
        .at_work(ShockKind::DemandGrowth, clock.now)
        .filter(|shock| shock.subjects.is_empty() || shock.subjects.iter().any(|s| s == id))
        .last()
        .map_or(p.spend_growth_start, |shock| shock.quantity * p.demand_growth_scale)
}

/// 1 − (E / E_max)^s, not below 0.
fn room(p: &MarketParameters, demand: &Demand) -> f64 {
    if demand.spend_max_usd_year <= 0.0 {
        return 0.0;
    }
    let f = demand.spend_usd_year / demand.spend_max_usd_year;
    (1.0 - maths::pow(f, p.spend_saturation_shape)).max(0.0)
}

/// Months for which prices have told planners something: since demand was first discovered, because what hardly
/// anybody buys has no price to learn from; since the start where no event discovers it.
fn months_priced(script: &Script, clock: &Clock) -> i32 {
    let discovered = script
        .shocks
        .iter()
        .filter(|shock| shock.kind == ShockKind::DemandGrowth && shock.month <= clock.now)
        .map(|shock| clock.now - shock.month)
        .max();
    clock.elapsed().min(discovered.unwrap_or(i32::MAX))
}

/// pace^ν from the fall of the ln quality-adjusted price over twelve months; 1 until a
/// year of prices is known.
fn pace(p: &MarketParameters, demand: &Demand, priced: i32) -> f64 {
    if priced <= 12 || p.spend_pace_exponent == 0.0 || p.spend_pace_reference <= 0.0 {
        return 1.0;
    }
    let fall = demand.ln_price_history[12] - demand.ln_price_history[0];
    let pace = (fall / p.spend_pace_reference).clamp(p.spend_pace_min, p.spend_pace_max);
    maths::pow(pace, p.spend_pace_exponent)
}

/// What a hosted tier is worth to talk about, dex: its quality less what its price takes from it.
fn renown(p: &MarketParameters, offers: &Offers, tier: usize, quantum: f64) -> f64 {
    let (quality, price) = (offers.quality[tier], offers.price_usd_m[tier]);
    if !quality.is_finite() || price <= 0.0 || !price.is_finite() || p.quality_weight <= 0.0 {
        return f64::NEG_INFINITY;
    }
    quality
        - p.awareness_price_weight * p.price_weight / p.quality_weight * maths::ln(price / quantum)
}

/// Awareness after its odds were multiplied by `odds`.
fn multiply_odds(w: f64, odds: f64) -> f64 {
    let after = 1.0 + w * (odds - 1.0);
    if after > 0.0 { (w * odds / after).clamp(0.0, 1.0) } else { w }
}

/// Lets awareness of each developer grow where its best model is near the best on offer there.
pub(crate) fn spread_awareness(
    p: Res<MarketParameters>,
    settings: Res<Settings>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    script: Res<Script>,
    roster: Res<Roster>,
    trading: Res<Trading>,
    offers: Res<Offers>,
    mut chronicle: ResMut<Chronicle>,
    firms: Query<&Firm>,
    mut countries: Query<(&Country, &mut Demand)>,
    mut renowns: Local<Vec<f64>>,
    mut jumps: Local<Vec<f64>>,
    mut reach: Local<Vec<f64>>,
) {
    jumps.clear();
    for (at, shock) in script.beginning(clock.now) {
        if shock.kind == ShockKind::Awareness {
            jumps.resize(trading.developers.len(), 1.0);
            let cause = script.happened.get(at).copied().flatten();
            let whom = shock.subjects.first().map_or("", String::as_str);
            chronicle.log(
                clock.now,
                "awareness_jumped",
                (whom, &shock.id),
                (shock.quantity, "1"),
                cause,
                || format!("odds of awareness × {}: {}", shock.quantity, shock.name),
            );
        }
    }
    let developers = trading.developers.len();
    renowns.clear();
    renowns.extend((0..developers).map(|d| {
        (d * TIERS..(d + 1) * TIERS)
            .map(|tier| renown(&p, &offers, tier, settings.quantum))
            .fold(f64::NEG_INFINITY, f64::max)
    }));
    // Most months nobody's odds jump.
    let developing = trading.developers.iter().map(|f| roster.firms[f.index()]);
    for (jump, firm) in jumps.iter_mut().zip(firms.iter_many(developing).flatten()) {
        *jump = script
            .beginning(clock.now)
            .filter(|(_, shock)| {
                shock.kind == ShockKind::Awareness
                    && (shock.subjects.is_empty() || shock.subjects.contains(&firm.row.id))
            })
            .map(|(_, shock)| shock.quantity)
            .product();
    }
    // Access never changes.
    if reach.is_empty() {
        reach.extend(trading.access.iter().map(|access| reach_of(&p, *access)));
    }
    let mut each = countries.iter_many_mut(&roster.countries);
    while let Some(Ok((country, mut demand))) = each.fetch_next() {
        let c = country.id.index();
        if !switches.awareness {
            for firm in &trading.developers {
                demand.awareness[firm.index()] = 1.0;
            }
            continue;
        }
        let best =
            best_within_reach(&trading, &renowns, &reach[c * developers..(c + 1) * developers], c);
        for (d, firm) in trading.developers.iter().enumerate() {
            let w = &mut demand.awareness[firm.index()];
            if let Some(jump) = jumps.get(d) {
                *w = multiply_odds(*w, *jump);
            }
            // Who is known to all, or sells nothing there, gains nobody.
            if *w < 1.0 && (trading.abroad[d] || trading.weights[d] || trading.home[d] == c) {
                let near = nearness(&p, best - renowns[d]);
                *w = (*w + near * p.awareness_growth * *w * (1.0 - *w)).min(1.0);
            }
        }
    }
}

/// 1 for a provider that trails by no more than the gap, 0 beyond twice the gap.
fn nearness(p: &MarketParameters, trail: f64) -> f64 {
    if trail.is_finite() && p.awareness_gap_dex > 0.0 {
        (2.0 - trail / p.awareness_gap_dex).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// What reaching a part of the users only takes from renown, dex: `ln(access)/μ_q`.
fn reach_of(p: &MarketParameters, access: f64) -> f64 {
    if access > 0.0 && p.quality_weight > 0.0 {
        maths::ln(access) / p.quality_weight
    } else {
        f64::NEG_INFINITY
    }
}

/// The renown to be measured by in country `c`: the best that is on offer there, less what reaching a part of the users
/// takes from it, `reach` (see [`reach_of`]).
fn best_within_reach(t: &Trading, renowns: &[f64], reach: &[f64], c: usize) -> f64 {
    let renowns = renowns.iter().zip(reach).enumerate();
    let on_offer = renowns.filter(|(d, _)| t.abroad[*d] || t.home[*d] == c);
    on_offer.map(|(_, (renown, reach))| renown + reach).fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Month;
    use crate::entities::script::ShockRow;

    fn demand(spend: f64, max: f64) -> Demand {
        Demand {
            spend_usd_year: spend,
            spend_max_usd_year: max,
            ln_price_history: [0.0; 13],
            share: Vec::new(),
            awareness: Vec::new(),
            tokens_m: 0.0,
            constrained_tokens_m: 0.0,
            paid_usd: 0.0,
            unserved_usd: 0.0,
            self_host_h100e: 0.0,
            self_host_scarcity: 0.0,
            habit: Vec::new(),
        }
    }

    #[test]
    fn growth_slows_towards_saturation_and_with_the_pace_of_prices() {
        let mut p = MarketParameters::from_values(&mut |_| 1.0);
        p.spend_saturation_shape = 0.5;
        // f = 0.25, s = 0.5: room = 1 − 0.5 = 0.5.
        assert!((room(&p, &demand(25.0, 100.0)) - 0.5).abs() < 1e-12);
        assert_eq!(room(&p, &demand(100.0, 100.0)), 0.0);
        assert_eq!(room(&p, &demand(1.0, 0.0)), 0.0);
        // A fall of 0.5 against a reference of 2 with ν = 0.5: (1/4)^(1/2) = 0.5.
        (p.spend_pace_reference, p.spend_pace_exponent) = (2.0, 0.5);
        (p.spend_pace_min, p.spend_pace_max) = (0.1, 2.0);
        let mut d = demand(1.0, 100.0);
        d.ln_price_history[12] = 0.5;
        assert!((pace(&p, &d, 20) - 0.5).abs() < 1e-12);
        assert_eq!(pace(&p, &d, 12), 1.0);
        // A rise is clipped at the lowest pace: 0.1^0.5 = 0.31623.
        d.ln_price_history[0] = 3.0;
        assert!((pace(&p, &d, 20) - 0.316_227_766).abs() < 1e-9);
    }

    #[test]
    fn prices_tell_from_the_discovery_of_demand_on() {
        let start = Month::new(2022, 1);
        let at = |months: i32| Clock { start, now: start + months, end: start + 60 };
        let mut script = Script::default();
        assert_eq!(months_priced(&script, &at(20)), 20);
        script.shocks.push(ShockRow {
            id: "found".to_owned(),
            name: String::new(),
            month: start + 11,
            kind: ShockKind::DemandGrowth,
            subjects: Vec::new(),
            quantity: 1.5,
            months: None,
            caused_by: None,
            source: String::new(),
        });
        // Before anybody knows of it the start counts; after it, the months since.
        assert_eq!(months_priced(&script, &at(10)), 10);
        assert_eq!(months_priced(&script, &at(20)), 9);
    }

    #[test]
    fn providers_are_measured_by_what_is_within_reach() {
        let mut p = MarketParameters::from_values(&mut |_| 1.0);
        (p.quality_weight, p.awareness_gap_dex) = (2.0, 0.5);
        let t = Trading {
            home: vec![0, 1],
            abroad: vec![true, false],
            // The foreign one reaches a seventh of the users of country 1.
            access: vec![1.0, 1.0, 1.0 / 7.0, 1.0],
            ..Trading::default()
        };
        let renowns = [26.0, 25.3];
        let reach: Vec<f64> = t.access.iter().map(|access| reach_of(&p, *access)).collect();
        assert_eq!(best_within_reach(&t, &renowns, &reach[..2], 0), 26.0);
        // 26 − ln 7 / 2 = 25.027 < 25.3: the domestic one leads at home.
        assert_eq!(best_within_reach(&t, &renowns, &reach[2..], 1), 25.3);
        assert_eq!(nearness(&p, 0.0), 1.0);
        assert!((nearness(&p, 0.7) - 0.6).abs() < 1e-12);
        assert_eq!(nearness(&p, 1.1), 0.0);
        assert_eq!(nearness(&p, f64::INFINITY), 0.0);
    }

    #[test]
    fn events_multiply_the_odds_of_awareness() {
        // Odds 1/99 × 100 = 100/99: w = 100/199.
        assert!((multiply_odds(0.01, 100.0) - 100.0 / 199.0).abs() < 1e-12);
        assert_eq!(multiply_odds(0.3, 1.0), 0.3);
        assert_eq!(multiply_odds(1.0, 5.0), 1.0);
        assert_eq!(multiply_odds(0.5, 0.0), 0.0);
    }

    #[test]
    fn expected_spend_follows_the_richards_curve() {
        // s = 1: E x / (1 + f (x − 1)) with E = 10, E_max = 100, x = e^(2·0.6931472) = 4:
        // 40 / (1 + 0.1 · 3) = 30.769.
        let mut outlook = SpendOutlook {
            spend_usd_year: 10.0,
            spend_max_usd_year: 100.0,
            expected_growth: maths::ln(2.0),
            saturation_shape: 1.0,
            event: None,
        };
        assert!((outlook.expected(2.0) - 30.769_230_77).abs() < 1e-6);
        // s = 0.5: f^s = 0.31623, x^s = 2: 40 / 1.31623² = 23.089.
        outlook.saturation_shape = 0.5;
        assert!((outlook.expected(2.0) - 23.0889).abs() < 1e-3);
        // At saturation nothing more is expected.
        outlook.spend_usd_year = 100.0;
        assert!((outlook.expected(2.0) - 100.0).abs() < 1e-9);
    }
}
