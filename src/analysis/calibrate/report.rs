//! What a calibration says: `posterior.csv`, `parameters.csv`, `waves.csv` and `calibration.md`.

use std::fmt::Write as _;

use super::{Calibration, Settings};
use crate::record::CsvText;
use crate::study::Factor;

/// How far the data moved a parameter.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Name.
    pub name: String,
    /// Prior: 5 %, 50 % and 95 % points.
    pub prior: [f64; 3],
    /// Posterior: the same.
    pub posterior: [f64; 3],
    /// Kolmogorov–Smirnov distance of the places in the prior from evenness.
    pub distance: f64,
    /// Variance of the places over that of the prior, 1/12.
    pub variance: f64,
    /// Whether the distance is beyond what draws of the prior would show, for any of the parameters.
    pub moved: bool,
    /// Whether it is beyond what they would show for this one alone.
    pub leans: bool,
    /// `low` or `high` where a quarter of the weight lies in the outermost twentieth; else empty.
    pub bound: &'static str,
}

/// The tail of the probability that draws of the prior show a distance as large: of all parameters together.
const CHANCE: f64 = 0.05;
/// The outermost part of the prior, and the share of the weight there that tells of a bound.
const EDGE: f64 = 0.05;
const AT_EDGE: f64 = 0.25;
/// Correlations that are reported, at least.
const CORRELATED: f64 = 0.3;
/// Pairs that are listed, at most.
const PAIRS: usize = 40;

fn sorted(calibration: &Calibration, j: usize) -> Vec<(f64, f64)> {
    let mut places: Vec<(f64, f64)> =
        calibration.places.iter().zip(&calibration.weights).map(|(p, w)| (p[j], *w)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places
}

fn weighted_quantile(sorted: &[(f64, f64)], p: f64) -> f64 {
    let mut below = 0.0;
    for (u, weight) in sorted {
        below += weight;
        if below >= p {
            return *u;
        }
    }
    sorted.last().map_or(f64::NAN, |last| last.0)
}

/// How far each parameter was moved, in the order of the factors.
#[must_use]
pub fn moved(calibration: &Calibration, factors: &[Factor]) -> Vec<Moved> {
    // The asymptotic tail of the Kolmogorov–Smirnov distance D of n draws is 2 exp(−2 n D²); over m parameters
    // (Bonferroni) a distance is beyond chance from √(ln(2 m / chance) / (2 n)) on.
    let n = calibration.effective();
    let m = factors.len() as f64;
    let beyond = |m: f64| (crate::maths::ln(2.0 * m / CHANCE) / (2.0 * n)).sqrt();
    let (beyond_all, beyond_one) = (beyond(m), beyond(1.0));
    factors
        .iter()
        .enumerate()
        .map(|(j, factor)| {
            let places = sorted(calibration, j);
            let (mut below, mut distance) = (0.0, 0.0_f64);
            for (u, weight) in &places {
                distance = distance.max((below - u).abs());
                below += weight;
                distance = distance.max((below - u).abs());
            }
            let mean: f64 = places.iter().map(|(u, w)| u * w).sum();
            let square: f64 = places.iter().map(|(u, w)| w * (u - mean) * (u - mean)).sum();
            let share = |of: &dyn Fn(f64) -> bool| {
                places.iter().filter(|p| of(p.0)).map(|p| p.1).sum::<f64>()
            };
            let moved = distance > beyond_all;
            let bound = if moved && share(&|u| u < EDGE) > AT_EDGE {
                "low"
            } else if moved && share(&|u| u > 1.0 - EDGE) > AT_EDGE {
                "high"
            } else {
                ""
            };
            let points = [0.05, 0.5, 0.95];
            Moved {
                name: factor.name.clone(),
                prior: points.map(|p| super::value(factor, p)),
                posterior: points.map(|p| super::value(factor, weighted_quantile(&places, p))),
                distance,
                variance: square * 12.0,
                moved,
                leans: distance > beyond_one,
                bound,
            }
        })
        .collect()
}

/// Weighted correlations of places, the strongest first: pairs of positions and r.
fn correlations(calibration: &Calibration, of: &[usize]) -> Vec<(usize, usize, f64)> {
    let weights = &calibration.weights;
    // The largest correlation that so many pairs would show by chance.
    let pairs = (of.len() * of.len()).max(2) as f64 / 2.0;
    let chance = (2.0 * crate::maths::ln(pairs) / calibration.effective()).sqrt();
    let least = CORRELATED.max(chance);
    let standard: Vec<Vec<f64>> = of
        .iter()
        .map(|j| {
            let column = || calibration.places.iter().map(|p| p[*j]);
            let mean: f64 = column().zip(weights).map(|(u, w)| u * w).sum();
            let square: f64 = column().zip(weights).map(|(u, w)| w * (u - mean) * (u - mean)).sum();
            column().map(|u| (u - mean) / square.sqrt()).collect()
        })
        .collect();
    let mut all = Vec::new();
    for a in 0..of.len() {
        for b in a + 1..of.len() {
            let pairs = standard[a].iter().zip(&standard[b]).zip(weights);
            let r: f64 = pairs.map(|((x, y), w)| x * y * w).sum();
            if r.abs() >= least {
                all.push((of[a], of[b], r));
            }
        }
    }
    all.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()).then((a.0, a.1).cmp(&(b.0, b.1))));
    all
}

/// `posterior.csv`: weighted draws, the heaviest first.
#[must_use]
pub fn posterior_csv(calibration: &Calibration, factors: &[Factor]) -> CsvText {
    let names = factors.iter().map(|f| f.name.as_str());
    let mut csv = CsvText::new(std::iter::once("weight").chain(names));
    let mut order: Vec<usize> = (0..calibration.draws.len()).collect();
    order
        .sort_by(|a, b| calibration.weights[*b].total_cmp(&calibration.weights[*a]).then(a.cmp(b)));
    for at in order {
        let weight: f64 = format!("{:.5e}", calibration.weights[at]).parse().unwrap_or(0.0);
        if weight <= 0.0 {
            continue;
        }
        csv.number(weight);
        for x in &calibration.draws[at] {
            csv.number(*x);
        }
        csv.end();
    }
    csv
}

/// `parameters.csv`: how far each was moved.
#[must_use]
pub fn parameters_csv(moved: &[Moved]) -> CsvText {
    let mut csv = CsvText::new([
        "parameter",
        "prior_p05",
        "prior_median",
        "prior_p95",
        "p05",
        "median",
        "p95",
        "ks_distance",
        "variance_ratio",
        "moved",
        "bound",
    ]);
    for m in moved {
        csv.text(&m.name);
        for x in m.prior.iter().chain(&m.posterior) {
            csv.number(*x);
        }
        csv.number(m.distance).number(m.variance).word(Some(m.moved)).text(m.bound);
        csv.end();
    }
    csv
}

/// `waves.csv`: a row a wave.
#[must_use]
pub fn waves_csv(calibration: &Calibration) -> CsvText {
    let fixed = ["wave", "points", "plausible", "explained", "active", "misfit"];
    let families: Vec<String> = calibration.families.iter().map(|f| format!("I {f}")).collect();
    let mut csv = CsvText::new(fixed.into_iter().chain(families.iter().map(String::as_str)));
    for (at, wave) in calibration.waves.iter().enumerate() {
        csv.word(Some(at + 1))
            .word(Some(wave.points))
            .number(wave.plausible)
            .number(wave.explained)
            .word(Some(wave.active))
            .number(wave.misfit);
        for x in &wave.families {
            csv.number(*x);
        }
        csv.end();
    }
    csv
}

/// `calibration.md`.
#[must_use]
pub fn page(
    calibration: &Calibration,
    factors: &[Factor],
    settings: &Settings,
    command: &str,
) -> String {
    let moved = moved(calibration, factors);
    let mut page = String::new();
    let _ = writeln!(
        page,
        "<!-- Made by `{command}`; do not edit. -->\n\n# What the rows up to January 2024 say about the parameters\n\n\
         History matching with polynomial emulators, then importance sampling: `src/analysis/calibrate/`. {} rows of the split \
         `fit`{}, {} parameters. Discrepancy of the model: {} tolerances (a judgement). {} draws, worth {:.0} of equal weight.\n",
        calibration.rows.0,
        if calibration.rows.1 > 0 {
            format!(" ({} more are missing in every run)", calibration.rows.1)
        } else {
            String::new()
        },
        factors.len(),
        settings.discrepancy,
        calibration.draws.len(),
        calibration.effective()
    );
    page.push_str(
        "## Waves\n\n*Plausible*: share of the points that the wave does not rule out (of the last: of the model's own runs). \
         *Explained*: median share of an observation's variance that its emulator explains. *Active*: parameters that some observation \
         depends on. *Misfit*: median over points of the sum over families of I².\n\n\
         | wave | points | plausible | explained | active | misfit |\n|---|---|---|---|---|---|\n",
    );
    for (at, wave) in calibration.waves.iter().enumerate() {
        let last = at + 1 == calibration.waves.len();
        let _ = writeln!(
            page,
            "| {}{} | {} | {:.2} | {:.2} | {} | {:.1} |",
            at + 1,
            if last { " (posterior)" } else { "" },
            wave.points,
            wave.plausible,
            wave.explained,
            wave.active,
            wave.misfit
        );
    }
    page.push_str(
        "\n## Families\n\nMedian I of the runs of the prior and of the posterior; the weight of draws that lie beyond 3. A family that stays beyond is \
         not met by any reading of the parameters: the structure is wrong, or the discrepancy is set too small.\n\n| family | prior | posterior | weight beyond 3 |\n|---|---|---|---|\n",
    );
    for (f, name) in calibration.families.iter().enumerate() {
        let of = |wave: Option<&super::WaveReport>| wave.map_or(f64::NAN, |wave| wave.families[f]);
        let _ = writeln!(
            page,
            "| {name} | {:.2} | {:.2} | {:.2} |",
            of(calibration.waves.first()),
            of(calibration.waves.last()),
            calibration.misfits[f]
        );
    }
    let mut order: Vec<usize> = (0..moved.len()).filter(|j| moved[*j].leans).collect();
    order.sort_by(|a, b| moved[*b].distance.total_cmp(&moved[*a].distance).then(a.cmp(b)));
    let _ = writeln!(
        page,
        "\n## Moved by the data: {} of {} parameters; {} more lean\n\n*Moved*: farther from the prior than any of so many parameters would be by chance (1 in 20); the \
         others *lean*: farther than one would be by itself, as one in twenty is by chance. *Distance*: Kolmogorov–Smirnov, of places in the prior. *Variance*: of places, over that of the \
         prior. *Bound*: a quarter of the weight in the outermost twentieth of the prior, a sign of structural misfit.\n\n\
         | parameter | | prior (5, 50, 95 %) | posterior | distance | variance | bound |\n|---|---|---|---|---|---|---|",
        moved.iter().filter(|m| m.moved).count(),
        moved.len(),
        moved.iter().filter(|m| m.leans && !m.moved).count()
    );
    let three = |x: &[f64; 3]| x.map(crate::record::cell::human).join(", ");
    for j in &order {
        let m = &moved[*j];
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {:.2} | {:.2} | {} |",
            m.name,
            if m.moved { "moved" } else { "leans" },
            three(&m.prior),
            three(&m.posterior),
            m.distance,
            m.variance,
            m.bound
        );
    }
    let all: Vec<usize> = (0..moved.len()).collect();
    let mut pairs = correlations(calibration, &all);
    let found = pairs.len();
    pairs.truncate(PAIRS);
    let _ = writeln!(
        page,
        "\n## Moved together\n\nCorrelations of places of {CORRELATED} or more, and beyond the largest that so many pairs would show by chance; {found} pairs{}. Where both keep most of their \
         variance, the data know a product (r < 0) or a ratio (r > 0) of the two, and neither alone.\n\n| | | r | known alone |\n|---|---|---|---|",
        if found > PAIRS { format!(", the strongest {PAIRS}") } else { String::new() }
    );
    for (a, b, r) in pairs {
        let wide = moved[a].variance.min(moved[b].variance) > 0.5;
        let says = match (wide, r < 0.0) {
            (true, true) => "no: the product",
            (true, false) => "no: the ratio",
            (false, _) => "one of them at least",
        };
        let _ = writeln!(page, "| `{}` | `{}` | {r:+.2} | {says} |", moved[a].name, moved[b].name);
    }
    let still: Vec<String> =
        moved.iter().filter(|m| !m.leans).map(|m| format!("`{}`", m.name)).collect();
    let _ = writeln!(
        page,
        "\n## Not moved\n\nThese {} keep their prior: what follows from them is not known from these data.\n\n{}",
        still.len(),
        still.join(", ")
    );
    page
}
