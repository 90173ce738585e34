//! What the chronicle hears of compute: imports that close and open, and its price as firms feel it.

use super::survey::Seen;
use crate::calendar::Month;
use crate::entities::SkuId;
use crate::entities::chronicle::{Chronicle, EventId};
use crate::entities::firm::{Firm, Purse};
use crate::entities::rule::{RuleKind, Rulebook};

/// Tells when a firm can no longer, or again, import foreign chips, of those `on_sale`; `closed` is how it stood, `last` what was told.
pub(super) fn tell_of_imports(
    now: Month,
    (rulebook, on_sale): (&Rulebook, &[SkuId]),
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
    let besides = || if *closed { standing(rulebook, on_sale, firm, cause) } else { Vec::new() };
    let said = || format!("{name} {word}; its shadow price of compute is {kappa:.2}");
    let of = (&*firm.row.id, "");
    let id = chronicle.log_besides(now, kind, of, (kappa, "kappa"), cause, besides, said);
    *last = Some(id);
}

/// The rules, `cause` apart, that keep chips `on_sale` from a firm's home, or would without the others.
fn standing(
    rulebook: &Rulebook,
    on_sale: &[SkuId],
    firm: &Firm,
    cause: Option<EventId>,
) -> Vec<EventId> {
    rulebook
        .standing(RuleKind::ChipExport, on_sale, firm.id, firm.home, firm.home)
        .filter_map(|rule| rule.event)
        .filter(|event| Some(*event) != cause)
        .collect()
}

/// Tells when the price of compute as a firm feels it has doubled or halved since it was `last` told; `demand` is the
/// event behind the growth of demand.
pub(super) fn tell_of_price(
    now: Month,
    (rulebook, on_sale): (&Rulebook, &[SkuId]),
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
    // Whose demand grew, or whom a rule keeps from chips: one names the other.
    let besides = || {
        let mut behind = if rose { standing(rulebook, on_sale, firm, cause) } else { Vec::new() };
        behind.extend(demand.filter(|event| rose && Some(*event) != cause));
        behind
    };
    let said = || {
        format!(
            "the shadow price of compute of {name} {word} from {before:.1} to \
             {felt:.1} times what it would be without rules and queues"
        )
    };
    let of = (&*firm.row.id, "");
    purse.event = Some(chronicle.log_besides(now, kind, of, (felt, "kappa"), cause, besides, said));
    *last = felt;
}
