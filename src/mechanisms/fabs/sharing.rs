//! How vendors share a line.
//!
//! Line *l* of capacity C promises vendor *v* the share w; the part
//! 1 − Σw works for customers outside the model and is always busy. A vendor is *entitled* to
//! C·w·(1 − withheld). Capacity goes to needs in proportion to w·(1 − withheld), no one
//! gets more than it needs, and what one leaves goes to the others. Withheld is
//! `Fears::memory_withheld` of the vendor's home (memory) or `Fears::foundry_withheld_vendor` (logic, packaging: what is withheld
//! from its home and from the vendor by name), and 0 for lines in that home: nobody withholds from himself.

use super::FabWorks;
use crate::entities::line::LineKind;

/// Shares `capacity` among `needs` in proportion to `weights`, nobody above its need, what
/// one leaves to the others; adds to `got`.
pub(super) fn pour(mut capacity: f64, weights: &[f64], needs: &mut [f64], got: &mut [f64]) {
    for _ in 0..weights.len() {
        let open: f64 =
            weights.iter().zip(needs.iter()).filter(|(_, n)| **n > 0.0).map(|(w, _)| w).sum();
        if open <= 0.0 || capacity <= 0.0 {
            return;
        }
        let mut poured = 0.0;
        let mut filled = false;
        for ((weight, need), got) in weights.iter().zip(needs.iter_mut()).zip(got.iter_mut()) {
            if *need > 0.0 && *weight > 0.0 {
                let offer = capacity * weight / open;
                if offer >= *need {
                    poured += *need;
                    *got += *need;
                    *need = 0.0;
                    filled = true;
                }
            }
        }
        if !filled {
            for ((weight, need), got) in weights.iter().zip(needs.iter_mut()).zip(got.iter_mut()) {
                if *need > 0.0 && *weight > 0.0 {
                    let offer = capacity * weight / open;
                    *got += offer;
                    *need -= offer;
                }
            }
            return;
        }
        capacity -= poured;
    }
}

impl FabWorks {
    pub(super) fn of_kind(&self, kind: LineKind) -> impl Iterator<Item = usize> + '_ {
        self.of_kind[kind as usize].iter().copied()
    }

    pub(super) fn weight(&self, line: usize, vendor: usize) -> f64 {
        self.weight[line * self.vendors + vendor]
    }

    /// What `vendor` is entitled to at the lines of `kind` together, now or ahead.
    pub(super) fn entitled(&self, kind: LineKind, vendor: usize, ahead: bool) -> f64 {
        self.of_kind(kind)
            .map(|l| {
                let facts = &self.facts[l];
                self.weight(l, vendor) * if ahead { facts.ahead } else { facts.capacity }
            })
            .sum()
    }

    /// What `vendor` got at the lines of `kind` this month.
    pub(super) fn got_by(&self, kind: LineKind, vendor: usize) -> f64 {
        self.of_kind(kind).map(|l| self.got[l * self.vendors + vendor]).sum()
    }

    /// Longest cycle among the lines of `kind` that work for `vendor`.
    pub(super) fn cycle(&self, kind: LineKind, vendor: usize) -> Option<i32> {
        self.of_kind(kind)
            .filter(|l| self.weight(*l, vendor) > 0.0)
            .map(|l| self.facts[l].cycle)
            .max()
    }

    /// Pours line `l` over its row of `want` into its row of `got`.
    pub(super) fn pour_line(&mut self, l: usize) {
        let row = l * self.vendors..(l + 1) * self.vendors;
        let free = self.facts[l].capacity * self.facts[l].promised - self.used[l];
        pour(
            free,
            &self.weight[row.clone()],
            &mut self.want[row.clone()],
            &mut self.got[row.clone()],
        );
        self.used[l] = self.got[row].iter().sum();
    }

    /// Shares the lines of `kind` among vendors, whose wants in line units are `totals`: wants
    /// are spread over lines by entitlement; a second pass lends free capacity across lines.
    pub(super) fn share(&mut self, kind: LineKind) {
        let vendors = self.vendors;
        for v in 0..vendors {
            let entitled = self.entitled(kind, v, false);
            for at in 0..self.of_kind[kind as usize].len() {
                let l = self.of_kind[kind as usize][at];
                let part = if entitled > 0.0 {
                    self.weight(l, v) * self.facts[l].capacity / entitled
                } else {
                    0.0
                };
                let place = l * vendors + v;
                self.want[place] = self.totals[v].max(0.0) * part * self.open[place];
            }
        }
        for at in 0..self.of_kind[kind as usize].len() {
            let l = self.of_kind[kind as usize][at];
            self.pour_line(l);
        }
        for at in 0..self.of_kind[kind as usize].len() {
            let l = self.of_kind[kind as usize][at];
            for v in 0..vendors {
                let place = l * vendors + v;
                // A withheld part of a contract is not lent back.
                self.want[place] = if self.open[place] >= 1.0 && self.totals[v] > 0.0 {
                    (self.totals[v] - self.got_by(kind, v)).max(0.0)
                } else {
                    0.0
                };
            }
            self.pour_line(l);
        }
    }

    /// Spreads what `vendor` lacks over its lines of `kind`, by entitlement.
    pub(super) fn ask_for_more(&mut self, kind: LineKind, vendor: usize, short: f64) {
        let entitled = self.entitled(kind, vendor, true);
        if entitled <= 0.0 || short <= 0.0 {
            return;
        }
        for l in 0..self.lines {
            if self.facts[l].kind == kind {
                self.unmet[l] += short * self.weight(l, vendor) * self.facts[l].ahead / entitled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_pour_by_weight_and_leave_nobody_above_its_need() {
        // 100 wafers, weights 0.6 : 0.3 : 0.1. The first needs 20; 80 are left for 0.3 : 0.1,
        // that is 60 and 20; the third needs 50, so nothing is left over.
        let (mut needs, mut got) = (vec![20.0, 500.0, 50.0], vec![0.0; 3]);
        pour(100.0, &[0.6, 0.3, 0.1], &mut needs, &mut got);
        assert_eq!(got, [20.0, 60.0, 20.0]);
        assert_eq!(needs, [0.0, 440.0, 30.0]);
        // No weight, no wafers.
        let (mut needs, mut got) = (vec![20.0, 500.0], vec![0.0; 2]);
        pour(100.0, &[0.0, 0.0], &mut needs, &mut got);
        assert_eq!(got, [0.0, 0.0]);
    }
}
