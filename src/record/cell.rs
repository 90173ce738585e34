//! How one value becomes one cell.
//!
//! - A **number** is written with the fewest digits that read back as the same
//!   `f64`; a whole number below 10¹⁶ without a point (`168`, not `168.0`), a very
//!   small or large one with an exponent (`1e-7`). Minus zero is written `0`.
//!   What is not a number, or not finite, is an empty cell.
//! - **Text** that a spreadsheet could take for a formula, because it begins with
//!   `=`, `+`, `-`, `@`, a tab or a carriage return, gets a single quote in
//!   front. [`restored`] takes it off again.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whole numbers below this are written without a point or an exponent.
const PLAIN_BELOW: f64 = 1e16;

/// Appends `x` to `out` as a cell; nothing for what is not a finite number.
pub fn number(out: &mut String, x: f64) {
    if !x.is_finite() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = if x.trunc() == x && x.abs() < PLAIN_BELOW {
        write!(out, "{}", x as i64)
    } else {
        write!(out, "{x:?}")
    };
}

fn looks_like_a_formula(text: &str) -> bool {
    // Behind quotes as well, so that what was quoted already is restored as it was.
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// `text` as a cell that no spreadsheet takes for a formula.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if looks_like_a_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text behind a cell that [`text`] wrote.
#[must_use]
pub fn restored(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if looks_like_a_formula(rest) => rest,
        _ => cell,
    }
}

/// `text` without characters that could steer a terminal.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(steers) {
        Cow::Owned(text.chars().map(|c| if steers(c) { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A number for a person: three significant digits, thousands, millions (M),
/// billions (bn) and trillions (tn), a dash for what is not a number.
#[must_use]
pub fn human(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        "–".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e15).contains(&size) {
        format!("{x:.2e}")
    } else {
        let (scaled, suffix) = match size {
            s if s >= 1e12 => (x / 1e12, " tn"),
            s if s >= 1e9 => (x / 1e9, " bn"),
            s if s >= 1e6 => (x / 1e6, " M"),
            _ => (x, ""),
        };
        let shown = scaled.abs();
        if suffix.is_empty() && shown >= 1000.0 {
            format!("{scaled:.0}")
        } else {
            let digits = match shown {
                s if s >= 99.95 => 0,
                s if s >= 9.995 => 1,
                s if s >= 0.9995 => 2,
                s if s >= 0.09995 => 3,
                s if s >= 0.009_995 => 4,
                _ => 5,
            };
            // A whole count stays one.
            if suffix.is_empty() && scaled.trunc() == scaled {
                format!("{scaled:.0}")
            } else {
                format!("{scaled:.digits$}{suffix}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(x: f64) -> String {
        let mut out = String::new();
        number(&mut out, x);
        out
    }

    #[test]
    fn numbers_are_short_and_read_back() {
        for (x, cell) in [
            (168.0, "168"),
            (-3.0, "-3"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-7, "1e-7"),
            (2.5e22, "2.5e22"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (f64::NAN, ""),
            (f64::INFINITY, ""),
        ] {
            assert_eq!(written(x), cell);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_reads_back(x in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            proptest::prop_assert_eq!(written(x).parse::<f64>().unwrap().to_bits(), x.to_bits());
        }

        #[test]
        fn every_text_reads_back(word in "['=a]{0,4}.*") {
            let cell = text(&word);
            proptest::prop_assert_eq!(restored(&cell), word.as_str());
        }
    }

    #[test]
    fn formulas_are_text() {
        for bad in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            assert_eq!(text(bad), format!("'{bad}"));
            assert_eq!(restored(&text(bad)), bad);
        }
        for good in ["nvidia-h20", "", "'quoted'", " =1"] {
            assert_eq!(text(good), good);
            assert_eq!(restored(good), good);
        }
        assert_eq!(printable("a\u{1b}[31mb\u{202e}"), "a [31mb ");
    }

    #[test]
    fn people_read_three_digits() {
        for (x, shown) in [
            (f64::NAN, "–"),
            (0.0, "0"),
            (12.0, "12"),
            (0.123_456, "0.123"),
            (12_345.0, "12345"),
            (1_234_567.0, "1.23 M"),
            (23e9, "23.0 bn"),
            (-1.5e12, "-1.50 tn"),
            (0.000_01, "1.00e-5"),
            (0.012_34, "0.0123"),
        ] {
            assert_eq!(human(x), shown);
        }
    }
}
