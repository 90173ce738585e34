//! Where a claim flips: the one split of one parameter that best parts the draws in which it holds from
//! those in which it does not, and whether chance alone would part them as well.
//!
//! A split is a threshold of a number or a level of a factor; both sides hold a tenth of the draws, at least.
//! Its gain is the fall of the Gini impurity, `Σ n p(1 − p)`. Among many parameters some split always looks good: the
//! best gain counts when it exceeds nine tenths of the best gains found after the outcomes were shuffled among the draws
//! (the same search, so the number of parameters is allowed for; Westfall and Young 1993).

use std::fmt::Write as _;

use crate::random::key_from;
use crate::study::Plan;

/// Shuffles that a gain is held against.
const SHUFFLES: u64 = 200;
/// Share of them that it must exceed.
const LEVEL: f64 = 0.9;
/// Least share of draws on a side of a split.
const LEAST: f64 = 0.1;
/// Purpose of the shuffles' draws.
const KEY: u64 = 0x0066_6c69_7073;

/// A column of the design: a name, and a number or a level a draw.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name of the uncertainty.
    pub name: String,
    /// Its value in each draw; levels by position.
    pub values: Vec<f64>,
    /// Names of levels; empty for numbers.
    pub levels: Vec<String>,
}

/// A split of the draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The uncertainty.
    pub name: String,
    /// The side on which the claim holds less often, in words.
    pub side: String,
    /// Draws on that side, and the share of them in which the claim holds.
    pub inside: (usize, f64),
    /// The same of the other side.
    pub outside: (usize, f64),
    /// Share of shuffles whose best gain was smaller.
    pub beyond_chance: f64,
}

impl Split {
    /// As a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let mut text = String::new();
        let percent = |x: f64| x * 100.0;
        let _ = write!(
            text,
            "{}: holds in {:.0} % of {} draws there, in {:.0} % of {} elsewhere",
            self.side,
            percent(self.inside.1),
            self.inside.0,
            percent(self.outside.1),
            self.outside.0
        );
        text
    }
}

/// The uncertainties of the draws of a plan.
#[must_use]
pub fn columns(plan: &Plan, draws: &[u64]) -> Vec<Column> {
    let design = &plan.design;
    let of = |(at, factor): (usize, &crate::study::Factor)| {
        let numeric = factor.is_numeric();
        let values = draws.iter().map(|draw| {
            let pick = design.uncertainty(at, plan.draw(*draw).scenario);
            match pick {
                _ if numeric => factor.number(pick),
                crate::study::Pick::Level(level) => level as f64,
                crate::study::Pick::Number(x) => x,
            }
        });
        let levels = match &factor.domain {
            crate::study::Domain::Levels(levels) if !numeric => {
                levels.iter().map(|level| level.label.clone()).collect()
            }
            _ => Vec::new(),
        };
        Column { name: factor.name.clone(), values: values.collect(), levels }
    };
    design.uncertainties.iter().enumerate().map(of).collect()
}

/// Where a split lies: below or at a number, or at one level.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    UpTo(f64, f64),
    Level(usize),
}

/// The best split of a column: its gain and the cut. `order` are the rows by value.
fn best_cut(column: &Column, order: &[usize], holds: &[bool]) -> Option<(f64, Cut)> {
    let n = holds.len();
    let all = holds.iter().filter(|h| **h).count();
    let least = ((n as f64 * LEAST).ceil() as usize).max(2);
    let impurity =
        |n: usize, k: usize| if n == 0 { 0.0 } else { k as f64 * (n - k) as f64 / n as f64 };
    let gain = |size: usize, held: usize| {
        impurity(n, all) - impurity(size, held) - impurity(n - size, all - held)
    };
    let mut best: Option<(f64, Cut)> = None;
    let mut offer = |size: usize, held: usize, cut: Cut| {
        if size >= least && n - size >= least {
            let gain = gain(size, held);
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, cut));
            }
        }
    };
    if column.levels.is_empty() {
        let mut held = 0;
        for (size, pair) in order.windows(2).enumerate() {
            held += usize::from(holds[pair[0]]);
            let (x, y) = (column.values[pair[0]], column.values[pair[1]]);
            if x < y {
                offer(size + 1, held, Cut::UpTo(x, y));
            }
        }
    } else {
        for level in 0..column.levels.len() {
            let rows = || (0..n).filter(|row| column.values[*row] == level as f64);
            offer(rows().count(), rows().filter(|row| holds[*row]).count(), Cut::Level(level));
        }
    }
    best
}

fn best(columns: &[Column], orders: &[Vec<usize>], holds: &[bool]) -> Option<(f64, usize, Cut)> {
    let mut best: Option<(f64, usize, Cut)> = None;
    for (at, (column, order)) in columns.iter().zip(orders).enumerate() {
        if let Some((gain, cut)) = best_cut(column, order, holds)
            && best.is_none_or(|(most, _, _)| gain > most)
        {
            best = Some((gain, at, cut));
        }
    }
    best
}

/// The split behind which a claim flips; none where no split parts the draws better than chance. `holds` has an
/// entry for each draw of the columns.
#[must_use]
pub fn find(columns: &[Column], holds: &[bool]) -> Option<Split> {
    let orders: Vec<Vec<usize>> = columns
        .iter()
        .map(|column| {
            let mut order: Vec<usize> = (0..holds.len()).collect();
            order.sort_by(|a, b| column.values[*a].total_cmp(&column.values[*b]).then(a.cmp(b)));
            order
        })
        .collect();
    let (gain, at, cut) = best(columns, &orders, holds)?;
    let mut smaller = 0;
    for shuffle in 0..SHUFFLES {
        let mut keyed: Vec<(u64, bool)> = holds
            .iter()
            .enumerate()
            .map(|(row, held)| (key_from(&[KEY, shuffle, row as u64]), *held))
            .collect();
        keyed.sort_unstable();
        let shuffled: Vec<bool> = keyed.into_iter().map(|(_, held)| held).collect();
        smaller += u64::from(best(columns, &orders, &shuffled).is_none_or(|(g, _, _)| g < gain));
    }
    let beyond_chance = smaller as f64 / SHUFFLES as f64;
    if beyond_chance < LEVEL {
        return None;
    }
    let column = &columns[at];
    let inside = |row: usize| match cut {
        Cut::UpTo(x, _) => column.values[row] <= x,
        Cut::Level(level) => column.values[row] == level as f64,
    };
    let side = |wanted: bool| {
        let rows = || (0..holds.len()).filter(|row| inside(*row) == wanted);
        let n = rows().count();
        (n, rows().filter(|row| holds[*row]).count() as f64 / n as f64)
    };
    let (yes, no) = (side(true), side(false));
    let low = yes.1 <= no.1;
    let words = match cut {
        Cut::UpTo(x, y) => {
            let at = short(f64::midpoint(x, y));
            format!("{} {} {at}", column.name, if low { "<" } else { ">" })
        }
        Cut::Level(level) => {
            format!(
                "{} {} {}",
                column.name,
                if low { "is" } else { "is not" },
                column.levels[level]
            )
        }
    };
    Some(Split {
        name: column.name.clone(),
        side: words,
        inside: if low { yes } else { no },
        outside: if low { no } else { yes },
        beyond_chance,
    })
}

/// A number in three digits.
pub(super) fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let size = crate::maths::log10(x.abs()).floor();
    if !(-4.0..9.0).contains(&size) {
        return format!("{x:.2e}");
    }
    format!("{x:.*}", (2.0 - size).clamp(0.0, 6.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, n: usize) -> Vec<f64> {
        (0..n)
            .map(|row| (key_from(&[seed, row as u64]) >> 11) as f64 / (1_u64 << 53) as f64)
            .collect()
    }

    fn many(n: usize) -> Vec<Column> {
        (0..60)
            .map(|at| Column { name: format!("p{at}"), values: noise(at, n), levels: Vec::new() })
            .collect()
    }

    #[test]
    fn the_parameter_behind_which_it_flips_is_found() {
        let columns = many(80);
        let holds: Vec<bool> = columns[17].values.iter().map(|x| *x > 0.4).collect();
        let split = find(&columns, &holds).unwrap();
        assert_eq!(split.name, "p17");
        assert!(
            split.side.starts_with("p17 < 0.4") || split.side.starts_with("p17 < 0.3"),
            "{split:?}"
        );
        assert_eq!((split.inside.1, split.outside.1), (0.0, 1.0));
        // A level of a factor, among numbers that say nothing.
        let mut columns = many(80);
        let levels = vec!["open".to_owned(), "closed".to_owned(), "mixed".to_owned()];
        let values: Vec<f64> = noise(99, 80).iter().map(|x| (x * 3.0).floor()).collect();
        let holds: Vec<bool> = values.iter().map(|x| *x != 1.0).collect();
        columns.push(Column { name: "regime".to_owned(), values, levels });
        let split = find(&columns, &holds).unwrap();
        assert_eq!(split.side, "regime is closed");
        assert!(split.words().contains("holds in 0 % of"), "{}", split.words());
    }

    #[test]
    fn among_sixty_parameters_that_say_nothing_none_is_named() {
        let columns = many(60);
        let found = (0..20).filter(|seed| {
            let holds: Vec<bool> = noise(1000 + seed, 60).iter().map(|x| *x > 0.5).collect();
            find(&columns, &holds).is_some()
        });
        // One in ten is what chance allows.
        assert!(found.count() <= 6);
        assert!(find(&columns, &[true; 60]).is_none());
    }
}
