//! The page around the figures.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::answer::Answer;
use super::effects::WITHOUT;
use super::figure::{Section, table};
use super::folder::Folder;
use super::html::{escaped, joined, prose, script};

const STYLE: &str = include_str!("assets/page.css");
const DRAWINGS: &str = include_str!("assets/page.js");
const CHARTS: &str = include_str!("assets/charts.js");
const D3: &str = include_str!("assets/d3-7.9.2.min.js");
const PLOT: &str = include_str!("assets/plot-0.6.17.umd.min.js");

const QUESTION: &str = "Export controls on AI chips make accelerators scarce for some firms. Scarcity pulls their research toward \
     efficiency; it also takes away the experiments with which efficiency is found, slows the frontier, and lets rivals copy \
     what is published. Does the balance leave the constrained firms with an advantage that they can sell abroad, above all in \
     countries short of energy, chips or infrastructure? For how long, and under which conditions?";

/// Writes the page.
#[must_use]
pub fn html(folders: &[Folder], answer: Option<&Answer>, sections: &[Section]) -> String {
    let mut figures = Map::new();
    let mut body = String::new();
    let mut links = String::new();
    let mut number = 0;
    for section in sections {
        let (id, heading) = (section.id, escaped(section.heading));
        let _ = writeln!(links, "<a href=\"#{id}\">{heading}</a>");
        let _ = write!(body, "<section id=\"{id}\">\n<h2>{heading}</h2>\n{}", section.html);
        for figure in &section.figures {
            number += 1;
            // Two folders may each have a figure of a kind; the script knows them by place.
            let key = format!("{}-{number}", figure.id);
            body.push_str(&figure.html(number, &key));
            figures.insert(key, figure.json());
        }
        body.push_str(&section.after);
        body.push_str("</section>\n");
    }
    let data = json!({ "arms": arms(folders), "figures": Json::Object(figures) });
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src \
         'unsafe-inline'; img-src data:\">\n\
         <meta name=\"generator\" content=\"frugality {version}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>Export controls on AI chips: what the simulation found</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header class=\"top\">\n<p class=\"kicker\">frugality {version}</p>\n\
         <h1>Do export controls on AI chips leave the constrained an advantage?</h1>\n\
         <p class=\"question\">{question}</p>\n</header>\n{answer}\
         <nav class=\"contents\" aria-label=\"Contents\">\n{links}<a href=\"#reproduce\">How to get these numbers again</a>\n</nav>\n\
         <div class=\"choices\" hidden></div>\n\
         <noscript><p class=\"missing\">Charts need JavaScript, which is switched off here; the texts and tables do not.</p></noscript>\n\
         <main>\n{body}{reproduce}</main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>{D3}</script>\n<script>{PLOT}</script>\n<script>{DRAWINGS}</script>\n<script>{CHARTS}</script>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
        question = escaped(QUESTION),
        answer = answered(answer),
        reproduce = reproduce(folders),
        data = script(&data),
    )
}

fn answered(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else {
        return "<section class=\"answer\" id=\"answer\">\n<h2>The answer</h2>\n<p class=\"word\">Not known yet</p>\n\
                <p class=\"missing\">No study of the regime against its counterfactual was given, so there is no answer. \
                <code>frugality study run worlds/studies/quick.toml</code> would make one.</p>\n</section>\n"
            .to_owned();
    };
    let sentences = joined(&answer.sentences, |text| format!("<p>{}</p>\n", prose(text)));
    format!(
        "<section class=\"answer\" id=\"answer\">\n<h2>The answer</h2>\n<p class=\"word\">{}</p>\n{sentences}</section>\n",
        escaped(answer.word)
    )
}

/// Every arm of the studies, each once: those that others are compared with last.
fn arms(folders: &[Folder]) -> Json {
    let mut treated: Vec<String> = Vec::new();
    let mut twins: Vec<String> = Vec::new();
    for folder in folders {
        for (arm, twin) in folder.arms().into_iter().filter(|(arm, _)| !arm.contains(WITHOUT)) {
            if twin.is_some() && !treated.contains(&arm) {
                treated.push(arm);
            }
            if let Some(twin) = twin
                && !twins.contains(&twin)
            {
                twins.push(twin);
            }
        }
    }
    twins.retain(|twin| !treated.contains(twin));
    json!({ "treated": treated, "counterfactual": twins })
}

/// What the page was made of.
fn reproduce(folders: &[Folder]) -> String {
    let rows: Vec<Vec<String>> = folders
        .iter()
        .map(|folder| {
            let program = folder.plan.as_ref().map_or(String::new(), |plan| {
                let text = |key: &str| plan["program"][key].as_str().unwrap_or("").to_owned();
                format!("{} {} {}", text("name"), text("version"), text("commit"))
            });
            let kinds = [
                (folder.plan.is_some(), "study"),
                (folder.claims, "claims"),
                (folder.hindcast, "hindcast"),
                (folder.discovery, "discovery"),
            ];
            let kinds: Vec<&str> = kinds.iter().filter(|kind| kind.0).map(|kind| kind.1).collect();
            let runs = folder.planned("runs").as_u64().map_or(String::new(), |n| n.to_string());
            vec![
                format!("<span class=\"file\">{}</span>", escaped(&folder.name)),
                escaped(&kinds.join(", ")),
                escaped(folder.planned("title").as_str().unwrap_or("")),
                escaped(&runs),
                format!(
                    "<span class=\"hash\">{}</span><br><span class=\"hash\">{}</span>",
                    escaped(folder.hash()),
                    escaped(program.trim())
                ),
            ]
        })
        .collect();
    let names: Vec<String> = folders.iter().map(|folder| folder.name.clone()).collect();
    format!(
        "<section id=\"reproduce\">\n<h2>How to get these numbers again</h2>\n\
         <p>Under each figure stand the command that makes its files, their hashes, and the formula by which its numbers follow. \
         The page carries every number to the last bit; what is shown is rounded. The button CSV saves what a figure shows, SVG \
         the figure itself. A study's folder holds its inputs: <code>frugality study verify DIR --deep 20</code> shows that a \
         machine gets the same numbers again.</p>\n\
         <p>This page: <code>frugality report {}</code></p>\n{}</section>\n",
        escaped(&names.join(" ")),
        table(
            "whole",
            &["Folder", "Holds", "Title", "Runs", "Hash of the plan, and program"],
            &rows
        )
    )
}
