//! What is said of a name that nothing bears.

use crate::record::cell::printable;

/// `; did you mean x?`, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.8;
    let mut best: Option<(&str, f64)> = None;
    for candidate in known {
        let likeness = strsim::jaro_winkler(word, candidate);
        if likeness >= NEAR && best.is_none_or(|(_, most)| likeness > most) {
            best = Some((candidate, likeness));
        }
    }
    best.map_or_else(String::new, |(candidate, _)| {
        format!("; did you mean `{}`?", printable(candidate))
    })
}

pub(super) fn listed<'a>(title: &str, words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        format!("{title}: none")
    } else {
        format!("{title}: {}", printable(&words.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let firms = || ["bytedance", "baidu"].into_iter();
        assert_eq!(did_you_mean("bytedanse", firms()), "; did you mean `bytedance`?");
        assert_eq!(did_you_mean("zzz", firms()), "");
    }
}
