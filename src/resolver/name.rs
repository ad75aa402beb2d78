//! Which names can be written into a query, by the rules of each library.

/// The longest text of a name, without a dot at its end.
pub(super) const LONGEST: usize = 253;
/// The longest label.
const LABEL: usize = 63;

/// Whether the labels are of a length that the wire can hold. The root is an empty text.
pub(super) fn fits_the_wire(name: &str) -> bool {
    name.is_empty()
        || name.len() <= LONGEST
            && name
                .split('.')
                .all(|label| (1..=LABEL).contains(&label.len()))
}

/// What glibc takes for the name of a host; it asks nothing for any other.
pub(super) fn is_glibcs(name: &str) -> bool {
    let text = name.strip_suffix('.').unwrap_or(name);
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.starts_with('-') && fits_the_wire(text) && text.bytes().all(is_known)
}

/// What Go takes for the name of a host; it asks nothing for any other.
pub(super) fn is_gos(name: &str) -> bool {
    if name == "." {
        return true;
    }
    let text = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= LONGEST
        && text.split('.').all(is_label)
        && text
            .bytes()
            .any(|byte| !byte.is_ascii_digit() && byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_one_to_sixty_three_bytes() {
        let long = "a".repeat(64);
        for (name, fits) in [
            ("", true),
            ("a", true),
            ("a.b-c", true),
            ("a..b", false),
            (".a", false),
            (&long[1..], true),
            (&long, false),
        ] {
            assert_eq!(fits_the_wire(name), fits, "{name}");
        }
    }

    #[test]
    fn glibc_asks_for_names_of_hosts_only() {
        for (name, takes) in [
            ("database", true),
            ("database.", true),
            ("under_score", true),
            ("a.-b", true),
            ("-a", false),
            ("a b", false),
            ("b\u{fc}cher", false),
            ("a..b", false),
            ("a..", false),
        ] {
            assert_eq!(is_glibcs(name), takes, "{name}");
        }
    }

    #[test]
    fn go_asks_for_names_of_hosts_only() {
        for (name, takes) in [
            (".", true),
            ("database", true),
            ("database.", true),
            ("_http._tcp.web", true),
            ("10-0-0-1", true),
            ("123.456", false),
            ("-a.b", false),
            ("a-.b", false),
            ("a b", false),
            ("a..b", false),
            ("", false),
        ] {
            assert_eq!(is_gos(name), takes, "{name}");
        }
    }
}
