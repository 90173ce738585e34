//! How a budget spreads over the ways to spend it.
//!
//! Shares nest SKUs in (vendor, channel): `s* ∝ weight · (min c of the nest)^(−γ)`, within a nest
//! `∝ c^(−γ_n)` over its three cheapest SKUs; a near-identical SKU splits its nest and no more. A buyer takes a platform up
//! and leaves it over some months, `s' = s + v (s* − s)` by channel and platform (qualification, software, contracts), over those that are open; a variant is the platform of its parent.
//! Guidance caps the share of the budget that goes into imports at `a_i` times what it would be.

use super::ProcurementParameters;
use super::survey::Candidate;
use crate::entities::order::Channel;
use crate::maths;

/// Sets the share of each candidate: nested logit, taken up over some months by channel and platform, then
/// guidance's cap on imports. `habit` is what the firm gives to each, by `Candidate::slot`; `slots` is a buffer.
pub(super) fn share_out(
    candidates: &mut [Candidate],
    habit: &mut Vec<f64>,
    slots: &mut Vec<usize>,
    p: &ProcurementParameters,
) {
    let cheapest = candidates.iter().map(|c| c.cost).fold(f64::INFINITY, f64::min);
    if !cheapest.is_finite() || cheapest <= 0.0 {
        return;
    }
    let all = nest(candidates, cheapest, p);
    let known = take_up(candidates, all, habit, slots, p);
    if known <= 0.0 {
        return;
    }
    let_in(candidates, known);
    drop_small(candidates, p);
}

/// Weighs the candidates by a nested logit; gives the sum of their weights.
fn nest(candidates: &mut [Candidate], cheapest: f64, p: &ProcurementParameters) -> f64 {
    // Candidates of a nest stand together, cheapest first.
    let mut all = 0.0;
    for nest in candidates.chunk_by_mut(|a, b| a.channel == b.channel && a.vendor == b.vendor) {
        let least = nest[0].cost;
        let abroad = matches!(nest[0].channel, Channel::Offshore | Channel::Rental);
        let weight = if abroad { p.abroad_weight } else { 1.0 };
        let of_nest = weight * maths::pow(cheapest / least, p.channel_elasticity);
        let mut within = 0.0;
        for candidate in nest.iter_mut() {
            candidate.share = maths::pow(least / candidate.cost, p.sku_elasticity);
            within += candidate.share;
        }
        for candidate in nest {
            candidate.share *= of_nest / within;
        }
        all += of_nest;
    }
    all
}

/// Moves what the firm gives to each channel and platform towards the weights, and shares by that; gives the sum of shares.
fn take_up(
    candidates: &mut [Candidate],
    all: f64,
    habit: &mut Vec<f64>,
    slots: &mut Vec<usize>,
    p: &ProcurementParameters,
) -> f64 {
    // What is bought now stands at the end, with the newest SKUs.
    let none = habit.iter().rev().all(|h| *h <= 0.0);
    let speed = if none { 1.0 } else { p.habit_speed.clamp(0.0, 1.0) };
    for h in habit.iter_mut() {
        *h *= 1.0 - speed;
    }
    slots.clear();
    for candidate in candidates.iter() {
        let slot = candidate.slot();
        slots.push(slot);
        if slot >= habit.len() {
            habit.resize(slot + 1, 0.0);
        }
        habit[slot] += speed * candidate.share / all;
    }
    // Candidates of one platform (a chip that may still be imported, and its variant) part what it has by 1/c.
    let mut known = 0.0;
    let variants = candidates.iter().any(|c| c.platform != c.sku);
    for at in 0..candidates.len() {
        let (slot, own) = (slots[at], candidates[at].cost.recip());
        // Only variants share a platform with another chip.
        let all = if variants {
            let alike = candidates.iter().zip(&*slots).filter(|(_, of)| **of == slot);
            alike.map(|(c, _)| c.cost.recip()).sum::<f64>()
        } else {
            own
        };
        candidates[at].share = habit[slot] * (own / all);
        known += candidates[at].share;
    }
    known
}

/// Makes shares sum to one, and gives to others what guidance keeps from imports.
fn let_in(candidates: &mut [Candidate], known: f64) {
    let (mut freed, mut taking) = (0.0, 0.0);
    for candidate in candidates.iter_mut() {
        candidate.share /= known;
        if candidate.admitted < 1.0 {
            freed += candidate.share * (1.0 - candidate.admitted);
            candidate.share *= candidate.admitted;
        } else {
            taking += candidate.share;
        }
    }
    if freed > 0.0 && taking > 0.0 {
        for candidate in candidates.iter_mut().filter(|c| c.admitted >= 1.0) {
            candidate.share *= 1.0 + freed / taking;
        }
    }
}

/// Drops shares too small to be worth a contract: the rest takes them. What guidance keeps from imports and nobody else
/// may have stays unspent.
fn drop_small(candidates: &mut [Candidate], p: &ProcurementParameters) {
    let placed: f64 = candidates.iter().map(|c| c.share).sum();
    let mut left = 0.0;
    for candidate in candidates.iter_mut() {
        if candidate.share < p.smallest_channel_share {
            candidate.share = 0.0;
        }
        left += candidate.share;
    }
    if left > 0.0 {
        for candidate in candidates.iter_mut() {
            candidate.share *= placed / left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::{SkuId, VendorId};

    fn parameters() -> ProcurementParameters {
        ProcurementParameters::from_values(&mut |name| match name {
            "sku_elasticity" => 4.0,
            "channel_elasticity" => 2.0,
            "abroad_weight" => 0.5,
            "habit_speed" => 1.0,
            _ => 0.0,
        })
    }

    #[test]
    fn shares_of_a_channel_that_guidance_closes_are_not_lost() {
        let mut candidates = Vec::<Candidate>::new();
        share_out(&mut candidates, &mut Vec::new(), &mut Vec::new(), &parameters());
        assert!(candidates.is_empty());
    }

    #[test]
    fn a_firm_takes_up_a_platform_over_some_months() {
        let candidate = |vendor: u16, cost: f64| Candidate {
            channel: Channel::Import,
            vendor: VendorId(vendor),
            sku: SkuId(vendor),
            platform: SkuId(vendor),
            cost,
            admitted: 1.0,
            price_usd: cost,
            system_usd: cost,
            fee_usd: 0.0,
            usd_per_work: cost,
            hazard: 0.0,
            rule: None,
            share: 0.0,
            pooled: true,
        };
        let mut p = parameters();
        p.habit_speed = 0.25;
        let mut habit = Vec::new();
        // Alone, the first vendor has all.
        let mut one = vec![candidate(0, 1.0)];
        share_out(&mut one, &mut habit, &mut Vec::new(), &p);
        assert!((one[0].share - 1.0).abs() < 1e-12);
        // A second at half the cost, elasticity 2: it would have 4/5, and has 0.25 · 0.8 = 0.2 after a month,
        // 0.75 · 0.2 + 0.2 = 0.35 after two.
        let mut two = vec![candidate(0, 1.0), candidate(1, 0.5)];
        share_out(&mut two, &mut habit, &mut Vec::new(), &p);
        assert!((two[1].share - 0.2).abs() < 1e-12);
        share_out(&mut two, &mut habit, &mut Vec::new(), &p);
        assert!((two[1].share - 0.35).abs() < 1e-12);
        // Closed, the first leaves everything to the second.
        let mut last = vec![candidate(1, 0.5)];
        share_out(&mut last, &mut habit, &mut Vec::new(), &p);
        assert!((last[0].share - 1.0).abs() < 1e-12);
    }
}
