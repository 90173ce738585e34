//! The house keeps its shape: imports run one way, rooms do not know each other,
//! numbers of the model are not in code, generated pages are fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of the house, lowest first; a file may import from its own floor's
/// module and from lower floors only.
const FLOORS: &[&[&str]] = &[
    &["maths", "calendar", "units", "schema"],
    &["random", "metric", "parameters"],
    &["entities"],
    &["mechanisms"],
    &["audit"],
    &["month"],
    &["world", "record"],
    &["run"],
    &["study"],
    &["analysis"],
    &["report"],
    &["cli"],
];

const FOR_TESTS: &str = "#[cfg(test)]\n";

fn files(under: &Path, skip: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![under.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if skip.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() { &mut folders } else { &mut found }.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files below a folder, those of test modules left out.
fn sources(under: &str) -> Vec<PathBuf> {
    let mut all = files(Path::new(under), &[]);
    all.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(|path| test_modules(path)).collect();
    all.retain(|path| !tests.iter().any(|module| path.starts_with(module)));
    all
}

/// The files, or folders, of the modules that `path` declares for tests only.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let folder =
        if path.ends_with("mod.rs") { path.with_file_name("") } else { path.with_extension("") };
    let names = text.split(FOR_TESTS).skip(1).filter_map(module);
    names
        .filter(|(_, rest)| rest.starts_with(';'))
        .flat_map(|(name, _)| [folder.join(name), folder.join(name).with_extension("rs")])
        .collect()
}

/// The name of the module that is declared here, and what follows the name.
fn module(text: &str) -> Option<(&str, &str)> {
    let name = word(text.trim_start_matches("pub(crate) ").strip_prefix("mod ")?);
    text.split_once(name).map(|(_, rest)| (name, rest))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The first path component below a folder, without extension.
fn below<'a>(path: &'a Path, folder: &str) -> &'a str {
    let inside = path.strip_prefix(folder).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs")
}

/// The code of a file: unit tests at its end, comments and texts left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let tests = text.match_indices(FOR_TESTS).find(|(at, mark)| {
        module(&text[at + mark.len()..]).is_some_and(|(_, rest)| rest.starts_with(" {"))
    });
    let code = &text[..tests.map_or(text.len(), |(at, _)| at)];
    code.lines()
        .map(|line| {
            // Every second piece between quotation marks is a text.
            let bare: String = line.split('"').step_by(2).collect();
            bare.split("//").next().unwrap_or_default().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let module = below(&path, "src");
        let Some(own) = floor_of(module) else {
            assert!(["lib", "main"].contains(&module), "{module} is on no floor");
            continue;
        };
        for import in code(&path).split("crate::").skip(1).map(word) {
            if import.is_empty() {
                wrong.push(format!("{}: a line a module, no `crate::{{…}}`", path.display()));
            }
            if floor_of(import).is_some_and(|floor| floor > own && import != module) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_room_knows_another() {
    let mut wrong = Vec::new();
    for path in sources("src/mechanisms") {
        let room = below(&path, "src/mechanisms");
        if room == "mod" {
            continue;
        }
        for other in code(&path).split("mechanisms::").skip(1).map(word) {
            if other != room {
                wrong.push(format!("{} names {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Real numbers that are no number of the model.
const NEUTRAL: &[&str] = &["0.0", "1.0", "2.0", "12.0"];

/// Constants that convert units: what a real number may be besides.
const CONVERSIONS: &[&str] = &[
    "BILLION",
    "DAYS",
    "DAYS_PER_MONTH",
    "HOURS_A_YEAR",
    "JOULES_A_KWH",
    "MILLION",
    "PERCENT",
    "QUARTER_MONTHS",
    "SECONDS_A_MONTH",
    "TERA",
    "THOUSAND",
    "USD_PER_BN",
    "WATTS_PER_MW",
    "WEEKS_PER_MONTH",
];

/// Constants that keep arithmetic well-behaved; no result of the model depends on them.
const NUMERICAL: &[&str] = &["NEARLY_ONE", "NEARLY_ZERO"];

/// The literals of real numbers in a line: `1.5`, `1e-6`, `3_f64`.
fn reals(line: &str) -> Vec<String> {
    let chars: Vec<char> = line.chars().chain([' '; 3]).collect();
    let digits = |mut at: usize| {
        while chars[at].is_ascii_digit() || chars[at] == '_' {
            at += 1;
        }
        at
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.chars().count() {
        let inside = at > 0 && (chars[at - 1].is_alphanumeric() || "_.".contains(chars[at - 1]));
        if inside || !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let whole = digits(at);
        let mut end = whole;
        if chars[end] == '.' && chars[end + 1].is_ascii_digit() {
            end = digits(end + 1);
        }
        let sign = usize::from(chars[end + 1] == '-');
        if chars[end] == 'e' && chars[end + 1 + sign].is_ascii_digit() {
            end = digits(end + 1 + sign);
        }
        if end > whole || chars[end] == 'f' {
            found.push(chars[at..end].iter().collect::<String>().trim_matches('_').to_owned());
        }
        at = end;
    }
    found
}

#[test]
fn no_number_of_the_model_is_in_code() {
    let mut wrong = BTreeMap::new();
    for path in sources("src/mechanisms") {
        let mut list = Vec::new();
        for (number, line) in code(&path).lines().enumerate() {
            if let Some((_, constant)) = line.split_once("const ") {
                let name = word(constant);
                let known = CONVERSIONS.contains(&name) || NUMERICAL.contains(&name);
                if known || !constant.contains(": f64") {
                    continue;
                }
            }
            list.extend(
                reals(line)
                    .into_iter()
                    .filter(|real| !NEUTRAL.contains(&real.as_str()))
                    .map(|real| format!("line {}: {real}", number + 1)),
            );
        }
        if !list.is_empty() {
            wrong.insert(path, list);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_numbers_reads_numbers() {
    let line = "x.0 + 1.5 * y[3] - 1e6_f64.max(2.0_f64) + a.1.2 + f(0..12, 7) / 2.5e-3 + b2.0";
    assert_eq!(reals(line), ["1.5", "1e6", "2.0", "2.5e-3"]);
    assert_eq!(reals("3_f64 + 1_000.5"), ["3", "1_000.5"]);
}

#[test]
fn the_model_neither_reads_its_surroundings_nor_prints() {
    for folder in ["src/mechanisms", "src/entities", "src/world", "src/study"] {
        for path in sources(folder) {
            let code = code(&path);
            for word in ["env::var", "println!", "eprintln!", "eprint!", "dbg!"] {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn nothing_in_the_tree_names_a_machine() {
    let marks = ["/ro".to_owned() + "ot/", "/wo".to_owned() + "rk/"];
    let mut wrong = Vec::new();
    for path in files(Path::new("."), &["target", ".git", "outputs", "node_modules"]) {
        if let Ok(text) = fs::read_to_string(&path) {
            for mark in marks.iter().filter(|mark| text.contains(*mark)) {
                wrong.push(format!("{} holds {mark}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
