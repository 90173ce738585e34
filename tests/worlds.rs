//! Every world that is shipped: right, alive, and different from its base in
//! what its comment says; and the pages that tell of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use frugality::calendar::Month;
use frugality::entities::chronicle::Event;
use frugality::mechanisms::{all_metrics, declared_parameters};
use frugality::metric::Scope;
use frugality::record::Kept;
use frugality::run::{Options, Outcome, simulate};
use frugality::schema::Value;
use frugality::world::{self, Definition, Head, Loaded, json_schema, resolved_toml};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load_with(world: &str, sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
    let file = root().join("worlds").join(format!("{world}.toml"));
    let path = if file.is_file() { file } else { root().join("worlds").join(world) };
    world::load(&path, &sets, &declared_parameters()).unwrap_or_else(|e| panic!("{world}:\n{e}"))
}

fn load(world: &str) -> Loaded {
    load_with(world, &[])
}

fn run(definition: &Definition, months: Option<u32>) -> (Kept, Outcome) {
    let mut kept = Kept::new(all_metrics());
    let options = Options { months, keep_events: true };
    let outcome = simulate(definition, 1, options, &mut kept)
        .unwrap_or_else(|e| panic!("{}: {e}", definition.head.id));
    (kept, outcome)
}

/// Names of the worlds in `worlds/`.
fn shipped() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("worlds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.join("world.toml").is_file() || path.extension().is_some_and(|e| e == "toml")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Settings, switches and rows in which `b` differs from `a`.
fn differences(a: &Loaded, b: &Loaded) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (i, column) in Head::COLUMNS.iter().enumerate() {
        if a.cells.heads[i].value != b.cells.heads[i].value {
            found.insert(column.name.to_owned());
        }
    }
    for (i, switch) in a.cells.switches.iter().enumerate() {
        if switch.value != b.cells.switches[i].value {
            found.insert(format!("mechanisms.{i}"));
        }
    }
    for (table, ..) in Definition::TABLES {
        let (before, after) = (&a.cells.tables[table], &b.cells.tables[table]);
        let values = |loaded: &Loaded, id: &str| -> Option<Vec<Value>> {
            let row = loaded.cells.tables[table].get(id)?;
            Some(row.cells.iter().map(|cell| cell.value.clone()).collect())
        };
        for id in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            if values(a, id) != values(b, id) {
                found.insert(format!("{table}.{id}"));
            }
        }
    }
    // What people are told differs anyway.
    found.remove("title");
    found.remove("story");
    found
}

/// What is expected to differ, words separated by spaces.
fn expect(world: &str, rows: &str) {
    let expected: BTreeSet<String> = rows.split_whitespace().map(str::to_owned).collect();
    assert_eq!(differences(&load("reference"), &load(world)), expected, "{world}");
}

#[test]
fn every_world_is_right_and_runs() {
    let worlds = shipped();
    assert!(worlds.len() >= 9, "{worlds:?}");
    for world in worlds {
        let loaded = load(&world);
        assert!(!loaded.definition.head.story.is_empty(), "{world}");
        let (kept, _) = run(&loaded.definition, Some(36));
        assert_eq!(kept.months.len(), 36, "{world}");
    }
}

/// Orders that answered to queues, queues that answered to orders, and chips that left in lumps once made a vendor's revenue
/// of a quarter half or twice that of the last.
#[test]
fn a_vendor_sells_from_quarter_to_quarter_about_as_much() {
    let (kept, _) = run(&load("reference").definition, None);
    let revenue = kept.panel(Scope::Vendor, "nvidia", "datacentre_revenue_usd").expect("a metric");
    let from = kept.months.iter().position(|m| *m == Month::new(2027, 1)).expect("in the run");
    let quarters: Vec<f64> = revenue[from..].chunks(3).map(|months| months.iter().sum()).collect();
    let changes = quarters.windows(2).map(|pair| frugality::maths::ln(pair[1] / pair[0]).abs());
    let mean = changes.sum::<f64>() / (quarters.len() - 1) as f64;
    assert!((0.01..0.25).contains(&mean), "{mean}: {quarters:?}");
    // Generations after the roadmap are built for their launch.
    let later = kept.members(Scope::Sku).filter(|id| id.starts_with("nvidia-20"));
    let mut seen = 0;
    for id in later {
        let panel = |metric| kept.panel(Scope::Sku, id, metric).expect("a metric");
        let Some(launch) = panel("on_sale").iter().position(|flag| *flag == 1.0) else { continue };
        let started = panel("started_units");
        assert!(started[launch - 3..launch].iter().any(|n| *n > 0.0), "{id} is not built ahead");
        seen += 1;
    }
    assert!(seen >= 2, "{seen} generations");
}

#[test]
fn every_shipped_file_names_its_schema() {
    let mut files: Vec<(PathBuf, &str)> = Vec::new();
    for world in shipped() {
        let folder = root().join("worlds").join(&world);
        if folder.is_dir() {
            files.push((folder.join("world.toml"), "#:schema ../world.schema.json\n"));
            if folder.join("rules.toml").is_file() {
                files.push((folder.join("rules.toml"), "#:schema ../world.schema.json\n"));
            }
        } else {
            files.push((folder.with_extension("toml"), "#:schema ./world.schema.json\n"));
        }
    }
    for (file, line) in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(line), "{}: first line is not {line}", file.display());
    }
}

#[test]
fn the_page_of_parameters_is_fresh() {
    let path = root().join("docs/parameters.md");
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_frugality"))
        .args(["parameters", "--markdown"])
        .current_dir(root())
        .output()
        .unwrap();
    let fresh = String::from_utf8(program.stdout).unwrap();
    assert!(program.status.success() && fresh.contains("price_response"));
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == fresh,
        "docs/parameters.md is stale: frugality parameters --markdown > docs/parameters.md"
    );
}

#[test]
fn the_schema_is_fresh() {
    let path = root().join("worlds/world.schema.json");
    let fresh = format!("{:#}\n", json_schema(&declared_parameters()));
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == fresh,
        "worlds/world.schema.json is stale: frugality schema > worlds/world.schema.json"
    );
}

#[test]
fn no_controls_names_every_rule_that_goes_and_none_that_stays() {
    let (reference, without) = (load("reference"), load("no-controls"));
    let changed = differences(&reference, &without);
    let mut expected: BTreeSet<String> =
        ["regimes.ai-chip-controls", "regimes.cn-response"].map(str::to_owned).into();
    for rule in &reference.definition.rules {
        if rule.enabled && rule.regime != "pre-2022" {
            expected.insert(format!("rules.{}", rule.id));
        }
    }
    assert_eq!(changed, expected);
    let stay: Vec<&str> = without.definition.existing_rules().into_iter().collect();
    let older =
        ["cn-2022-09-state-it", "nl-2019-07-euv", "us-2019-05-huawei", "us-2020-08-huawei-foundry"];
    assert_eq!(stay, older);
    let definition = without.definition.clone().without_what_does_not_exist();
    assert!(definition.chips.iter().all(|c| c.caused_by.is_none()));
    assert!(
        definition.stocks.iter().any(|s| s.id == "dies-huawei-fronts"),
        "older than the regime"
    );
    assert!(definition.stocks.iter().all(|s| s.id != "memory-huawei-surge"));

    // Nothing is announced, applied for or cut to measure.
    let (kept, outcome) = run(&without.definition, Some(36));
    assert!(outcome.ending.applications.is_empty());
    assert!(events(&outcome, "variant_started").is_empty());
    assert_eq!(kept.at("units_refused", month("2024-12")), 0.0);
}

#[test]
fn easing_opens_step_by_step() {
    expect(
        "easing",
        "regulators.us-bis rules.us-2026-01-review rules.us-2026-05-buyer-cap
         rules.us-2026-05-headquarters rules.cn-2025-08-guidance rules.cn-2025-09-stop
         rules.cn-2025-11-state-funded rules.us-2027-01-notice rules.us-2028-07-notice
         rules.us-2030-01-notice clauses.us-2027-01-notice.a clauses.us-2028-07-notice.a
         clauses.us-2030-01-notice.a",
    );
    let (eased, _) = run(&load("easing").definition, None);
    let (reference, _) = run(&load("reference").definition, None);
    assert!((eased.at("stance", month("2030-06")) - 0.05).abs() < 1e-12);
    for at in ["2030-12", "2033-12"] {
        let share = |kept: &Kept| kept.at("compute_share_usable", month(at));
        assert!(share(&eased) > share(&reference), "{at}: {} {}", share(&eased), share(&reference));
    }
    let imports = |kept: &Kept| -> f64 { total(kept, "china_lawful_import_h100e", "2030-01") };
    assert!(imports(&eased) > 10.0 * imports(&reference));
}

#[test]
fn tightening_makes_bills_into_law() {
    let bills = "rules.us-bill-remote-access rules.us-bill-overwatch rules.us-bill-chip-security
                 rules.us-bill-match rules.cn-2026-11-rare-earths-abroad rules.cn-2026-11-ban-us";
    expect("tightening", &format!("regulators.us-bis {bills}"));
    let (tight, outcome) = run(&load("tightening").definition, Some(84));
    let (reference, _) = run(&load("reference").definition, Some(84));
    assert!((tight.at("stance", month("2028-12")) - 0.95).abs() < 1e-12);
    let begun = events(&outcome, "rule_in_force");
    for bill in bills.split_whitespace() {
        let bill = bill.trim_start_matches("rules.");
        assert!(begun.iter().any(|e| e.object == bill), "{bill}");
    }
    let share = |kept: &Kept| kept.at("compute_share_usable", month("2028-12"));
    assert!(share(&tight) < share(&reference), "{} {}", share(&tight), share(&reference));
}

#[test]
fn the_lot_of_bytedance_is_licensed_and_nobody_elses() {
    expect(
        "bytedance-2026",
        "firms.bytedance events.plan-2026
         rules.us-2026-02-bytedance clauses.us-2026-02-bytedance.a
         rules.cn-2026-02-bytedance clauses.cn-2026-02-bytedance.a",
    );
    let (_, outcome) = run(&load("bytedance-2026").definition, Some(62));
    let ending = &outcome.ending;
    let lot = ending.rules.iter().position(|r| r == "us-2026-02-bytedance").unwrap();
    let granted: i64 =
        ending.applications.iter().filter(|a| a.rule.index() == lot).map(|a| a.granted).sum();
    assert!(granted > 0 && granted <= 20_000, "{granted}");
}

#[test]
fn the_plan_of_bytedance_can_be_scaled_from_its_year_on() {
    let world = "bytedance-2026";
    let plan = |quantity: &str| {
        let set = format!("events.plan-2026.quantity={quantity}");
        run(&load_with(world, &[set.as_str()]).definition, Some(60)).0
    };
    let (full, without) = (run(&load(world).definition, Some(60)).0, plan("0"));
    let capex = |kept: &Kept| kept.panel(Scope::Firm, "bytedance", "ai_capex_usd").unwrap();
    assert_eq!(capex(&full), capex(&plan("1")));
    let (full, without) = (capex(&full), capex(&without));
    // January 2026 is month 48; nothing moves before, and by December next to nothing is planned.
    assert_eq!(full[..48], without[..48]);
    assert!(without[59] < 0.2 * full[59], "{} {}", without[59], full[59]);
}

#[test]
fn the_plan_of_bytedance_under_easing_is_easing_and_the_plan() {
    let reference = load("reference");
    let (easing, plan) = (load("easing"), load("bytedance-2026"));
    let both = load("bytedance-easing");
    let wanted: BTreeSet<String> =
        differences(&reference, &easing).union(&differences(&reference, &plan)).cloned().collect();
    assert_eq!(differences(&reference, &both), wanted);
    // No row of the plan's is a row of easing's, so each must be as one of the two has it.
    let of_plan = differences(&plan, &both);
    assert_eq!(of_plan, differences(&reference, &easing));
    let of_easing = differences(&easing, &both);
    assert_eq!(of_easing, differences(&reference, &plan));
}

#[test]
fn mirror_turns_the_constraint_round() {
    let (reference, mirror) = (load("reference"), load("mirror"));
    for row in differences(&reference, &mirror) {
        let table = row.split('.').next().unwrap();
        assert!(["firms", "rules", "regimes"].contains(&table), "{row}");
    }
    let rules = |loaded: &Loaded| loaded.definition.rules.clone();
    for (a, b) in rules(&reference).into_iter().zip(rules(&mirror)) {
        // Same dates, same treatment; destinations turned round, or off.
        assert_eq!(
            (a.announced, a.from, a.until, a.treatment),
            (b.announced, b.from, b.until, b.treatment)
        );
        let about_china = |r: &frugality::entities::rule::RuleRow| {
            r.enabled
                && r.regime == "ai-chip-controls"
                && (r.blocs.iter().any(|b| b == "china")
                    || r.headquarters.iter().any(|h| h == "chn"))
        };
        assert!(!about_china(&b), "{}", b.id);
        if about_china(&a) && b.enabled {
            assert_eq!(b.domestic, Some(true), "{}", b.id);
        }
    }
    let (kept, outcome) = run(&mirror.definition, Some(36));
    let (before, _) = run(&reference.definition, Some(36));
    let of = |kept: &Kept, firm: &str, name: &str| kept.panel(Scope::Firm, firm, name).unwrap()[35];
    for firm in ["microsoft", "meta", "oracle"] {
        let kappa = |kept: &Kept| of(kept, firm, "kappa");
        assert!(kappa(&kept) > kappa(&before), "{firm}: {} {}", kappa(&kept), kappa(&before));
    }
    let compute = |kept: &Kept, firm: &str| of(kept, firm, "compute_owned_h100e");
    assert!(compute(&kept, "microsoft") < compute(&before, "microsoft"));
    assert!(compute(&kept, "tencent") > compute(&before, "tencent"));
    let names = &outcome.ending.names;
    let american = outcome.ending.applications.iter().filter(|a| {
        let buyer = names.firms[a.buyer.index()].as_str();
        ["microsoft", "meta", "amazon", "alphabet", "oracle", "neoclouds"].contains(&buyer)
    });
    assert!(american.count() > 0, "sales at home need a licence");
}

#[test]
fn allies_let_go() {
    expect(
        "allied-erosion",
        "rules.nl-2023-09-equipment rules.nl-2024-09-equipment rules.nl-2025-04-equipment
         rules.jp-2023-07-equipment rules.tw-2025-06-list rules.us-2024-11-foundry
         rules.us-2025-01-foundry rules.us-2024-12-memory rules.us-2027-01-memory",
    );
    let withheld = |world: &str, of: &str| {
        let (kept, _) = run(&load(world).definition, Some(62));
        kept.panel(Scope::Country, "chn", of).unwrap()[61]
    };
    for of in ["equipment_withheld", "memory_withheld", "foundry_withheld"] {
        let (eroded, reference) = (withheld("allied-erosion", of), withheld("reference", of));
        assert!(eroded < reference, "{of}: {eroded} {reference}");
    }
}

#[test]
fn lines_in_taiwan_stand_still() {
    expect("taiwan-shock", "events.taiwan-lines-2028");
    let lines: Vec<String> =
        load("reference").definition.lines.iter().map(|l| l.id.clone()).collect();
    let event = load("taiwan-shock").definition.events;
    let event = event.iter().find(|e| e.id == "taiwan-lines-2028").unwrap();
    assert!(event.subjects.iter().all(|line| lines.contains(line)), "{:?}", event.subjects);
    let wafers = |world: &str| {
        let (kept, _) = run(&load(world).definition, Some(90));
        total(&kept, "packaging_wafers", "2028-06") - total(&kept, "packaging_wafers", "2029-06")
    };
    assert!(wafers("taiwan-shock") < 0.5 * wafers("reference"));
}

// The small world.

#[test]
fn small_shows_each_thing_of_the_tutorial() {
    let small = load("small");
    let (kept, outcome) = run(&small.definition, None);
    assert_eq!(kept.months.len(), 168);
    // A rule bites, and not before it is announced: with time those whom it binds have less.
    let free = load_with(
        "small",
        &["regimes.ai-chip-controls.active=false", "regimes.cn-response.active=false"],
    );
    let (free, _) = run(&free.definition, None);
    let of = |kept: &Kept, name: &str| kept.panel(Scope::Firm, "cathay", name).unwrap();
    let (bound, unbound) = (of(&kept, "kappa"), of(&free, "kappa"));
    assert_eq!(bound[..7], unbound[..7], "nothing before August 2022");
    assert_ne!(bound[..12], unbound[..12]);
    let compute = |kept: &Kept| of(kept, "compute_owned_h100e")[107];
    assert!(compute(&kept) < 0.9 * compute(&free), "{} {}", compute(&kept), compute(&free));
    // Variants are designed, applications filed and decided, models sold abroad.
    assert!(!events(&outcome, "variant_launched").is_empty());
    assert!(!outcome.ending.applications.is_empty());
    assert!(!events(&outcome, "application_denied").is_empty());
    assert!(kept.at("third_market_share", month("2035-12")) > 0.0);
    assert!(kept.at("tokens_per_day_third", month("2030-12")) > 0.0);
}

#[test]
fn small_fits_on_two_pages_and_inherits_the_rest() {
    let folder = root().join("worlds/small");
    let lines: usize = fs::read_dir(&folder)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap().lines().count())
        .sum();
    assert!(lines <= 140, "{lines} lines");
    let (small, reference) = (load("small"), load("reference"));
    assert_eq!(small.definition.parameters.len(), reference.definition.parameters.len());
    let place = small.place(&small.cells.tables["parameters"]["server_overhead"].cells[0]);
    assert!(place.contains("worlds/reference/parameters.csv"), "{place}");
    // Written out, it is the same world.
    assert!(resolved_toml(&small).contains("[parameters.server_overhead]"));
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn events<'a>(outcome: &'a Outcome, kind: &str) -> Vec<&'a Event> {
    outcome.ending.events.iter().filter(|e| e.kind == kind).collect()
}

/// Sum of a world metric from a month on.
fn total(kept: &Kept, name: &str, from: &str) -> f64 {
    let from = month(from);
    let series = kept.series(name).unwrap();
    kept.months
        .iter()
        .zip(series)
        .filter(|(m, x)| **m >= from && x.is_finite())
        .map(|(_, x)| x)
        .sum()
}

// The tutorial: its files are written, its commands are run, its outputs are what is printed.

/// A folder that is gone when dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Whether `said` is `expected`, in which a line `…` stands for any lines.
fn matches(expected: &str, said: &str) -> bool {
    let said: Vec<&str> = said.lines().map(str::trim).collect();
    let mut at = 0;
    let mut free = false;
    for line in expected.lines().map(str::trim) {
        if line == "…" {
            free = true;
            continue;
        }
        let found = said[at..].iter().position(|s| *s == line);
        match found {
            Some(n) if free || n == 0 => at += n + 1,
            _ => return false,
        }
        free = false;
    }
    free || at == said.len()
}

/// What a shell makes of a word that may end in `*`: the entries of a folder that begin so.
fn as_a_shell(folder: &Path, word: &str) -> Vec<String> {
    let Some(begin) = word.strip_suffix('*') else { return vec![word.to_owned()] };
    let (parent, begin) = begin.rsplit_once('/').unwrap();
    let mut names: Vec<String> = fs::read_dir(folder.join(parent))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(begin))
        .map(|name| format!("{parent}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{word}");
    names
}

#[test]
fn the_tutorial_does_what_it_says() {
    let scratch = Scratch(
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tutorial-{}", std::process::id())),
    );
    for world in ["small", "reference"] {
        copy(&root().join("worlds").join(world), &scratch.0.join("worlds").join(world));
    }
    let page = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let (mut wrong, mut commands) = (String::new(), 0);
    for block in page.split("\n```").skip(1).step_by(2) {
        let (info, body) = block.split_once('\n').unwrap();
        if let Some(path) = info.strip_prefix("toml ") {
            let path = scratch.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        } else if info == "console" {
            for part in format!("\n{body}").split("\n$ ").skip(1) {
                let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
                let mut words = command.split_whitespace();
                assert_eq!(words.next(), Some("frugality"), "{command}");
                let output = Command::new(env!("CARGO_BIN_EXE_frugality"))
                    .args(words.flat_map(|word| as_a_shell(&scratch.0, word)))
                    .current_dir(&scratch.0)
                    .output()
                    .unwrap();
                commands += 1;
                // What is refused is said to the other stream; a run's progress is not shown here.
                let said = if output.status.success() { output.stdout } else { output.stderr };
                let said = String::from_utf8(said).unwrap();
                if !matches(expected.trim_end(), said.trim_end()) {
                    wrong.extend(["$ ", command, "\n", said.as_str(), "\n"]);
                }
            }
        }
    }
    assert!(commands >= 6, "{commands} commands");
    assert!(wrong.is_empty(), "docs/tutorial.md should show:\n{wrong}");
}
