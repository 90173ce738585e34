//! Text that goes into a page, and nothing else with it.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::folder::Source;

/// `text` as the content of an element or the value of a quoted attribute. Characters that steer are blanks.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Escaped text of a sentence: what stands between backticks is code, and a per cent sign stays with its number.
#[must_use]
pub fn prose(text: &str) -> String {
    let text = escaped(text).replace(" %", "\u{a0}%");
    let mut out = String::with_capacity(text.len());
    for (at, piece) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out.push_str("<code>");
            out.push_str(piece);
            out.push_str("</code>");
        } else {
            out.push_str(piece);
        }
    }
    out
}

/// What `write` says of each item, one after the other.
pub fn joined<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T) -> String) -> String {
    let mut out = String::new();
    for item in items {
        out.push_str(&write(item));
    }
    out
}

/// The files behind some numbers, with their hashes.
#[must_use]
pub fn files(sources: &[Source]) -> String {
    joined(sources, |source| {
        format!(
            "<br><span class=\"file\">{}</span> <span class=\"hash\">SHA-256 {}</span>",
            escaped(&source.path),
            escaped(&source.sha256)
        )
    })
}

/// JSON as the content of a `script` element: nothing in it can end the element or begin a comment.
#[must_use]
pub fn script(json: &Json) -> String {
    let text = json.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // All five stand in strings only, where JSON knows these escapes.
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A number for people: three digits that count, a real minus, and no more zeros than needed.
#[must_use]
pub fn rounded(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let size = x.abs();
    let (x, unit) = match size {
        s if s >= 1e12 => (x / 1e12, " trillion"),
        s if s >= 1e9 => (x / 1e9, " billion"),
        s if s >= 1e6 => (x / 1e6, " million"),
        _ => (x, ""),
    };
    let text = match x.abs() {
        s if s >= 100.0 => format!("{x:.0}"),
        s if s >= 10.0 => format!("{x:.1}"),
        s if s >= 0.1 || s == 0.0 => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    };
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let text = if text == "-0" { "0" } else { text };
    format!("{}{unit}", text.replace('-', "−"))
}

/// The same with its sign.
#[must_use]
pub fn signed(x: f64) -> String {
    let text = rounded(x);
    if x > 0.0 && text != "0" { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_steers_a_browser_is_only_text() {
        assert_eq!(escaped("<b a=\"x\">'&\u{7}"), "&lt;b a=&quot;x&quot;&gt;&#39;&amp; ");
        assert_eq!(prose("`a<b` 90 %"), "<code>a&lt;b</code> 90\u{a0}%");
        let json = json!({ "</script><!--": "\u{2028}&" });
        let text = script(&json);
        assert!(!text.contains('<') && !text.contains('\u{2028}'), "{text}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), json);
    }

    #[test]
    fn numbers_for_people() {
        for (x, wanted) in [
            (0.0, "0"),
            (-0.012_34, "−0.0123"),
            (0.5, "0.5"),
            (12.34, "12.3"),
            (1234.5, "1234"),
            (2.5e9, "2.5 billion"),
            (f64::NAN, "–"),
            (-0.000_01, "0"),
        ] {
            assert_eq!(rounded(x), wanted);
        }
        assert_eq!(signed(0.25), "+0.25");
    }
}
