//! To which mechanism is an effect due? Shapley values over every combination of switches.
//!
//! Players are mechanisms of an arm with `subsets_off`, or levers whose levels are `on` and `off`. The worth of
//! a set S of players that are on is the effect with S on and the other players off,
//! `v(S) = y(arm, S) − y(counterfactual, S)`, in the outcome's unit, within a draw. Of k players, player i has
//! (Shapley 1953, *A value for n-person games*)
//!
//! `φᵢ = Σ_{S ∌ i} |S|! (k − |S| − 1)! / k! · (v(S ∪ i) − v(S))`,
//!
//! and `Σ φᵢ + v(∅) = v(all)`: the parts and the rest, what is left with all players off, are the total,
//! exactly, in every draw. Intervals are t-intervals over draws of each draw's own φ.

use std::sync::Arc;

use super::design::Domain;
use super::draws;
use super::plan::Plan;
use super::shard::Commit;
use super::statistics::{LEVEL, Moments};
use super::store::{Failed, Store};
use super::table::{Batch, Column, Kind};
use super::tables::{self, Table, unit_of};

/// Most levers that are players of one game.
const PLAYERS: usize = 10;
/// Bytes that sums may take at once.
const SUMS_BYTES: usize = 48 << 20;
/// What is left with all players off.
const REST: &str = "rest";
/// The effect with all players on.
const TOTAL: &str = "total";

/// Players and the policies in which each set of them is on.
#[derive(Clone, Debug)]
pub(super) struct Game {
    players: Vec<String>,
    /// The policy and what it is compared with, by the mask of players that are on.
    cells: Vec<(usize, Option<usize>)>,
    /// The players are levers: their columns are empty.
    levers: Vec<usize>,
}

/// Shapley values of a game of which `worth` is the worth of each set, by mask of players.
#[must_use]
pub fn shapley(worth: &[f64]) -> Vec<f64> {
    let k = worth.len().trailing_zeros() as usize;
    // |S|! (k − |S| − 1)! / k! is 1 / (k · C(k − 1, |S|)).
    let mut weights = Vec::with_capacity(k);
    let mut choose = 1.0;
    for size in 0..k {
        weights.push(1.0 / (k as f64 * choose));
        choose *= (k - 1 - size) as f64 / (size + 1) as f64;
    }
    (0..k)
        .map(|player| {
            let bit = 1 << player;
            (0..worth.len())
                .filter(|set| set & bit == 0)
                .map(|set| weights[set.count_ones() as usize] * (worth[set | bit] - worth[set]))
                .sum()
        })
        .collect()
}

/// The games that a plan holds.
pub(super) fn games(plan: &Plan) -> Vec<Game> {
    let mut games = Vec::new();
    let arms = plan.arms.len();
    for family in &plan.families {
        let k = family.mechanisms.len();
        let all = (1_usize << k) - 1;
        for lever_row in 0..plan.design.lever_rows as usize {
            let cell = |on: usize| {
                let policy = lever_row * arms + family.first + (all ^ on);
                (policy, plan.policies[policy].against)
            };
            let cells: Vec<(usize, Option<usize>)> = (0..=all).map(cell).collect();
            if cells.iter().all(|cell| cell.1.is_some()) {
                let players = family.mechanisms.iter().map(|name| (*name).to_owned()).collect();
                games.push(Game { players, cells, levers: Vec::new() });
            }
        }
    }
    games.extend(of_levers(plan));
    games
}

fn of_levers(plan: &Plan) -> Vec<Game> {
    let design = &plan.design;
    // Position of the lever, of its level `off`, of its level `on`.
    let mut players = Vec::new();
    for (at, lever) in design.levers.iter().enumerate() {
        if let Domain::Levels(levels) = &lever.domain
            && levels.len() == 2
            && let (Some(off), Some(on)) = (lever.level("off"), lever.level("on"))
        {
            players.push((at, off, on));
        }
    }
    if players.is_empty() || players.len() > PLAYERS {
        return Vec::new();
    }
    let row_of = |row: u64, on: usize| {
        players.iter().enumerate().fold(row, |row, (bit, (lever, off, level))| {
            let level = if on & (1 << bit) == 0 { off } else { level };
            design.lever_row_with(row, *lever, *level)
        })
    };
    let compared = plan.policies.iter().any(|policy| policy.against.is_some());
    let mut games = Vec::new();
    for row in (0..design.lever_rows).filter(|row| row_of(*row, 0) == *row) {
        for arm in 0..plan.arms.len() {
            let cell = |on: usize| {
                let lever_row = row_of(row, on);
                let policy = lever_row as usize * plan.arms.len() + arm;
                // A counterfactual that moves a player itself is no twin of the set.
                let against = plan.policies[policy].against.filter(|twin| {
                    let twin = plan.policies[*twin].lever_row;
                    row_of(twin, on) == twin
                });
                (policy, against)
            };
            let cells: Vec<_> = (0..1_usize << players.len()).map(cell).collect();
            let twins = cells.iter().filter(|cell| cell.1.is_some()).count();
            let own = cells.iter().any(|cell| plan.policies[cell.0].against.is_some());
            if twins == cells.len() || (twins == 0 && (own || !compared)) {
                games.push(Game {
                    players: players.iter().map(|p| design.levers[p.0].name.clone()).collect(),
                    cells,
                    levers: players.iter().map(|p| p.0).collect(),
                });
            }
        }
    }
    games
}

impl Game {
    /// Adds a draw: the parts, the rest and the total; nothing where a run lacks a value.
    fn add(&self, value: &dyn Fn(usize) -> f64, sums: &mut [Moments]) {
        let worth: Vec<f64> = self
            .cells
            .iter()
            .map(|(policy, twin)| value(*policy) - twin.map_or(0.0, value))
            .collect();
        if !worth.iter().all(|x| x.is_finite()) {
            return;
        }
        let ends = [worth[0], worth[worth.len() - 1]];
        for (sums, part) in sums.iter_mut().zip(shapley(&worth).into_iter().chain(ends)) {
            sums.add(part);
        }
    }

    /// Parts: players, the rest, the total.
    fn parts(&self) -> usize {
        self.players.len() + 2
    }
}

/// The table of attribution.
#[must_use]
pub fn table(plan: &Plan) -> Table {
    let percent = LEVEL * 100.0;
    let word = |name: &str, definition: &str| Column::new(name, "word", definition, Kind::Text);
    let number = |name: &str, unit: &str, definition: String| {
        Column::new(name, unit, &definition, Kind::Number)
    };
    let mut columns = vec![word("arm", "Name of the arm with every player on.")];
    columns.extend(plan.design.levers.iter().map(tables::of_factor));
    columns.extend([
        word("counterfactual", "Name of the arm that it is compared with; empty where levels are attributed."),
        word("outcome", "An outcome of the table of runs, or a metric of the table of series."),
        Column::new("month", "month", "The month, YYYY-MM; empty for an outcome of the run.", Kind::Text),
        word("unit", "Unit of the outcome."),
        word("part", "The mechanism or lever; `rest`: what is left with all of them off; `total`: the effect with all on, the sum of the others."),
        Column::new("draws", "number", "Draws that have a value in every combination.", Kind::Whole),
        number("effect", "see unit", "Mean over draws of the part's Shapley value.".into()),
        number("low", "see unit", format!("Low end of its {percent:.0} % t-interval over draws.")),
        number("high", "see unit", "Its high end.".into()),
        number("share", "ratio", "The part's mean over that of the total; empty where the total is nothing.".into()),
    ]);
    Table { name: "attribution", about: "a row a policy, outcome, month and part", columns }
}

fn rows(
    plan: &Plan,
    game: &Game,
    outcome: &Arc<str>,
    month: Option<&Arc<str>>,
    sums: &[Moments],
    batch: &mut Batch,
) {
    let text = |text: &str| Some(Arc::from(text));
    let (policy, twin) = game.cells[game.cells.len() - 1];
    let of = plan.policies[policy];
    let total = sums.last().map_or(f64::NAN, Moments::mean);
    let ends = [REST, TOTAL];
    let names = game.players.iter().map(String::as_str).chain(ends);
    for (name, sums) in names.zip(sums) {
        let mut cells = batch.cells.iter_mut();
        let mut next = || cells.next().expect("a row has the cells of its table");
        next().text(text(&plan.arms[of.arm].name));
        for (at, lever) in plan.design.levers.iter().enumerate() {
            let pick = plan.design.lever(at, of.lever_row);
            let cells = next();
            if game.levers.contains(&at) {
                cells.text(None);
            } else if lever.is_numeric() {
                cells.number(lever.number(pick));
            } else {
                cells.text(text(&lever.label(pick)));
            }
        }
        next().text(twin.and_then(|twin| text(&plan.arms[plan.policies[twin].arm].name)));
        next().text(Some(Arc::clone(outcome)));
        next().text(month.cloned());
        next().text(text(unit_of(plan, outcome)));
        next().text(text(name));
        next().whole(i64::try_from(sums.n()).ok());
        let (effect, half) = (sums.mean(), sums.half_width());
        next().number(effect);
        next().number(effect - half);
        next().number(effect + half);
        next().number(if total == 0.0 { f64::NAN } else { effect / total });
    }
}

/// The attribution of everything that was recorded, handed over in batches of rows.
pub(super) fn compute(
    plan: &Plan,
    store: &Store,
    commits: &[Commit],
    write: &mut dyn FnMut(&Batch) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let table = table(plan);
    let games = games(plan);
    let shards: Vec<u64> = commits.iter().map(|commit| commit.shard).collect();
    let blank = |n: usize| -> Vec<Vec<Moments>> {
        games.iter().map(|game| vec![Moments::default(); game.parts() * n]).collect()
    };

    let all: Vec<usize> = (0..plan.record.outcomes.len()).collect();
    let mut sums = vec![blank(1); all.len()];
    draws::outcomes(plan, store, &shards, &all, &mut |_, at, values| {
        for (game, sums) in games.iter().zip(&mut sums[at]) {
            game.add(&|policy| values[policy], sums);
        }
    })?;
    let mut batch = Batch::new(&table.columns);
    for (outcome, sums) in plan.record.outcomes.iter().zip(&sums) {
        let name: Arc<str> = Arc::from(outcome.name.as_str());
        for (game, sums) in games.iter().zip(sums) {
            rows(plan, game, &name, None, sums, &mut batch);
        }
    }
    write(&batch)?;

    if plan.record.series.is_empty() {
        return Ok(());
    }
    let months: Vec<Arc<str>> =
        draws::months_kept(plan).iter().map(|month| Arc::from(month.to_string())).collect();
    let parts: usize = games.iter().map(Game::parts).sum();
    let a_metric = parts * months.len() * size_of::<Moments>();
    let metrics: Vec<usize> = (0..plan.record.series.len()).collect();
    for chunk in metrics.chunks((SUMS_BYTES / a_metric.max(1)).max(1)) {
        let mut sums = vec![blank(months.len()); chunk.len()];
        draws::series(plan, store, &shards, chunk, &mut |_, at, cells, starts| {
            for (game, sums) in games.iter().zip(&mut sums[at]) {
                for (n, sums) in sums.chunks_mut(game.parts()).enumerate() {
                    let value = |policy: usize| {
                        starts[policy].map_or(f64::NAN, |start| cells.at(start + n))
                    };
                    game.add(&value, sums);
                }
            }
        })?;
        let mut batch = Batch::new(&table.columns);
        for (metric, sums) in chunk.iter().zip(&sums) {
            let name: Arc<str> = Arc::from(plan.record.series[*metric].1.name);
            for (game, sums) in games.iter().zip(sums) {
                for (month, sums) in months.iter().zip(sums.chunks(game.parts())) {
                    rows(plan, game, &name, Some(month), sums, &mut batch);
                }
            }
        }
        write(&batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::shapley;

    #[test]
    fn a_game_of_two_by_hand() {
        // Alone 1 and 2, together 7: the 4 that neither makes alone are shared alike.
        assert_eq!(shapley(&[0.0, 1.0, 2.0, 7.0]), [3.0, 4.0]);
        // What is there without anybody belongs to nobody.
        assert_eq!(shapley(&[5.0, 6.0, 7.0, 12.0]), [3.0, 4.0]);
    }

    #[test]
    fn parts_and_rest_are_the_total_exactly() {
        let mut state = 7_u64;
        for k in 1..=6 {
            let worth: Vec<f64> = (0..1 << k)
                .map(|_| {
                    state = crate::random::key_from(&[state, 3]);
                    (state >> 11) as f64 / (1_u64 << 53) as f64
                })
                .collect();
            let parts: f64 = shapley(&worth).iter().sum();
            let total = worth[worth.len() - 1];
            assert!((parts + worth[0] - total).abs() < 1e-12, "{k}: {parts}");
        }
    }

    #[test]
    fn who_changes_nothing_gets_nothing_and_alike_get_alike() {
        // Player 2 of 3 never matters; players 0 and 1 are alike.
        let worth = [0.0, 1.0, 1.0, 4.0, 0.0, 1.0, 1.0, 4.0];
        let parts = shapley(&worth);
        assert!((parts[0] - 2.0).abs() < 1e-12 && (parts[1] - 2.0).abs() < 1e-12, "{parts:?}");
        assert!(parts[2].abs() < 1e-12);
    }
}
