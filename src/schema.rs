//! One declaration of a table serves reading, checking, the JSON Schema and the
//! documentation: [`table!`](crate::table) makes the row's struct and the list of
//! its columns together, so they cannot drift apart.
//!
//! This module knows columns and values; where cells come from, and how to say
//! that one is wrong, is the business of [`crate::world`].

use crate::calendar::Month;

/// What a cell may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A finite number within bounds, both included.
    Number {
        /// Smallest value allowed.
        low: f64,
        /// Largest value allowed.
        high: f64,
    },
    /// A whole number within bounds, both included.
    Whole {
        /// Smallest value allowed.
        low: i64,
        /// Largest value allowed.
        high: i64,
    },
    /// `true` or `false`.
    Flag,
    /// A month, `YYYY-MM` (a day after it is allowed and left out).
    Month,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The id of a row of the named table.
    Id(&'static str),
    /// Ids of rows of the named table, separated by spaces (CSV) or a list (TOML).
    Ids(&'static str),
    /// Words, separated by spaces (CSV) or a list (TOML).
    Words,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the header.
    pub name: &'static str,
    /// Unit of a number; empty for anything else.
    pub unit: &'static str,
    /// What a cell may hold.
    pub kind: Kind,
    /// Whether a cell may be empty (CSV) or left out (TOML).
    pub optional: bool,
    /// What the column says.
    pub doc: &'static str,
}

/// The kind, unit and optionality of a column, before it has a name.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What a cell may hold.
    pub kind: Kind,
    /// Unit of a number.
    pub unit: &'static str,
    /// Whether the cell may be empty.
    pub optional: bool,
}

const fn spec(kind: Kind, unit: &'static str) -> Spec {
    Spec { kind, unit, optional: false }
}

/// Any text.
#[must_use]
pub const fn text() -> Spec {
    spec(Kind::Text, "")
}
/// A number between `low` and `high`.
#[must_use]
pub const fn number(unit: &'static str, low: f64, high: f64) -> Spec {
    spec(Kind::Number { low, high }, unit)
}
/// A share between 0 and 1.
#[must_use]
pub const fn share() -> Spec {
    spec(Kind::Number { low: 0.0, high: 1.0 }, "share")
}
/// A whole number between `low` and `high`.
#[must_use]
pub const fn whole(unit: &'static str, low: i64, high: i64) -> Spec {
    spec(Kind::Whole { low, high }, unit)
}
/// `true` or `false`.
#[must_use]
pub const fn flag() -> Spec {
    spec(Kind::Flag, "")
}
/// A month.
#[must_use]
pub const fn month() -> Spec {
    spec(Kind::Month, "")
}
/// One of `words`.
#[must_use]
pub const fn choice(words: &'static [&'static str]) -> Spec {
    spec(Kind::Choice(words), "")
}
/// The id of a row of `table`.
#[must_use]
pub const fn id_of(table: &'static str) -> Spec {
    spec(Kind::Id(table), "")
}
/// Ids of rows of `table`.
#[must_use]
pub const fn ids_of(table: &'static str) -> Spec {
    spec(Kind::Ids(table), "")
}
/// A list of words.
#[must_use]
pub const fn words() -> Spec {
    spec(Kind::Words, "")
}
/// The same column, but its cells may be empty.
#[must_use]
pub const fn optional(mut of: Spec) -> Spec {
    of.optional = true;
    of
}

/// A cell that was read and checked against its column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, a word or an id.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// A flag.
    Flag(bool),
    /// A month.
    Month(Month),
    /// A list of ids or words.
    List(Vec<String>),
    /// An empty cell of an optional column.
    Missing,
}

/// A type that a column's values turn into. The loader has checked the kind, so
/// a mismatch is a mistake in a declaration and stops the program.
pub trait FromValue: Sized {
    /// The value as this type.
    ///
    /// # Panics
    /// When the column's kind does not fit the field's type: a bug of ours.
    fn from_value(value: Value) -> Self;
}

impl FromValue for String {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Text(text) => text,
            other => panic!("a text column holds {other:?}"),
        }
    }
}
impl FromValue for f64 {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Number(x) => x,
            other => panic!("a number column holds {other:?}"),
        }
    }
}
impl FromValue for i64 {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Whole(n) => n,
            other => panic!("a whole-number column holds {other:?}"),
        }
    }
}
impl FromValue for bool {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Flag(flag) => flag,
            other => panic!("a flag column holds {other:?}"),
        }
    }
}
impl FromValue for Month {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Month(month) => month,
            other => panic!("a month column holds {other:?}"),
        }
    }
}
impl FromValue for Vec<String> {
    fn from_value(value: Value) -> Self {
        match value {
            Value::List(list) => list,
            Value::Missing => Vec::new(),
            other => panic!("a list column holds {other:?}"),
        }
    }
}
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Self {
        match value {
            Value::Missing => None,
            other => Some(T::from_value(other)),
        }
    }
}

/// A row of a table of the world.
pub trait Row: Sized {
    /// Name of the table: the file's stem, and the key in a world file.
    const TABLE: &'static str;
    /// What the table holds, for the documentation.
    const DOC: &'static str;
    /// The columns after `id`, in the order of the struct's fields.
    const COLUMNS: &'static [Column];
    /// Builds the row from its id and one checked value a column.
    fn build(id: String, values: &mut dyn Iterator<Item = Value>) -> Self;
    /// The row's id.
    fn id(&self) -> &str;
    /// Puts a checked value into the column at `column` of [`Self::COLUMNS`].
    fn set(&mut self, column: usize, value: Value);
}

/// Declares a table's row: a struct with `id` and one field a column, and its
/// [`Row`] implementation.
///
/// ```
/// use frugality::schema::{Kind, Row, number, text};
/// frugality::table! {
///     /// A place.
///     pub struct PlaceRow in "places" {
///         /// Name for people.
///         name: String = text(),
///         /// Electric power.
///         power_mw: f64 = number("MW", 0.0, 1e6),
///     }
/// }
/// assert_eq!(PlaceRow::COLUMNS[1].unit, "MW");
/// assert!(matches!(PlaceRow::COLUMNS[0].kind, Kind::Text));
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[doc = $table_doc:literal])+
        pub struct $row:ident in $table:literal {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $spec:expr,)*
        }
    ) => {
        $(#[doc = $table_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $row {
            /// Stable id; keys the random draws.
            pub id: String,
            $($(#[doc = $doc])+ pub $field: $type,)*
        }
        impl $crate::schema::Row for $row {
            const TABLE: &'static str = $table;
            const DOC: &'static str = concat!($($table_doc, "\n"),+);
            const COLUMNS: &'static [$crate::schema::Column] = &[$({
                let spec = $spec;
                $crate::schema::Column {
                    name: stringify!($field),
                    unit: spec.unit,
                    kind: spec.kind,
                    optional: spec.optional,
                    doc: concat!($($doc, "\n"),+),
                }
            },)*];
            fn build(
                id: String,
                values: &mut dyn Iterator<Item = $crate::schema::Value>,
            ) -> Self {
                Self {
                    id,
                    $($field: $crate::schema::FromValue::from_value(
                        values.next().unwrap_or($crate::schema::Value::Missing),
                    ),)*
                }
            }
            fn id(&self) -> &str {
                &self.id
            }
            fn set(&mut self, column: usize, value: $crate::schema::Value) {
                let mut at = 0..;
                $(if at.next() == Some(column) {
                    self.$field = $crate::schema::FromValue::from_value(value);
                    return;
                })*
                let _ = (at, value);
            }
        }
    };
}

/// Declares an enumeration whose variants are words of a world file.
///
/// ```
/// frugality::choice! {
///     /// Who owns a firm.
///     pub enum Ownership { /** Listed. */ Public = "public", /** Not. */ Private = "private" }
/// }
/// assert_eq!(Ownership::WORDS, ["public", "private"]);
/// assert_eq!(Ownership::Private.word(), "private");
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])+
        pub enum $name:ident { $($(#[$variant_meta:meta])+ $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$meta])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])+ $variant),+ }
        impl $name {
            /// The words of a world file, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
            /// The word of a world file for this variant.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            /// The variant of a word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
        impl $crate::schema::FromValue for $name {
            fn from_value(value: $crate::schema::Value) -> Self {
                let word = <String as $crate::schema::FromValue>::from_value(value);
                Self::from_word(&word).unwrap_or_else(|| panic!("no variant for {word}"))
            }
        }
    };
}

/// For tests: a row of any table whose cells are missing, empty, first or the least that is not negative.
#[cfg(test)]
pub(crate) fn blank<R: Row>(id: &str) -> R {
    let mut cells = R::COLUMNS.iter().map(|column| match column.kind {
        _ if column.optional => Value::Missing,
        Kind::Text | Kind::Id(_) => Value::Text(String::new()),
        Kind::Number { low, .. } => Value::Number(low.max(0.0)),
        Kind::Whole { low, .. } => Value::Whole(low.max(0)),
        Kind::Flag => Value::Flag(false),
        Kind::Month => Value::Month(Month::new(2022, 1)),
        Kind::Choice(words) => Value::Text(words[0].to_owned()),
        Kind::Ids(_) | Kind::Words => Value::List(Vec::new()),
    });
    R::build(id.to_owned(), &mut cells)
}
