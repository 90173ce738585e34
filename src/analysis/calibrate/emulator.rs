//! A cheap stand-in for the simulator: one sparse polynomial for each observation.
//!
//! `e(u) = b₀ + Σⱼ b₁ⱼ P₁(uⱼ) + b₂ⱼ P₂(uⱼ) + noise`, with uⱼ the place of parameter j in its prior (0 to 1) and P₁, P₂ the
//! Legendre polynomials that are orthonormal there, `√3 (2u − 1)` and `√5 (6u² − 6u + 1)`. Terms are chosen one by one
//! (orthogonal matching pursuit, Tropp & Gilbert 2007): the one that the residual correlates with most, while that
//! correlation is above `√(2 ln m / n)`, the largest that m terms of pure noise would show among n points (the universal
//! threshold of Donoho & Johnstone 1994); so a parameter that nothing depends on stays out. What is left is noise of the
//! seeds and of the emulator; its variance is `RSS / (n − terms − 1)`.

use crate::maths;

/// Points for each term, at least.
const POINTS_A_TERM: usize = 8;

/// A polynomial for one observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Emulator {
    /// b₀.
    pub constant: f64,
    /// Parameter, b₁ and b₂ of it.
    pub terms: Vec<(usize, [f64; 2])>,
    /// Variance of what is left.
    pub variance: f64,
    /// Share of the variance that it explains.
    pub explained: f64,
}

/// P₁ and P₂ at `u`.
#[must_use]
pub fn legendre(u: f64) -> [f64; 2] {
    let (root3, root5) = (3.0_f64.sqrt(), 5.0_f64.sqrt());
    [root3 * (2.0 * u - 1.0), root5 * (6.0 * u * u - 6.0 * u + 1.0)]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn centred(mut column: Vec<f64>) -> (Vec<f64>, f64) {
    let mean = column.iter().sum::<f64>() / column.len().max(1) as f64;
    for x in &mut column {
        *x -= mean;
    }
    (column, mean)
}

impl Emulator {
    /// Fits `values` at `points`; a value that is not finite does not count. None with too few points.
    #[must_use]
    pub fn fit(points: &[&[f64]], values: &[f64]) -> Option<Self> {
        let known: Vec<usize> = (0..values.len()).filter(|at| values[*at].is_finite()).collect();
        let n = known.len();
        let parameters = points.first()?.len();
        if n < 2 * POINTS_A_TERM {
            return None;
        }
        let (mut residual, mean) = centred(known.iter().map(|at| values[*at]).collect());
        let total = dot(&residual, &residual);
        let columns: Vec<(Vec<f64>, f64)> = (0..2 * parameters)
            .map(|c| centred(known.iter().map(|at| legendre(points[*at][c / 2])[c % 2]).collect()))
            .collect();
        let norms: Vec<f64> = columns.iter().map(|(c, _)| dot(c, c).sqrt()).collect();
        let threshold = (2.0 * maths::ln(columns.len() as f64) / n as f64).sqrt();
        // Chosen columns, the orthonormal directions that they add, and each in terms of those (R of QR).
        let mut chosen: Vec<usize> = Vec::new();
        let mut directions: Vec<Vec<f64>> = Vec::new();
        let mut triangle: Vec<Vec<f64>> = Vec::new();
        let mut weights = Vec::new();
        while chosen.len() < n / POINTS_A_TERM {
            let size = dot(&residual, &residual).sqrt();
            if size <= 1e-9 * total.sqrt() {
                break;
            }
            let correlation = |c: usize| dot(&columns[c].0, &residual).abs() / (norms[c] * size);
            let best = (0..columns.len())
                .filter(|c| norms[*c] > 0.0 && !chosen.contains(c))
                .map(|c| (c, correlation(c)))
                .fold(None, |best: Option<(usize, f64)>, one| match best {
                    Some(best) if best.1 >= one.1 => Some(best),
                    _ => Some(one),
                });
            let Some((c, correlation)) = best else { break };
            if correlation <= threshold {
                break;
            }
            let mut direction = columns[c].0.clone();
            let mut row = Vec::new();
            for other in &directions {
                let along = dot(&direction, other);
                subtract(&mut direction, along, other);
                row.push(along);
            }
            let length = dot(&direction, &direction).sqrt();
            if length <= 1e-6 * norms[c] {
                break;
            }
            for x in &mut direction {
                *x /= length;
            }
            row.push(length);
            let weight = dot(&direction, &residual);
            subtract(&mut residual, weight, &direction);
            chosen.push(c);
            directions.push(direction);
            triangle.push(row);
            weights.push(weight);
        }
        // From weights of directions to coefficients of columns, backwards.
        let mut coefficients = vec![0.0; chosen.len()];
        for at in (0..chosen.len()).rev() {
            let later: f64 =
                (at + 1..chosen.len()).map(|k| triangle[k][at] * coefficients[k]).sum();
            coefficients[at] = (weights[at] - later) / triangle[at][at];
        }
        let mut emulator = Self { constant: mean, ..Self::default() };
        for (c, b) in chosen.iter().zip(&coefficients) {
            emulator.constant -= b * columns[*c].1;
            let at = emulator.terms.iter().position(|term| term.0 == c / 2).unwrap_or_else(|| {
                emulator.terms.push((c / 2, [0.0; 2]));
                emulator.terms.len() - 1
            });
            emulator.terms[at].1[c % 2] += b;
        }
        let left = dot(&residual, &residual);
        emulator.variance = left / (n - chosen.len() - 1) as f64;
        emulator.explained = if total > 0.0 { 1.0 - left / total } else { 0.0 };
        Some(emulator)
    }

    /// What it says of a point.
    #[must_use]
    pub fn at(&self, point: &[f64]) -> f64 {
        let of = |(j, b): &(usize, [f64; 2])| {
            let p = legendre(point[*j]);
            b[0] * p[0] + b[1] * p[1]
        };
        self.constant + self.terms.iter().map(of).sum::<f64>()
    }
}

fn subtract(from: &mut [f64], times: f64, what: &[f64]) {
    for (x, y) in from.iter_mut().zip(what) {
        *x -= times * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::key_from;
    use crate::random::uniform;

    #[test]
    fn it_finds_the_terms_that_are_there_and_no_others() {
        let points: Vec<Vec<f64>> =
            (0..200).map(|n| (0..40).map(|j| uniform(key_from(&[7, n, j]))).collect()).collect();
        let points: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
        // 1 + 3 P₁(u₂) − 2 P₂(u₅), and one point without a value.
        let mut values: Vec<f64> = points
            .iter()
            .map(|u| 1.0 + 3.0 * legendre(u[2])[0] - 2.0 * legendre(u[5])[1])
            .collect();
        values[3] = f64::NAN;
        let emulator = Emulator::fit(&points, &values).unwrap();
        let of = |j: usize| emulator.terms.iter().find(|t| t.0 == j).map_or([0.0; 2], |t| t.1);
        assert!((of(2)[0] - 3.0).abs() < 1e-6 && (of(5)[1] + 2.0).abs() < 1e-6, "{emulator:?}");
        assert!((emulator.constant - 1.0).abs() < 1e-6 && emulator.explained > 0.999);
        assert!(
            (emulator.at(points[3]) - 1.0 - 3.0 * legendre(points[3][2])[0]
                + 2.0 * legendre(points[3][5])[1])
                .abs()
                < 1e-6
        );
        // Pure noise has no terms.
        let noise: Vec<f64> = (0..200).map(|n| uniform(key_from(&[8, n]))).collect();
        assert!(Emulator::fit(&points, &noise).unwrap().terms.len() <= 1);
    }
}
