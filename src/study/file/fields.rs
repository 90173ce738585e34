//! Reading TOML with places: a table whose keys are known, and values of the kinds
//! that a study file holds. What does not fit is noted, and reading goes on.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, names};
use crate::world::{Origin, Problems, shown};

/// The TOML of `text`, which stands at `origin`; none, and its first mistake noted, if it is not TOML.
pub(crate) fn parsed<'a>(
    text: &'a str,
    origin: Origin,
    problems: &mut Problems,
) -> Option<Spanned<DeTable<'a>>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let at = error.span().map_or(origin, |span| origin.at(span.start));
        problems.add(at, "", format!("not TOML: {}", error.message()));
        return None;
    }
    Some(document)
}

/// Something that was written, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct At<T> {
    /// What.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

/// A value with its place.
pub(crate) type Item<'a> = (&'a DeValue<'a>, Origin);

/// The keys of a table, with the file that they stand in.
pub(crate) struct Fields<'a, 'p> {
    /// Path of the table, for messages.
    pub path: String,
    /// Where the table stands.
    pub origin: Origin,
    file: Origin,
    table: &'a DeTable<'a>,
    /// Where problems are noted.
    pub problems: &'p mut Problems,
}

fn place(file: Origin, item: &Spanned<DeValue<'_>>) -> Origin {
    file.at(item.span().start)
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The whole document.
    pub fn document(table: &'a DeTable<'a>, file: Origin, problems: &'p mut Problems) -> Self {
        Self { path: String::new(), origin: file, file, table, problems }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { shown(key) } else { format!("{}.{}", self.path, shown(key)) }
    }

    /// Notes a problem of the value called `key`.
    pub fn wrong(&mut self, origin: Origin, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.below(key) };
        self.problems.add(origin, path, message);
    }

    /// Notes every key that is not one of `known`.
    pub fn only(&mut self, known: &[Key]) {
        let known = names(known);
        let unknown: Vec<(String, Origin)> = self
            .table
            .iter()
            .filter(|(key, _)| !known.contains(&key.get_ref().as_ref()))
            .map(|(key, _)| (key.get_ref().to_string(), self.file.at(key.span().start)))
            .collect();
        for (key, origin) in unknown {
            let hint = self.problems.hint(&key, known.iter().copied());
            let hint =
                if hint.is_empty() { format!("; there are {}", known.join(", ")) } else { hint };
            self.wrong(origin, &key, format!("there is no such setting{hint}"));
        }
    }

    /// Every key with its value, in the order of the file.
    pub fn entries(&self) -> Vec<(&'a str, Origin, Item<'a>)> {
        let mut all: Vec<(usize, &'a str, &'a Spanned<DeValue<'a>>)> = self
            .table
            .iter()
            .map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value))
            .collect();
        all.sort_by_key(|entry| entry.0);
        all.into_iter()
            .map(|(at, key, value)| {
                (key, self.file.at(at), (value.get_ref(), place(self.file, value)))
            })
            .collect()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        let value = self.table.get(key)?;
        Some((value.get_ref(), place(self.file, value)))
    }

    /// The table called `key`.
    pub fn table(&mut self, key: &str) -> Option<Fields<'a, '_>> {
        let (value, origin) = self.get(key)?;
        if let DeValue::Table(table) = value {
            let path = self.below(key);
            let file = self.file;
            return Some(Fields { path, origin, file, table, problems: self.problems });
        }
        let message = format!("a table is wanted; write [{}]", self.below(key));
        self.wrong(origin, key, message);
        None
    }

    /// The text called `key`.
    pub fn text(&mut self, key: &str) -> Option<At<String>> {
        let (value, origin) = self.get(key)?;
        if let DeValue::String(text) = value {
            let text = text.trim();
            let text = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
            return Some(At { value: text, origin });
        }
        self.wrong(origin, key, "a text in quotes is wanted");
        None
    }

    /// The flag called `key`.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let (value, origin) = self.get(key)?;
        if let DeValue::Boolean(flag) = value {
            return Some(*flag);
        }
        self.wrong(origin, key, "true or false is wanted, without quotes");
        None
    }

    /// The whole number called `key`, between `low` and `high`.
    pub fn whole(&mut self, key: &str, low: u64, high: u64) -> Option<u64> {
        let (value, origin) = self.get(key)?;
        self.whole_of(value, origin, key, low, high)
    }

    fn whole_of(
        &mut self,
        value: &DeValue<'_>,
        origin: Origin,
        key: &str,
        low: u64,
        high: u64,
    ) -> Option<u64> {
        let found = match value {
            DeValue::Integer(n) => i128::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        let Some(n) = found else {
            self.wrong(origin, key, "a whole number is wanted");
            return None;
        };
        match u64::try_from(n) {
            Ok(n) if n >= low && n <= high => Some(n),
            _ if n < i128::from(low) => {
                self.wrong(origin, key, format!("{n} is below {low}, the least that is taken"));
                None
            }
            _ => {
                self.wrong(origin, key, format!("{n} is above {high}, the most that is taken"));
                None
            }
        }
    }

    /// The finite number called `key`.
    pub fn number(&mut self, key: &str) -> Option<At<f64>> {
        let (value, origin) = self.get(key)?;
        let word = match value {
            DeValue::Integer(n) => n.as_str().to_owned(),
            DeValue::Float(x) => x.as_str().to_owned(),
            _ => String::new(),
        };
        match word.replace('_', "").parse::<f64>() {
            Ok(x) if x.is_finite() => Some(At { value: x, origin }),
            _ => {
                self.wrong(origin, key, "a finite number is wanted");
                None
            }
        }
    }

    /// The list of whole numbers in `value`, which stands under `key`.
    pub fn wholes(&mut self, key: &str, item: Item<'_>, high: u64) -> Vec<At<u64>> {
        let DeValue::Array(items) = item.0 else { return Vec::new() };
        let mut list = Vec::new();
        for item in items {
            let origin = place(self.file, item);
            if let Some(n) = self.whole_of(item.get_ref(), origin, key, 0, high) {
                list.push(At { value: n, origin });
            }
        }
        list
    }

    /// The list of texts called `key`.
    pub fn texts(&mut self, key: &str) -> Option<Vec<At<String>>> {
        let text = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        self.list(key, "a text in quotes", text)
    }

    /// The list of values called `key`, each as `--set` writes it.
    pub fn words(&mut self, key: &str) -> Option<Vec<At<String>>> {
        self.list(key, "a number, a text or a flag", word)
    }

    fn list(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl Fn(&DeValue<'_>) -> Option<String>,
    ) -> Option<Vec<At<String>>> {
        let (value, origin) = self.get(key)?;
        let DeValue::Array(items) = value else {
            self.wrong(origin, key, format!("a list is wanted, of {wanted} each"));
            return None;
        };
        let mut list = Vec::new();
        for item in items {
            let origin = place(self.file, item);
            match read(item.get_ref()) {
                Some(value) => list.push(At { value, origin }),
                None => self.wrong(origin, key, format!("{wanted} is wanted")),
            }
        }
        Some(list)
    }
}

/// A value as `--set` writes it.
pub(crate) fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) => Some(n.as_str().replace('_', "")),
        DeValue::Float(x) => Some(x.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(date) => Some(date.to_string()),
        _ => None,
    }
}
