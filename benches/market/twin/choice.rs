//! Choice: every country's shares of tokens.

use frugality::entities::boards::SELF_HOSTED;
use frugality::maths;
use frugality::mechanisms::market::TIERS;

use super::Twin;

impl Twin {
    pub(crate) fn choose(&mut self) {
        let (hosted, options, developers) = (self.hosted, self.options, self.developers.len());
        let (p, lambda) = (self.p.clone(), self.p.nest_dissimilarity);
        let mut best_quality = f64::NEG_INFINITY;
        for quality in &self.quality {
            if *quality > best_quality {
                best_quality = *quality;
            }
        }
        let (mut best, mut best_ln_price) = (f64::NEG_INFINITY, 0.0);
        for k in 0..hosted {
            let price = self.price[k];
            self.ln_price[k] = if price > 0.0 { self.ln_price_of(price) } else { f64::NAN };
            self.value[k] = if self.quality[k].is_finite() && price > 0.0 {
                p.quality_weight * (self.quality[k] - best_quality)
                    - p.price_weight * self.ln_price[k]
                    - p.ration_penalty * (1.0 - self.served[self.firm_of[k]])
            } else {
                f64::NEG_INFINITY
            };
            if self.value[k] > best {
                best = self.value[k];
                best_ln_price = self.ln_price[k];
            }
        }
        for (at, price) in self.open_price.iter().enumerate() {
            if !best.is_finite() && *price > 0.0 {
                best_ln_price = self.ln_price_of(*price);
                best = p.quality_weight * (self.quality[hosted + at % SELF_HOSTED] - best_quality)
                    - p.price_weight * best_ln_price;
            }
        }
        for k in 0..hosted {
            self.value[k] = (self.value[k] - best) / lambda;
            self.dearer[k] = (self.ln_price[k] - best_ln_price) / lambda;
        }
        let follow = |habit: &mut f64, target: f64| {
            *habit = if !target.is_finite() {
                f64::NEG_INFINITY
            } else if habit.is_finite() {
                p.lock * *habit + (1.0 - p.lock) * target
            } else {
                target - p.entry_gap
            };
        };
        let mut runs = vec![false; developers];
        self.shares.fill(0.0);
        for c in 0..self.nations {
            let poor = p.price_weight * p.price_weight_poor * self.poverty[c];
            let habits = &mut self.habit[c * options..(c + 1) * options];
            let row = &mut self.shares[c * options..(c + 1) * options];
            let knows = |d: usize| self.awareness[c * self.firms + self.developers[d]];
            let access = &self.access[c * developers..(c + 1) * developers];
            runs.fill(false);
            let mut most = [f64::NEG_INFINITY; 2];
            for k in hosted..options {
                let origin = self.origin[k - hosted];
                let price = self.open_price[c * SELF_HOSTED + k - hosted];
                let target = if price > 0.0 {
                    let ln_price = maths::ln(price / self.quantum);
                    let value = p.quality_weight * (self.quality[k] - best_quality)
                        - p.price_weight * ln_price
                        - poor * (ln_price - best_ln_price)
                        - p.ration_penalty * (1.0 - self.host_served[c]);
                    (value - best) / lambda + self.open_geography[c * developers + origin]
                } else {
                    f64::NEG_INFINITY
                };
                follow(&mut habits[k], target);
                if habits[k].is_finite() {
                    runs[origin] = true;
                    most[0] = habits[k].max(most[0]);
                    row[k] = knows(origin);
                }
            }
            let mut unaware = 1.0;
            for d in 0..developers {
                let mut on_offer = false;
                for k in d * TIERS..(d + 1) * TIERS {
                    let here = (self.abroad[d] || self.home[d] == c) && self.value[k].is_finite();
                    let target = if here {
                        self.value[k] - poor * self.dearer[k] + self.geography[c * developers + d]
                    } else {
                        f64::NEG_INFINITY
                    };
                    follow(&mut habits[k], target);
                    if habits[k].is_finite() {
                        on_offer = true;
                        most[1] = habits[k].max(most[1]);
                        row[k] = knows(d) * access[d];
                    }
                }
                if runs[d] {
                    unaware *= 1.0 - knows(d);
                } else if on_offer {
                    unaware *= 1.0 - access[d] * knows(d);
                }
            }
            let aware = 1.0 - unaware;
            let nests = [(hosted, options), (0, hosted)];
            let mut sums = [0.0; 2];
            let mut worth = [f64::NEG_INFINITY, f64::NEG_INFINITY, -p.outside_gap];
            for (n, (from, to)) in nests.into_iter().enumerate() {
                for k in from..to {
                    if row[k] > 0.0 {
                        row[k] *= maths::exp(habits[k] - most[n]);
                        sums[n] += row[k];
                    }
                }
                if sums[n] > 0.0 {
                    worth[n] = lambda * (maths::ln(sums[n] / aware) + most[n]);
                }
            }
            let top = worth[0].max(worth[1]).max(worth[2]);
            let weights = worth.map(|v| maths::exp(v - top));
            let sum = weights[0] + weights[1] + weights[2];
            for (n, (from, to)) in nests.into_iter().enumerate() {
                let of_nest = if sums[n] > 0.0 { aware * weights[n] / sum / sums[n] } else { 0.0 };
                for share in &mut row[from..to] {
                    *share *= of_nest;
                }
            }
            self.nothing[c] = 1.0 - aware * (weights[0] + weights[1]) / sum;
        }
    }
}
