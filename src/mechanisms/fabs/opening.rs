//! How lines, works and stocks of parts stand at the start of a run.

use super::FabWorks;
use crate::calendar::Month;
use crate::entities::chip::Catalogue;
use crate::entities::line::{LineRow, LineState, Parts};
use crate::entities::script::{StockKind, StockRow};
use crate::maths;
use crate::random::{Luck, Purpose, key_of};

/// How a line stands at the start of a run.
pub(crate) fn line_state(row: &LineRow, start: Month) -> LineState {
    let running = row.start.is_none_or(|first| first <= start);
    LineState {
        capacity: if running { row.capacity } else { 0.0 },
        pipeline: Vec::new(),
        cumulative_wafers: 0.0,
        yield_now: row.yield_start,
        utilisation: 0.0,
        backlog_months: 0.0,
        equipment_bite: 0.0,
    }
}

/// The works at the start of a run; `lines` in the order of ids.
pub(crate) fn works(lines: &[LineRow], vendors: usize, countries: usize, luck: &Luck) -> FabWorks {
    FabWorks {
        vendors,
        lines: lines.len(),
        tools: vec![0.0; countries],
        luck: lines.iter().map(|l| luck.stream(Purpose::Delay, key_of(&["line", &l.id]))).collect(),
        expanding: vec![false; lines.len()],
        ..FabWorks::default()
    }
}

/// Parts at the start of a run: stocks of the table, `vendors` being the vendors' ids in order.
/// Rows that name nothing known (installed chips, say) are left alone.
pub(crate) fn opening_parts(
    vendors: &[String],
    catalogue: &Catalogue,
    stocks: &[StockRow],
) -> Parts {
    let (v, d, s) = (vendors.len(), catalogue.dies.len(), catalogue.skus.len());
    let mut parts = Parts {
        dies: vec![vec![0; d]; v],
        memory_gb: vec![0; v],
        in_work: Vec::new(),
        inventory: vec![0; s],
        dies_in: vec![vec![0; d]; v],
        dies_used: vec![vec![0; d]; v],
        memory_in: vec![0; v],
        memory_used: vec![0; v],
        made: vec![0; s],
        written_off: vec![0; s],
    };
    for row in stocks {
        let Some(vendor) = vendors.iter().position(|id| *id == row.place) else { continue };
        let amount = maths::whole(row.amount);
        let item = row.item.as_deref().unwrap_or("");
        match row.kind {
            StockKind::Dies => {
                if let Some(die) = catalogue.dies.iter().position(|x| x.row.id == item) {
                    parts.dies[vendor][die] += amount;
                    parts.dies_in[vendor][die] += amount;
                }
            }
            StockKind::Memory => {
                parts.memory_gb[vendor] += amount;
                parts.memory_in[vendor] += amount;
            }
            StockKind::Chips => {
                if let Some(sku) = catalogue.skus.iter().position(|x| x.id == item) {
                    parts.inventory[sku] += amount;
                    parts.made[sku] += amount;
                }
            }
            StockKind::Installed => {}
        }
    }
    parts
}
