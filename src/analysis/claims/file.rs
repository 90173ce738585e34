//! Claim files: what a person writes, and what it comes to once its studies are read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::keys;
use crate::calendar::Month;
use crate::study::{At, Fields, Plan, months_kept, parsed};
use crate::world::{Origin, Problems, Refusal, SHOWN, Sources, TOML_CAP, read_text, shown};

/// Margins where a claim names none: of a logarithm, a share, a lag in months.
const MARGINS: [(&str, f64); 3] = [("ln", 0.02), ("share", 0.01), ("month", 3.0)];
/// The scale on which equal scarcity is matched, where a claim names none.
const MATCH: &str = "compute_usable_constrained_h100e";

/// A number that a study recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// An outcome of its runs, by position.
    Outcome(usize),
    /// A metric of its series, by position, in the month of this ordinal position among those kept.
    Metric(usize, usize),
}

/// What is measured in a study.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The study, by position among [`Set::plans`].
    pub plan: usize,
    /// The numbers, a month each.
    pub numbers: Vec<Number>,
}

/// Two arms of a study.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// What is measured.
    pub measured: Measured,
    /// The treated arm.
    pub treated: usize,
    /// What it is compared with; none: its level is judged.
    pub counterfactual: Option<usize>,
}

/// An outcome of a claim.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Unit of the effect.
    pub unit: String,
    /// The horizon, YYYY-MM.
    pub horizon: String,
    /// Whether logarithms are compared.
    pub ln: bool,
    /// 1 where the claim lies above the margin, −1 where below.
    pub sign: f64,
    /// What the signed effect must exceed.
    pub margin: f64,
    /// Over seeds.
    pub main: Contrast,
    /// Over draws of the parameters.
    pub prior: Option<Contrast>,
    /// Of a claim of cause, in the study of causes.
    pub cause: Option<Causes>,
}

/// What else must be seen for a claim of cause.
#[derive(Clone, Debug)]
pub struct Causes {
    /// The treated arm and its counterfactual in the study of causes.
    pub main: Contrast,
    /// Arms in which nothing binds.
    pub null: Vec<usize>,
    /// Arms and their doses, ascending.
    pub doses: Vec<(usize, f64)>,
    /// Mechanism, arms with it off: treated, counterfactual; and whether the effect must be gone.
    pub knockouts: Vec<(String, usize, usize, bool)>,
    /// The arm as short of compute without a rule.
    pub scarcity: Option<usize>,
    /// Compute in every recorded month, and the name of the metric.
    pub matched: Option<(String, Vec<Number>)>,
}

/// A claim, its words compared with its studies.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Name: the file's stem.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What is claimed.
    pub sentence: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What is measured, one at least.
    pub measures: Vec<Measure>,
    /// Whether it says that the controls are the cause.
    pub causal: bool,
    /// The study of doses, by position.
    pub curve: Option<usize>,
}

/// Claims and the studies that they need.
#[derive(Debug)]
pub struct Set {
    /// Claims, in the order of the files.
    pub claims: Vec<Claim>,
    /// Studies, each once.
    pub plans: Vec<Plan>,
}

/// The words of an outcome.
struct OutcomeWords {
    name: At<String>,
    metric: At<String>,
    at: Option<At<String>>,
    months: u64,
    ln: bool,
    below: bool,
    margin: Option<f64>,
    treated: Option<At<String>>,
    counterfactual: Option<At<String>>,
}

struct CauseWords {
    study: PathBuf,
    treated: Option<At<String>>,
    counterfactual: Option<At<String>>,
    null: Vec<At<String>>,
    doses: Vec<(At<String>, f64)>,
    needs: Vec<At<String>>,
    knockouts: Vec<At<String>>,
    scarcity: Option<At<String>>,
    matched: Option<At<String>>,
}

struct Words {
    name: String,
    origin: Origin,
    sha256: String,
    title: String,
    sentence: String,
    study: PathBuf,
    prior: Option<PathBuf>,
    curve: Option<PathBuf>,
    treated: At<String>,
    counterfactual: Option<At<String>>,
    outcomes: Vec<OutcomeWords>,
    cause: Option<CauseWords>,
}

/// Reads claims and the studies that they name, in the size of that name, and checks them against each other.
///
/// # Errors
/// A [`Refusal`] with what is wrong in any of the files, each at its file, line and column.
pub fn load(files: &[PathBuf], size: Option<&str>) -> Result<Set, Refusal> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let mut all: Vec<Words> = Vec::new();
    for path in files {
        if let Some(words) = read(path, &mut sources, &mut problems) {
            if let Some(twin) = all.iter().find(|other| other.name == words.name) {
                let message =
                    format!("another file, {}, has this name", sources.place(twin.origin));
                problems.add(words.origin, "", message);
            }
            all.push(words);
        }
    }
    std::mem::take(&mut problems).into_result(&sources)?;
    let mut plans: Vec<(PathBuf, Plan)> = Vec::new();
    let (mut refused, mut more) = (Vec::new(), 0);
    for words in &all {
        let cause = words.cause.as_ref().map(|cause| &cause.study);
        let named = [Some(&words.study), words.prior.as_ref(), words.curve.as_ref(), cause];
        for path in named.into_iter().flatten() {
            if plans.iter().any(|known| known.0 == *path) {
                continue;
            }
            match Plan::load_sized(path, size) {
                Ok(plan) => plans.push((path.clone(), plan)),
                Err(refusal) => {
                    more += refusal.more;
                    refused.extend(refusal.lines);
                }
            }
        }
    }
    refused.dedup();
    if !refused.is_empty() {
        more += refused.len().saturating_sub(SHOWN);
        refused.truncate(SHOWN);
        return Err(Refusal { lines: refused, more });
    }
    let claims = all.iter().filter_map(|words| resolve(words, &plans, &mut problems)).collect();
    problems.into_result(&sources)?;
    Ok(Set { claims, plans: plans.into_iter().map(|(_, plan)| plan).collect() })
}

/// The study file that a claim means: a file beside it, in the folder of studies beside its own, or in
/// `worlds/studies`.
fn study_file(claim: &Path, name: &str) -> PathBuf {
    let folder = claim.parent().unwrap_or(Path::new(""));
    let whole = Path::new(name).extension().is_some_and(|ending| ending == "toml");
    let file = if whole { name.to_owned() } else { format!("{name}.toml") };
    let places = [folder.join(&file), folder.join("../studies").join(&file)];
    let near = places.into_iter().find(|path| path.is_file());
    near.unwrap_or_else(|| Path::new("worlds/studies").join(file))
}

fn read(path: &Path, sources: &mut Sources, problems: &mut Problems) -> Option<Words> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let inside = format!("claims/{stem}.toml");
    let origin = read_text(path, inside, TOML_CAP, sources, problems)?;
    let text = sources.text(origin).to_owned();
    let document = parsed(&text, origin, problems)?;
    let mut top = Fields::document(document.get_ref(), origin, problems);
    top.only(keys::TOP);
    let title = needed(&mut top, "title", "a title for people");
    let sentence = needed(&mut top, "sentence", "what is claimed, in one sentence");
    let treated = needed(&mut top, "treated", "the arm that the claim is about");
    let study = match top.get("study") {
        Some((DeValue::Table(_), _)) => Some(path.to_path_buf()),
        _ => needed(&mut top, "study", "the study whose arms are compared")
            .map(|name| study_file(path, &name.value)),
    };
    let mut file = |key: &str| top.text(key).map(|name| study_file(path, &name.value));
    let (prior, curve) = (file("prior"), file("curve"));
    let counterfactual = top.text("counterfactual");
    let outcomes = outcomes(&mut top);
    let cause = match (&study, top.get("cause")) {
        (Some(study), Some(_)) => cause(&mut top, path, study),
        _ => None,
    };
    Some(Words {
        sha256: crate::world::sha256(text.as_bytes()),
        name: stem,
        origin,
        title: title?.value,
        sentence: sentence?.value,
        study: study?,
        prior,
        curve,
        treated: treated?,
        counterfactual,
        outcomes,
        cause,
    })
}

fn needed(top: &mut Fields<'_, '_>, key: &str, what: &str) -> Option<At<String>> {
    let found = top.text(key);
    if found.is_none() && top.get(key).is_none() {
        let origin = top.origin;
        top.wrong(origin, key, format!("missing; {what}"));
    }
    found.filter(|text| !text.value.is_empty())
}

fn outcomes(top: &mut Fields<'_, '_>) -> Vec<OutcomeWords> {
    let origin = top.origin;
    let mut outcomes = Vec::new();
    if let Some(mut table) = top.get("outcomes").is_some().then(|| top.table("outcomes")).flatten()
    {
        for (key, at, _) in table.entries() {
            let Some(mut of) = table.table(key) else { continue };
            of.only(keys::OUTCOME);
            let name = At { value: key.to_owned(), origin: at };
            let mut choice = |key: &str, words: [&str; 2]| match of.text(key) {
                None => false,
                Some(word) if word.value == words[1] => true,
                Some(word) => {
                    if word.value != words[0] {
                        of.wrong(word.origin, key, format!("one of {}, {}", words[0], words[1]));
                    }
                    false
                }
            };
            let ln = choice("scale", ["difference", "ln"]);
            let below = choice("direction", ["above", "below"]);
            outcomes.push(OutcomeWords {
                metric: of.text("metric").unwrap_or_else(|| name.clone()),
                name,
                at: of.text("at"),
                months: of.whole("months", 1, 600).unwrap_or(1),
                ln,
                below,
                margin: of.number("margin").map(|x| x.value),
                treated: of.text("treated"),
                counterfactual: of.text("counterfactual"),
            });
        }
    }
    if outcomes.is_empty() {
        top.wrong(origin, "outcomes", "missing; write [outcomes.<metric>]");
    }
    outcomes
}

fn cause(top: &mut Fields<'_, '_>, path: &Path, study: &Path) -> Option<CauseWords> {
    let mut table = top.table("cause")?;
    table.only(keys::CAUSE);
    let own = table.text("study").map(|name| study_file(path, &name.value));
    let mut doses = Vec::new();
    if table.get("doses").is_some()
        && let Some(mut of) = table.table("doses")
    {
        for (key, origin, _) in of.entries() {
            if let Some(dose) = of.number(key) {
                doses.push((At { value: key.to_owned(), origin }, dose.value));
            }
        }
    }
    let mut texts = |key: &str| match table.get(key) {
        Some(_) => table.texts(key).unwrap_or_default(),
        None => Vec::new(),
    };
    let (null, needs, knockouts) = (texts("null"), texts("needs"), texts("knockouts"));
    Some(CauseWords {
        study: own.unwrap_or_else(|| study.to_path_buf()),
        treated: table.text("treated"),
        counterfactual: table.text("counterfactual"),
        null,
        doses,
        needs,
        knockouts,
        scarcity: table.text("scarcity"),
        matched: table.text("match"),
    })
}

/// What looks words up in a plan, and notes what is not there.
struct Lookup<'a> {
    plans: &'a [(PathBuf, Plan)],
    problems: &'a mut Problems,
}

impl Lookup<'_> {
    fn plan(&self, path: &Path) -> Option<usize> {
        self.plans.iter().position(|known| known.0 == path)
    }

    fn arm(&mut self, plan: usize, path: &str, wanted: &At<String>) -> Option<usize> {
        let plan = &self.plans[plan].1;
        if plan.design.lever_rows > 1 {
            let message = format!("`{}` has levers; a claim compares arms", plan.name);
            self.problems.add(wanted.origin, path, message);
            return None;
        }
        let names = || plan.arms.iter().map(|arm| arm.name.as_str());
        let found = names().position(|name| name == wanted.value);
        if found.is_none() {
            let hint = self.problems.hint(&wanted.value, names());
            let message =
                format!("the study `{}` has no arm `{}`{hint}", plan.name, shown(&wanted.value));
            self.problems.add(wanted.origin, path, message);
        }
        found
    }

    /// The numbers that a metric stands for in a study, its unit and horizon.
    fn numbers(
        &mut self,
        plan: usize,
        path: &str,
        metric: &At<String>,
        at: Option<&At<String>>,
        months: u64,
    ) -> Option<(Vec<Number>, String, Month)> {
        let plan = &self.plans[plan].1;
        let record = &plan.record;
        let series = record.series.iter().position(|(_, m)| m.name == metric.value);
        let outcome = record.outcomes.iter().position(|o| o.name == metric.value);
        if let Some(outcome) = outcome.filter(|_| series.is_none() || (at.is_none() && months == 1))
        {
            let of = &record.outcomes[outcome];
            if let Some(at) = at {
                let message = "an outcome of the study has its own month; leave `at` out";
                self.problems.add(at.origin, path, message);
            }
            return Some((vec![Number::Outcome(outcome)], of.unit.clone(), of.last_month()));
        }
        let Some(series) = series else {
            let outcomes = record.outcomes.iter().map(|o| o.name.as_str());
            let names = outcomes.chain(record.series.iter().map(|(_, m)| m.name));
            let hint = self.problems.hint(&metric.value, names);
            let message = format!(
                "the study `{}` records neither an outcome nor a metric `{}`{hint}",
                plan.name,
                shown(&metric.value)
            );
            self.problems.add(metric.origin, path, message);
            return None;
        };
        let kept = months_kept(plan);
        let last = match at {
            None => *kept.last()?,
            Some(word) => match word.value.parse::<Month>() {
                Ok(month) if kept.contains(&month) => month,
                Ok(month) => {
                    let message = format!(
                        "`{}` records one month in {} to {}, and not {month}",
                        plan.name, record.every, plan.span.1
                    );
                    self.problems.add(word.origin, path, message);
                    return None;
                }
                Err(message) => {
                    self.problems.add(word.origin, path, message);
                    return None;
                }
            },
        };
        let first = last - (months as i32 - 1);
        let numbers = kept
            .iter()
            .enumerate()
            .filter(|(_, month)| **month >= first && **month <= last)
            .map(|(n, _)| Number::Metric(series, n))
            .collect();
        Some((numbers, record.series[series].1.unit.to_owned(), last))
    }

    fn knockout(
        &mut self,
        plan: usize,
        word: &At<String>,
        (treated, counterfactual): (usize, usize),
        must_go: bool,
    ) -> Option<(String, usize, usize, bool)> {
        let of = &self.plans[plan].1;
        let name = |arm: usize| of.arms[arm].name.as_str();
        let arm = of.without(name(treated), &word.value);
        let twin = of.without(name(counterfactual), &word.value).or_else(|| of.arms[arm?].against);
        if let (Some(arm), Some(twin)) = (arm, twin) {
            return Some((word.value.clone(), arm, twin, must_go));
        }
        let message = format!(
            "the study `{}` has no arm `{}` with `{}` alone off and a twin of it; list it in subsets_off of both arms",
            of.name,
            name(treated),
            shown(&word.value)
        );
        self.problems.add(word.origin, "cause", message);
        None
    }
}

fn resolve(words: &Words, plans: &[(PathBuf, Plan)], problems: &mut Problems) -> Option<Claim> {
    let mut look = Lookup { plans, problems };
    let plan = look.plan(&words.study)?;
    let prior = words.prior.as_ref().and_then(|path| look.plan(path));
    let mut measures = Vec::new();
    for of in &words.outcomes {
        let path = format!("outcomes.{}", of.name.value);
        let treated = of.treated.as_ref().unwrap_or(&words.treated);
        let counterfactual = of.counterfactual.as_ref().or(words.counterfactual.as_ref());
        let mut contrast = |plan: usize| {
            let (numbers, unit, month) =
                look.numbers(plan, &path, &of.metric, of.at.as_ref(), of.months)?;
            let treated = look.arm(plan, &path, treated);
            let counterfactual = match counterfactual {
                Some(word) => Some(look.arm(plan, &path, word)?),
                None => None,
            };
            let measured = Measured { plan, numbers };
            Some((Contrast { measured, treated: treated?, counterfactual }, unit, month))
        };
        let main = contrast(plan);
        let over_prior = prior.map(&mut contrast);
        let Some((main, unit, month)) = main else { continue };
        let unit = if of.ln { "ln".to_owned() } else { unit };
        let usual = MARGINS.iter().find(|(of, _)| *of == unit).map(|(_, margin)| *margin);
        let Some(margin) = of.margin.or(usual) else {
            let message = format!("missing; what must an effect in {unit} exceed to count?");
            look.problems.add(of.name.origin, format!("{path}.margin"), message);
            continue;
        };
        let below_level = of.below && main.counterfactual.is_none();
        let cause = words.cause.as_ref().and_then(|cause| causes(&mut look, words, cause, of));
        measures.push(Measure {
            name: of.metric.value.clone(),
            unit,
            horizon: month.to_string(),
            ln: of.ln,
            sign: if of.below { -1.0 } else { 1.0 },
            // A level is held against the margin itself, a difference against the margin in its direction.
            margin: if below_level { -margin } else { margin },
            main,
            prior: over_prior.flatten().map(|(contrast, _, _)| contrast),
            cause,
        });
    }
    Some(Claim {
        name: words.name.clone(),
        title: words.title.clone(),
        sentence: words.sentence.clone(),
        sha256: words.sha256.clone(),
        measures,
        causal: words.cause.is_some(),
        curve: words.curve.as_ref().and_then(|path| look.plan(path)),
    })
}

fn causes(
    look: &mut Lookup<'_>,
    words: &Words,
    cause: &CauseWords,
    of: &OutcomeWords,
) -> Option<Causes> {
    let path = "cause";
    let plan = look.plan(&cause.study)?;
    let (numbers, _, _) = look.numbers(plan, path, &of.metric, of.at.as_ref(), of.months)?;
    let treated = look.arm(plan, path, cause.treated.as_ref().unwrap_or(&words.treated))?;
    let Some(against) = cause.counterfactual.as_ref().or(words.counterfactual.as_ref()) else {
        let message = "a claim of cause needs a counterfactual";
        look.problems.add(words.origin, "counterfactual", message);
        return None;
    };
    let counterfactual = look.arm(plan, path, against)?;
    let mut arms = |list: &[At<String>]| -> Vec<usize> {
        list.iter().filter_map(|word| look.arm(plan, path, word)).collect()
    };
    let null = arms(&cause.null);
    let scarcity = cause.scarcity.as_ref().and_then(|word| look.arm(plan, path, word));
    let mut doses: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for (word, dose) in &cause.doses {
        if *dose <= 0.0 {
            let message = format!("{dose} is not above 0, the dose of the counterfactual");
            look.problems.add(word.origin, "cause.doses", message);
        } else if let Some(arm) = look.arm(plan, path, word) {
            // Positive numbers are in the order of their bits.
            doses.insert(dose.to_bits(), (arm, *dose));
        }
    }
    let pair = (treated, counterfactual);
    let mut off = |list: &[At<String>], must_go: bool| -> Vec<_> {
        list.iter().filter_map(|word| look.knockout(plan, word, pair, must_go)).collect()
    };
    let mut knockouts = off(&cause.needs, true);
    knockouts.extend(off(&cause.knockouts, false));
    let matched = scarcity.and_then(|_| {
        let usual = At { value: MATCH.to_owned(), origin: words.origin };
        let metric = cause.matched.as_ref().unwrap_or(&usual);
        let (numbers, _, _) = look.numbers(plan, "cause.match", metric, None, 600)?;
        Some((metric.value.clone(), numbers))
    });
    Some(Causes {
        main: Contrast {
            measured: Measured { plan, numbers },
            treated,
            counterfactual: Some(counterfactual),
        },
        null,
        doses: doses.into_values().collect(),
        knockouts,
        scarcity,
        matched,
    })
}
