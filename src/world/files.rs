//! From a name to bytes: which files a world is made of, read once and capped.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use super::Definition;
use super::layers::{NamedCell, Raw, RawCell, Statement};
use super::posterior::{self, POSTERIOR};
use super::problem::{Origin, Problems, SourceFile, Sources, did_you_mean, shown};
use super::toml_file::Inherit;
use super::{csv_file, text, toml_file};

/// Largest TOML file, bytes.
pub const TOML_CAP: u64 = 1 << 20;
/// Largest CSV file, bytes.
pub const CSV_CAP: u64 = 4 << 20;
/// Largest posterior, bytes.
pub(crate) const POSTERIOR_CAP: u64 = 16 << 20;
/// Longest chain of `extends`.
const CHAIN_CAP: usize = 16;

/// Folder in which worlds are found by name.
const WORLDS: &str = "worlds";

/// A path as messages show it, `/` between folders.
pub(super) fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    let text = text.strip_prefix("./").unwrap_or(&text);
    // A path is shown whole: only what a terminal would obey is written out.
    text.chars()
        .map(|c| {
            if text::unwanted(c).is_some() || c == '\n' || c == '\t' {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// The folder or TOML file that a person means by `world`: a path, or the name
/// of a world in `worlds/`.
pub(super) fn find(world: &Path) -> Result<PathBuf, String> {
    let name = world.to_string_lossy();
    if name.contains("://") {
        return Err("a URL; a world is a folder or a TOML file on this machine".to_owned());
    }
    if name.is_empty() {
        return Err("no name; give a world's name or its path".to_owned());
    }
    let is_name = world.components().count() == 1
        && matches!(world.components().next(), Some(Component::Normal(_)))
        && !has_toml_ending(world);
    if !is_name {
        return if world.exists() { Ok(world.to_path_buf()) } else { Err(missing(world)) };
    }
    match resolve(Path::new(WORLDS), &name) {
        Found::One(path) => Ok(path),
        Found::Two(folder, file) => Err(two(&folder, &file)),
        Found::None if world.exists() => Ok(world.to_path_buf()),
        Found::None if !Path::new(WORLDS).is_dir() => Err(format!(
            "no world of this name: there is no folder `{WORLDS}` here; run in the project's folder or give a path"
        )),
        Found::None => {
            let names = names_in(Path::new(WORLDS));
            let hint = did_you_mean(&name, names.iter().map(String::as_str));
            let hint = if hint.is_empty() && !names.is_empty() && names.len() <= 30 {
                format!("; there are {}", names.join(", "))
            } else {
                hint
            };
            Err(format!("no world of this name in `{WORLDS}`{hint}"))
        }
    }
}

fn missing(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_stem().unwrap_or_default().to_string_lossy();
    let names = names_in(folder);
    format!("not found{}", did_you_mean(&wanted, names.iter().map(String::as_str)))
}

fn two(folder: &Path, file: &Path) -> String {
    format!(
        "there are both `{}` and `{}`; rename one, or write the whole name",
        shown_path(folder),
        shown_path(file)
    )
}

enum Found {
    One(PathBuf),
    Two(PathBuf, PathBuf),
    None,
}

/// `name` in `folder`: a folder, a TOML file, or a TOML file without its ending.
fn resolve(folder: &Path, name: &str) -> Found {
    let plain = folder.join(name);
    if has_toml_ending(&plain) {
        return if plain.symlink_metadata().is_ok() { Found::One(plain) } else { Found::None };
    }
    let file = folder.join(format!("{name}.toml"));
    match (plain.symlink_metadata().is_ok(), file.symlink_metadata().is_ok()) {
        (true, true) => Found::Two(plain, file),
        (true, false) => Found::One(plain),
        (false, true) => Found::One(file),
        (false, false) => Found::None,
    }
}

fn has_toml_ending(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "toml")
}

/// Names of files and folders in `folder`, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(10_000)
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Names of the worlds in `folder`, sorted.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(folder)
        .into_iter()
        .filter_map(|name| {
            if folder.join(&name).join("world.toml").is_file() {
                Some(name)
            } else {
                name.strip_suffix(".toml").map(str::to_owned)
            }
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Reads a regular file of at most `cap` bytes.
fn read(path: &Path, cap: u64) -> Result<Vec<u8>, String> {
    let too_large = || format!("larger than {} MiB, the most that is read", cap >> 20);
    let words = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        _ => format!("cannot be read: {e}"),
    };
    let about = fs::metadata(path).map_err(words)?;
    if about.is_dir() {
        return Err("a folder, not a file".to_owned());
    }
    if !about.is_file() {
        return Err("not a file but a device, pipe or socket".to_owned());
    }
    if about.len() > cap {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(words)?.take(cap + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() as u64 > cap { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a text file of at most `cap` bytes that is not part of a world; what is wrong with its
/// bytes is noted. `inside` is its path among copied inputs.
pub(crate) fn read_text(
    path: &Path,
    inside: String,
    cap: u64,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Option<Origin> {
    let name = shown_path(path);
    let bytes = match read(path, cap) {
        Ok(bytes) => bytes,
        Err(message) => {
            let at = sources.add(name, 0, None);
            problems.add(at, "", message);
            return None;
        }
    };
    let flaws = text::checked(&bytes).err();
    let at = sources.add(name, 0, Some(SourceFile::new(path.to_path_buf(), inside, bytes)));
    let Some(flaws) = flaws else { return Some(at) };
    for (offset, message) in flaws {
        problems.add(offset.map_or(at, |o| at.at(o)), "", message);
    }
    None
}

/// The world that a file of `folder` means by `name`: in its own folder, in the one above, or in
/// the folder of worlds.
pub(crate) fn resolve_beside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let one = |found| match found {
        Found::One(path) => Some(Ok(path)),
        Found::Two(folder, file) => Some(Err(two(&folder, &file))),
        Found::None => None,
    };
    let plain = !name.is_empty()
        && !name.contains("://")
        && !name.starts_with(['/', '\\', '~'])
        && !name.contains('\\')
        && name.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
    if !plain {
        return Err("not the name of a world; write one such as \"reference\"".to_owned());
    }
    let above = match (folder.file_name(), folder.parent()) {
        (Some(_), Some(parent)) => parent.to_path_buf(),
        _ => folder.join(".."),
    };
    let mut known = Vec::new();
    for place in [folder, above.as_path(), Path::new(WORLDS)] {
        if let Some(found) = one(resolve(place, name)) {
            return found;
        }
        known.extend(names_in(place));
    }
    known.sort();
    known.dedup();
    Err(format!(
        "there is no world `{}`{}",
        shown(name),
        did_you_mean(name, known.iter().map(String::as_str))
    ))
}

/// One layer of a world: what its files say.
#[derive(Default)]
pub(super) struct Layer {
    /// What the files say, in their order.
    pub statements: Vec<Statement>,
    /// The folder, where the layer is one (to say that a table is missing).
    pub folder: Option<Origin>,
    /// Name of the folder or file without ending.
    pub stem: String,
    /// The posterior beside its table of parameters, where there is one.
    pub posterior: Option<PathBuf>,
    /// Where it says that parameters are those of the posterior.
    pub asks: Option<Origin>,
}

/// Reads the layers of the world at `path`, the world itself first and the base last.
pub(super) fn read_layers(
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Vec<Layer> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    // `.` is a folder whose name only its real path tells.
    let real = fs::canonicalize(path).ok().filter(|_| path.file_name().is_none());
    let beside = real.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let mut reader = Reader {
        root: beside.or_else(|| fs::canonicalize(&folder).ok()).unwrap_or(folder),
        sources,
        problems,
    };
    let mut layers = Vec::new();
    let mut chain: Vec<(PathBuf, String)> = Vec::new();
    let mut next = Some((path.to_path_buf(), None));
    while let Some((path, asked_at)) = next.take() {
        let name = shown_path(&path);
        let depth = i32::try_from(layers.len()).unwrap_or(i32::MAX);
        let at = asked_at.unwrap_or_else(|| reader.sources.add(name.clone(), depth, None));
        let said_in = if asked_at.is_some() { "extends" } else { "" };
        let Ok(real) = fs::canonicalize(&path) else {
            reader.problems.add(at, said_in, missing(&path));
            break;
        };
        if !real.starts_with(&reader.root) {
            let message = "a link that leads out of the worlds folder; copy the file into it";
            reader.problems.add(at, said_in, message);
            break;
        }
        if chain.iter().any(|(r, _)| *r == real) {
            let mut names: Vec<&str> = chain.iter().map(|(_, n)| n.as_str()).collect();
            names.push(&name);
            let message = format!("goes round in a circle: {}", names.join(" → "));
            reader.problems.add(at, "extends", message);
            break;
        }
        if chain.len() == CHAIN_CAP {
            reader.problems.add(at, "extends", format!("a chain of more than {CHAIN_CAP} worlds"));
            break;
        }
        chain.push((real.clone(), name));
        if real.is_dir() {
            let (layer, inherit) = reader.folder(&path, depth, asked_at, None);
            layers.push(layer);
            reader.inherited(&path, inherit, &mut chain, &mut layers);
            break;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(file) = reader.file(&path, TOML_CAP, depth) else { break };
        let mut layer = Layer { stem, ..Layer::default() };
        let text = reader.sources.text(file);
        let asked = toml_file::read(text, file, &mut layer.statements, reader.problems);
        layer.asks = asked.posterior;
        layers.push(layer);
        if let Some(inherit) = asked.inherit {
            let message = "only the folder of a whole world inherits tables; a variant rests on what it extends";
            reader.problems.add(inherit.at, "inherit", message);
        }
        if let Some((wanted, at)) = asked.extends {
            match target(&path, &wanted) {
                Ok(path) => next = Some((path, Some(at))),
                Err(message) => reader.problems.add(at, "extends", message),
            }
        }
    }
    reader.posteriors(&mut layers);
    layers
}

/// Where `extends = "wanted"` of the file at `path` leads.
fn target(path: &Path, wanted: &str) -> Result<PathBuf, String> {
    if wanted.contains("://") {
        return Err("a URL; a world extends a folder or file beside it".to_owned());
    }
    let drive = wanted.as_bytes().get(1) == Some(&b':');
    if wanted.starts_with(['/', '\\', '~']) || drive {
        return Err("an absolute path; write it relative to this file".to_owned());
    }
    if wanted.contains('\\') {
        return Err("a backslash; write `/` between folders".to_owned());
    }
    if wanted.split('/').any(|part| part == "..") {
        return Err(
            "`..` leads out of the folder; a world extends one beside or below it".to_owned()
        );
    }
    if wanted.split('/').any(|part| part.is_empty() || part == ".") {
        return Err("not a path; write a name such as \"reference\"".to_owned());
    }
    if wanted.chars().any(|c| text::unwanted(c).is_some() || c == '\n' || c == '\t') {
        return Err("a path with characters that cannot be shown".to_owned());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    match resolve(folder, wanted) {
        Found::One(path) => Ok(path),
        Found::Two(folder, file) => Err(two(&folder, &file)),
        Found::None => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let names = names_in(folder);
            let hint = did_you_mean(wanted, names.iter().map(String::as_str));
            Err(format!("there is no world `{}` here{hint}", shown(wanted)))
        }
    }
}

struct Reader<'a> {
    root: PathBuf,
    sources: &'a mut Sources,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    /// Reads one file into the sources; its problems are noted.
    fn file(&mut self, path: &Path, cap: u64, depth: i32) -> Option<Origin> {
        let name = shown_path(path);
        let real = fs::canonicalize(path).ok();
        let outside = real.as_ref().is_some_and(|r| !r.starts_with(&self.root));
        let bytes = if outside {
            Err("a link that leads out of the worlds folder; copy the file into it".to_owned())
        } else {
            read(path, cap)
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(message) => {
                let at = self.sources.add(name, depth, None);
                self.problems.add(at, "", message);
                return None;
            }
        };
        let inside = real
            .as_ref()
            .and_then(|r| r.strip_prefix(&self.root).ok())
            .map_or_else(|| name.clone(), shown_path);
        let flaws = text::checked(&bytes).err();
        let file = SourceFile::new(path.to_path_buf(), inside, bytes);
        let at = self.sources.add(name, depth, Some(file));
        let Some(flaws) = flaws else { return Some(at) };
        for (offset, message) in flaws {
            self.problems.add(offset.map_or(at, |o| at.at(o)), "", message);
        }
        None
    }

    /// Lays the best draw of the posterior over each layer that asks for it.
    fn posteriors(&mut self, layers: &mut Vec<Layer>) {
        for at in (0..layers.len()).rev() {
            let Some(asks) = layers[at].asks else { continue };
            let Some(path) = layers[at..].iter().find_map(|l| l.posterior.clone()) else {
                let message = format!(
                    "there is no {POSTERIOR} beside the parameters of this world; `frugality calibrate` writes one"
                );
                self.problems.add(asks, "parameters", message);
                continue;
            };
            let depth = i32::try_from(at).unwrap_or(i32::MAX);
            let Some(file) = self.file(&path, POSTERIOR_CAP, depth) else { continue };
            let read = posterior::read(self.sources.text(file), file, self.problems);
            let Some((posterior, best)) = read.and_then(|p| p.best().map(|best| (p, best))) else {
                continue;
            };
            let origin = posterior.place(best, file);
            let row = |(name, value): (&String, &f64)| Statement::Row {
                table: "parameters",
                id: name.clone(),
                origin,
                cells: vec![NamedCell {
                    column: "value".to_owned(),
                    named_at: origin,
                    cell: RawCell { raw: Raw::Word(value.to_string()), origin },
                }],
            };
            let statements = posterior.names.iter().zip(&posterior.draws[best]).map(row).collect();
            let stem = layers[at].stem.clone();
            layers.insert(at, Layer { statements, stem, ..Layer::default() });
        }
    }

    /// Reads the tables that the folder at `path` inherits, each a layer below those read so far.
    fn inherited(
        &mut self,
        path: &Path,
        inherit: Option<Inherit>,
        chain: &mut Vec<(PathBuf, String)>,
        layers: &mut Vec<Layer>,
    ) {
        let mut path = match fs::canonicalize(path) {
            Ok(real) if path.file_name().is_none() => real,
            _ => path.to_path_buf(),
        };
        let mut next = inherit;
        while let Some(inherit) = next.take() {
            let (wanted, at) = &inherit.from;
            let base = match target(&path, wanted) {
                Ok(base) => base,
                Err(message) => {
                    self.problems.add(*at, "inherit.from", message);
                    return;
                }
            };
            let real = fs::canonicalize(&base).unwrap_or_else(|_| base.clone());
            let name = shown_path(&base);
            let flaw = if !real.starts_with(&self.root) {
                Some("a link that leads out of the worlds folder; copy it there".to_owned())
            } else if !real.is_dir() {
                Some(format!("`{name}` is not a folder; tables are taken from a whole world"))
            } else if chain.iter().any(|(r, _)| *r == real) {
                let mut names: Vec<&str> = chain.iter().map(|(_, n)| n.as_str()).collect();
                names.push(&name);
                Some(format!("goes round in a circle: {}", names.join(" → ")))
            } else if chain.len() >= CHAIN_CAP {
                Some(format!("a chain of more than {CHAIN_CAP} worlds"))
            } else {
                None
            };
            if let Some(message) = flaw {
                self.problems.add(*at, "inherit.from", message);
                return;
            }
            chain.push((real, name.clone()));
            let depth = i32::try_from(layers.len()).unwrap_or(i32::MAX);
            let only: Vec<&str> = inherit.tables.iter().map(|t| t.0).collect();
            let (mut layer, further) = self.folder(&base, depth, Some(*at), Some(&only));
            layer.folder = None;
            layer.statements.retain(|s| s.table().is_some_and(|table| only.contains(&table)));
            let given = |table| layer.statements.iter().any(|s| s.table() == Some(table));
            let mut below = Vec::new();
            for &(table, at) in &inherit.tables {
                let from = further.as_ref().and_then(|f| f.tables.iter().find(|t| t.0 == table));
                if let Some(from) = from {
                    below.push(*from);
                } else if !given(table) && table != "clauses" {
                    let message = format!("`{name}` does not give the table {table}");
                    self.problems.add(at, "inherit.tables", message);
                }
            }
            layers.push(layer);
            next = further.map(|f| Inherit { tables: below, ..f }).filter(|f| !f.tables.is_empty());
            path = base;
        }
    }

    /// Reads `world.toml`, `rules.toml` and the tables of a folder, or what of them may hold the
    /// tables of `only`; tells what the folder inherits.
    fn folder(
        &mut self,
        path: &Path,
        depth: i32,
        asked_at: Option<Origin>,
        only: Option<&[&str]>,
    ) -> (Layer, Option<Inherit>) {
        let here = self.sources.add(shown_path(path), depth, None);
        let stem = fs::canonicalize(path).unwrap_or_default();
        let stem = stem.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut layer = Layer { folder: Some(here), stem, ..Layer::default() };
        let names = entries(path);
        if !names.iter().any(|n| n == "world.toml") {
            let message = "no world.toml in it; a folder without one is not a world";
            let hint = did_you_mean("world.toml", names.iter().map(String::as_str));
            match asked_at {
                Some(at) => {
                    let message = format!("`{}`: {message}{hint}", shown_path(path));
                    self.problems.add(at, "extends", message);
                }
                None => self.problems.add(here, "", format!("{message}{hint}")),
            }
            return (layer, None);
        }
        if only.is_none_or(|only| only.contains(&"parameters"))
            && names.iter().any(|name| name == POSTERIOR)
        {
            layer.posterior = Some(path.join(POSTERIOR));
        }
        let has_csv = |table: &str| names.iter().any(|n| n.strip_suffix(".csv") == Some(table));
        let mut inherit = None;
        for name in &names {
            let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
            let file = path.join(name);
            if let Some(only) = only {
                // Any table may be written in TOML; CSV files are named after theirs.
                let may_hold = match (stem, ending) {
                    ("world", "toml") => true,
                    ("rules", "toml") => only.iter().any(|table| !has_csv(table)),
                    (stem, "csv") => only.contains(&stem),
                    _ => false,
                };
                if !may_hold {
                    continue;
                }
            }
            match (stem, ending) {
                ("world" | "rules", "toml") => {
                    let Some(at) = self.file(&file, TOML_CAP, depth) else { continue };
                    let text = self.sources.text(at);
                    let statements = &mut layer.statements;
                    let asked = toml_file::read(text, at, statements, self.problems);
                    if let Some((_, at)) = asked.extends {
                        let message = "a folder is complete by itself; write the variant as a TOML file beside it";
                        self.problems.add(at, "extends", message);
                    }
                    layer.asks = layer.asks.or(asked.posterior);
                    match asked.inherit {
                        Some(asked) if stem == "rules" => {
                            let message = "[inherit] belongs in world.toml";
                            self.problems.add(asked.at, "inherit", message);
                        }
                        Some(asked) => inherit = Some(asked),
                        None => {}
                    }
                }
                (stem, "csv") if Definition::columns(stem).is_some() => {
                    let table = Definition::columns(stem).map_or("", |(table, _)| table);
                    let Some(at) = self.file(&file, CSV_CAP, depth) else { continue };
                    let text = self.sources.text(at);
                    csv_file::read(text, at, table, &mut layer.statements, self.problems);
                }
                // It is read when somebody asks for it.
                _ if name == POSTERIOR => {}
                (_, "csv" | "CSV" | "tsv" | "xls" | "xlsx" | "ods") => {
                    let at = self.sources.add(shown_path(&file), depth, None);
                    let files: Vec<String> =
                        Definition::TABLES.iter().map(|t| format!("{}.csv", t.0)).collect();
                    let hint = self.problems.hint(name, files.iter().map(String::as_str));
                    self.problems.add(at, "", format!("not a table of a world{hint}"));
                }
                (_, "toml") => {
                    let at = self.sources.add(shown_path(&file), depth, None);
                    let message = "a world's folder holds world.toml and rules.toml; a variant stands beside the folder";
                    self.problems.add(at, "", message);
                }
                _ => {}
            }
        }
        (layer, inherit)
    }
}
