//! A value as written → a value of its column's kind, or what is wrong with it.

use super::layers::Raw;
use super::problem::{did_you_mean, shown};
use crate::calendar::Month;
use crate::schema::{Column, Kind, Value};

/// Longest list in a cell.
const LIST_CAP: usize = 1000;

/// Reads `raw` as `column` wants it.
pub(super) fn read(raw: &Raw, column: &Column) -> Result<Value, String> {
    let empty = match raw {
        Raw::Word(text) | Raw::Text(text) => text.trim().is_empty(),
        Raw::List(items) => items.is_empty(),
        _ => false,
    };
    if empty {
        return if column.optional { Ok(Value::Missing) } else { Err(missing(column)) };
    }
    match column.kind {
        Kind::Text => text(raw).map(|t| Value::Text(t.to_owned())),
        Kind::Number { low, high } => number(raw, low, high, column.unit).map(Value::Number),
        Kind::Whole { low, high } => whole(raw, low, high).map(Value::Whole),
        Kind::Flag => flag(raw).map(Value::Flag),
        Kind::Month => month(raw).map(Value::Month),
        Kind::Choice(words) => {
            let word = word(raw, &format!("one of {}", words.join(", ")))?;
            if words.contains(&word) {
                Ok(Value::Text(word.to_owned()))
            } else {
                let hint = did_you_mean(word, words.iter().copied());
                Err(format!("`{}` is not one of {}{hint}", shown(word), words.join(", ")))
            }
        }
        Kind::Id(table) => {
            let word = word(raw, &format!("an id of {table}"))?;
            Ok(Value::Text(word.to_owned()))
        }
        Kind::Ids(_) | Kind::Words => list(raw).map(Value::List),
    }
}

/// What to say of a cell that must not be empty.
pub(super) fn missing(column: &Column) -> String {
    format!("empty; {} is needed", wanted(column))
}

/// What a column wants, in words.
pub(super) fn wanted(column: &Column) -> String {
    match column.kind {
        Kind::Text => "a text".to_owned(),
        Kind::Number { .. } if column.unit.is_empty() => "a number".to_owned(),
        Kind::Number { .. } => format!("a number ({})", column.unit),
        Kind::Whole { .. } => format!("a whole number ({})", column.unit),
        Kind::Flag => "true or false".to_owned(),
        Kind::Month => "a month, YYYY-MM,".to_owned(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Id(table) => format!("an id of {table}"),
        Kind::Ids(table) => format!("a list of ids of {table}"),
        Kind::Words => "a list of words".to_owned(),
    }
}

fn found(raw: &Raw) -> String {
    match raw {
        Raw::Word(text) | Raw::Text(text) => format!("the text \"{}\"", shown(text)),
        Raw::Number(text) => format!("the number {}", shown(text)),
        Raw::Flag(flag) => format!("`{flag}`"),
        Raw::Date(text) => format!("the date {}", shown(text)),
        Raw::List(_) => "a list".to_owned(),
        Raw::Table => "a table".to_owned(),
    }
}

fn text(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Word(text) => Ok(text),
        Raw::Text(text) => {
            // Escapes of TOML can write what the file itself may not hold.
            match text.chars().find_map(|c| super::text::unwanted(c).map(|what| (c, what))) {
                Some((c, what)) => Err(format!("U+{:04X}, {what}; remove it", u32::from(c))),
                None => Ok(text.trim()),
            }
        }
        other => Err(format!("{} where a text in quotes is wanted", found(other))),
    }
}

fn word<'a>(raw: &'a Raw, wanted: &str) -> Result<&'a str, String> {
    match raw {
        Raw::Word(word) | Raw::Text(word) => Ok(word.trim()),
        other => Err(format!("{} where {wanted} is wanted, in quotes", found(other))),
    }
}

fn list(raw: &Raw) -> Result<Vec<String>, String> {
    let words: Vec<String> = match raw {
        Raw::Word(text) | Raw::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        Raw::List(items) => {
            let mut words = Vec::new();
            for item in items {
                match item {
                    Raw::Text(word) if !word.is_empty() && !word.contains(char::is_whitespace) => {
                        words.push(word.clone());
                    }
                    other => return Err(format!("{} in a list of words in quotes", found(other))),
                }
            }
            words
        }
        Raw::Number(text) | Raw::Date(text) => vec![text.clone()],
        other => return Err(format!("{} where a list is wanted", found(other))),
    };
    if words.len() > LIST_CAP {
        return Err(format!("a list of {} words; at most {LIST_CAP}", words.len()));
    }
    let mut sorted: Vec<&String> = words.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(format!("`{}` is listed twice", shown(twice[0]))),
        None => Ok(words),
    }
}

fn flag(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Flag(flag) => Ok(*flag),
        Raw::Text(text) if text == "true" || text == "false" => {
            Err(format!("\"{text}\" is in quotes; write {text} without them"))
        }
        Raw::Word(text) | Raw::Text(text) => match text.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => {
                let hint = match other.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "y" | "1" | "on" => "; write true",
                    "false" | "no" | "n" | "0" | "off" => "; write false",
                    _ => "",
                };
                Err(format!("`{}` is neither true nor false{hint}", shown(other)))
            }
        },
        other => Err(format!("{} where true or false is wanted", found(other))),
    }
}

fn month(raw: &Raw) -> Result<Month, String> {
    match raw {
        Raw::Word(text) | Raw::Text(text) | Raw::Date(text) => text.parse().map_err(|_| {
            let text = shown(text);
            format!("`{text}` is not a month; write it as YYYY-MM, for example 2022-10")
        }),
        other => Err(format!("{} where a month is wanted; write \"YYYY-MM\"", found(other))),
    }
}

/// The text of a number, and whether it is written as one.
fn digits(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Word(text) | Raw::Number(text) => Ok(text),
        Raw::Text(text) if text.trim().parse::<f64>().is_ok() => {
            let text = shown(text.trim());
            Err(format!("\"{text}\" is in quotes; write the number {text} without them"))
        }
        other => Err(format!("{} where a number is wanted", found(other))),
    }
}

/// A finite number as decimals write it: no `0x`, no `1_000`, no `1,000`, no `5%`.
fn finite(text: &str) -> Result<f64, String> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = plain.to_ascii_lowercase();
    if ["nan", "inf", "infinity"].contains(&lower.as_str()) {
        return Err(format!("{}; give a finite number", shown(text)));
    }
    let begins_well = plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let decimal =
        plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let value: Option<f64> = if begins_well && decimal { text.parse().ok() } else { None };
    let Some(value) = value else {
        return Err(format!("`{}` is not a number{}", shown(text), why_not(plain)));
    };
    if value.is_infinite() {
        return Err(format!("{} is too large; give a finite number", shown(text)));
    }
    let mantissa = plain.split(['e', 'E']).next().unwrap_or("");
    let not_zero = mantissa.chars().any(|c| c.is_ascii_digit() && c != '0');
    if not_zero && value.abs() < f64::MIN_POSITIVE {
        return Err(format!("{} is too small to be told from 0; write 0", shown(text)));
    }
    // Adding 0 turns -0 into 0.
    Ok(value + 0.0)
}

fn why_not(plain: &str) -> String {
    if let Some(percent) = plain.strip_suffix('%') {
        return match percent.trim().parse::<f64>() {
            Ok(x) if x.is_finite() => format!("; for {x} % write {}", share_of_percent(x)),
            _ => String::new(),
        };
    }
    let without = plain.replace([',', '_', ' ', '\''], "");
    if without.parse::<f64>().is_ok_and(f64::is_finite) {
        return if plain.contains(',') {
            "; write the decimal point as `.` and thousands without commas".to_owned()
        } else {
            format!("; write {without}")
        };
    }
    if plain.starts_with("0x") {
        return "; write it in decimals".to_owned();
    }
    let unit = plain.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if plain.starts_with(|c: char| c.is_ascii_digit()) && !unit.starts_with(['e', 'E']) {
        return "; write the number alone, the column knows its unit".to_owned();
    }
    String::new()
}

/// `x` percent as a share with at least two decimals.
fn share_of_percent(x: f64) -> String {
    // Twelve decimals cut off what dividing by 100 adds in the last bits.
    let text = format!("{:.12}", x / 100.0);
    let text = text.trim_end_matches('0');
    let decimals = text.split('.').nth(1).map_or(0, str::len);
    format!("{text}{}", "0".repeat(2_usize.saturating_sub(decimals)))
}

fn number(raw: &Raw, low: f64, high: f64, unit: &str) -> Result<f64, String> {
    let text = digits(raw)?;
    let value = finite(text)?;
    let text = shown(text);
    let with_unit = |bound: f64| {
        let number = if bound != 0.0 && !(1e-3..1e6).contains(&bound.abs()) {
            format!("{bound:e}")
        } else {
            bound.to_string()
        };
        match unit {
            "" | "share" | "1" | "see unit" | "see kind" => number,
            _ if bound == 0.0 => number,
            unit => format!("{number} {unit}"),
        }
    };
    if value < low {
        return Err(format!("{text} is below {}, the least that is taken", with_unit(low)));
    }
    if value > high {
        if unit == "share" && value <= 100.0 {
            return Err(format!("{text} is above 1; a share: write {}", share_of_percent(value)));
        }
        return Err(format!("{text} is above {}, the most that is taken", with_unit(high)));
    }
    Ok(value)
}

fn whole(raw: &Raw, low: i64, high: i64) -> Result<i64, String> {
    let text = digits(raw)?;
    let Ok(value) = text.parse::<i64>() else {
        let value = finite(text)?;
        let text = shown(text);
        return Err(if value.fract() != 0.0 {
            format!("{text} is not a whole number")
        } else if value.abs() < 1e15 {
            format!("{text} is not written as a whole number; write {value}")
        } else {
            format!("{text} is too large; at most {high}")
        });
    };
    if value < low {
        return Err(format!("{value} is below {low}, the least that is taken"));
    }
    if value > high {
        return Err(format!("{value} is above {high}, the most that is taken"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Spec, number, optional, share, whole, words};

    fn column(spec: Spec) -> Column {
        Column { name: "x", unit: spec.unit, kind: spec.kind, optional: spec.optional, doc: "" }
    }

    fn word(text: &str) -> Raw {
        Raw::Word(text.to_owned())
    }

    #[test]
    fn percent_is_told_from_share() {
        for (given, wanted) in
            [("40", "0.40"), ("12.5", "0.125"), ("2", "0.02"), ("100", "1.00"), ("33.3", "0.333")]
        {
            let said = read(&word(given), &column(share())).unwrap_err();
            assert_eq!(said, format!("{given} is above 1; a share: write {wanted}"));
        }
        assert_eq!(read(&word("1.0"), &column(share())), Ok(Value::Number(1.0)));
    }

    #[test]
    fn numbers_are_decimal_and_finite() {
        let any = column(number("USD", -1e300, 1e300));
        for (text, value) in
            [("1e3", 1000.0), ("-0.5", -0.5), ("+2", 2.0), (".5", 0.5), ("0e-400", 0.0)]
        {
            assert_eq!(read(&word(text), &any), Ok(Value::Number(value)), "{text}");
        }
        for text in [
            "nan", "-inf", "Infinity", "1e400", "1e-400", "0x10", "1_000", "1,000", "5%", "--1",
            "e5", "1e", "ten", "5 USD",
        ] {
            assert!(read(&word(text), &any).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", read(&word("-0"), &any)), "Ok(Number(0.0))");
    }

    #[test]
    fn whole_numbers_have_no_point() {
        let count = column(whole("chips", 0, 10));
        assert_eq!(read(&word("3"), &count), Ok(Value::Whole(3)));
        assert_eq!(
            read(&word("3.0"), &count).unwrap_err(),
            "3.0 is not written as a whole number; write 3"
        );
        assert!(read(&word("99999999999999999999"), &count).is_err());
    }

    #[test]
    fn lists_are_words_or_lists() {
        let list = column(optional(words()));
        let both = Ok(Value::List(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read(&word("a b"), &list), both);
        let items = Raw::List(vec![Raw::Text("a".to_owned()), Raw::Text("b".to_owned())]);
        assert_eq!(read(&items, &list), both);
        assert_eq!(read(&word(""), &list), Ok(Value::Missing));
        assert!(read(&word("a a"), &list).is_err());
    }
}
