//! The house keeps its shape: imports run one way, rooms do not know each other,
//! numbers of the model are not in code, generated pages are fresh.

use std::collections::BTreeMap;
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
    &["analysis", "report"],
    &["cli"],
];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![under.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The first path component below `src/`, without extension.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file before its unit tests, comments left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Top modules named by `crate::x` in a piece of code, and by `use crate::{x, y}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in code.split("crate::").skip(1) {
        if let Some(group) = piece.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && (c.is_alphanumeric() || c == '_') => name.push(c),
                    c if c.is_whitespace() && name.is_empty() => {}
                    _ => {
                        if !name.is_empty() {
                            found.push(std::mem::take(&mut name));
                        }
                        start = depth == 0 && c == ',';
                    }
                }
                if c == ',' && depth == 0 && !name.is_empty() {
                    found.push(std::mem::take(&mut name));
                    start = true;
                }
            }
            if !name.is_empty() {
                found.push(name);
            }
        } else {
            found.push(piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for path in sources(Path::new("src")) {
        let module = module_of(&path);
        let Some(own) = floor_of(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} is on no floor");
            continue;
        };
        for import in imports(&code(&path)) {
            if let Some(floor) = floor_of(&import)
                && import != module
                && floor > own
            {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_room_knows_another() {
    let mut wrong = Vec::new();
    for path in sources(Path::new("src/mechanisms")) {
        let room = path.strip_prefix("src/mechanisms").unwrap();
        let room = room.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = room.trim_end_matches(".rs");
        if room == "mod" {
            continue;
        }
        for piece in code(&path).split("mechanisms::").skip(1) {
            let other: String =
                piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if other != room {
                wrong.push(format!("{} names {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_imports_reads_imports() {
    let code =
        "use crate::{maths, world::{a, b}, run};\nuse crate::entities::x;\ncrate::study::f()";
    let mut found = imports(code);
    found.sort();
    assert_eq!(found, ["entities", "maths", "run", "study", "world"]);
}

/// Real numbers that are no number of the model: neutral elements and conversions.
const NEUTRAL: &[&str] = &[
    "0.0", "0.5", "1.0", "2.0", "3.0", "4.0", "10.0", "12.0", "100.0", "1000.0", "8760.0", "3600.0",
];

#[test]
fn no_number_of_the_model_is_in_code() {
    let mut wrong = BTreeMap::new();
    for path in sources(Path::new("src/mechanisms")) {
        let mut list = Vec::new();
        for (number, line) in code(&path).lines().enumerate() {
            if line.contains("const ") {
                continue;
            }
            for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_')) {
                let real = word.contains('.')
                    && word.chars().next().is_some_and(|c| c.is_ascii_digit())
                    && word.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('.');
                if real && !NEUTRAL.contains(&word) {
                    list.push(format!("line {}: {word}", number + 1));
                }
            }
        }
        if !list.is_empty() {
            wrong.insert(path, list);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_in_the_tree_names_a_machine() {
    let mut wrong = Vec::new();
    let mut folders = vec![PathBuf::from(".")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !["target", ".git", "outputs", "node_modules"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                for mark in ["/ro".to_owned() + "ot/", "/wo".to_owned() + "rk/"] {
                    if text.contains(&mark) && name != "house.rs" {
                        wrong.push(format!("{} holds {mark}", path.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
