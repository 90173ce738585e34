//! Scenarios that are draws of a posterior.

use super::factors::{self, Bases};
use crate::random::{key_of, uniform};
use crate::study::design::{Design, Factor, Pick};
use crate::study::file::{AllPriors, Sampling, StudyFile, text_of};
use crate::world::posterior::{self, POSTERIOR};
use crate::world::{POSTERIOR_CAP, Problems, Sources, shown};

/// The design whose scenarios are draws of the posterior beside the first world's parameters, and how they were
/// drawn, in words.
pub(super) fn design(
    study: &StudyFile,
    all: &AllPriors,
    levers: Vec<Factor>,
    bases: &Bases,
    sources: &mut Sources,
    problems: &mut Problems,
) -> (Option<Design>, String) {
    const AT: &str = "uncertainties.prior";
    let nothing = (None, String::new());
    let Sampling::LatinHypercube { points, seed } = &study.sampling else {
        let message = "say how many draws: [sampling] method = \"latin_hypercube\" and points";
        problems.add(all.origin, AT, message);
        return nothing;
    };
    let Some(path) = &bases.first().posterior else {
        let world = &bases.first().definition.head.id;
        let message = format!(
            "there is no {POSTERIOR} beside the parameters of {world}; `frugality calibrate` writes one"
        );
        problems.add(all.origin, AT, message);
        return nothing;
    };
    // Among the inputs it stands where it stood among the world's files.
    let beside = bases.first().files().find(|file| file.path.parent() == path.parent());
    let folder = beside.and_then(|file| Some(file.inside.rsplit_once('/')?.0.to_owned()));
    let inside = folder.map_or_else(|| POSTERIOR.to_owned(), |f| format!("{f}/{POSTERIOR}"));
    let Some(origin) = text_of(path, inside, POSTERIOR_CAP, &study.given, sources, problems) else {
        return nothing;
    };
    let text = sources.text(origin).to_owned();
    let Some(posterior) = posterior::read(&text, origin, problems) else { return nothing };
    let chosen = posterior.resampled(*points, uniform(key_of(&[POSTERIOR, &seed.to_string()])));
    let (mut uncertainties, mut columns) = (Vec::new(), Vec::new());
    for (at, name) in posterior.names.iter().enumerate() {
        if all.except.iter().any(|except| except.value == *name) {
            continue;
        }
        let Some(row) = bases.parameter(name) else {
            let known = bases.first().definition.parameters.iter().map(|row| row.id.as_str());
            let hint = problems.hint(name, known);
            let message = format!("the column `{}` is not a parameter{hint}", shown(name));
            problems.add(origin.at(0), "", message);
            return nothing;
        };
        let factor = Factor::of_prior(row);
        let values: Vec<f64> = chosen.iter().map(|draw| posterior.draws[*draw][at]).collect();
        for (x, draw) in values.iter().zip(&chosen) {
            let place = posterior.place(*draw, origin);
            if !factors::within_priors(&factor.targets[0], *x, place, name, bases, problems) {
                return nothing;
            }
        }
        uncertainties.push(factor);
        columns.push(values.into_iter().map(Pick::Number).collect());
    }
    factors::set_twice(study, levers.iter().chain(&uncertainties), problems);
    let words = format!("posterior, {points} draws, seed {seed}");
    (Design::table(levers, uncertainties, columns), words)
}
