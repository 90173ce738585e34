//! What a run writes: bytes of the tables, folders that are whole or absent, and
//! explanations read back from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bevy_ecs::prelude::{Res, ResMut, World};
use bevy_ecs::schedule::{IntoScheduleConfigs as _, Schedule};
use frugality::calendar::Month;
use frugality::entities::breach::{Breach, FirstBreach};
use frugality::entities::chronicle::Chronicle;
use frugality::entities::ledger::Ledger;
use frugality::entities::licence::{Application, LicenceBook, Outcome as Licence};
use frugality::entities::model::{Model, ModelBook, Tier};
use frugality::entities::names::Names;
use frugality::entities::{Clock, FirmId, RegulatorId, RuleId, SkuId, VendorId};
use frugality::metric::{Readings, Scope};
use frugality::record::folder::{Document, sha256};
use frugality::record::{Archive, Ending, Folder, FolderError, Kept, Manifest, Page, Panels};
use frugality::run::{Sink, Stopped, play};

frugality::metrics! {
    World {
        SHARE = "third_market_share", "share", "A share.";
        CHIPS_MADE = "chips_made", "chips", "A count.";
    }
    Firm {
        KAPPA = "kappa", "ratio", "Shadow price of compute.";
        CAPEX = "ai_capex_usd", "USD", "Capex of the month.";
    }
}

/// A month of a model that fits on a page: two firms, a rule, a denial.
fn happen(clock: Res<Clock>, mut readings: ResMut<Readings>, mut log: ResMut<Chronicle>) {
    let t = clock.elapsed();
    readings.set(&SHARE, 0.1 * f64::from(t + 1));
    if t > 0 {
        readings.set(&CHIPS_MADE, 1000.0 * f64::from(t));
        readings.set_for(&KAPPA, 1, 1.0 / f64::from(t + 2));
        readings.set_for(&CAPEX, 0, f64::NAN);
    }
    if t == 1 {
        let rule = log.log(
            clock.now,
            "rule_announced",
            ("us-bis", "chip-rule"),
            (f64::NAN, ""),
            None,
            || "A rule, \"announced\"".to_owned(),
        );
        log.log(
            clock.now,
            "application_denied",
            ("b-firm", "=SUM(A1)"),
            (500.0, "chips"),
            Some(rule),
            || "-500 chips".to_owned(),
        );
    }
}

fn break_a_book(clock: Res<Clock>, mut first: ResMut<FirstBreach>) {
    if clock.elapsed() == 2 {
        let said = |left: &str, right: &str| Breach {
            month: clock.now,
            law: "chips made = chips somewhere",
            entity: "h100".to_owned(),
            left: left.to_owned(),
            right: right.to_owned(),
        };
        first.note(said("made 10", "somewhere 9"));
        first.note(said("later", "consequence"));
    }
}

fn world(months: i32) -> World {
    let start = Month::new(2022, 1);
    let mut world = World::new();
    world.insert_resource(Clock { start, now: start, end: start + (months - 1) });
    world.insert_resource(Readings::new(METRICS, [1, 2, 0, 0, 0, 0]));
    world.insert_resource(Chronicle::new(true));
    world.insert_resource(Ledger::new(2, 0));
    world.insert_resource(Names {
        firms: vec!["a-firm".to_owned(), "b-firm".to_owned()],
        vendors: vec!["nvidia".to_owned()],
        regulators: vec!["us-bis".to_owned()],
        ..Names::default()
    });
    world.insert_resource(LicenceBook {
        applications: vec![Application {
            id: 0,
            order: 3,
            rule: RuleId(0),
            regulator: RegulatorId(0),
            vendor: VendorId(0),
            buyer: FirmId(1),
            sku: SkuId(0),
            units: 500,
            granted: 0,
            shipped: 0,
            filed: start,
            due: start + 1,
            decided: Some(start + 1),
            expires: None,
            odds: 0.25,
            outcome: Licence::Denied,
            conditions: "",
            event: None,
            placed: Month::new(2022, 1),
            key: 1,
        }],
        ..LicenceBook::default()
    });
    world.insert_resource(ModelBook {
        models: vec![Model {
            id: 0,
            firm: FirmId(0),
            tier: Tier::Small,
            released: start,
            quality: 23.5,
            log10_flop: 24.0,
            tokens_m_per_h100e: 1e5,
            open: true,
            distilled: 0.0,
            event: None,
        }],
        ..ModelBook::default()
    });
    world
}

fn schedule() -> Schedule {
    let mut schedule = Schedule::default();
    schedule.add_systems((happen,).chain());
    schedule
}

/// A folder of this test's own that is gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("frugality-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    fn names(&self) -> Vec<String> {
        let list = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            list.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn manifest() -> Manifest {
    Manifest {
        world: "tiny".to_owned(),
        title: "A tiny world".to_owned(),
        resolved: "title = \"A tiny world\"\n".to_owned(),
        input: "inputs/tiny".to_owned(),
        seed: 7,
        span: (Month::new(2022, 1), Month::new(2022, 3)),
        shortened: true,
        events: true,
        sets: vec!["a b=1".to_owned()],
        treated: None,
    }
}

/// Every file of a three-month run.
fn documents() -> Vec<Document> {
    let mut world = world(3);
    let mut panels = Panels::new(METRICS);
    play(&mut world, &mut schedule(), &mut panels).unwrap();
    let ending = Ending::of(&mut world);
    let mut documents: Vec<Document> = panels
        .into_tables()
        .map(|(scope, bytes, rows)| Document::table(format!("{}.csv", scope.table()), bytes, rows))
        .collect();
    for (name, table) in [
        ("licences.csv", ending.licences_csv()),
        ("models.csv", ending.models_csv()),
        ("skus.csv", ending.skus_csv()),
        ("events.csv", ending.events_csv()),
    ] {
        let rows = table.rows();
        documents.push(Document::table(name, table.into_bytes(), rows));
    }
    documents.push(Document::new("inputs/tiny/world.toml", "title = 1\n"));
    let manifest = manifest().document(METRICS, &documents);
    documents.push(manifest);
    documents
}

fn text_of(documents: &[Document], path: &str) -> String {
    let found = documents.iter().find(|d| d.path == path).unwrap();
    String::from_utf8(found.bytes.clone()).unwrap()
}

#[test]
fn tables_to_the_byte() {
    let documents = documents();
    assert_eq!(
        text_of(&documents, "series.csv"),
        "month,third_market_share,chips_made\n2022-01,0.1,\n2022-02,0.2,1000\n\
         2022-03,0.30000000000000004,2000\n"
    );
    // a-firm never has a value, and b-firm none in the first month: no row.
    assert_eq!(
        text_of(&documents, "firms.csv"),
        "month,id,kappa,ai_capex_usd\n2022-02,b-firm,0.3333333333333333,\n2022-03,b-firm,0.25,\n"
    );
    assert_eq!(text_of(&documents, "vendors.csv"), "month,id\n");
    assert_eq!(
        text_of(&documents, "events.csv"),
        "id,month,kind,subject,object,quantity,unit,cause,besides,text\n\
         0,2022-02,rule_announced,us-bis,chip-rule,,,,,\"A rule, \"\"announced\"\"\"\n\
         1,2022-02,application_denied,b-firm,'=SUM(A1),500,chips,0,,'-500 chips\n"
    );
    assert_eq!(
        text_of(&documents, "licences.csv"),
        "id,order,rule,regulator,vendor,buyer,sku,units,granted,shipped,filed,due,decided,expires,\
         odds,outcome,conditions,event\n\
         0,3,,us-bis,nvidia,b-firm,,500,0,0,2022-01,2022-02,2022-02,,0.25,denied,,\n"
    );
    assert_eq!(
        text_of(&documents, "models.csv"),
        "id,firm,tier,released,quality,log10_flop,tokens_m_per_h100e,open,distilled,event\n\
         0,a-firm,small,2022-01,23.5,24,100000,true,0,\n"
    );
}

#[test]
fn the_manifest_names_every_file_and_no_place_or_time() {
    let documents = documents();
    let text = text_of(&documents, "manifest.json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["command"], "frugality run inputs/tiny --seed 7 --months 3 --set 'a b=1'");
    assert_eq!(json["outputs"].as_array().unwrap().len(), 10);
    assert_eq!(json["inputs"][0]["path"], "inputs/tiny/world.toml");
    assert_eq!(json["outputs"][0]["rows"], 3);
    assert_eq!(json["outputs"][0]["sha256"], sha256(text_of(&documents, "series.csv").as_bytes()));
    assert_eq!(json["tables"]["firms"][3]["unit"], "USD");
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(documents_again(&documents), documents_again(&self::documents()));
}

fn documents_again(documents: &[Document]) -> Vec<(String, Vec<u8>)> {
    documents.iter().map(|d| (d.path.clone(), d.bytes.clone())).collect()
}

#[test]
fn the_name_of_the_folder_stands_for_what_may_differ() {
    let base = manifest();
    assert!(base.folder_name().starts_with("tiny-s7-"));
    let mut seed = base.clone();
    seed.seed = 8;
    let mut resolved = base.clone();
    resolved.resolved.push_str("x = 1\n");
    let mut longer = base.clone();
    longer.span.1 = longer.span.1 + 1;
    let mut silent = base.clone();
    silent.events = false;
    let mut strange = base.clone();
    strange.world = "../a b".to_owned();
    for other in [seed, resolved, longer, silent] {
        assert_ne!(base.hash8(), other.hash8());
    }
    assert!(strange.folder_name().starts_with("-a-b-s7-"), "{}", strange.folder_name());
}

#[test]
fn what_is_kept_is_found_by_name() {
    let mut kept = Kept::new(METRICS);
    play(&mut world(3), &mut schedule(), &mut kept).unwrap();
    assert_eq!(kept.series("chips_made").unwrap()[1..], [1000.0, 2000.0]);
    assert!(kept.series("nothing").is_none());
    let kappa = kept.panel(Scope::Firm, "b-firm", "kappa").unwrap();
    assert!(kappa[0].is_nan());
    assert_eq!(kappa[2], 0.25);
    assert_eq!(kept.at("chips_made", Month::new(2022, 3)), 2000.0);
    assert_eq!(kept.members(Scope::Firm).collect::<Vec<_>>(), ["b-firm"]);
}

#[test]
fn a_breach_stops_the_run_with_month_entity_and_both_sides() {
    let mut schedule = Schedule::default();
    schedule.add_systems((happen, break_a_book).chain());
    let mut kept = Kept::new(METRICS);
    let stopped = play(&mut world(5), &mut schedule, &mut kept).unwrap_err();
    assert_eq!(
        stopped.to_string(),
        "2022-03: the books do not balance: chips made = chips somewhere, for h100: made 10 against \
         somewhere 9"
    );
    assert_eq!(kept.months.len(), 2, "the broken month is not kept");
}

#[test]
fn a_sink_that_fails_stops_the_run() {
    struct Full(u32);
    impl Sink for Full {
        fn month(&mut self, _: &Page<'_>) -> io::Result<()> {
            self.0 += 1;
            if self.0 == 2 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }
    let stopped = play(&mut world(3), &mut schedule(), &mut Full(0)).unwrap_err();
    assert!(matches!(stopped, Stopped::Sink { month, .. } if month == Month::new(2022, 2)));
}

#[test]
fn a_folder_is_refused_replaced_or_left_alone() {
    let scratch = Scratch::new("refused");
    let target = scratch.join("run");
    let documents = documents();
    Folder::claim(&target, false).unwrap().commit(&documents).unwrap();
    assert_eq!(scratch.names(), ["run"]);
    assert_eq!(fs::read(target.join("inputs/tiny/world.toml")).unwrap(), b"title = 1\n");

    let refused = Folder::claim(&target, false).unwrap_err();
    assert!(matches!(&refused, FolderError::Exists(path) if *path == target), "{refused}");
    fs::write(target.join("stale.txt"), "x").unwrap();
    Folder::claim(&target, true).unwrap().commit(&documents).unwrap();
    assert!(!target.join("stale.txt").exists(), "--force replaces the whole folder");
    assert_eq!(scratch.names(), ["run"]);

    let foreign = scratch.join("thesis");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("chapter.tex"), "years of work").unwrap();
    let refused = Folder::claim(&foreign, true).unwrap_err();
    assert!(matches!(refused, FolderError::NotOurs(_)), "{refused}");
    assert!(foreign.join("chapter.tex").exists());
}

#[test]
fn a_folder_that_cannot_be_written_leaves_nothing() {
    let scratch = Scratch::new("half");
    // The second file stands where a folder is needed for the third.
    let documents = [
        Document::new("series.csv", "month\n"),
        Document::new("inputs", "x"),
        Document::new("inputs/world.toml", "x"),
    ];
    let failed = Folder::claim(&scratch.join("run"), false).unwrap().commit(&documents);
    assert!(matches!(failed, Err(FolderError::Io { .. })), "{failed:?}");
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());

    fs::write(scratch.join("file"), "").unwrap();
    let failed = Folder::claim(&scratch.join("file/run"), false).unwrap().commit(&documents);
    assert!(failed.unwrap_err().to_string().starts_with("cannot make "));
}

#[test]
fn leftovers_of_killed_runs_are_swept_and_those_at_work_are_not() {
    let scratch = Scratch::new("sweep");
    let dead = scratch.join(".run.partial-1-0");
    let alive = scratch.join(".other.partial-2-0");
    for folder in [&dead, &alive] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("series.csv"), "month\n").unwrap();
    }
    let lock = fs::File::open(&alive).unwrap();
    lock.lock().unwrap();
    let only_copy = scratch.join(".run.replaced-3");
    fs::create_dir(&only_copy).unwrap();
    let commit = |force| {
        Folder::claim(&scratch.join("run"), force).unwrap().commit(&documents()).unwrap();
        scratch.names()
    };
    assert_eq!(commit(false), [".other.partial-2-0", ".run.replaced-3", "run"]);
    assert_eq!(commit(true), [".other.partial-2-0", "run"]);
}

#[test]
fn the_documentation_of_outputs_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/outputs.md");
    let fresh = frugality::record::docs::markdown(frugality::mechanisms::all_metrics());
    if std::env::var_os("FRUGALITY_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == fresh, "docs/outputs.md is stale; `cargo bless` writes it anew");
}

#[test]
fn every_metric_has_a_name_of_its_own_in_its_table() {
    for scope in Scope::ALL {
        let all = frugality::record::columns(frugality::mechanisms::all_metrics(), scope);
        let mut names: Vec<&str> = all.map(|m| m.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{scope:?} declares a metric twice");
        assert!(!names.contains(&"month") && !names.contains(&"id"));
    }
}

// The program, on a folder written by hand.

fn frugality(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frugality")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

const EVENTS: &str = "\
id,month,kind,subject,object,quantity,unit,cause,besides,text
0,2022-10,rule_announced,us-bis,us-2022-10,,,,,The United States control chips.
1,2022-12,application_filed,nvidia,acme,1000,chips,0,,NVIDIA files for Acme.
2,2023-03,application_denied,nvidia,acme,1000,chips,1,,The licence for Acme is denied.
3,2023-03,plan_cut,acme,h100,2e8,USD,2,0 1,Acme cuts its plan.
4,2023-04,yield_learnt,smic,n2,0.1,share,,,Yields rise.
5,2023-05,application_denied,nvidia,acme,300,chips,0,,Another is denied.
6,2023-06,rule_in_force,us-bis,us-2022-10,,,0,,The rule is in force.
";

fn hand_written(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let write = |file: &str, text: &str| fs::write(scratch.join(file), text).unwrap();
    write(
        "manifest.json",
        r#"{ "format": "frugality-run/1", "world": { "id": "t", "title": "Tiny" }, "seed": "1",
             "first_month": "2022-01", "last_month": "2023-12", "events": true,
             "tables": { "firms": [ { "name": "kappa", "unit": "ratio" } ] } }"#,
    );
    write("events.csv", EVENTS);
    write(
        "firms.csv",
        "month,id,kappa,ai_capex_usd\n2022-06,acme,1,2000000000\n2023-05,acme,1.4,\n\
         2023-06,acme,1.5,3000000000\n2023-06,rival,1,9\n",
    );
    write("chips.csv", "month,id,price_usd,wait_months\n2023-06,h100,25000,4.5\n");
    write("lines.csv", "month,id,yield_now\n");
    write("vendors.csv", "month,id\n");
    write(
        "licences.csv",
        "id,buyer,sku,units,granted,filed,decided,outcome\n0,acme,h100,1000,0,2022-12,2023-03,denied\n",
    );
    scratch
}

fn explain(scratch: &Scratch, arguments: &[&str]) -> Output {
    let dir = scratch.0.to_string_lossy().into_owned();
    let mut all = vec!["explain", dir.as_str()];
    all.extend_from_slice(arguments);
    frugality(&all)
}

#[test]
fn an_event_is_walked_to_its_root_and_its_effects() {
    let scratch = hand_written("event");
    assert_eq!(
        said(&explain(&scratch, &["--event", "3"])),
        "\
#3 2023-03 plan_cut acme → h100, 200 M USD
     Acme cuts its plan.
     besides: #0 2022-10 rule_announced us-bis → us-2022-10
     besides: #1 2022-12 application_filed nvidia → acme, 1000 chips
   ← #2 2023-03 application_denied nvidia → acme, 1000 chips
        The licence for Acme is denied.
      ← #1 2022-12 application_filed nvidia → acme, 1000 chips
           NVIDIA files for Acme.
         ← #0 2022-10 rule_announced us-bis → us-2022-10
              The United States control chips.

Nothing on record follows from it.
"
    );
    let error = complaint(&explain(&scratch, &["--event", "99"]), 2);
    assert_eq!(error, "error: no event 99; events.csv holds 0 to 6\n");
}

#[test]
fn what_descends_from_a_rule_is_a_tree_with_counts() {
    let scratch = hand_written("rule");
    assert_eq!(
        said(&explain(&scratch, &["--rule", "us-2022-10"])),
        "\
us-2022-10: 5 events descend from it
A line holds all events of a kind that follow from those of the line above.

#0 2022-10 rule_announced us-bis → us-2022-10
     The United States control chips.
  ├ application_denied × 1, 2023-05, 300 chips
  │      #5 Another is denied.
  ├ application_filed × 1, 2022-12, 1000 chips
  │      #1 NVIDIA files for Acme.
  │ └ application_denied × 1, 2023-03, 1000 chips
  │        #2 The licence for Acme is denied.
  │   └ plan_cut × 1, 2023-03, 200 M USD
  │          #3 Acme cuts its plan.
  └ rule_in_force × 1, 2023-06
         #6 The rule is in force.
"
    );
    let shallow = said(&explain(&scratch, &["--rule", "us-2022-10", "--depth", "1"]));
    assert!(shallow.contains("… 2 more; see further with --depth"), "{shallow}");
    let error = complaint(&explain(&scratch, &["--rule", "us-2022-11"]), 2);
    assert!(error.contains("did you mean `us-2022-10`?"), "{error}");
}

#[test]
fn a_firm_in_a_month_is_explained_down_to_the_binding_cause() {
    let scratch = hand_written("firm");
    let text =
        said(&explain(&scratch, &["--firm", "acme", "--month", "2023-06", "--metric", "kappa"]));
    for expected in [
        "acme in 2023-06\n",
        "    kappa                                       1.50           1   +50.0 %  ratio\n",
        "    ai_capex_usd                             3.00 bn     2.00 bn   +50.0 %",
        "  2023-06          1.50    +7.1 %\n",
        "h100                         denied     × 1: 1000 chips asked for, 0 granted",
        "application_denied × 1, 2023-05, 300 chips",
        "  h100: price_usd 25000, wait_months 4.50\n",
        "Binding cause: 1300 of the 1300 chips in these events descend from\n  #0 2022-10 rule_announced",
    ] {
        assert!(text.contains(expected), "{expected:?} not in\n{text}");
    }
    assert!(!text.contains("yield_learnt"), "it never touched the firm");
}

#[test]
fn what_is_not_there_is_said_helpfully() {
    let scratch = hand_written("missing");
    let error = complaint(&explain(&scratch, &["--firm", "acne", "--month", "2023-06"]), 2);
    assert!(error.contains("no firm `acne` in firms.csv; did you mean `acme`?\nFirms: acme rival"));
    let error = complaint(&explain(&scratch, &["--firm", "acme", "--month", "2031-01"]), 2);
    assert!(error.contains("the run goes from 2022-01 to 2023-12; 2031-01 is outside"));
    let of_metric = ["--firm", "acme", "--month", "2023-06", "--metric", "kapa"];
    assert!(complaint(&explain(&scratch, &of_metric), 2).contains("did you mean `kappa`?"));
    let quiet = said(&explain(&scratch, &["--firm", "rival", "--month", "2023-06"]));
    assert!(quiet.contains("No event touched it from 2022-07 to 2023-06, nor before."));
    assert!(said(&explain(&scratch, &[])).contains("Events from which most follows\n  #0 "));
    let error = complaint(&frugality(&["explain", "nowhere"]), 2);
    assert!(error.contains("`nowhere` is not a folder"));
    fs::write(scratch.join("events.csv"), EVENTS.replace(",2,0 1,Acme", ",5,0 1,Acme")).unwrap();
    let error = complaint(&explain(&scratch, &[]), 2);
    assert!(error.contains("event 3 names a cause, 5, that is not an earlier event"), "{error}");
    fs::write(scratch.join("events.csv"), EVENTS.replace(",0 1,Acme", ",0 x,Acme")).unwrap();
    let error = complaint(&explain(&scratch, &[]), 2);
    assert!(error.contains("event row 4: besides is `0 x`"), "{error}");
}

#[test]
fn a_folder_of_a_run_reads_back() {
    let scratch = Scratch::new("back");
    let target = scratch.join("run");
    Folder::claim(&target, false).unwrap().commit(&documents()).unwrap();
    let archive = Archive::open(&target).unwrap();
    assert_eq!(archive.span(), Some((Month::new(2022, 1), Month::new(2022, 3))));
    assert_eq!(archive.unit("firms", "ai_capex_usd"), "USD");
    let log = archive.log().unwrap();
    assert_eq!(log.entries()[1].object, "=SUM(A1)", "neutralised in the file, restored here");
    let series = archive.sheet("series").unwrap();
    let read: f64 = series.rows[2][1].parse().unwrap();
    assert_eq!(read.to_bits(), (0.1_f64 * 3.0).to_bits());
}
