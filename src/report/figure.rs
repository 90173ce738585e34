//! A figure: what it says, the numbers that it shows, and how to get them again.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::folder::Source;
use super::frame::Frame;
use super::html::{escaped, files, joined, prose};

/// A figure with its numbers.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its id: which drawing of the page's script it is.
    pub id: &'static str,
    /// Title.
    pub title: String,
    /// What it shows and how to read it.
    pub says: String,
    /// The numbers, all of those that it shows, whatever is chosen.
    pub data: Frame,
    /// How the numbers follow from the files, in pandas.
    pub formula: String,
    /// The commands that make the files, a line each.
    pub commands: Vec<String>,
    /// The files.
    pub sources: Vec<Source>,
    /// What the drawing must know besides.
    pub more: Json,
}

impl Figure {
    /// What the script gets.
    #[must_use]
    pub fn json(&self) -> Json {
        json!({ "kind": self.id, "title": self.title, "columns": self.data.json(), "more": self.more })
    }

    /// The figure's place on the page.
    #[must_use]
    pub fn html(&self, number: usize, key: &str) -> String {
        let title = escaped(&self.title);
        let says = prose(&self.says);
        let commands = escaped(
            &self
                .commands
                .iter()
                .filter(|own| !own.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join("\n"),
        );
        let formula = escaped(&self.formula);
        let files = files(&self.sources);
        format!(
            "<figure class=\"figure\" id=\"figure-{number}\" data-figure=\"{key}\">\n\
             <div class=\"head\"><h3><span class=\"number\">Figure {number}</span> {title}</h3>\
             <div class=\"save\"><button type=\"button\" data-save=\"svg\">SVG</button>\
             <button type=\"button\" data-save=\"csv\">CSV</button></div></div>\n\
             <div class=\"controls\"></div>\n<div class=\"chart\" role=\"img\" aria-label=\"{title}\"></div>\n\
             <figcaption>{says}</figcaption>\n\
             <div class=\"source\"><code>{commands}</code>{files}\
             <details><summary>The numbers in pandas</summary><pre>{formula}</pre></details></div>\n\
             </figure>\n"
        )
    }
}

/// A part of the page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Id, for links.
    pub id: &'static str,
    /// Heading.
    pub heading: &'static str,
    /// HTML before the figures.
    pub html: String,
    /// Figures.
    pub figures: Vec<Figure>,
    /// HTML after the figures.
    pub after: String,
}

impl Section {
    /// An empty part.
    #[must_use]
    pub fn new(id: &'static str, heading: &'static str) -> Self {
        Self { id, heading, ..Self::default() }
    }

    /// Says what is not there, and the command that would make it.
    pub fn missing(&mut self, what: &str, command: &str) {
        self.html.push_str(&missing(what, command));
    }

    /// The same behind the figures.
    pub fn missing_after(&mut self, what: &str, command: &str) {
        self.after.push_str(&missing(what, command));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p>{}</p>", prose(text));
    }
}

fn missing(what: &str, command: &str) -> String {
    format!(
        "<p class=\"missing\">{} <code>{}</code> would make it.</p>\n",
        prose(what),
        escaped(command)
    )
}

/// A table of text for people: heads, and rows of cells that are HTML already.
#[must_use]
pub fn table(class: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let head = joined(heads, |head| format!("<th scope=\"col\">{}</th>", escaped(head)));
    let row = |row: &Vec<String>| {
        format!("<tr>{}</tr>\n", joined(row, |cell| format!("<td>{cell}</td>")))
    };
    let body = joined(rows, row);
    format!(
        "<div class=\"scroll\"><table class=\"{class}\"><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )
}
