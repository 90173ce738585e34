//! What firms could train, the frontiers, and the lags read off them.
//!
//! **Capability**: `q̂ = log₁₀(C_possible · A_eff) + B + D`, dex. Lags and gaps are measured on q̂,
//! since releases come in steps. A lag is read off the leader's own history: months since the leader
//! first had what the follower has now, straight between months, negative when the follower leads.
//! Years before the run come from the `frontier` table, moved so that they meet the first month.

use bevy_ecs::prelude::{Query, Res, ResMut};

use super::law::{dex, effective_ln_a, monthly_flop};
use super::{TrainingMemory, TrainingParameters};
use crate::calendar::Month;
use crate::entities::boards::Frontier;
use crate::entities::firm::{Compute, Firm, FirmRow, Group, Lab};
use crate::entities::model::ModelBook;
use crate::entities::script::FrontierRow;
use crate::entities::{Clock, Roster, Switches};
use crate::maths;

/// The frontier board at the start: histories of the table's shape, to be anchored in the first
/// month. `rows` sorted by month.
#[must_use]
pub(crate) fn frontier(
    rows: &[FrontierRow],
    firms: &[FirmRow],
    book: &ModelBook,
    start: Month,
) -> Frontier {
    let first =
        rows.iter().find(|row| row.capability.is_some()).map_or(start, |row| row.month).min(start);
    let shape: Vec<f64> =
        (0..start - first).map(|i| capability_at(rows, first + i).unwrap_or(0.0)).collect();
    let mut groups = [0.0_f64; 2];
    let mut largest = rows
        .iter()
        .filter(|row| row.month <= start)
        .filter_map(|row| row.log10_largest_run)
        .fold(0.0, f64::max);
    for row in firms.iter().filter(|row| row.developer) {
        let run = row.deployed_log10_flop.unwrap_or(0.0);
        largest = largest.max(run);
        if let Some(group) = index_of(row.group) {
            groups[group] = groups[group].max(run);
        }
    }
    Frontier {
        first,
        before: shape.len(),
        anchor: capability_at(rows, start).unwrap_or(0.0),
        best: shape.clone(),
        unconstrained: shape.clone(),
        constrained: shape.clone(),
        closed: shape.clone(),
        released: [shape.clone(), shape.clone(), shape.clone(), shape.clone()],
        open: shape,
        released_lag_months: 0.0,
        open_released_lag_months: 0.0,
        lag_months: 0.0,
        open_lag_months: 0.0,
        log10_largest_run: largest,
        log10_largest_run_group: groups,
        best_open: best_open_quality(book),
    }
}

/// Capability in the table, straight between its rows, level after the last.
fn capability_at(rows: &[FrontierRow], month: Month) -> Option<f64> {
    let mut before: Option<(Month, f64)> = None;
    for row in rows {
        let Some(value) = row.capability else { continue };
        if row.month >= month {
            let Some((from, low)) = before else { return Some(value) };
            let way = f64::from(month - from) / f64::from(row.month - from);
            return Some(low + (value - low) * way);
        }
        before = Some((row.month, value));
    }
    before.map(|(_, value)| value)
}

pub(super) const fn index_of(group: Group) -> Option<usize> {
    match group {
        Group::Constrained => Some(0),
        Group::Unconstrained => Some(1),
        Group::Neither => None,
    }
}

pub(super) fn best_open_quality(book: &ModelBook) -> f64 {
    book.best_open.map_or(0.0, |id| book.models[id as usize].quality)
}

/// Months since `history`, which never falls, first reached `level`; all of it where it always had.
pub(super) fn months_since(history: &[f64], level: f64) -> f64 {
    let at = history.partition_point(|value| *value < level);
    let last = history.len() as f64 - 1.0;
    if at == history.len() {
        return 0.0;
    }
    if at == 0 {
        return last;
    }
    let (low, high) = (history[at - 1], history[at]);
    let way = if low.is_finite() && high > low { (level - low) / (high - low) } else { 1.0 };
    (last - (at as f64 - 1.0 + way)).max(0.0)
}

/// Months by which a follower trails a leader, by their histories and what each has now.
pub(super) fn lag(leader: (&[f64], f64), follower: (&[f64], f64)) -> f64 {
    if follower.1 < leader.1 {
        months_since(leader.0, follower.1)
    } else {
        -months_since(follower.0, leader.1)
    }
}

/// What every firm could train now, and the frontiers that follow.
pub(crate) fn assess_capability(
    clock: Res<Clock>,
    switches: Res<Switches>,
    p: Res<TrainingParameters>,
    roster: Res<Roster>,
    mut memory: ResMut<TrainingMemory>,
    mut frontier: ResMut<Frontier>,
    mut firms: Query<(&Firm, &Compute, &mut Lab)>,
) {
    let months = p.run_months.max(1.0);
    // Any firm, constrained, unconstrained, closed, open.
    let mut now: [Option<f64>; 5] = [None; 5];
    let mut labs = firms.iter_many_mut(&roster.firms);
    while let Some(Ok((firm, compute, mut lab))) = labs.fetch_next() {
        let lab = &mut *lab;
        let calendar = &mut memory.calendars[firm.id.index()];
        calendar.flow = monthly_flop(&p, compute);
        calendar.pool = if clock.elapsed() == 0 {
            calendar.flow * months
        } else {
            calendar.pool * (1.0 - 1.0 / months) + calendar.flow
        };
        if calendar.pool < 1.0 || !firm.row.developer {
            lab.possible_log10_flop = 0.0;
            lab.possible_capability = 0.0;
            lab.ln_a_effective = lab.ln_a_train;
            continue;
        }
        lab.possible_log10_flop = maths::log10(calendar.pool);
        lab.ln_a_effective =
            effective_ln_a(&p, switches.scale_dependence, lab.ln_a_train, lab.possible_log10_flop);
        lab.possible_capability =
            lab.possible_log10_flop + dex(lab.ln_a_effective) + lab.quality_bonus + lab.distilled;
        let q = lab.possible_capability;
        let group = index_of(firm.row.group).map(|group| group + 1);
        let weights = 3 + usize::from(firm.row.open_weights);
        for slot in [Some(0), group, Some(weights)].into_iter().flatten() {
            now[slot] = Some(now[slot].map_or(q, |best| best.max(q)));
        }
    }
    let board = &mut *frontier;
    let (before, anchor) = (board.before, board.anchor);
    let first = clock.elapsed() == 0;
    for (history, value) in [
        &mut board.best,
        &mut board.constrained,
        &mut board.unconstrained,
        &mut board.closed,
        &mut board.open,
    ]
    .into_iter()
    .zip(now)
    {
        record(history, first.then_some((before, anchor)), value);
    }
    if let (Some(constrained), Some(unconstrained)) = (now[1], now[2]) {
        board.lag_months =
            lag((&board.unconstrained, unconstrained), (&board.constrained, constrained));
    }
    if let (Some(closed), Some(open)) = (now[3], now[4]) {
        board.open_lag_months = lag((&board.closed, closed), (&board.open, open));
    }
}

/// Adds a month to a history; the first month moves what came before to meet it.
pub(super) fn record(history: &mut Vec<f64>, first: Option<(usize, f64)>, value: Option<f64>) {
    let value = value.unwrap_or(f64::NEG_INFINITY);
    if let Some((before, anchor)) = first {
        for past in history.iter_mut().take(before) {
            *past = (*past + value - anchor).min(value);
        }
        history.push(value);
    } else {
        let last = history.last().copied().unwrap_or(f64::NEG_INFINITY);
        history.push(last.max(value));
    }
}

/// Adds a month to the histories of what has been released, and reads the lags off them.
pub(super) fn compare_releases(
    clock: &Clock,
    book: &ModelBook,
    frontier: &mut Frontier,
    firms: &Query<(&Firm, &Lab)>,
    roster: &Roster,
) {
    let first = clock.elapsed() == 0;
    // Constrained, unconstrained, closed, open: this month's releases, in the first month all so far.
    let mut best = [f64::NEG_INFINITY; 4];
    for model in book.models.iter().rev() {
        if !first && model.released < clock.now {
            break;
        }
        let Ok((firm, _)) = firms.get(roster.firms[model.firm.index()]) else { continue };
        let group = index_of(firm.row.group);
        let weights = 2 + usize::from(model.open);
        for slot in group.into_iter().chain([weights]) {
            best[slot] = best[slot].max(model.quality);
        }
    }
    let (before, anchor) = (frontier.before, frontier.anchor);
    let mut now = [f64::NEG_INFINITY; 4];
    for ((history, value), now) in frontier.released.iter_mut().zip(best).zip(&mut now) {
        record(history, first.then_some((before, anchor)), value.is_finite().then_some(value));
        *now = history.last().copied().unwrap_or(f64::NEG_INFINITY);
    }
    let [constrained, unconstrained, closed, open] = &frontier.released;
    if now[0].is_finite() && now[1].is_finite() {
        frontier.released_lag_months = lag((unconstrained, now[1]), (constrained, now[0]));
    }
    if now[2].is_finite() && now[3].is_finite() {
        frontier.open_released_lag_months = lag((closed, now[2]), (open, now[3]));
    }
}
