//! Bad worlds are refused, each with the exact words that a person reads.
//!
//! `tests/rejected/base` is the smallest world with a row of everything. Each
//! file beside it holds the cases of one kind: a patch over the base, and the
//! expected message. `BLESS=1 cargo test --test rejected` writes what is said
//! now into the files; read the difference before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use frugality::parameters::Declared;
use frugality::schema::Value;
use frugality::world::{self, Loaded, Refusal};
use proptest::prelude::*;

static DECLARED: [Declared; 3] = [
    Declared { name: "research_elasticity", room: "research", doc: "Elasticity." },
    Declared { name: "review_months", room: "licensing", doc: "Median review." },
    Declared { name: "stacks_per_wafer", room: "fabs", doc: "Stacks." },
];

fn declared() -> Vec<&'static Declared> {
    DECLARED.iter().collect()
}

/// A folder with a copy of the base, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("worlds-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(folder.join("base")).unwrap();
        for file in fs::read_dir(base()).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, folder.join("base").join(file.file_name().unwrap())).unwrap();
        }
        Self(folder)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.0.join(path)).unwrap();
        assert!(text.contains(old), "{path} does not hold {old:?}");
        self.write(path, text.replacen(old, new, 1));
    }

    fn load(&self, world: &str, sets: &[&str]) -> Result<Loaded, Refusal> {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        world::load(&self.0.join(world), &sets, &declared())
    }

    /// What is said of a world, with paths as they would be in its folder.
    fn said(&self, world: &str, sets: &[&str]) -> String {
        let said = match self.load(world, sets) {
            Err(refusal) => refusal.to_string(),
            Ok(loaded) if loaded.notices.is_empty() => "OK".to_owned(),
            Ok(loaded) => format!("OK\n{}", loaded.notices.join("\n")),
        };
        said.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn base() -> PathBuf {
    catalogue().join("base")
}

fn catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected")
}

/// `⟨202E⟩` stands for the character U+202E, which nobody could see otherwise.
fn with_characters(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟨') {
        let (code, after) = after.split_once('⟩').unwrap();
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = after;
    }
    out + rest
}

/// Runs one case: a title, then parts that each begin with `--- what [path]`.
/// Returns its text before the expected message, that message, and what is said.
fn run(case: &str) -> (&str, &str, String) {
    let (patch, expected) = case.split_once("--- expected\n").expect(case);
    let folder = Folder::new();
    let mut sets = Vec::new();
    let mut load = None;
    for part in patch.split("--- ").skip(1) {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        let (what, path) = head.split_once(' ').unwrap_or((head, ""));
        match what {
            "file" => folder.write(path, with_characters(body)),
            "edit" => {
                let (old, new) = body.split_once("=>\n").expect(case);
                let new = with_characters(new.trim_end_matches('\n'));
                folder.edit(path, old.trim_end_matches('\n'), &new);
            }
            "delete" => fs::remove_file(folder.0.join(path)).unwrap(),
            "set" => sets.extend(body.lines().map(with_characters)),
            "load" => load = Some(path),
            other => panic!("`--- {other}` in {case}"),
        }
    }
    let written = if folder.0.join("x.toml").exists() { "x.toml" } else { "base" };
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let said = folder.said(load.unwrap_or(written), &sets);
    (patch, expected.trim_end(), said)
}

fn run_kind(kind: &str) {
    let path = catalogue().join(format!("{kind}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let (about, cases) = text.split_once("=== ").unwrap();
    let mut blessed = about.to_owned();
    let mut wrong = String::new();
    for case in cases.split("\n=== ") {
        let title = case.lines().next().unwrap();
        let (patch, expected, said) = run(case);
        if said != expected {
            let _ = write!(wrong, "\n{kind}: {title}\n  expected {expected}\n  said     {said}\n");
        }
        let _ = write!(blessed, "=== {patch}--- expected\n{said}\n\n");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, format!("{}\n", blessed.trim_end())).unwrap();
    } else {
        assert!(wrong.is_empty(), "{wrong}");
    }
}

macro_rules! kinds {
    ($($kind:ident)*) => {$(
        #[test]
        fn $kind() {
            run_kind(stringify!($kind));
        }
    )*};
}

kinds! { balance extends inherit layers limit notice number path reference schema set syntax text }

#[test]
fn the_base_is_a_world() {
    assert_eq!(Folder::new().said("base", &[]), "OK");
}

// What a patch of text cannot show: files that are not text, or no files.

#[test]
fn files_that_are_not_text() {
    let utf16: Vec<u8> = "title = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xff\xfe".as_slice(), &utf16].concat();
    let cases: [(&[u8], &str); 12] = [
        (b"", "x.toml: empty"),
        (b" \n\n", "x.toml: empty"),
        (
            b"PK\x03\x04\x14\0",
            "x.toml: a zip archive or an Excel workbook; save it as CSV or TOML text (UTF-8)",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "x.toml: an old Excel or Word file; save it as CSV or TOML text (UTF-8)",
        ),
        (b"\x1f\x8b\x08", "x.toml: compressed with gzip; unpack it first"),
        (b"PAR1\x15", "x.toml: a Parquet file; save it as CSV (UTF-8)"),
        (&with_mark, "x.toml: UTF-16 text; save it as UTF-8"),
        (&utf16, "x.toml:1:2: UTF-16 text; save it as UTF-8"),
        (
            b"\xef\xbb\xbftitle = \"x\"",
            "x.toml: begins with a byte-order mark; save it as UTF-8 without one",
        ),
        (
            b"title = \"a\"\nstory = \"caf\xe9\"\n",
            "x.toml:2:13: byte 0xe9 is not UTF-8; save the file as UTF-8",
        ),
        (b"title = \"a\0b\"", "x.toml:1:11: a NUL byte; this is not text, or it was damaged"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "x.toml: a Git LFS pointer, not the file; fetch it with `git lfs pull`",
        ),
    ];
    for (bytes, expected) in cases {
        let folder = Folder::new();
        folder.write("x.toml", bytes);
        assert_eq!(folder.said("x.toml", &[]), expected);
    }
    let folder = Folder::new();
    folder.write("base/firms.csv", b"PK\x03\x04");
    assert_eq!(
        folder.said("base", &[]),
        "base/firms.csv: a zip archive or an Excel workbook; save it as CSV or TOML text (UTF-8)"
    );
}

#[test]
fn files_that_are_missing_or_too_large() {
    let folder = Folder::new();
    assert_eq!(folder.said("bse/", &[]), "bse/: not found; did you mean `base`?");
    assert_eq!(folder.said("bass.toml", &[]), "bass.toml: not found; did you mean `base`?");
    folder.write("x.toml", vec![b'#'; (1 << 20) + 1]);
    assert_eq!(folder.said("x.toml", &[]), "x.toml: larger than 1 MiB, the most that is read");
    folder.write("base/firms.csv", vec![b'a'; (4 << 20) + 1]);
    assert_eq!(
        folder.said("base", &[]),
        "base/firms.csv: larger than 4 MiB, the most that is read"
    );
    fs::remove_file(folder.0.join("base/firms.csv")).unwrap();
    fs::create_dir(folder.0.join("base/firms.csv")).unwrap();
    assert_eq!(folder.said("base", &[]), "base/firms.csv: a folder, not a file");
    assert_eq!(world::load(Path::new(""), &[], &[]).unwrap_err().lines.len(), 1);
    let url = world::load(Path::new("https://example.org/x.toml"), &[], &[]).unwrap_err();
    assert_eq!(
        url.lines,
        ["https://example.org/x.toml: a URL; a world is a folder or a TOML file on this machine"]
    );
}

#[cfg(unix)]
#[test]
fn devices_and_links_are_refused() {
    use std::os::unix::fs::symlink;
    let zero = world::load(Path::new("/dev/zero"), &[], &[]).unwrap_err();
    assert_eq!(zero.lines, ["/dev/zero: not a file but a device, pipe or socket"]);

    let folder = Folder::new();
    folder.write("elsewhere/secret.toml", "title = \"x\"\n");
    folder.write("worlds/x.toml", "extends = \"y\"\n");
    let worlds = folder.0.join("worlds");
    symlink(folder.0.join("elsewhere/secret.toml"), worlds.join("y.toml")).unwrap();
    assert_eq!(
        folder.said("worlds/x.toml", &[]),
        "worlds/x.toml:1:11 extends: a link that leads out of the worlds folder; copy the file into it"
    );
    assert_eq!(
        folder.said("worlds/y.toml", &[]),
        "worlds/y.toml: a link that leads out of the worlds folder; copy the file into it"
    );
    fs::remove_file(folder.0.join("base/firms.csv")).unwrap();
    symlink("/etc/passwd", folder.0.join("base/firms.csv")).unwrap();
    assert_eq!(
        folder.said("base", &[]),
        "base/firms.csv: a link that leads out of the worlds folder; copy the file into it"
    );
    // A link within the folder is fine.
    let folder = Folder::new();
    symlink("base", folder.0.join("alias")).unwrap();
    assert_eq!(folder.said("alias", &[]), "OK");
}

#[test]
fn twenty_problems_are_shown_and_the_rest_is_counted() {
    let folder = Folder::new();
    let mut text = String::from("extends = \"base\"\n[firms.bytedance]\n");
    for i in 0..33 {
        let _ = writeln!(text, "wrong_{i:02} = {i}");
    }
    folder.write("x.toml", text);
    let refusal = folder.load("x.toml", &[]).unwrap_err();
    assert_eq!((refusal.lines.len(), refusal.more), (20, 13));
    let said = folder.said("x.toml", &[]);
    assert!(said.starts_with("x.toml:3:1 firms.bytedance: `wrong_00` is not a column of firms"));
    assert!(said.ends_with("\n… and 13 more"), "{said}");
}

#[test]
fn names_are_looked_up_in_the_worlds_folder() {
    let folder = Folder::new();
    fs::rename(folder.0.join("base"), folder.0.join("reference")).unwrap();
    fs::create_dir(folder.0.join("worlds")).unwrap();
    fs::rename(folder.0.join("reference"), folder.0.join("worlds/reference")).unwrap();
    folder.write("worlds/easing.toml", "extends = \"reference\"\n");
    let check = |world: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_frugality"))
            .args(["check", world])
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        check("refrence"),
        "refrence: no world of this name in `worlds`; did you mean `reference`?\n"
    );
    assert_eq!(
        check("nonsense"),
        "nonsense: no world of this name in `worlds`; there are easing, reference\n"
    );
    // Found, and refused for its parameters, which are not those of the model.
    assert!(check("easing").starts_with("worlds/reference"), "{}", check("easing"));
    folder.write("worlds/reference.toml", "extends = \"reference\"\n");
    assert_eq!(
        check("reference"),
        "reference: there are both `worlds/reference` and `worlds/reference.toml`; rename one, or write the whole name\n"
    );
}

// What a good world becomes.

fn cell<'a>(loaded: &'a Loaded, table: &str, id: &str, column: &str) -> &'a world::Cell {
    let (_, columns) = world::Definition::columns(table).unwrap();
    let i = columns.iter().position(|c| c.name == column).unwrap();
    &loaded.cells.tables[table][id].cells[i]
}

#[test]
fn the_upper_layer_wins_and_says_where_it_stands() {
    let folder = Folder::new();
    folder.write(
        "middle.toml",
        "extends = \"base\"\n[firms.bytedance]\ncash_usd_bn = 30\ndebt_usd_bn = 6\n",
    );
    folder.write("x.toml", "extends = \"middle\"\n[firms.bytedance]\ncash_usd_bn = 40\n");
    let loaded = folder.load("x.toml", &["firms.bytedance.users_m=2000"]).unwrap();
    let place = |column: &str| {
        let cell = cell(&loaded, "firms", "bytedance", column);
        let place = loaded.place(cell);
        (cell.value.clone(), place.replace(&format!("{}/", folder.0.display()), ""))
    };
    assert_eq!(place("cash_usd_bn"), (Value::Number(40.0), "x.toml:3:15".to_owned()));
    assert_eq!(place("debt_usd_bn"), (Value::Number(6.0), "middle.toml:4:15".to_owned()));
    assert_eq!(place("users_m").1, "--set");
    assert_eq!(place("home").1, "base/firms.csv:2:21");
    assert_eq!(loaded.definition.head.id, "x");
    assert_eq!(loaded.definition.firms[0].cash_usd_bn, 40.0);
    let files: Vec<&str> = loaded.files().map(|f| f.inside.as_str()).collect();
    assert_eq!(files[..3], ["x.toml", "middle.toml", "base/chips.csv"]);
    assert!(loaded.files().all(|f| world::sha256(&f.bytes) == f.sha256));
}

#[test]
fn rows_are_added_changed_removed_and_cleared() {
    let folder = Folder::new();
    folder.write(
        "x.toml",
        r#"
extends = "base"
end = "2030-06"

[mechanisms]
spillover = false

[parameters]
research_elasticity = 0

[parameters.review_months]
value = 20
high = 24

[chips.nvidia-a100]
end = ""

[rentals.bytedance-microsoft]
remove = true

[countries.sgp]
name = "Singapore"
bloc = "nonaligned"
tier = 2
third_market = true
gdp_usd_bn = 547
population_m = 6
power_price_usd_kwh = 0.17
carbon_g_kwh = 400
pue = 1.4
build_months = 24
ai_power_mw = 100
ai_power_growth = 0.2
ai_power_ceiling_mw = 1000
infrastructure_constraint = 0.2
ideal_point = 0.1
ai_intensity = 1
source = "made up"

[rules.oct-2023]
remove = true

[rules.oct-2022]
until = "2025-05"
countries = ["chn", "sgp"]
[rules.oct-2022.clauses.b]
memory_bandwidth_min_gbps = 1400
"#,
    );
    let world =
        folder.load("x.toml", &["parameters.stacks_per_wafer.note=counted"]).unwrap().definition;
    assert_eq!(world.head.end.to_string(), "2030-06");
    assert!(!world.head.switches.spillover && !world.head.switches.stance);
    assert!(world.head.switches.direction);
    let parameter = |id: &str| world.parameters.iter().find(|p| p.id == id).unwrap();
    assert_eq!(parameter("research_elasticity").value, 0.0);
    assert_eq!((parameter("review_months").value, parameter("review_months").high), (20.0, 24.0));
    assert_eq!(parameter("stacks_per_wafer").note.as_deref(), Some("counted"));
    assert_eq!(world.chips.iter().find(|c| c.id == "nvidia-a100").unwrap().end, None);
    assert!(world.rentals.is_empty());
    let ids: Vec<&str> = world.countries.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["chn", "sgp", "usa"]);
    assert_eq!(world.rules.len(), 1);
    assert_eq!(world.rules[0].until.unwrap().to_string(), "2025-05");
    let clauses: Vec<(&str, &str)> =
        world.clauses.iter().map(|c| (c.id.as_str(), c.rule.as_str())).collect();
    assert_eq!(clauses, [("oct-2022.a", "oct-2022"), ("oct-2022.b", "oct-2022")]);
}

#[test]
fn a_resolved_world_loads_to_the_same_world() {
    let folder = Folder::new();
    folder.write(
        "x.toml",
        "extends = \"base\"\nstory = \"\"\"Two \\\"lines\\\"\nof a back\\\\slash.\"\"\"\n[rentals.bytedance-microsoft]\nremove = true\n",
    );
    let first = folder.load("x.toml", &["review_months=3.3"]).unwrap();
    let text = world::resolved_toml(&first);
    folder.write("again/x.toml", &text);
    let second = folder.load("again/x.toml", &[]).unwrap();
    assert_eq!(format!("{:?}", first.definition), format!("{:?}", second.definition));
    assert_eq!(text, world::resolved_toml(&second));
    assert_eq!(world::world_hash(&first), world::sha256(text.as_bytes()));

    // The order of rows and columns and the way of writing leave no trace.
    let folder = Folder::new();
    let before = world::world_hash(&folder.load("base", &[]).unwrap());
    let firms = fs::read_to_string(folder.0.join("base/rentals.csv")).unwrap();
    let turned: Vec<String> = firms
        .lines()
        .map(|line| line.split(',').rev().map(|c| format!(" \"{c}\"")).collect::<Vec<_>>())
        .map(|cells| cells.join(",").replace(" \"", "\""))
        .collect();
    folder.write("base/rentals.csv", turned.join("\r\n"));
    folder.edit("base/world.toml", "0.01", "1.0e-2");
    assert_eq!(before, world::world_hash(&folder.load("base", &[]).unwrap()));
    folder.edit("base/world.toml", "1.0e-2", "1.1e-2");
    assert_ne!(before, world::world_hash(&folder.load("base", &[]).unwrap()));
}

#[test]
fn the_schema_is_strict_and_the_same_each_time() {
    let schema = world::json_schema(&declared());
    assert_eq!(schema.to_string(), world::json_schema(&declared()).to_string());
    assert_eq!(schema["additionalProperties"], false);
    for (table, _, columns) in world::Definition::TABLES {
        let row = &schema["$defs"][table];
        assert_eq!(row["additionalProperties"], false, "{table}");
        for column in *columns {
            assert!(row["properties"][column.name]["description"].is_string(), "{table}");
        }
    }
    assert_eq!(
        schema["properties"]["parameters"]["anyOf"][0]["properties"].as_object().unwrap().len(),
        3
    );
}

// Damage at random.

/// One damage to a file.
#[derive(Clone, Debug)]
enum Damage {
    Byte(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    Truncate(usize),
    SwapLines(usize, usize),
    DoubleLine(usize),
    Cell(usize, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at(), proptest::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(a, b)| Damage::Insert(a, b)),
        (
            at(),
            prop_oneof![
                Just("[[["),
                Just("\"\"\""),
                Just("'''"),
                Just("= {"),
                Just("a.b.c.d = 1\n"),
                Just(",,,"),
                Just("\n[firms]\n"),
                Just("\n[[chips]]\n"),
                Just("\\u0000"),
                Just("0x1F"),
                Just("\r"),
            ]
        )
            .prop_map(|(at, text)| Damage::Insert(at, text.as_bytes().to_vec())),
        (at(), 1..200_usize).prop_map(|(at, n)| Damage::Cut(at, n)),
        at().prop_map(Damage::Truncate),
        (at(), at()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        at().prop_map(Damage::DoubleLine),
        (
            at(),
            prop_oneof![
                Just(String::new()),
                Just("nan".into()),
                Just("1e-400".into()),
                Just("1e999".into()),
                Just("-1".into()),
                Just("40".into()),
                Just("true".into()),
                Just("2022-13".into()),
                Just("9223372036854775808".into()),
                Just("nvidia".into()),
                Just("\"".into()),
                "\\PC{0,12}",
            ]
        )
            .prop_map(|(at, cell)| Damage::Cell(at, cell)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    let within = |at: usize, n: usize| if n == 0 { 0 } else { at % n };
    let n = bytes.len();
    match damage {
        Damage::Byte(at, byte) if n > 0 => bytes[within(*at, n)] = *byte,
        Damage::Byte(..) => {}
        Damage::Insert(at, more) => {
            let at = within(*at, n + 1);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::Cut(at, length) => {
            let at = within(*at, n);
            bytes.drain(at..(at + length).min(n));
        }
        Damage::Truncate(at) => bytes.truncate(within(*at, n)),
        Damage::SwapLines(a, b) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            let n = lines.len();
            if n > 0 {
                lines.swap(a % n, b % n);
            }
            *bytes = lines.concat();
        }
        Damage::DoubleLine(at) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            if !lines.is_empty() {
                let i = at % lines.len();
                lines.insert(i, lines[i]);
            }
            *bytes = lines.concat();
        }
        Damage::Cell(at, cell) => {
            // A cell lies between separators of either format.
            let separator = |b: &u8| matches!(b, b',' | b'\n' | b'=' | b'[' | b']');
            let at = within(*at, n);
            let start = bytes[..at].iter().rposition(separator).map_or(0, |i| i + 1);
            let end = bytes[at..].iter().position(separator).map_or(n, |i| at + i);
            bytes.splice(start..end.max(start), cell.bytes());
        }
    }
}

/// The largest memory of this process so far, kB; none where the system does not say.
fn peak_memory_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

proptest! {
    // `PROPTEST_CASES=100000 cargo test --release --test rejected damaged` for a long look.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_worlds_are_refused_or_read_but_never_break_the_program(
        file in any::<prop::sample::Index>(),
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let folder = Folder::new();
        folder.write("x.toml", "extends = \"base\"\n[firms.bytedance]\ncash_usd_bn = 30\n");
        let mut files: Vec<PathBuf> = fs::read_dir(folder.0.join("base")).unwrap()
            .map(|f| f.unwrap().path()).collect();
        files.push(folder.0.join("x.toml"));
        files.sort();
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path).unwrap();
        for damage in &damages {
            apply(damage, &mut bytes);
        }
        fs::write(path, &bytes).unwrap();
        let started = Instant::now();
        let result = folder.load("x.toml", &[]);
        prop_assert!(started.elapsed() < Duration::from_secs(5));
        if let Err(refusal) = result {
            prop_assert!(!refusal.lines.is_empty() && refusal.lines.len() <= world::SHOWN);
            for line in &refusal.lines {
                let place = line.strip_prefix(&format!("{}/", folder.0.display()));
                let place = place.unwrap_or_else(|| panic!("no file in {line}"));
                prop_assert!(place.starts_with("x.toml") || place.starts_with("base"), "{}", line);
                prop_assert!(line.len() < 1000, "{}", line);
                prop_assert!(!line.contains(|c: char| c.is_control()), "{:?}", line);
            }
        }
    }
}

#[test]
fn the_worst_files_of_the_largest_size_are_read_in_bounded_time_and_memory() {
    let cap = 1 << 20;
    let fill = |unit: &str| unit.repeat(cap / unit.len());
    let mut deep = String::from("a = 1\n");
    for i in 0..60_000 {
        let _ = writeln!(deep, "wrong_key_{i} = 1");
    }
    let cases = [
        fill("["),
        fill("a."),
        fill("{a="),
        fill("a=[\n"),
        fill("[a]\n"),
        fill("x=1\n"),
        format!("a = \"{}\"", fill("b")),
        format!("{} = 1", fill("b")),
        format!("[firms.bytedance]\ncash_usd_bn = {}", fill("9")),
        format!("title = [{}]", fill("1,")),
        deep,
        fill("[firms.a]\nb=1\n"),
        {
            let mut rows = String::from("extends = \"base\"\n");
            for i in 0..30_000 {
                let _ = writeln!(rows, "[firms.f{i}]\nhome = \"chm\"");
            }
            rows.truncate(cap);
            rows.truncate(rows.rfind('\n').unwrap());
            rows
        },
    ];
    for (i, text) in cases.iter().enumerate() {
        let folder = Folder::new();
        folder.write("x.toml", text);
        let started = Instant::now();
        let refusal = folder.load("x.toml", &[]).unwrap_err();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "case {i} took {took:?}");
        assert!(refusal.to_string().len() < 20_000, "case {i}");
    }
    let folder = Folder::new();
    let header = fs::read_to_string(base().join("rentals.csv")).unwrap();
    let mut text = header.lines().next().unwrap().to_owned();
    for i in 0..100_000 {
        let _ = write!(text, "\nr{i},bytedanse,microsoft,x,y");
    }
    folder.write("base/rentals.csv", text);
    let started = Instant::now();
    assert!(folder.load("base", &[]).is_err());
    assert!(started.elapsed() < Duration::from_secs(20));
    if let Some(kb) = peak_memory_kb() {
        assert!(kb < 2_000_000, "{kb} kB");
    }
}
