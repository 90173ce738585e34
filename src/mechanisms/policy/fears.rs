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
use crate::entities::chip::Catalogue;
use crate::entities::regulator::{Regulator, Stance};
use crate::entities::rule::{Clause, Rule, RuleKind, Rulebook, Treatment, Verdict, any_clause};
use crate::entities::{Clock, CountryId, Roster, Switches};
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

/// Rules on chips for firms that no rule names, of a country and delivered there: those that
/// `count`, and any that could replace them.
struct Bars<'a> {
    rules: Vec<&'a Rule>,
    replacing: Vec<&'a Rule>,
}

impl<'a> Bars<'a> {
    fn of(book: &'a Rulebook, country: CountryId, count: impl Fn(&Rule) -> bool) -> Self {
        let here = |rule: &&Rule| count(rule) && rule.covers_lane(country, country);
        Self {
            rules: book
                .rules
                .iter()
                .filter(|r| r.row.kind == RuleKind::ChipExport && r.firms.is_empty())
                .filter(here)
                .collect(),
            replacing: book.rules.iter().filter(|r| !r.replaces.is_empty()).filter(here).collect(),
        }
    }

    /// The strictest treatment of a chip.
    fn treatment_of(&self, book: &Rulebook, sku: usize, country: CountryId) -> Option<Treatment> {
        let mut found: Option<Treatment> = None;
        for rule in &self.rules {
            if found.is_none_or(|t| rule.row.treatment > t)
                && book.verdicts[rule.id.index()][sku] != Verdict::Free
                && book.sku_home.get(sku).is_none_or(|home| !rule.exempts(*home, country))
                && !self.replacing.iter().any(|other| {
                    other.replaces.contains(&rule.id)
                        && book.verdicts[other.id.index()][sku] == Verdict::Controlled
                })
            {
                found = Some(rule.row.treatment);
            }
        }
        found
    }
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
        let strict: Vec<&Rule> =
            book.rules.iter().filter(|r| strict_chip_rule(&book, r, now)).collect();
        // Only what a rule to come catches can be treated worse later.
        let mut to_come = vec![false; catalogue.skus.len()];
        for rule in book.rules.iter().filter(|r| !r.in_force && r.is_live(now)) {
            for (caught, verdict) in to_come.iter_mut().zip(&book.verdicts[rule.id.index()]) {
                *caught |= *verdict != Verdict::Free;
            }
        }
        let factor = maths::exp(-p.feared_tightening);
        // What each rule would catch if it were tightened, `[rule]`; empty: nobody asked.
        let mut tightened: Vec<Vec<bool>> = vec![Vec::new(); book.rules.len()];
        for at in 0..countries {
            let country = CountryId::at(at);
            let last = strict
                .iter()
                .filter(|r| r.covers_lane(country, country))
                .filter(|r| r.clauses.iter().any(|c| c.bounds.iter().any(|b| b.at_least)))
                .max_by_key(|r| (r.row.announced, r.id));
            let Some(last) = last else { continue };
            let feared = &mut tightened[last.id.index()];
            if feared.is_empty() {
                let clauses: Vec<Clause> =
                    last.clauses.iter().map(|c| floors(c).scaled(factor)).collect();
                feared.extend(catalogue.skus.iter().map(|chip| {
                    let named = last.vendors.is_empty() || last.vendors.contains(&chip.vendor);
                    named && any_clause(&clauses, chip) != Verdict::Free
                }));
            }
            let coming = strict.iter().any(|r| now < r.row.from && r.covers_lane(country, country));
            let now_bars = Bars::of(&book, country, |r| r.in_force);
            let coming = coming.then(|| Bars::of(&book, country, |r| r.is_live(now)));
            for (of, feared) in feared.iter().enumerate() {
                if !feared && (coming.is_none() || !to_come[of]) {
                    continue;
                }
                let today = now_bars.treatment_of(&book, of, country);
                let open = today.is_none_or(|t| t < Treatment::CaseByCase);
                if let Some(bars) = &coming {
                    let later = bars.treatment_of(&book, of, country);
                    if later > today && later.is_some_and(|t| t >= Treatment::CaseByCase) {
                        fears.announced[of][at] = 1.0;
                        certain[at] = true;
                    }
                }
                let foreign =
                    book.sku_home.get(of).is_none_or(|home| !last.exempts(*home, country));
                if *feared && open && foreign {
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

/// The clause without its ceilings.
fn floors(clause: &Clause) -> Clause {
    let mut floors = clause.clone();
    floors.bounds.retain(|bound| bound.at_least);
    floors
}
