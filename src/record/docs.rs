//! `docs/outputs.md`, made from the declarations.

use std::fmt::Write as _;

use super::columns;
use super::ending::{EVENTS, Field, LICENCES, MODELS, SKUS};
use super::manifest::PARTS;
use crate::metric::{Metric, Scope};

const HEAD: &str = "\
# What a run writes

Made by `frugality metrics --markdown`; a test fails when it is stale. Do not edit.

A run writes one folder, `outputs/<world>-s<seed>-<hash>/` or the one named by `--out`. It is whole or absent: everything
is written into a hidden sibling that is renamed at the end. The hash stands for the resolved world, the seed, the months, the
version of the program and whether events were kept; the same folder name means the same bytes.

| file | what it holds |
|---|---|
| `manifest.json` | what was run, from what, with what, and the SHA-256 of every other file |
| `world.resolved.toml` | the world as it was run, every layer applied |
| `inputs/` | the world files that were read, byte for byte |
| `series.csv` | the world, a row a month |
| `firms.csv`, `vendors.csv`, `countries.csv`, `chips.csv`, `lines.csv` | a row a month and member |
| `licences.csv` | a row a licence application, from filing to end |
| `models.csv` | a row a model released |
| `skus.csv` | a row a chip (SKU): what it is, designed ones included |
| `events.csv` | what happened, to whom and because of what (not with `--no-events`) |

## How cells are written

- UTF-8, commas, one header row, lines end with a line feed; cells with commas, quotes or line breaks are in double quotes.
- Months are `YYYY-MM`. Flows are of the month unless the unit says otherwise (`USD/year`); stocks are at its end.
- Numbers have the fewest digits that read back as the same 64-bit float; whole numbers have no point; very small and very large
  ones an exponent (`1e-7`). An **empty cell** is a value that does not exist: not measured in that month, or a ratio over nothing.
- A member has no row in a month in which it has no value at all (a chip before anybody knows of it).
- Text that a spreadsheet could take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a carriage return) has a single quote
  in front; to restore it, take one leading `'` off where one of those characters follows it (or its fellow quotes). Number cells are never changed.
";

/// The page.
#[must_use]
pub fn markdown(metrics: &'static [&'static Metric]) -> String {
    let mut page = HEAD.to_owned();
    for scope in Scope::ALL {
        let _ = write!(page, "\n## `{}.csv`: {}\n\n", scope.table(), about(scope));
        page.push_str("| column | unit | definition |\n|---|---|---|\n");
        row(&mut page, "month", "month", "The month, `YYYY-MM`.");
        if scope != Scope::World {
            row(&mut page, "id", "id", member(scope));
        }
        for metric in columns(metrics, scope) {
            row(&mut page, metric.name, metric.unit, metric.definition);
        }
    }
    fixed(&mut page, "`licences.csv`: a row an application", &LICENCES);
    fixed(&mut page, "`models.csv`: a row a model", &MODELS);
    fixed(&mut page, "`skus.csv`: a row a chip (SKU)", &SKUS);
    fixed(&mut page, "`events.csv`: a row an event", &EVENTS);
    let _ = write!(
        page,
        "\n## `manifest.json`\n\nNo clock, no host, no absolute path: the same run gives the same bytes.\n\n"
    );
    page.push_str("| key | kind | definition |\n|---|---|---|\n");
    for Field { name, unit, definition } in PARTS {
        row(&mut page, name, unit, definition);
    }
    page
}

fn fixed(page: &mut String, title: &str, fields: &[Field]) {
    let _ = write!(page, "\n## {title}\n\n| column | unit | definition |\n|---|---|---|\n");
    for Field { name, unit, definition } in fields {
        row(page, name, unit, definition);
    }
}

fn row(page: &mut String, name: &str, unit: &str, definition: &str) {
    let tame = |text: &str| text.trim().replace('|', "\\|").replace('\n', " ");
    let _ = writeln!(page, "| `{name}` | {} | {} |", tame(unit), tame(definition));
}

/// What a table is about.
#[must_use]
pub const fn about(scope: Scope) -> &'static str {
    match scope {
        Scope::World => "the world, a row a month",
        Scope::Firm => "a row a month and firm",
        Scope::Vendor => "a row a month and vendor of chips",
        Scope::Country => "a row a month and country",
        Scope::Sku => "a row a month and chip (SKU)",
        Scope::Line => "a row a month and logic, memory or packaging line",
    }
}

const fn member(scope: Scope) -> &'static str {
    match scope {
        Scope::World => "",
        Scope::Firm => "Id of the firm in the world's `firms` table.",
        Scope::Vendor => "Id of the vendor in the world's `vendors` table.",
        Scope::Country => "Id of the country in the world's `countries` table.",
        Scope::Sku => {
            "Id of the chip in the world's `chips` table, or the name that the model gave to a variant it designed."
        }
        Scope::Line => "Id of the line in the world's `lines` table.",
    }
}
