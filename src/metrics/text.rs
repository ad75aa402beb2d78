//! The classic text format, version 0.0.4, to the letter of what CoreDNS's library prints: boards
//! and scripts select by these texts.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Labels;

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// The two lines above a family.
pub(super) fn head(page: &mut String, name: &str, help: &str, kind: &str) {
    page.push_str("# HELP ");
    page.push_str(name);
    page.push(' ');
    for character in help.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
    page.push_str("\n# TYPE ");
    page.push_str(name);
    page.push(' ');
    page.push_str(kind);
    page.push('\n');
}

/// A line with a number; the name comes in two pieces.
pub(super) fn sample(page: &mut String, name: (&str, &str), labels: &str, value: f64) {
    start(page, name, labels);
    number(page, value);
    page.push('\n');
}

/// A line with a count, which is never told with an exponent.
pub(super) fn count(page: &mut String, name: (&str, &str), labels: &str, value: u64) {
    start(page, name, labels);
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{value}");
}

/// The line of one bucket: how many values are at most `edge`.
pub(super) fn bucket(page: &mut String, name: &str, labels: &str, edge: f64, value: u64) {
    page.push_str(name);
    page.push_str("_bucket{");
    page.push_str(labels);
    page.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
    number(page, edge);
    // Writing to a String cannot fail.
    let _ = writeln!(page, "\"}} {value}");
}

fn start(page: &mut String, name: (&str, &str), labels: &str) {
    page.push_str(name.0);
    page.push_str(name.1);
    if !labels.is_empty() {
        page.push('{');
        page.push_str(labels);
        page.push('}');
    }
    page.push(' ');
}

/// A number as Go prints it: the shortest text that reads back the same, with an exponent of two
/// digits at least below 0.0001 and from a million on.
fn number(page: &mut String, value: f64) {
    if value.is_nan() {
        page.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        page.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    if value == 0.0 {
        page.push('0');
        return;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Writing to a String cannot fail.
    let _ = if (-4..6).contains(&exponent) {
        write!(page, "{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(page, "{digits}e{sign}{:02}", exponent.unsigned_abs())
    };
}

/// `name="value",...` by name, values escaped, so that no name from a query can break the page.
pub(super) fn labels(labels: Labels<'_>) -> Arc<str> {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let mut text = String::new();
    for (name, value) in sorted {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.00025, "0.00025"),
            (0.0001, "0.0001"),
            (2.3145e-05, "2.3145e-05"),
            (1e-10, "1e-10"),
            (8.192, "8.192"),
            (64e3, "64000"),
            (123_456.0, "123456"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (349_762_343.0, "3.49762343e+08"),
            (1.795_243_646_380_471_5e9, "1.7952436463804715e+09"),
            (18_446_744_073_709_551_615.0, "1.8446744073709552e+19"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut page = String::new();
            number(&mut page, value);
            assert_eq!(page, text);
        }
    }

    #[test]
    fn help_is_one_line_and_labels_are_sorted() {
        let mut page = String::new();
        head(&mut page, "x", "a\\b\nc", "gauge");
        assert_eq!(page, "# HELP x a\\\\b\\nc\n# TYPE x gauge\n");
        let text = labels(&[("zone", "a\"b\n\\"), ("proto", "udp")]);
        assert_eq!(&*text, r#"proto="udp",zone="a\"b\n\\""#);
    }
}
