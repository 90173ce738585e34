//! Policy: rules come, go and are feared; regulators' stance moves.
//!
//! **Rules.** A rule exists if it is enabled, its regime is active and the rule that caused it
//! exists. It is announced in its month of announcement, in force from `from` up to but not including
//! `until`, and a regime begins with its first announced rule. With the switch `enforcement` off, rules
//! that were not in force when the run began are announced and never come into force.
//!
//! **Stance** h ∈ \[0, 1\] (1 strictest) of a regulator whose regime is active, from its `stance_from` on:
//! `h' = h + ρ (h* − h) + β_gap (lag* − lag) − β_lobby · S + σ z`, with ρ speed (1/month), h* the stance
//! aimed at (redrawn uniformly between two bounds at elections), lag* the lag that the regulator wants
//! the constrained group to have and lag the one of last month (months), S the share of home vendors'
//! revenue that rules cost, `S = 12 lost / (revenue of 12 months + 12 lost)`, z standard normal. A
//! pinned path replaces the equation. At reviews and elections, if |h − h_last| > δ_h, every chip rule
//! of the regulator that has begun and has no end gets a successor with thresholds × `exp(−b_T (h − h_last))`, in force after a
//! lead; the old rule ends that month. Softer stance raises thresholds in the same way.
//!
//! **Hazard** that a stricter rule comes, felt for each country of headquarters: 1 where an announced
//! rule will catch a chip that may be bought now, else the largest over regulators of
//! `Λ(a₀ + a_h h + a_g (lag* − lag))`, of last month's h and lag; 0 unless some chip rule of that
//! regulator has been announced for that country and its regime is active. The *feared* rule has the
//! minima of the last announced one × `exp(−x)` and no ceilings.
//!
//! **Import guidance.** The share that a buyer's own state lets in moves as
//! `g' = g + r (g* − g)`, `g* = floor + (s − floor) (1 − min(1, m))`, with s the strength of the guidance in
//! force (1 and m = 0 where there is none) and m the maturity of domestic supply: what domestic lines
//! *could* make over what home firms would buy at the reference price. Both are independent of the
//! imports let in, so guidance cannot lock itself in.
//!
//! **Strengths.** Rules that withhold equipment, memory, foundry work, materials or design tools add up
//! as `1 − Π(1 − strength)`. Enforcement against grey trade into a country is
//! `1 − Π(1 − e (1 + b_e (h − h₀)))` over regulators with a chip rule in force for it, times
//! `Π(1 − strength)` over those rules. A rule that catches no chip launched so far is no sign of anything,
//! and a quota counts once its cap is used up.
//!
//! Sources: Federal Register notices as cited in `rules.toml`; priors in `parameters.csv`.

use bevy_ecs::prelude::{Local, Query, Res, ResMut};

use crate::calendar::Month;
use crate::entities::boards::{Fears, Frontier};
use crate::entities::chip::{Catalogue, Origin, Sku};
use crate::entities::chronicle::Chronicle;
use crate::entities::firm::{Finance, Firm};
use crate::entities::line::{Line, LineKind, LineState, Parts};
use crate::entities::regulator::{Regulator, RegulatorRow, Stance};
use crate::entities::rule::{Clause, Rule, RuleKind, Rulebook, Treatment, Verdict, any_clause};
use crate::entities::script::Script;
use crate::entities::vendor::{Sales, Vendor};
use crate::entities::{Clock, CountryId, RegulatorId, Roster, RuleId, Switches};
use crate::maths;
use crate::metric::Readings;
use crate::random::{Luck, Purpose, key_of};

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

/// A share from which guidance that ended counts as gone.
const NEARLY_ONE: f64 = 1.0 - 1.0 / 1e6;

/// The stance of a regulator at the start; its draws are addressed by its id.
#[must_use]
pub(crate) fn opening_stance(row: &RegulatorRow, luck: &Luck) -> Stance {
    Stance {
        h: row.stance,
        h_star: row.stance,
        h_last: row.stance,
        overdue: 0.0,
        luck: luck.stream(Purpose::Stance, key_of(&[&row.id])),
    }
}

/// Announces rules, brings them into force and ends them, by date.
pub(crate) fn enact_rules(
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    mut book: ResMut<Rulebook>,
    mut chronicle: ResMut<Chronicle>,
) {
    let book = &mut *book;
    let now = clock.now;
    // Whether any fact of a rule changed, and whether any came into force or ended.
    let (mut changed, mut moved) = (false, clock.elapsed() == 0);
    for at in 0..book.rules.len() {
        let cause = book.rules[at].caused_by.and_then(|c| book.rules[c.index()].event);
        let rule = &mut book.rules[at];
        if !rule.exists {
            continue;
        }
        changed |= rule.row.from == now || rule.row.until == Some(now);
        let bites = switches.enforcement || rule.row.from <= clock.start;
        let announces = !rule.announced && rule.row.announced <= now;
        let due = (rule.announced || announces) && rule.row.from <= now && bites;
        let in_force = due && rule.row.until.is_none_or(|until| now < until);
        if !announces && in_force == rule.in_force {
            continue;
        }
        let names = (rule.row.issuer.clone(), rule.row.id.clone());
        let names = (names.0.as_str(), names.1.as_str());
        if announces {
            rule.announced = true;
            changed = true;
            let kind =
                if rule.row.announced < clock.start { "rule_standing" } else { "rule_announced" };
            let months = f64::from(rule.row.from - rule.row.announced);
            rule.event =
                Some(chronicle.log(now, kind, names, (months, "months of notice"), cause, || {
                    format!("{} announced {} ({})", names.0, rule.row.name, rule.row.from)
                }));
            if let Some(begun) = book.regime_begun.get_mut(rule.regime.index()) {
                *begun = true;
            }
        }
        if in_force != rule.in_force {
            rule.in_force = in_force;
            (changed, moved) = (true, true);
            let kind = if in_force { "rule_in_force" } else { "rule_ended" };
            chronicle.log(now, kind, names, (1.0, "rule"), rule.event, || {
                let verb = if in_force { "is in force" } else { "has ended" };
                format!("{} {verb}", rule.row.name)
            });
        }
    }
    for (rule, verdicts) in book.rules.iter().zip(&mut book.verdicts) {
        for sku in catalogue.skus.iter().skip(verdicts.len()) {
            verdicts.push(rule.verdict(sku));
        }
    }
    for at in 0..book.rules.len() {
        // A rule that caught a chip last month still does.
        if book.catches[at] && clock.elapsed() > 0 {
            continue;
        }
        let catches = book.catches_by(at, &catalogue, now);
        changed |= catches != book.catches[at];
        book.catches[at] = catches;
    }
    if moved {
        book.sort_lanes(roster.countries.len());
    }
    if changed {
        book.revision += 1;
    }
}

/// Logs scripted events that begin this month.
pub(crate) fn log_shocks(
    clock: Res<Clock>,
    book: Res<Rulebook>,
    mut script: ResMut<Script>,
    mut chronicle: ResMut<Chronicle>,
) {
    let script = &mut *script;
    script.happened.resize(script.shocks.len(), None);
    for (shock, happened) in script.shocks.iter().zip(&mut script.happened) {
        if shock.month != clock.now || happened.is_some() {
            continue;
        }
        let cause = shock.caused_by.as_deref().and_then(|id| book.find(id)).and_then(|r| r.event);
        let subject = shock.subjects.first().map_or("", String::as_str);
        *happened = Some(chronicle.log(
            clock.now,
            "shock",
            (shock.id.as_str(), subject),
            (shock.quantity, shock.kind.word()),
            cause,
            || shock.name.clone(),
        ));
    }
}

/// Chance that a stricter rule comes, from last month's stance and lag.
fn hazard(p: &PolicyParameters, h: f64, gap_months: f64) -> f64 {
    maths::logistic(p.hazard_base + p.hazard_stance_slope * h + p.hazard_gap_slope * gap_months)
}

/// How far the constrained group's lag falls short of what a regulator wants, in months.
fn gap(regulator: &Regulator, frontier: &Frontier) -> f64 {
    let lag = if frontier.lag_months.is_finite() { frontier.lag_months } else { 0.0 };
    regulator.row.target_lag_months - lag
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

/// Moves stance, and issues rules at reviews and elections.
pub(crate) fn move_stance(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    frontier: Res<Frontier>,
    catalogue: Res<Catalogue>,
    vendors: Query<(&Vendor, &Sales)>,
    mut regulators: Query<(&Regulator, &mut Stance)>,
    mut book: ResMut<Rulebook>,
    mut chronicle: ResMut<Chronicle>,
) {
    if !switches.stance {
        return;
    }
    let now = clock.now;
    let mut each = regulators.iter_many_mut(&roster.regulators);
    while let Some(Ok((regulator, mut stance))) = each.fetch_next() {
        let row = &regulator.row;
        let active = book.regime_active.get(regulator.regime.index()).copied().unwrap_or(false);
        let Some(from) = row.stance_from.filter(|from| active && *from <= now) else { continue };
        let stance = &mut *stance;
        let election = row.elections.iter().any(|m| m.parse() == Ok(now));
        let mut draws = stance.luck.month(now);
        let (noise, vote) = (draws.normal(), draws.uniform());
        if election {
            stance.h_star =
                p.election_stance_low + (p.election_stance_high - p.election_stance_low) * vote;
        }
        let lost =
            if switches.lobbying { lost_share(&vendors, &roster, regulator.country) } else { 0.0 };
        let free = stance.h
            + p.stance_speed * (stance.h_star - stance.h)
            + p.stance_gap_response * gap(regulator, &frontier)
            - p.stance_lobby_response * lost
            + p.stance_noise * noise;
        stance.h = pinned(&row.stance_path, now).unwrap_or(free).clamp(0.0, 1.0);
        let every = maths::whole(p.review_interval_months).max(1) as i32;
        let review = (now - from) % every == 0;
        if (election || review) && (stance.h - stance.h_last).abs() > p.stance_trigger {
            let moved = stance.h - stance.h_last;
            let factor = maths::exp(-p.threshold_stance_slope * moved);
            let lead = maths::whole(p.rule_lead_months).max(0) as i32;
            let issued = issue_successors(
                &mut book,
                &catalogue,
                &mut chronicle,
                (regulator.id, &row.id),
                now,
                lead,
                factor,
            );
            if issued > 0 {
                stance.h_last = stance.h;
            }
        }
    }
}

/// The pinned stance of `now`: the last word `YYYY-MM=value` not after it.
fn pinned(path: &[String], now: Month) -> Option<f64> {
    let mut best: Option<(Month, f64)> = None;
    for word in path {
        let Some((month, value)) = word.split_once('=') else { continue };
        if let (Ok(month), Ok(value)) = (month.parse::<Month>(), value.parse::<f64>())
            && month <= now
            && best.is_none_or(|(b, _)| b <= month)
        {
            best = Some((month, value));
        }
    }
    best.map(|(_, value)| value)
}

/// Share of the revenue of the vendors of `country` that rules cost: `12 lost / (trailing + 12 lost)`.
fn lost_share(vendors: &Query<(&Vendor, &Sales)>, roster: &Roster, country: CountryId) -> f64 {
    let (mut lost, mut earned) = (0.0, 0.0);
    for (vendor, sales) in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.home == country && vendor.captive.is_none() {
            lost += 12.0 * sales.lost_to_rules_usd;
            earned += sales.trailing_usd.iter().sum::<f64>();
        }
    }
    if lost + earned > 0.0 { lost / (lost + earned) } else { 0.0 }
}

/// Gives every live chip rule of a regulator a successor with scaled thresholds; returns how many.
fn issue_successors(
    book: &mut Rulebook,
    catalogue: &Catalogue,
    chronicle: &mut Chronicle,
    (issuer, issuer_id): (RegulatorId, &str),
    now: Month,
    lead: i32,
    factor: f64,
) -> usize {
    let from = now + lead;
    let live = |rule: &Rule| {
        rule.issuer == issuer
            && rule.row.kind == RuleKind::ChipExport
            && rule.is_live(now)
            && rule.row.from <= now
            && rule.row.until.is_none()
            && rule.clauses.iter().any(|clause| !clause.bounds.is_empty())
    };
    let old: Vec<RuleId> = book.rules.iter().filter(|r| live(r)).map(|r| r.id).collect();
    let first = book.rules.len();
    for (n, id) in old.iter().enumerate() {
        let before = &mut book.rules[id.index()];
        before.row.until = Some(from);
        let mut rule = before.clone();
        rule.id = RuleId::at(first + n);
        rule.row.id = if n == 0 {
            format!("{issuer_id}-{now}")
        } else {
            format!("{issuer_id}-{now}-{}", n + 1)
        };
        rule.row.name = format!("{} (thresholds moved {now})", before.row.name);
        rule.row.announced = now;
        rule.row.from = from;
        rule.row.until = None;
        "issued in the run".clone_into(&mut rule.row.source);
        rule.caused_by = Some(*id);
        rule.clauses = before.clauses.iter().map(|clause| clause.scaled(factor)).collect();
        rule.announced = true;
        rule.in_force = false;
        let verb = if factor < 1.0 { "tightens" } else { "loosens" };
        rule.event = Some(chronicle.log(
            now,
            "rule_announced",
            (issuer_id, &rule.row.id),
            (factor, "factor on thresholds"),
            before.event,
            || format!("{issuer_id} {verb} {}: thresholds × {factor:.2}", rule.row.name),
        ));
        book.add_rule(rule, catalogue);
    }
    // Who replaces a rule replaces its successor too, or what was superseded would come back.
    for rule in &mut book.rules {
        for (n, other) in old.iter().enumerate() {
            if rule.replaces.contains(other) {
                rule.replaces.push(RuleId::at(first + n));
            }
        }
    }
    old.len()
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
            let coming =
                strict.iter().any(|r| now < r.row.from && r.covers_lane(country, country));
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

/// `1 − Π(1 − strength)` over `rules`.
fn withheld<'a>(rules: impl Iterator<Item = &'a Rule>) -> f64 {
    let open: f64 = rules.map(|rule| 1.0 - rule.row.strength).product();
    1.0 - open
}

/// What rules without clauses withhold, and how hard grey trade is pursued.
pub(crate) fn publish_strengths(
    p: Res<PolicyParameters>,
    roster: Res<Roster>,
    book: Res<Rulebook>,
    vendors: Query<&Vendor>,
    regulators: Query<(&Regulator, &Stance)>,
    mut fears: ResMut<Fears>,
    mut seen: Local<Option<u64>>,
    mut chip_rules: Local<Vec<RuleId>>,
) {
    let fears = &mut *fears;
    let countries = roster.countries.len();
    let changed = *seen != Some(book.revision);
    *seen = Some(book.revision);
    if changed {
        let of = |kind: RuleKind| -> Vec<&Rule> {
            let rules = book.rules.iter().filter(|r| r.in_force && r.row.kind == kind);
            rules.filter(|r| r.vendors.is_empty() && r.firms.is_empty()).collect()
        };
        let here = |rules: &[&Rule], at: usize| {
            let c = CountryId::at(at);
            withheld(rules.iter().copied().filter(|r| r.covers_lane(c, c)))
        };
        for (board, kind) in [
            (&mut fears.equipment_withheld, RuleKind::EquipmentExport),
            (&mut fears.memory_withheld, RuleKind::MemoryExport),
            (&mut fears.foundry_withheld, RuleKind::FoundryService),
            (&mut fears.materials_withheld, RuleKind::MaterialExport),
        ] {
            let rules = of(kind);
            board.clear();
            board.extend((0..countries).map(|at| here(&rules, at)));
        }
        let rules = of(RuleKind::RemoteAccess);
        fears.remote_access.clear();
        fears.remote_access.extend((0..countries).map(|at| 1.0 - here(&rules, at)));
        fears.foundry_withheld_vendor.clear();
        for vendor in vendors.iter_many(&roster.vendors).flatten() {
            let barred = withheld(book.rules.iter().filter(|r| {
                r.in_force
                    && matches!(r.row.kind, RuleKind::FoundryService | RuleKind::EntityListing)
                    && r.vendors.contains(&vendor.id)
            }));
            let country = fears.foundry_withheld.get(vendor.home.index()).copied().unwrap_or(0.0);
            fears.foundry_withheld_vendor.push(1.0 - (1.0 - barred) * (1.0 - country));
        }
    }
    fears.enforcement.clear();
    // Caps are used up at any time, so this is asked every month.
    chip_rules.clear();
    chip_rules.extend(book.rules.iter().filter_map(|rule| {
        let counts = rule.in_force
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.treatment >= Treatment::Notify
            && book.keeps_away(rule);
        counts.then_some(rule.id)
    }));
    let chip_rules = || chip_rules.iter().map(|id| &book.rules[id.index()]);
    for at in 0..countries {
        let c = CountryId::at(at);
        let mut open = 1.0;
        if !chip_rules().any(|rule| rule.covers_lane(c, c)) {
            fears.enforcement.push(0.0);
            continue;
        }
        for (regulator, stance) in regulators.iter_many(&roster.regulators).flatten() {
            let mut concerned = false;
            for rule in chip_rules() {
                if rule.issuer == regulator.id && rule.covers_lane(c, c) {
                    concerned = true;
                    open *= 1.0 - rule.row.strength;
                }
            }
            if concerned {
                let e = regulator.row.enforcement;
                let moved = 1.0 + p.enforcement_stance_slope * (stance.h - regulator.row.stance);
                open *= 1.0 - (e * moved).clamp(0.0, 1.0);
            }
        }
        fears.enforcement.push(1.0 - open);
    }
}

/// Performance of a chip in H100e: 8-bit throughput relative to the reference chip.
fn h100e(sku: &Sku, catalogue: &Catalogue) -> f64 {
    if catalogue.reference.0 > 0.0 { sku.row.tops_8bit / catalogue.reference.0 } else { 0.0 }
}

/// Where the share let in tends to.
fn guidance_target(floor: f64, strength: f64, maturity: f64) -> f64 {
    let floor = floor.min(strength);
    floor + (strength - floor) * (1.0 - maturity.clamp(0.0, 1.0))
}

/// Moves the share of imports that each buyer's own state lets in.
pub(crate) fn guide_imports(
    p: Res<PolicyParameters>,
    clock: Res<Clock>,
    switches: Res<Switches>,
    roster: Res<Roster>,
    catalogue: Res<Catalogue>,
    book: Res<Rulebook>,
    parts: Res<Parts>,
    vendors: Query<&Vendor>,
    firms: Query<(&Firm, &Finance)>,
    lines: Query<(&Line, &LineState)>,
    mut fears: ResMut<Fears>,
    mut readings: ResMut<Readings>,
    mut guiding: Local<Vec<RuleId>>,
) {
    let fears = &mut *fears;
    fears.import_allowed.resize(roster.countries.len(), 1.0);
    guiding.clear();
    guiding.extend(book.rules.iter().filter_map(|rule| {
        let counts = rule.in_force
            && rule.row.kind == RuleKind::ImportGuidance
            && rule.firms.is_empty();
        counts.then_some(rule.id)
    }));
    for at in 0..roster.countries.len() {
        let country = CountryId::at(at);
        let mut strength = 1.0_f64;
        let mut guided = false;
        for rule in guiding.iter().map(|id| &book.rules[id.index()]) {
            if rule.covers_lane(country, country) {
                guided = true;
                strength = strength.min(rule.row.strength);
            }
        }
        let share = &mut fears.import_allowed[at];
        if !switches.import_guidance || (!guided && *share == 1.0) {
            *share = 1.0;
            readings.set_for(&IMPORT_ALLOWED, at, *share);
            continue;
        }
        let target = if guided {
            let supply = domestic_capacity(
                &clock,
                &roster,
                &catalogue,
                &parts,
                &vendors,
                &lines,
                country,
                fears.memory_withheld.get(at).is_some_and(|w| *w > 0.0),
            );
            let demand = reference_demand(&p, &roster, &catalogue, &vendors, &firms, country);
            let maturity = if demand > 0.0 { supply / demand } else { 0.0 };
            readings.set_for(&DOMESTIC_MATURITY, at, maturity);
            guidance_target(p.guidance_floor, strength, maturity)
        } else {
            1.0
        };
        *share = (*share + p.guidance_speed * (target - *share)).clamp(0.0, 1.0);
        if !guided && *share > NEARLY_ONE {
            *share = 1.0;
        }
        readings.set_for(&IMPORT_ALLOWED, at, *share);
    }
}

/// H100e a month that the lines of `country` could make for its own vendors: wafers × good dies of
/// each vendor's newest chip, and no more than memory allows once memory is withheld from abroad.
fn domestic_capacity(
    clock: &Clock,
    roster: &Roster,
    catalogue: &Catalogue,
    parts: &Parts,
    vendors: &Query<&Vendor>,
    lines: &Query<(&Line, &LineState)>,
    country: CountryId,
    memory_withheld: bool,
) -> f64 {
    let mut capacity = 0.0;
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.home != country {
            continue;
        }
        let newest = catalogue
            .iter()
            .filter(|(_, sku)| sku.vendor == vendor.id && sku.on_sale)
            .max_by_key(|(id, sku)| (sku.row.launch, *id));
        let Some((_, sku)) = newest else { continue };
        let Some(die) = catalogue.dies.get(sku.die.index()) else { continue };
        let (mut chips, mut memory_gb) = (0.0, 0.0);
        for (line, state) in lines.iter_many(&roster.lines).flatten() {
            let weight: f64 = line
                .contracts
                .iter()
                .filter(|(v, _, from, until)| {
                    *v == vendor.id
                        && from.is_none_or(|m| m <= clock.now)
                        && until.is_none_or(|m| clock.now < m)
                })
                .map(|(_, weight, _, _)| weight)
                .sum();
            if line.country != country || weight <= 0.0 {
                continue;
            }
            match line.row.kind {
                LineKind::Logic if line.row.nodes.contains(&die.row.node) => {
                    chips += state.capacity
                        * weight
                        * die.row.gross_dies_per_wafer
                        * state.yield_now
                        * die.row.yield_factor
                        / sku.row.dies_per_chip.max(1) as f64;
                }
                LineKind::Memory => memory_gb += state.capacity * weight,
                _ => {}
            }
        }
        if memory_withheld && sku.row.hbm_gb > 0.0 {
            let stock = parts.memory_gb.get(vendor.id.index()).copied().unwrap_or(0) as f64 / 12.0;
            chips = chips.min((memory_gb + stock) / sku.row.hbm_gb);
        }
        capacity += chips * h100e(sku, catalogue);
    }
    capacity
}

/// H100e a month that the firms of `country` would buy with this year's plans at the reference price:
/// the lowest list price of an H100e among chips that any vendor sells to all.
fn reference_demand(
    p: &PolicyParameters,
    roster: &Roster,
    catalogue: &Catalogue,
    vendors: &Query<&Vendor>,
    firms: &Query<(&Firm, &Finance)>,
    country: CountryId,
) -> f64 {
    let mut price = f64::INFINITY;
    for vendor in vendors.iter_many(&roster.vendors).flatten() {
        if vendor.captive.is_some() {
            continue;
        }
        for sku in catalogue.skus.iter().filter(|s| s.vendor == vendor.id && s.on_sale) {
            let performance = h100e(sku, catalogue);
            if matches!(sku.row.origin, Origin::Roadmap | Origin::Extrapolated) && performance > 0.0
            {
                price = price.min(sku.price_usd * vendor.row.attach / performance);
            }
        }
    }
    if !price.is_finite() || price <= 0.0 {
        return 0.0;
    }
    let budget: f64 = firms
        .iter_many(&roster.firms)
        .flatten()
        .filter(|(firm, _)| firm.home == country)
        .map(|(_, finance)| finance.ai_capex_usd_year / 12.0 * p.chip_share_of_ai_capex)
        .sum();
    budget / price
}

/// Writes this month's metrics of policy, and turns the page of vendors' losses to rules once
/// stance has read last month's.
pub(crate) fn measure_policy(
    roster: Res<Roster>,
    book: Res<Rulebook>,
    catalogue: Res<Catalogue>,
    fears: Res<Fears>,
    regulators: Query<(&Regulator, &Stance)>,
    mut sales: Query<&mut Sales>,
    mut readings: ResMut<Readings>,
    mut refusing: Local<Vec<RuleId>>,
) {
    let mut each = sales.iter_many_mut(&roster.vendors);
    while let Some(Ok(mut sales)) = each.fetch_next() {
        sales.lost_to_rules_usd = 0.0;
    }
    let count = |keep: fn(&Rule) -> bool| book.rules.iter().filter(|r| keep(r)).count() as f64;
    readings.set(&RULES_ANNOUNCED, count(|r| r.announced));
    readings.set(&RULES_IN_FORCE, count(|r| r.in_force));
    let (mut sum, mut n) = (0.0, 0.0);
    for (regulator, stance) in regulators.iter_many(&roster.regulators).flatten() {
        let active = book.regime_active.get(regulator.regime.index()).copied().unwrap_or(false);
        if active && regulator.row.stance_from.is_some() {
            sum += stance.h;
            n += 1.0;
        }
    }
    if n > 0.0 {
        readings.set(&STANCE, sum / n);
    }
    for at in 0..roster.countries.len() {
        readings.set_for(&RULE_HAZARD, at, fears.hazard[at]);
        readings.set_for(&ENFORCEMENT, at, fears.enforcement[at]);
        readings.set_for(&EQUIPMENT_WITHHELD, at, fears.equipment_withheld[at]);
        readings.set_for(&MEMORY_WITHHELD, at, fears.memory_withheld[at]);
        readings.set_for(&FOUNDRY_WITHHELD, at, fears.foundry_withheld[at]);
    }
    refusing.clear();
    refusing.extend(book.rules.iter().filter_map(|rule| {
        let refuses = rule.in_force
            && rule.row.kind == RuleKind::ChipExport
            && rule.row.treatment >= Treatment::CaseByCase
            && !rule.clauses.is_empty();
        refuses.then_some(rule.id)
    }));
    for sku in 0..catalogue.skus.len() {
        let controlled =
            refusing.iter().any(|rule| book.verdicts[rule.index()][sku] != Verdict::Free);
        readings.set_for(&CONTROLLED, sku, f64::from(u8::from(controlled)));
    }
}

crate::metrics! {
    World {
        RULES_ANNOUNCED = "rules_announced", "rules", "Rules announced since the start, standing ones included.";
        RULES_IN_FORCE = "rules_in_force", "rules", "Rules in force this month.";
        STANCE = "stance", "1", "Mean stance h of regulators whose stance can move, 0 open to 1 strict.";
    }
    Country {
        RULE_HAZARD = "rule_hazard", "share", "Chance a month that a stricter chip rule comes, as felt by firms headquartered here; 1 when one is announced.";
        IMPORT_ALLOWED = "import_allowed", "share", "Share of accelerator imports that the country's own state lets in.";
        DOMESTIC_MATURITY = "domestic_maturity", "ratio", "H100e that domestic lines could make for domestic vendors over H100e that home firms would buy at the reference price; empty without import guidance.";
        ENFORCEMENT = "enforcement", "share", "Strength of enforcement against grey trade into the country.";
        EQUIPMENT_WITHHELD = "equipment_withheld", "share", "Fab equipment withheld from the country: 1 − Π(1 − strength) over rules in force.";
        MEMORY_WITHHELD = "memory_withheld", "share", "High-bandwidth memory withheld from the country's vendors.";
        FOUNDRY_WITHHELD = "foundry_withheld", "share", "Foreign foundry work withheld from all designers of the country.";
    }
    Sku {
        CONTROLLED = "controlled", "flag", "1 if a chip rule in force that can refuse a licence covers the chip for some destination by its clauses, undetermined included.";
    }
}

#[cfg(test)]
mod tests;
