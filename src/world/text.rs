//! Bytes → text: only UTF-8 that shows what it says. Spreadsheets, archives,
//! other encodings, merge conflicts and characters that hide or turn text are
//! refused in words that say what to do.

/// A problem at a byte.
pub(super) type Flaw = (Option<usize>, String);

/// Flaws noted in one file; the rest is as bad.
const MOST: usize = 50;

/// Beginnings of files that are not text.
const FORMATS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive or an Excel workbook; save it as CSV or TOML text (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file; save it as CSV or TOML text (UTF-8)"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"PAR1", "a Parquet file; save it as CSV (UTF-8)"),
    (b"%PDF", "a PDF; a world is text"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file; fetch it with `git lfs pull`"),
    (b"\xef\xbb\xbf", "begins with a byte-order mark; save it as UTF-8 without one"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
];

/// The text of a file, or what is wrong with its bytes.
pub(super) fn checked(bytes: &[u8]) -> Result<&str, Vec<Flaw>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(vec![(None, "empty".to_owned())]);
    }
    if let Some((_, what)) = FORMATS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(vec![(None, (*what).to_owned())]);
    }
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        let zeros = bytes.split(|b| *b == 0).count() - 1;
        let message = if zeros * 3 >= bytes.len() {
            "UTF-16 text; save it as UTF-8"
        } else {
            "a NUL byte; this is not text, or it was damaged"
        };
        return Err(vec![(Some(at), message.to_owned())]);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let byte = bytes[at];
        let message = format!("byte {byte:#04x} is not UTF-8; save the file as UTF-8");
        vec![(Some(at), message)]
    })?;
    let mut flaws = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let marker = ["<<<<<<< ", "||||||| ", ">>>>>>> "].iter().any(|m| line.starts_with(m))
            || line.trim_end() == "=======";
        if marker {
            flaws.push((Some(offset), "a merge conflict; settle it and remove the marks".into()));
        }
        offset += line.len();
    }
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if flaws.len() >= MOST {
            break;
        }
        if c == '\r' && chars.peek().is_some_and(|(_, next)| *next == '\n') {
            continue;
        }
        if let Some(what) = unwanted(c) {
            flaws.push((Some(at), format!("U+{:04X}, {what}; remove it", u32::from(c))));
        }
    }
    if flaws.is_empty() { Ok(text) } else { Err(flaws) }
}

/// What is wrong with a character, if it has no place in a world file. Line
/// ends and tabs are fine.
pub(super) const fn unwanted(c: char) -> Option<&'static str> {
    match c {
        '\n' | '\t' => None,
        '\u{1b}' => Some("an escape code for terminals"),
        '\r' => Some("a carriage return without a line feed"),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some("a control character"),
        '\u{2028}' | '\u{2029}' => Some("a line separator that editors show in different ways"),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some("a mark that turns the direction of text")
        }
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Some("a character of no width"),
        '\u{fffd}' => Some("the mark of text lost in a conversion"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_passes_and_line_ends_of_windows_too() {
        assert_eq!(checked(b"a,b\r\n1,2\r\n").unwrap(), "a,b\r\n1,2\r\n");
        assert_eq!(checked("MW/mm² µ – 华为 😀".as_bytes()).unwrap(), "MW/mm² µ – 华为 😀");
    }

    #[test]
    fn a_lone_carriage_return_is_found_at_its_byte() {
        let flaws = checked(b"ab\rc").unwrap_err();
        assert_eq!(flaws[0].0, Some(2));
    }
}
