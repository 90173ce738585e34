//! What the runs say of a contrast, draw by draw.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::file::{Contrast, Measure, Measured, Number};
use crate::maths;
use crate::study::statistics::Moments;
use crate::study::{Draws, Failed, Plan, Store, Values, months_kept};

/// Finished studies, and what was read of them so far.
pub struct Evidence<'a> {
    /// The draws of each study.
    pub draws: Vec<Draws<'a>>,
    read: BTreeMap<(usize, Number), Rc<Values>>,
}

impl<'a> Evidence<'a> {
    /// The finished studies of some plans.
    ///
    /// # Errors
    /// When one is not complete, or the system refuses.
    pub fn open(studies: &'a [(Plan, Store)]) -> Result<Self, Failed> {
        let draws = studies.iter().map(|(plan, store)| Draws::open(plan, store));
        Ok(Self { draws: draws.collect::<Result<_, _>>()?, read: BTreeMap::new() })
    }

    /// The values of what is measured, a month each.
    pub(super) fn values(&mut self, of: &Measured) -> Result<Vec<Rc<Values>>, Failed> {
        let draws = &self.draws[of.plan];
        let missing = |number: &&Number| !self.read.contains_key(&(of.plan, (*number).clone()));
        let missing: Vec<&Number> = of.numbers.iter().filter(missing).collect();
        let kept = months_kept(draws.plan);
        let months: Vec<_> = missing
            .iter()
            .filter_map(|number| match number {
                Number::Metric(_, month) => kept.get(*month).copied(),
                Number::Outcome(_) => None,
            })
            .collect();
        let mut found = Vec::new();
        match missing.first() {
            Some(Number::Metric(series, _)) => found = draws.metric(*series, &months)?,
            Some(Number::Outcome(outcome)) => found.push(draws.outcome(*outcome)?),
            None => {}
        }
        let new: Vec<_> = missing.into_iter().cloned().zip(found).collect();
        for (number, values) in new {
            self.read.insert((of.plan, number), Rc::new(values));
        }
        let read = |number: &Number| self.read.get(&(of.plan, number.clone())).map(Rc::clone);
        Ok(of.numbers.iter().filter_map(read).collect())
    }

    /// The signed effect of each draw: positive in the direction of the claim, the least over its months; not
    /// a number where a run lacks a value.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signed(&mut self, of: &Contrast, measure: &Measure) -> Result<Vec<f64>, Failed> {
        let values = self.values(&of.measured)?;
        let scale = |x: f64| match (measure.ln, x > 0.0) {
            (false, _) => x,
            (true, true) => maths::ln(x),
            (true, false) => f64::NAN,
        };
        let one = |values: &Values, draw: usize| {
            let without = of.counterfactual.map_or(0.0, |arm| scale(values.at(draw, arm)));
            measure.sign * (scale(values.at(draw, of.treated)) - without)
        };
        let least = |draw: usize| {
            let months = values.iter().map(|values| one(values, draw));
            months.fold(f64::INFINITY, |a, b| {
                if b.is_nan() {
                    b
                } else if a.is_nan() {
                    a
                } else {
                    a.min(b)
                }
            })
        };
        let draws = values.first().map_or(0, |values| values.draws());
        Ok((0..draws).map(least).collect())
    }
}

/// A mean over draws with its 90 % t-interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Draws that have a value.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Low end of the interval.
    pub low: f64,
    /// High end of the interval.
    pub high: f64,
}

impl Effect {
    /// Of the draws that have a value.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut moments = Moments::default();
        for x in values.iter().filter(|x| x.is_finite()) {
            moments.add(*x);
        }
        let (mean, half) = (moments.mean(), moments.half_width());
        Self { n: moments.n(), mean, low: mean - half, high: mean + half }
    }

    /// The same in the outcome's own direction.
    #[must_use]
    pub fn unsigned(self, sign: f64) -> Self {
        if sign > 0.0 {
            return self;
        }
        Self { n: self.n, mean: -self.mean, low: -self.high, high: -self.low }
    }

    /// Whether the whole interval exceeds `margin`.
    #[must_use]
    pub fn exceeds(&self, margin: f64) -> bool {
        self.low > margin
    }

    /// Whether the whole interval falls short of `margin`.
    #[must_use]
    pub fn falls_short(&self, margin: f64) -> bool {
        self.high < margin
    }

    /// Whether the whole interval is within `margin` of nothing.
    #[must_use]
    pub fn is_nothing(&self, margin: f64) -> bool {
        self.low >= -margin && self.high <= margin
    }
}
