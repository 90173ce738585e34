//! What the chronicle hears of compute: imports that close and open, and its price as firms feel it.

use super::survey::Seen;
use crate::calendar::Month;
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Firm, Purse};
use crate::entities::rule::Rulebook;

/// Tells when a firm can no longer, or again, import foreign chips; `closed` is how it stood, `last` what was told.
pub(super) fn tell_of_imports(
    now: Month,
    rulebook: &Rulebook,
    firm: &Firm,
    (seen, kappa): (&Seen, f64),
    (closed, last): (&mut bool, &mut Option<EventId>),
    chronicle: &mut Chronicle,
) {
    if seen.imports_closed == *closed {
        return;
    }
    *closed = seen.imports_closed;
    let by = seen.last_rule.or(seen.rule);
    // What opens again does so because it had been closed.
    let cause =
        if *closed { by.and_then(|rule| rulebook.rules[rule.index()].event) } else { *last };
    let (kind, word) = if *closed {
        ("imports_closed", "can no longer import any foreign chip")
    } else {
        ("imports_opened", "can import foreign chips again")
    };
    let name = &firm.row.name;
    let id = chronicle.log(now, kind, (&firm.row.id, ""), (kappa, "kappa"), cause, || {
        format!("{name} {word}; its shadow price of compute is {kappa:.2}")
    });
    *last = Some(id);
}

/// Tells when the price of compute as a firm feels it has doubled or halved since it was `last` told; `demand` is the
/// event behind the growth of demand.
pub(super) fn tell_of_price(
    now: Month,
    rulebook: &Rulebook,
    firm: &Firm,
    (seen, demand): (&Seen, Option<EventId>),
    (purse, last): (&mut Purse, &mut f64),
    chronicle: &mut Chronicle,
) {
    let felt = purse.kappa_lagged;
    let moved = felt >= 2.0 * *last || 2.0 * felt <= *last;
    if !moved {
        return;
    }
    let rose = felt > *last;
    let rule = seen.last_rule.and_then(|rule| rulebook.rules[rule.index()].event);
    let cause = if rose { rule.or(demand) } else { purse.event };
    let (kind, word) =
        if rose { ("compute_dearer", "rises") } else { ("compute_cheaper", "falls") };
    let (name, before) = (&firm.row.name, *last);
    purse.event =
        Some(chronicle.log(now, kind, (&firm.row.id, ""), (felt, "kappa"), cause, || {
            format!(
                "the shadow price of compute of {name} {word} from {before:.1} to \
                 {felt:.1} times what it would be without rules and queues"
            )
        }));
    *last = felt;
}
