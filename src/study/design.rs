//! The design: which levers and uncertainties vary, and what each row of the design says.
//!
//! *Levers* are what a policy-maker may choose; every combination of their levels is run.
//! *Uncertainties* are what nobody may choose; a row of them is a *scenario*. Scenarios are
//! every combination of levels, a Latin hypercube, or the rows of a table made elsewhere.
//!
//! Nothing of the size of the design is kept but the hypercube's ranks or the table's numbers: the
//! value of a row is computed when it is asked for.

use crate::maths;
use crate::parameters::{Distribution, ParameterRow};
use crate::random::{key_from, key_of, uniform};
use crate::schema::Value;
use crate::world::{Address, Definition};

/// Share of a normal or log-normal prior below its low end, and above its high end.
const TAIL: f64 = 0.05;

/// One level of a factor.
#[derive(Clone, Debug)]
pub struct Level {
    /// Its name: what the tables say.
    pub label: String,
    /// One value a target.
    pub values: Vec<Value>,
}

/// What values a factor takes.
#[derive(Clone, Debug)]
pub enum Domain {
    /// These.
    Levels(Vec<Level>),
    /// Any number of a range. A normal or log-normal distribution has low and high as its 5 % and
    /// 95 % points, and is cut off there.
    Range {
        /// Least.
        low: f64,
        /// Largest.
        high: f64,
        /// Shape.
        distribution: Distribution,
    },
}

/// A lever or an uncertainty.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Name: a column of the tables.
    pub name: String,
    /// Unit of its values, empty for names of levels.
    pub unit: String,
    /// What it is, for the tables' metadata.
    pub definition: String,
    /// The cells that it sets.
    pub targets: Vec<Address>,
    /// The values that it takes.
    pub domain: Domain,
}

/// What a row says of one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pick {
    /// The level at this position.
    Level(usize),
    /// This number.
    Number(f64),
}

/// What a parameter is, as the room that reads it declares.
pub(super) fn parameter_doc(name: &str) -> String {
    let declared = crate::mechanisms::declared_parameters();
    let found = declared.iter().find(|d| d.name == name);
    found.map_or_else(String::new, |d| d.doc.trim().to_owned())
}

impl Factor {
    /// A parameter over its prior.
    #[must_use]
    pub fn of_prior(row: &ParameterRow) -> Self {
        Self {
            name: row.id.clone(),
            unit: row.unit.clone(),
            definition: parameter_doc(&row.id),
            targets: vec![Address::Cell { table: "parameters", id: row.id.clone(), column: 0 }],
            domain: Domain::Range { low: row.low, high: row.high, distribution: row.distribution },
        }
    }

    /// Every parameter that has a prior, over it.
    #[must_use]
    pub fn of_priors(rows: &[ParameterRow]) -> Vec<Self> {
        rows.iter().filter(|r| r.distribution != Distribution::Fixed).map(Self::of_prior).collect()
    }

    /// Whether its values are numbers in the tables.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        match &self.domain {
            Domain::Levels(levels) => levels.iter().all(|l| l.label.parse::<f64>().is_ok()),
            Domain::Range { .. } => true,
        }
    }

    /// The value at `u` in (0, 1): the quantile of a range, or one of the levels, each as likely.
    #[must_use]
    pub fn at(&self, u: f64) -> Pick {
        match &self.domain {
            Domain::Levels(levels) => {
                let at = maths::whole_below(u * levels.len() as f64).max(0) as usize;
                Pick::Level(at.min(levels.len().saturating_sub(1)))
            }
            Domain::Range { low, high, distribution } => {
                Pick::Number(quantile(*low, *high, *distribution, u))
            }
        }
    }

    /// The value as the tables write it.
    #[must_use]
    pub fn label(&self, pick: Pick) -> String {
        match (pick, &self.domain) {
            (Pick::Level(at), Domain::Levels(levels)) => levels[at].label.clone(),
            (Pick::Number(x), _) => plain(x),
            (Pick::Level(at), Domain::Range { .. }) => at.to_string(),
        }
    }

    /// The value as a number, where it is one.
    #[must_use]
    pub fn number(&self, pick: Pick) -> f64 {
        match (pick, &self.domain) {
            (Pick::Number(x), _) => x,
            (Pick::Level(at), Domain::Levels(levels)) => {
                levels[at].label.parse().unwrap_or(f64::NAN)
            }
            (Pick::Level(_), Domain::Range { .. }) => f64::NAN,
        }
    }

    /// What is put where.
    #[must_use]
    pub fn settings(&self, pick: Pick) -> Vec<(&Address, Value)> {
        match (pick, &self.domain) {
            (Pick::Level(at), Domain::Levels(levels)) => {
                self.targets.iter().zip(levels[at].values.iter().cloned()).collect()
            }
            (Pick::Number(x), _) => {
                let whole =
                    |a: &Address| matches!(a.column().kind, crate::schema::Kind::Whole { .. });
                let value = |a: &Address| {
                    if whole(a) { Value::Whole(maths::whole(x)) } else { Value::Number(x) }
                };
                self.targets.iter().map(|target| (target, value(target))).collect()
            }
            (Pick::Level(_), Domain::Range { .. }) => Vec::new(),
        }
    }

    /// The position of the level of this label; numbers are compared as numbers.
    #[must_use]
    pub fn level(&self, label: &str) -> Option<usize> {
        let Domain::Levels(levels) = &self.domain else { return None };
        let number = label.parse::<f64>().ok();
        levels.iter().position(|l| {
            l.label == label || (number.is_some() && l.label.parse::<f64>().ok() == number)
        })
    }
}

/// A number with the fewest digits that read back as the same number, `0.1` and `3`.
#[must_use]
pub fn plain(x: f64) -> String {
    let mut text = String::new();
    crate::record::cell::number(&mut text, x);
    text
}

/// The quantile `u` of a prior from `low` to `high`.
#[must_use]
pub fn quantile(low: f64, high: f64, distribution: Distribution, u: f64) -> f64 {
    // The standard normal between its 5 % and 95 % points, as a share of the way.
    let bell = |u: f64| {
        let z = maths::normal_quantile(TAIL + (1.0 - TAIL - TAIL) * u);
        let end = maths::normal_quantile(1.0 - TAIL);
        f64::midpoint(z / end, 1.0)
    };
    let x = match distribution {
        Distribution::Uniform => low + (high - low) * u,
        Distribution::Normal => low + (high - low) * bell(u),
        Distribution::Lognormal => {
            let (a, b) = (maths::ln(low), maths::ln(high));
            maths::exp(a + (b - a) * bell(u))
        }
        Distribution::Whole => low + ((high - low + 1.0) * u).floor(),
        Distribution::Fixed => low,
    };
    x.clamp(low, high)
}

/// A column of scenarios.
#[derive(Clone, Debug)]
pub(super) enum Scenarios {
    /// Every combination: the level is the row divided by `stride`, modulo the number of levels.
    Factorial { stride: u64 },
    /// The rank of each row, and the key of the jitter within a rank.
    Hypercube { ranks: Vec<u32>, key: u64 },
    /// What the table says.
    Table(Vec<Pick>),
}

/// All rows of a design.
#[derive(Clone, Debug, Default)]
pub struct Design {
    /// Levers.
    pub levers: Vec<Factor>,
    /// Uncertainties.
    pub uncertainties: Vec<Factor>,
    /// Combinations of levers.
    pub lever_rows: u64,
    /// Scenarios.
    pub scenarios: u64,
    columns: Vec<Scenarios>,
}

/// How many levels a factor has; none for a range.
fn levels(factor: &Factor) -> Option<u64> {
    match &factor.domain {
        Domain::Levels(levels) => Some(levels.len() as u64),
        Domain::Range { .. } => None,
    }
}

/// Number of combinations, none when a factor is a range or the number is out of all proportion.
fn combinations(factors: &[Factor]) -> Option<u64> {
    factors.iter().try_fold(1_u64, |n, factor| n.checked_mul(levels(factor)?))
}

/// Strides of a mixed-radix number whose last digit moves fastest.
fn strides(factors: &[Factor]) -> Vec<u64> {
    let mut stride = 1;
    let mut all: Vec<u64> = factors
        .iter()
        .rev()
        .map(|factor| {
            let mine = stride;
            stride *= levels(factor).unwrap_or(1);
            mine
        })
        .collect();
    all.reverse();
    all
}

impl Design {
    /// A design whose scenarios are every combination; none when a factor is a range, or when there
    /// are more than 2^64.
    #[must_use]
    pub fn factorial(levers: Vec<Factor>, uncertainties: Vec<Factor>) -> Option<Self> {
        let (lever_rows, scenarios) = (combinations(&levers)?, combinations(&uncertainties)?);
        let columns =
            strides(&uncertainties).into_iter().map(|stride| Scenarios::Factorial { stride });
        let columns = columns.collect();
        Some(Self { levers, uncertainties, lever_rows, scenarios, columns })
    }

    /// A design whose scenarios are a Latin hypercube: of each uncertainty's `points` slices of equal
    /// probability, every one is used once. Draws are addressed by `seed`, the uncertainty's name
    /// and the row: one uncertainty more changes nothing in the columns of the others.
    #[must_use]
    pub fn hypercube(
        levers: Vec<Factor>,
        uncertainties: Vec<Factor>,
        points: u64,
        seed: u64,
    ) -> Option<Self> {
        let lever_rows = combinations(&levers)?;
        let points32 = u32::try_from(points).ok()?;
        let columns = uncertainties
            .iter()
            .map(|factor| {
                let key = key_from(&[seed, key_of(&["design", &factor.name])]);
                let mut order: Vec<(u64, u32)> =
                    (0..points32).map(|row| (key_from(&[key, 0, u64::from(row)]), row)).collect();
                order.sort_unstable();
                let mut ranks = vec![0; order.len()];
                for (rank, (_, row)) in order.into_iter().enumerate() {
                    ranks[row as usize] = rank as u32;
                }
                Scenarios::Hypercube { ranks, key }
            })
            .collect();
        Some(Self { levers, uncertainties, lever_rows, scenarios: points, columns })
    }

    /// A design whose scenarios are the rows of a table, a column an uncertainty.
    #[must_use]
    pub fn table(
        levers: Vec<Factor>,
        uncertainties: Vec<Factor>,
        columns: Vec<Vec<Pick>>,
    ) -> Option<Self> {
        let lever_rows = combinations(&levers)?;
        let scenarios = columns.first().map_or(1, Vec::len) as u64;
        let columns = columns.into_iter().map(Scenarios::Table).collect();
        Some(Self { levers, uncertainties, lever_rows, scenarios, columns })
    }

    /// What lever `factor` is in combination `row`.
    #[must_use]
    pub fn lever(&self, factor: usize, row: u64) -> Pick {
        let stride = strides(&self.levers)[factor];
        let n = levels(&self.levers[factor]).unwrap_or(1);
        Pick::Level(((row / stride) % n) as usize)
    }

    /// The combination in which `factor` has `level` and all other levers are as in `row`.
    #[must_use]
    pub fn lever_row_with(&self, row: u64, factor: usize, level: usize) -> u64 {
        let stride = strides(&self.levers)[factor];
        let n = levels(&self.levers[factor]).unwrap_or(1);
        row - ((row / stride) % n) * stride + level as u64 * stride
    }

    /// What uncertainty `factor` is in scenario `row`.
    #[must_use]
    pub fn uncertainty(&self, factor: usize, row: u64) -> Pick {
        let of = &self.uncertainties[factor];
        match &self.columns[factor] {
            Scenarios::Factorial { stride } => {
                Pick::Level(((row / stride) % levels(of).unwrap_or(1)) as usize)
            }
            Scenarios::Hypercube { ranks, key } => {
                let jitter = uniform(key_from(&[*key, 1, row]));
                let u = (f64::from(ranks[row as usize]) + jitter) / ranks.len() as f64;
                of.at(u)
            }
            Scenarios::Table(picks) => picks[row as usize],
        }
    }

    /// Puts a row into `definition`; every varied cell is set, whatever it was before.
    pub fn apply(&self, definition: &mut Definition, lever_row: u64, scenario: u64) {
        for (i, factor) in self.levers.iter().enumerate() {
            for (address, value) in factor.settings(self.lever(i, lever_row)) {
                definition.set(address, value);
            }
        }
        for (i, factor) in self.uncertainties.iter().enumerate() {
            for (address, value) in factor.settings(self.uncertainty(i, scenario)) {
                definition.set(address, value);
            }
        }
    }

    /// The same row as `--set` arguments.
    #[must_use]
    pub fn sets(&self, lever_row: u64, scenario: u64) -> Vec<String> {
        let mut sets = Vec::new();
        let mut add = |factor: &Factor, pick: Pick| {
            for (address, value) in factor.settings(pick) {
                sets.push(format!("{}={}", address.key(), word(&value)));
            }
        };
        for (i, factor) in self.levers.iter().enumerate() {
            add(factor, self.lever(i, lever_row));
        }
        for (i, factor) in self.uncertainties.iter().enumerate() {
            add(factor, self.uncertainty(i, scenario));
        }
        sets
    }

    /// A digest of every row, for the plan.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = key_from(&[self.lever_rows, self.scenarios]);
        for (i, factor) in self.uncertainties.iter().enumerate() {
            digest = key_from(&[digest, key_of(&[&factor.name])]);
            for row in 0..self.scenarios {
                digest = key_from(&[
                    digest,
                    match self.uncertainty(i, row) {
                        Pick::Level(at) => at as u64,
                        Pick::Number(x) => x.to_bits(),
                    },
                ]);
            }
        }
        digest
    }
}

/// A value as `--set` writes it.
fn word(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(x) => format!("{x:?}"),
        Value::Whole(n) => n.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Month(month) => month.to_string(),
        Value::List(words) => words.join(" "),
        Value::Missing => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(name: &str) -> Factor {
        Factor {
            name: name.to_owned(),
            unit: String::new(),
            definition: String::new(),
            targets: Vec::new(),
            domain: Domain::Range { low: 0.0, high: 1.0, distribution: Distribution::Uniform },
        }
    }

    fn leveled(name: &str, labels: &[&str]) -> Factor {
        let level = |label: &&str| Level { label: (*label).to_owned(), values: Vec::new() };
        Factor { domain: Domain::Levels(labels.iter().map(level).collect()), ..range(name) }
    }

    #[test]
    fn priors_keep_to_their_ends_and_have_their_middle_where_they_should() {
        let median = |low, high, d| quantile(low, high, d, 0.5);
        assert!((median(1.0, 3.0, Distribution::Uniform) - 2.0).abs() < 1e-12);
        assert!((median(1.0, 3.0, Distribution::Normal) - 2.0).abs() < 1e-8);
        assert!((median(1.0, 100.0, Distribution::Lognormal) - 10.0).abs() < 1e-6);
        for d in [Distribution::Uniform, Distribution::Normal, Distribution::Lognormal] {
            assert!((quantile(1.0, 3.0, d, 1e-12) - 1.0).abs() < 1e-6);
            assert!((quantile(1.0, 3.0, d, 1.0 - 1e-12) - 3.0).abs() < 1e-6);
        }
        // Three whole numbers, a third each.
        let whole = |u| quantile(2.0, 4.0, Distribution::Whole, u);
        assert_eq!([whole(0.1), whole(0.34), whole(0.67), whole(0.999)], [2.0, 3.0, 4.0, 4.0]);
        // Three quarters of a normal cut off at ±1.645 s: Φ⁻¹(0.725) = 0.598, (0.598/1.645 + 1)/2.
        let quarter = quantile(0.0, 1.0, Distribution::Normal, 0.75);
        assert!((quarter - 0.682).abs() < 1e-3, "{quarter}");
    }

    #[test]
    fn a_hypercube_uses_each_slice_once_and_columns_do_not_know_each_other() {
        let one = Design::hypercube(Vec::new(), vec![range("a")], 50, 7).unwrap();
        let both = Design::hypercube(Vec::new(), vec![range("b"), range("a")], 50, 7).unwrap();
        let mut slices: Vec<i64> = (0..50)
            .map(|row| {
                assert_eq!(one.uncertainty(0, row), both.uncertainty(1, row));
                let Pick::Number(x) = one.uncertainty(0, row) else { panic!() };
                (x * 50.0).floor() as i64
            })
            .collect();
        slices.sort_unstable();
        assert_eq!(slices, (0..50).collect::<Vec<i64>>());
        let other = Design::hypercube(Vec::new(), vec![range("a")], 50, 8).unwrap();
        assert!((0..50).any(|row| one.uncertainty(0, row) != other.uncertainty(0, row)));
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn levels_of_a_hypercube_are_used_alike() {
        let design =
            Design::hypercube(Vec::new(), vec![leveled("r", &["x", "y", "z"])], 30, 1).unwrap();
        let mut counts = [0; 3];
        for row in 0..30 {
            let Pick::Level(at) = design.uncertainty(0, row) else { panic!() };
            counts[at] += 1;
        }
        assert_eq!(counts, [10, 10, 10]);
    }

    #[test]
    fn combinations_count_like_an_odometer() {
        let levers = vec![leveled("a", &["0", "1"]), leveled("b", &["x", "y", "z"])];
        let design = Design::factorial(levers, Vec::new()).unwrap();
        assert_eq!((design.lever_rows, design.scenarios), (6, 1));
        let row = |r| (design.lever(0, r), design.lever(1, r));
        assert_eq!(row(0), (Pick::Level(0), Pick::Level(0)));
        assert_eq!(row(1), (Pick::Level(0), Pick::Level(1)));
        assert_eq!(row(5), (Pick::Level(1), Pick::Level(2)));
        assert_eq!(design.lever_row_with(5, 0, 0), 2);
        assert_eq!(design.lever_row_with(5, 1, 0), 3);
    }
}
