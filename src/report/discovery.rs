//! What the outcome hangs on, and where it flips: tables that Python makes of a study.

use serde_json::{Value as Json, json};

use super::Failed;
use super::effects::narrowed;
use super::figure::{Figure, Section};
use super::folder::Folder;

/// The most influential parameters.
///
/// # Errors
/// When a table cannot be read.
pub fn tornado(folders: &[Folder]) -> Result<Section, Failed> {
    let mut section = Section::new("tornado", "What it hangs on");
    for folder in folders {
        let table = folder.table("influence", &[])?;
        if let Some((frame, source)) = table.map(|(frame, source)| (narrowed(&frame), source))
            && frame.lacks(&["outcome", "parameter", "value"]).is_none()
            && section.figures.is_empty()
        {
            section.figures.push(Figure {
                id: "tornado",
                title: "The parameters that move the outcome most".to_owned(),
                says: "Influence of each parameter on the effect, the largest first, with its interval where the method gives \
                       one. A rank correlation of 1 means that the effect always rises with the parameter."
                    .to_owned(),
                more: json!({}),
                data: frame,
                formula: format!(
                    "influence = pd.read_csv(\"{}\")\n\
                     rows = influence[(influence.outcome == outcome) & (influence.method == method)]\n\
                     rows.reindex(rows.value.abs().sort_values(ascending=False).index)",
                    source.path
                ),
                commands: vec![study_command(folder), python(folder, "influence")],
                sources: vec![source],
            });
        }
    }
    if section.figures.is_empty() {
        section.missing(
            "No table of influence (discovery/influence.csv) was given, so it is not known on which parameters the answer hangs.",
            "python python/discover.py influence DIR",
        );
    }
    Ok(section)
}

/// Where the headline reverses, and which parameter, if known, would settle it.
///
/// # Errors
/// When a table cannot be read.
pub fn flips(folders: &[Folder]) -> Result<Section, Failed> {
    let mut section = Section::new("flips", "Where it flips");
    let mut information = false;
    for folder in folders {
        if let Some((frame, source)) = folder.table("boxes", &[])?
            && frame.lacks(&["box", "parameter", "low", "high"]).is_none()
        {
            section.figures.push(Figure {
                id: "boxes",
                title: "The part of the parameter space in which the headline reverses".to_owned(),
                says: "Each row is a parameter that bounds the box; the bar is the part of its prior that the box takes. \
                       Density: share of draws in the box in which the headline reverses. Coverage: share of all such draws \
                       that the box holds. Mass: share of all draws in the box."
                    .to_owned(),
                more: json!({ "priors": priors(folder) }),
                data: frame,
                formula: format!("pd.read_csv(\"{}\")   # priors: plan.json", source.path),
                commands: vec![study_command(folder), python(folder, "boxes")],
                sources: vec![source],
            });
        }
        let table = folder.table("information", &[])?;
        if let Some((frame, source)) = table.map(|(frame, source)| (narrowed(&frame), source))
            && frame.lacks(&["parameter", "value"]).is_none()
        {
            information = true;
            section.figures.push(Figure {
                id: "information",
                title: "Which parameter, if known, would settle it".to_owned(),
                says: "Value of information: how much less often the verdict would be wrong if the parameter were known."
                    .to_owned(),
                more: json!({}),
                data: frame,
                formula: format!("pd.read_csv(\"{}\")", source.path),
                commands: vec![study_command(folder), python(folder, "information")],
                sources: vec![source],
            });
        }
    }
    if !section.figures.iter().any(|figure| figure.id == "boxes") {
        section.missing(
            "No boxes (discovery/boxes.csv) were given, so it is not known in which part of the parameter space the headline \
             reverses.",
            "python python/discover.py boxes DIR",
        );
    }
    if !information {
        section.missing_after(
            "No values of information (discovery/information.csv) were given.",
            "python python/discover.py information DIR",
        );
    }
    Ok(section)
}

fn study_command(folder: &Folder) -> String {
    if folder.plan.is_some() { folder.command() } else { String::new() }
}

fn python(folder: &Folder, verb: &str) -> String {
    format!("python python/discover.py {verb} {}", folder.name)
}

/// Low and high end of what a study varies.
fn priors(folder: &Folder) -> Json {
    let mut priors = serde_json::Map::new();
    for factor in folder.planned("uncertainties").as_array().into_iter().flatten() {
        if let Some(name) = factor["name"].as_str()
            && factor["values"]["low"].is_number()
        {
            priors.insert(
                name.to_owned(),
                json!({
                    "low": factor["values"]["low"],
                    "high": factor["values"]["high"],
                    "unit": factor["unit"],
                }),
            );
        }
    }
    Json::Object(priors)
}
