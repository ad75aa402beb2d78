use super::*;
use crate::testing::n;

fn rules() -> Rules {
    Rules {
        zones: vec![Name::root()],
        reverse: true,
    }
}

fn table(file: &str, inline: &str) -> Table {
    let lines = |text: &str| Lines::parse(text.as_bytes(), &rules());
    Table::of(&lines(file), &lines(inline))
}

/// The addresses of a name, IPv4 first, as text.
fn addresses(table: &Table, name: &str) -> Vec<String> {
    let Some((host, _)) = table.host(n(name).view()) else {
        return Vec::new();
    };
    let v4 = host
        .v4
        .iter()
        .flat_map(|(all, _)| all.iter())
        .map(ToString::to_string);
    let v6 = host
        .v6
        .iter()
        .flat_map(|(all, _)| all.iter())
        .map(ToString::to_string);
    v4.chain(v6).collect()
}

fn names(table: &Table, address: &str) -> Vec<String> {
    let names = table
        .names(address.parse().unwrap())
        .map(|(names, _)| names);
    names
        .iter()
        .flat_map(|names| names.iter())
        .map(ToString::to_string)
        .collect()
}

#[test]
fn lines_are_read_as_gos_parser_does() {
    let file = "255.255.255.255	broadcasthost
	127.0.0.2	odin
	127.0.0.3	odin  # inline comment
	::2             odin
	127.1.1.1	thor
	# aliases
	127.1.1.2	ullr ullrhost
	fe80::1%lo0	local
	127.0.0.9%eth0	zoned
	# Bogus entries that must be ignored.
	123.123.123	loki
	321.321.321.321	loki
	010.0.0.1	loki
	10.0.0.1
	loki	10.0.0.1
	10.0.0.2\x0bvertical\x0ctabs\r
	10.0.0.3	cut#off more
	::ffff:10.0.0.4	mapped
	10.0.0.5	PreserveMe.Local preserveme.local
	10.0.0.6	dotted.
	10.0.0.7	last";
    let table = table(file, "");
    for (name, expected) in [
        ("odin", &["127.0.0.2", "127.0.0.3", "::2"][..]),
        ("thor", &["127.1.1.1"]),
        ("ullr", &["127.1.1.2"]),
        ("ullrhost", &["127.1.1.2"]),
        ("local", &["fe80::1"]),
        ("zoned", &["127.0.0.9"]),
        ("loki", &[]),
        ("10.0.0.1", &[]),
        ("vertical", &["10.0.0.2"]),
        ("tabs", &["10.0.0.2"]),
        ("cut", &["10.0.0.3"]),
        ("off", &[]),
        ("more", &[]),
        ("mapped", &["10.0.0.4"]),
        ("preserveme.local", &["10.0.0.5", "10.0.0.5"]),
        ("dotted", &["10.0.0.6"]),
        ("last", &["10.0.0.7"]),
    ] {
        assert_eq!(addresses(&table, name), expected, "{name}");
    }
    for (address, expected) in [
        ("255.255.255.255", &["broadcasthost."][..]),
        ("127.1.1.2", &["ullr.", "ullrhost."]),
        ("::2", &["odin."]),
        ("fe80::1", &["local."]),
        ("10.0.0.4", &["mapped."]),
        ("10.0.0.5", &["preserveme.local.", "preserveme.local."]),
        ("10.0.0.1", &[]),
    ] {
        assert_eq!(names(&table, address), expected, "{address}");
    }
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let file = "127.0.0.53 *.example.org
127.0.1.52 *.intern.example.org
127.0.0.54 foo.example.org
::6 six.example.org
192.168.33.10 *.example.com
192.168.33.11 a.example.com
1.1.1.1 * *.";
    let table = table(file, "");
    for (name, expected) in [
        ("foo.example.org", &["127.0.0.54"][..]),
        ("bar.example.org", &["127.0.0.53"]),
        ("*.example.org", &["127.0.0.53"]),
        ("bar.intern.example.org", &["127.0.1.52"]),
        ("a.example.com", &["192.168.33.11"]),
        ("c.example.com", &["192.168.33.10"]),
        ("example.com", &[]),
        ("deep.foo.example.org", &[]),
        ("com", &[]),
        // Its own address of one family, the wildcard's of the other.
        ("six.example.org", &["127.0.0.53", "::6"]),
    ] {
        assert_eq!(addresses(&table, name), expected, "{name}");
    }
    assert_eq!(names(&table, "127.0.0.53"), Vec::<String>::new());
}

#[test]
fn the_corefiles_lines_follow_the_files() {
    let table = table(
        "10.0.0.1 a both\n10.0.0.9 *.wild.org\n10.0.0.8 x.wild.org",
        "10.0.0.2 b both\n::1 a\n10.0.0.7 *.wild.org *.new.org\n10.0.0.1 alias",
    );
    for (name, expected) in [
        ("a", &["10.0.0.1", "::1"][..]),
        ("b", &["10.0.0.2"]),
        ("both", &["10.0.0.1", "10.0.0.2"]),
        ("y.wild.org", &["10.0.0.9", "10.0.0.7"]),
        // The file's own, then what the Corefile's wildcard says.
        ("x.wild.org", &["10.0.0.8", "10.0.0.7"]),
        ("z.new.org", &["10.0.0.7"]),
    ] {
        assert_eq!(addresses(&table, name), expected, "{name}");
    }
    assert_eq!(names(&table, "10.0.0.1"), ["a.", "both.", "alias."]);
}

#[test]
fn rules_choose_names_and_reverse_names() {
    let rules = Rules {
        zones: vec![n("example.org"), n("net")],
        reverse: false,
    };
    let lines = Lines::parse(b"10.0.0.1 a.Example.Org b.net c.com example.org", &rules);
    assert_eq!(lines.len(), 3);
    let table = Table::of(&lines, &Lines::default());
    assert_eq!(addresses(&table, "a.example.org"), ["10.0.0.1"]);
    assert_eq!(addresses(&table, "c.com"), Vec::<String>::new());
    assert_eq!(names(&table, "10.0.0.1"), Vec::<String>::new());
}

#[test]
fn a_name_is_found_as_it_is_written() {
    let text = r"10.0.0.1 esc\097pe.org sp@ce.org under_score.org \@sign.org *.w@ld.org";
    let lines = Lines::parse(text.as_bytes(), &rules());
    assert_eq!(lines.len(), 9, "all are counted");
    let table = Table::of(&lines, &Lines::default());
    for (name, found) in [
        ("escape.org", false),
        (r"sp\@ce.org", false),
        ("under_score.org", true),
        (r"\@sign.org", true),
        (r"x.w\@ld.org", false),
    ] {
        assert_eq!(!addresses(&table, name).is_empty(), found, "{name}");
    }
    let back = [
        "escape.org.",
        r"sp\@ce.org.",
        "under_score.org.",
        r"\@sign.org.",
    ];
    assert_eq!(names(&table, "10.0.0.1"), back);
}

#[test]
fn entries_are_counted_as_in_coredns() {
    let text = b"10.0.0.1 a b\n::1 a\n10.0.0.2 *.w\n10.0.0.1 a";
    // Four addresses and as many names of addresses; the wildcard has one address.
    assert_eq!(Lines::parse(text, &rules()).len(), 9);
}

#[test]
fn what_cannot_be_a_name_is_told_with_its_line() {
    let long = "a".repeat(MAX_WORD + 1);
    let text = format!(
        "1.1.1.1 good\n1.1.1.1 bad..name fine\n{long} x\n1.1.1.1 {long} also.fine\n1.1.1.1 {}",
        "a".repeat(64)
    );
    let mut text = text.into_bytes();
    text.extend(b"\n1.1.1.1 \xff\xfe end");
    let lines = Lines::parse(&text, &rules());
    let faults: Vec<usize> = lines.faults.iter().map(|(line, _)| *line).collect();
    assert_eq!(faults, [2, 3, 4, 5, 6]);
    let table = Table::of(&lines, &Lines::default());
    for name in ["good", "fine", "also.fine", "end"] {
        assert_eq!(addresses(&table, name), ["1.1.1.1"], "{name}");
    }
}

#[test]
fn a_very_long_line_is_read_whole() {
    let mut text = String::from("127.0.0.1 before\n127.0.0.2");
    for number in 0..100_000 {
        text.push_str(&format!(" n{number}.example.org"));
    }
    text.push_str("\n127.0.0.3 after");
    let table = table(&text, "");
    for (name, address) in [
        ("before", "127.0.0.1"),
        ("n0.example.org", "127.0.0.2"),
        ("n99999.example.org", "127.0.0.2"),
        ("after", "127.0.0.3"),
    ] {
        assert_eq!(addresses(&table, name), [address], "{name}");
    }
}

#[test]
fn a_reverse_name_is_an_address() {
    const NIBBLES: &str =
        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let mapped = format!("4.0.3.0.2.0.1.0.f.f.f.f{}.ip6.arpa", ".0".repeat(20));
    let cases = [
        ("54.119.58.176.in-addr.arpa", Some("176.58.119.54")),
        ("0.0.0.0.in-addr.arpa", Some("0.0.0.0")),
        ("256.1.1.1.in-addr.arpa", None),
        ("01.1.1.1.in-addr.arpa", None),
        ("+1.1.1.1.in-addr.arpa", None),
        ("1.1.1.in-addr.arpa", None),
        ("x.1.1.1.1.in-addr.arpa", None),
        ("in-addr.arpa", None),
        ("1.1.1.1.in-addr.arpa.org", None),
        (NIBBLES, Some("2001:db8::567:89ab")),
        (&format!("x.y.z.{NIBBLES}"), Some("2001:db8::567:89ab")),
        (&format!("w.x.y.z.{NIBBLES}"), None),
        (&NIBBLES.replacen("b.", "g.", 1), None),
        (&NIBBLES.replacen("b.", "bb.", 1), None),
        (&NIBBLES.replacen("b.", "", 1), None),
        (&mapped, Some("1.2.3.4")),
        ("ip6.arpa", None),
        (".", None),
    ];
    for (name, address) in cases {
        let found = address_of(n(name).view()).map(|address| address.to_string());
        assert_eq!(found.as_deref(), address, "{name}");
    }
}
