//! What is said when nobody asks: kinds of events, and those from which most follows.

use std::fmt::Write as _;

use super::lines::{branch_line, headline};
use crate::record::Archive;
use crate::record::causes::Log;
use crate::record::cell::printable;

pub(super) fn overview(archive: &Archive, log: &Log, text: &mut String) {
    let manifest = archive.manifest();
    let said = |value: &serde_json::Value| {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        printable(&plain).into_owned()
    };
    let _ = writeln!(
        text,
        "{}, seed {}, {} to {}: {} events",
        said(&manifest["world"]["title"]),
        said(&manifest["seed"]),
        said(&manifest["first_month"]),
        said(&manifest["last_month"]),
        log.entries().len()
    );
    if log.entries().is_empty() {
        text.push_str("Nothing happened that a room logs.\n");
        return;
    }
    text.push_str("\nEvents by kind\n");
    for branch in log.grouped((0..log.entries().len()).collect()) {
        let _ = writeln!(text, "  {}", branch_line(log, &branch));
    }
    text.push_str("\nEvents from which most follows\n");
    for at in log.most_telling(10) {
        let _ = writeln!(text, "  {} ({} follow)", headline(log, at), log.descendants(at));
    }
    text.push_str(
        "\nAsk further with --firm ID --month YYYY-MM, --event ID or --rule ID; \
         `frugality explain --help` shows examples.\n",
    );
}
