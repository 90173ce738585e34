//! An event: the chain to its root, and what followed.

use std::fmt::Write as _;

use super::lines::{chain, tree};
use crate::record::causes::Log;

pub(super) fn explain_event(
    log: &Log,
    id: u32,
    depth: usize,
    text: &mut String,
) -> Result<(), String> {
    let Some(at) = log.find(id) else {
        return Err(match (log.entries().first(), log.entries().last()) {
            (Some(first), Some(last)) => {
                format!("no event {id}; events.csv holds {} to {}", first.id, last.id)
            }
            _ => format!("no event {id}: events.csv is empty"),
        });
    };
    chain(log, at, "", text);
    let root = log.root(at);
    if root == at {
        text.push_str("\nIt is a root: nothing earlier is on record as its cause.\n");
    }
    match log.descendants(at) {
        0 => text.push_str("\nNothing on record follows from it.\n"),
        n => {
            let _ = writeln!(text, "\n{n} events follow from it");
            tree(log, &[at], depth, "  ", text);
        }
    }
    Ok(())
}
