//! `posterior.csv` beside a world's tables: weighted draws of its parameters, as a calibration leaves them.
//!
//! The header is `weight` and names of parameters; a row is a draw. A world that says
//! `parameters = "posterior"` has the values of the draw with the greatest weight, the first of equals: a
//! world that was run, with what parameters have in common intact, which medians of each would
//! break. A study draws rows of it in proportion to their weights.

use super::problem::{Origin, Problems, shown};

/// Name of the file.
pub const POSTERIOR: &str = "posterior.csv";

/// Weighted draws of parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posterior {
    /// Names of the parameters.
    pub names: Vec<String>,
    /// Weight of each draw: positive, and of any sum.
    pub weights: Vec<f64>,
    /// Values of each draw, in the order of the names.
    pub draws: Vec<Vec<f64>>,
    /// Where each draw stands, in bytes.
    places: Vec<usize>,
}

impl Posterior {
    /// The draw of the greatest weight, the first of equals: its position.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (at, weight) in self.weights.iter().enumerate() {
            if best.is_none_or(|b| *weight > self.weights[b]) {
                best = Some(at);
            }
        }
        best
    }

    /// `n` draws by systematic resampling (Kitagawa 1996): the k-th is the one in whose share of the
    /// weights (k + `offset`) / n falls, `offset` between 0 and 1.
    #[must_use]
    pub fn resampled(&self, n: u64, offset: f64) -> Vec<usize> {
        let total: f64 = self.weights.iter().sum();
        let mut chosen = Vec::new();
        let (mut at, mut below) = (0, 0.0);
        for k in 0..n {
            let point = (k as f64 + offset) / n as f64 * total;
            while at + 1 < self.weights.len() && below + self.weights[at] <= point {
                below += self.weights[at];
                at += 1;
            }
            chosen.push(at);
        }
        chosen
    }

    /// Where draw `at` stands in `file`.
    pub(crate) fn place(&self, at: usize, file: Origin) -> Origin {
        file.at(self.places[at])
    }
}

/// Reads a posterior; what is wrong is noted with its place.
pub(crate) fn read(text: &str, file: Origin, problems: &mut Problems) -> Option<Posterior> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => {
            problems.add(file, "", format!("not CSV: {error}"));
            return None;
        }
    };
    if header.first().is_none_or(|name| name != "weight") || header.len() < 2 {
        problems.add(file.at(0), "", "the header must be `weight` and names of parameters");
        return None;
    }
    let mut posterior = Posterior { names: header[1..].to_vec(), ..Posterior::default() };
    let mut sorted: Vec<&String> = posterior.names.iter().collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        problems.add(file.at(0), "", format!("the column `{}` stands twice", shown(twice[0])));
        return None;
    }
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let at = error.position().map_or(0, |p| p.byte() as usize);
                problems.add(file.at(at), "", format!("not CSV: {error}"));
                return None;
            }
        };
        let at = record.position().map_or(0, |p| p.byte() as usize);
        let at = at + text.as_bytes()[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let mut numbers = Vec::with_capacity(header.len());
        for (name, cell) in header.iter().zip(&record) {
            match cell.parse::<f64>() {
                Ok(x) if x.is_finite() => numbers.push(x),
                _ => {
                    let message = format!("`{}` is not a finite number", shown(cell));
                    problems.add(file.at(at), shown(name), message);
                    return None;
                }
            }
        }
        if numbers[0] <= 0.0 {
            problems.add(file.at(at), "weight", format!("{} is not above 0", numbers[0]));
            return None;
        }
        posterior.weights.push(numbers[0]);
        posterior.draws.push(numbers[1..].to_vec());
        posterior.places.push(at);
    }
    if posterior.draws.is_empty() {
        problems.add(file, "", "no draws");
        return None;
    }
    Some(posterior)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Sources;

    fn of(text: &str) -> Result<Posterior, String> {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let file = sources.add(POSTERIOR.to_owned(), 0, None);
        let read = read(text, file, &mut problems);
        let refused = problems.into_result(&sources).map_err(|refusal| refusal.to_string());
        refused.map(|()| read.unwrap())
    }

    #[test]
    fn draws_are_taken_in_proportion_to_their_weights() {
        let posterior = of("weight,a,b\n1,0.5,2\n3,0.25,4\n").unwrap();
        assert_eq!(posterior.names, ["a", "b"]);
        assert_eq!(posterior.best(), Some(1));
        assert_eq!(posterior.draws[1], [0.25, 4.0]);
        // Points at 0.5, 1.5, 2.5 and 3.5 of 4: the first draw holds what lies below 1.
        assert_eq!(posterior.resampled(4, 0.5), [0, 1, 1, 1]);
        assert_eq!(posterior.resampled(1, 0.0), [0]);
    }

    #[test]
    fn what_is_no_posterior_is_told() {
        let error = |text: &str| of(text).unwrap_err();
        assert!(error("a,b\n1,2\n").contains("the header must be `weight`"));
        assert!(error("weight,a,a\n1,2,3\n").contains("stands twice"));
        assert!(error("weight,a\n0,2\n").contains("0 is not above 0"));
        assert!(error("weight,a\n1,x\n").contains("`x` is not a finite number"));
        assert!(error("weight,a\n").contains("no draws"));
    }
}
