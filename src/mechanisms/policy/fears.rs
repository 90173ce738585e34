//! What buyers must expect of rules to come.
//!
//! **Hazard** that a stricter rule comes, felt for each country of headquarters: 1 where an announced
//! rule will catch a chip that may be bought now, else the largest over regulators of
//! `Λ(a₀ + a_h h + a_g (lag* − lag))`, of last month's h and lag; 0 unless some chip rule of that
//! regulator has been announced for that country and its regime is active. The *feared* rule has the
//! minima of the last announced one × `exp(−x)` and no ceilings.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use super::PolicyParameters;
use super::stance::gap;
use crate::calendar::Month;
use crate::entities::boards::{Fears, Frontier};
use crate::entities::chip::{Catalogue, Sku};
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Clause, Rule, RuleKind, Rulebook, Treatment, Verdict};
use crate::entities::{Clock, CountryId, Roster, RuleId, Switches};
use crate::maths;

/// Chance that a stricter rule comes, from last month's stance and lag.
fn hazard(p: &PolicyParameters, h: f64, gap_months: f64) -> f64 {
    maths::logistic(p.hazard_base + p.hazard_stance_slope * h + p.hazard_gap_slope * gap_months)
}

/// Fears that rest on stance alone; announced rules are added by [`publish_fears`].
pub(crate) fn judge_hazard(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    frontier: Res<Frontier>,
    book: Res<Rulebook>,
    regulators: Query<(&Regulator, &Stance)>,
    mut fears: ResMut<Fears>,
    mut concerned: Local<(Option<u64>, Vec<Vec<bool>>)>,
) {
    let (seen, concerned) = &mut *concerned;
    if *seen != Some(book.revision) {
        *seen = Some(book.revision);
        concerned.resize_with(roster.regulators.len(), Vec::new);
        for concerned in &mut *concerned {
            concerned.clear();
            concerned.resize(roster.countries.len(), false);
        }
        for rule in book.rules.iter().filter(|rule| strict_chip_rule(&book, rule, clock.now)) {
            let Some(concerned) = concerned.get_mut(rule.issuer.index()) else { continue };
            for (at, concerned) in concerned.iter_mut().enumerate() {
                *concerned |= rule.covers_lane(CountryId::at(at), CountryId::at(at));
            }
        }
    }
    fears.hazard.clear();
    fears.hazard.resize(roster.countries.len(), 0.0);
    if !switches.anticipation {
        return;
    }
    for (regulator, stance) in regulators.iter_many(&roster.regulators).flatten() {
        let regime = regulator.regime.index();
        if !book.regime_active.get(regime).copied().unwrap_or(false)
            || !book.regime_begun.get(regime).copied().unwrap_or(false)
        {
            continue;
        }
        let felt = hazard(&p, stance.h, gap(regulator, &frontier));
        for (fear, concerned) in fears.hazard.iter_mut().zip(&concerned[regulator.id.index()]) {
            if *concerned {
                *fear = fear.max(felt);
            }
        }
    }
}

/// Whether a rule on chips asks for a licence that may be refused, catches chips, and is announced and
/// not over.
fn strict_chip_rule(book: &Rulebook, rule: &Rule, now: Month) -> bool {
    rule.row.kind == RuleKind::ChipExport
        && rule.row.treatment >= Treatment::CaseByCase
        && book.catches[rule.id.index()]
        && rule.is_live(now)
}

/// Rules on chips for firms that no rule names, of a country and delivered there, and any that could replace them.
#[derive(Debug, Default)]
struct Bars {
    rules: Vec<RuleId>,
    replacing: Vec<RuleId>,
}

impl Bars {
    /// Lists those that `count` in `country`.
    fn list(&mut self, book: &Rulebook, country: CountryId, count: impl Fn(&Rule) -> bool) {
        self.rules.clear();
        self.replacing.clear();
        let here = |rule: &&Rule| count(rule) && rule.covers_lane(country, country);
        for rule in book.rules.iter().filter(here) {
            if rule.row.kind == RuleKind::ChipExport && rule.firms.is_empty() {
                self.rules.push(rule.id);
            }
            if !rule.replaces.is_empty() {
                self.replacing.push(rule.id);
            }
        }
    }

    /// The strictest treatment of a chip.
    fn treatment_of(&self, book: &Rulebook, sku: usize, country: CountryId) -> Option<Treatment> {
        let mut found: Option<Treatment> = None;
        for rule in self.rules.iter().map(|id| &book.rules[id.index()]) {
            if found.is_none_or(|t| rule.row.treatment > t)
                && book.verdicts[rule.id.index()][sku] != Verdict::Free
                && book.sku_home.get(sku).is_none_or(|home| !rule.exempts(*home, country))
                && !self.replacing.iter().any(|other| {
                    book.rules[other.index()].replaces.contains(&rule.id)
                        && book.verdicts[other.index()][sku] == Verdict::Controlled
                })
            {
                found = Some(rule.row.treatment);
            }
        }
        found
    }
}

/// Buffers of [`publish_fears`].
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Rules on chips that may refuse a licence.
    strict: Vec<RuleId>,
    /// Whether a rule that is not in force yet catches a chip, `[sku]`.
    to_come: Vec<bool>,
    /// What each rule would catch if it were tightened, `[rule][sku]`; empty: nobody asked.
    tightened: Vec<Vec<bool>>,
    /// What bars chips from a country now, and once all that is announced is in force.
    now: Bars,
    later: Bars,
}

/// What announced rules will catch, and what the feared next rule would; recomputed when a rule or
/// the catalogue changed.
pub(crate) fn publish_fears(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    book: Res<Rulebook>,
    mut fears: ResMut<Fears>,
    mut seen: Local<Option<u64>>,
    mut certain: Local<Vec<bool>>,
    mut expected: Local<Expected>,
) {
    let fears = &mut *fears;
    let now = clock.now;
    let countries = roster.countries.len();
    if *seen != Some(book.revision) {
        *seen = Some(book.revision);
        certain.clear();
        certain.resize(countries, false);
        for board in [&mut fears.announced, &mut fears.feared] {
            board.resize_with(catalogue.skus.len(), Vec::new);
            for row in board {
                row.clear();
                row.resize(countries, 0.0);
            }
        }
        let Expected { strict, to_come, tightened, now: now_bars, later: later_bars } =
            &mut *expected;
        strict.clear();
        let of_chips = book.rules.iter().filter(|r| strict_chip_rule(&book, r, now));
        strict.extend(of_chips.map(|rule| rule.id));
        let strict = || strict.iter().map(|id| &book.rules[id.index()]);
        // Only what a rule to come catches can be treated worse later.
        to_come.clear();
        to_come.resize(catalogue.skus.len(), false);
        for rule in book.rules.iter().filter(|r| !r.in_force && r.is_live(now)) {
            for (caught, verdict) in to_come.iter_mut().zip(&book.verdicts[rule.id.index()]) {
                *caught |= *verdict != Verdict::Free;
            }
        }
        let factor = maths::exp(-p.feared_tightening);
        tightened.iter_mut().for_each(Vec::clear);
        tightened.resize_with(book.rules.len(), Vec::new);
        for at in 0..countries {
            let country = CountryId::at(at);
            let last = strict()
                .filter(|r| r.covers_lane(country, country))
                .filter(|r| r.clauses.iter().any(|c| c.bounds.iter().any(|b| b.at_least)))
                .max_by_key(|r| (r.row.announced, r.id));
            let Some(last) = last else { continue };
            let feared = &mut tightened[last.id.index()];
            if feared.is_empty() {
                feared.extend(catalogue.skus.iter().map(|chip| {
                    let named = last.vendors.is_empty() || last.vendors.contains(&chip.vendor);
                    named && last.clauses.iter().any(|clause| may_catch(clause, factor, chip))
                }));
            }
            let coming = strict().any(|r| now < r.row.from && r.covers_lane(country, country));
            now_bars.list(&book, country, |r| r.in_force);
            if coming {
                later_bars.list(&book, country, |r| r.is_live(now));
            }
            for (of, feared) in feared.iter().enumerate() {
                let foreign =
                    book.sku_home.get(of).is_none_or(|home| !last.exempts(*home, country));
                let feared = *feared && foreign;
                if !feared && (!coming || !to_come[of]) {
                    continue;
                }
                let today = now_bars.treatment_of(&book, of, country);
                let open = today.is_none_or(|t| t < Treatment::CaseByCase);
                if coming {
                    let later = later_bars.treatment_of(&book, of, country);
                    if later > today && later.is_some_and(|t| t >= Treatment::CaseByCase) {
                        fears.announced[of][at] = 1.0;
                        certain[at] = true;
                    }
                }
                if feared && open {
                    fears.feared[of][at] = 1.0;
                }
            }
        }
    }
    if !switches.anticipation {
        return;
    }
    for (hazard, certain) in fears.hazard.iter_mut().zip(&*certain) {
        if *certain {
            *hazard = 1.0;
        }
    }
}

/// Whether a clause would catch `chip`, or might for all that is published, were its minima `factor` times what they are and
/// had it no ceilings.
fn may_catch(clause: &Clause, factor: f64, chip: &Sku) -> bool {
    let mut minima = clause.bounds.iter().filter(|bound| bound.at_least);
    clause.marketed_for_datacentre.is_none_or(|m| m == chip.row.marketed_for_datacentre)
        && minima.all(|bound| {
            chip.attribute(bound.attribute).is_none_or(|x| x >= bound.threshold * factor)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::rule::fixtures::{chip, minima};
    use crate::entities::rule::{Bound, Verdict};

    proptest::proptest! {
        /// What a tightened rule may catch is what its clause says, scaled and without ceilings.
        #[test]
        fn a_tightened_clause_is_the_clause_with_lower_minima_and_no_ceilings(
            tpp in proptest::option::of(0.0..8000.0_f64),
            link in proptest::option::of(0.0..900.0_f64),
            (tpp_min, link_below) in (0.0..8000.0_f64, 0.0..900.0_f64),
            (factor, marketed) in (0.1..1.0_f64, proptest::option::of(proptest::bool::ANY)),
        ) {
            let mut clause = minima([Some(tpp_min), None, None, None]);
            clause.marketed_for_datacentre = marketed;
            let floor = clause.scaled(factor);
            let attribute = crate::entities::chip::Attribute::Interconnect;
            clause.bounds.push(Bound { attribute, threshold: link_below, at_least: false });
            let chip = chip("a", [tpp, None, link, None]);
            let caught = floor.verdict(&chip) != Verdict::Free;
            proptest::prop_assert_eq!(may_catch(&clause, factor, &chip), caught);
        }
    }
}
