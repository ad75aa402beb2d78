use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;
use crate::answer::RdataRef;
use crate::testing::n;

/// Reads `/zones/db` of these files for `example.org`.
fn read_files(files: &[(&str, &str)], known: Option<u32>) -> Result<Option<Zone>, TextError> {
    let files: BTreeMap<&Path, &str> = files
        .iter()
        .map(|(path, text)| (Path::new(*path), *text))
        .collect();
    let read_file = |path: &Path, _: usize| match files.get(path) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    read(
        Path::new("/zones/db"),
        n("example.org.").view(),
        known,
        &read_file,
    )
}

const SOA: &str = "@ 9 SOA ns host 7 1 2 3 4\n";

/// The records after an SOA record, as `OWNER TTL TYPE RDATA` in hexadecimal.
fn records(text: &str) -> Vec<String> {
    let text = format!("{SOA}{text}");
    let zone = read_files(&[("/zones/db", &text)], None);
    let zone = zone
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .unwrap();
    let mut told = Vec::new();
    zone.records().each(&mut |record| {
        let RdataRef::Other(rdata) = record.rdata else {
            panic!("{record:?}");
        };
        let word = mnemonic::TypeWord(record.rtype.into());
        let hex = data_encoding::HEXLOWER.encode(rdata);
        told.push(format!("{} {} {word} {hex}", record.owner, record.ttl));
    });
    told.remove(0);
    told
}

#[test]
fn owners_and_ttls_are_inherited() {
    for (text, expected) in [
        ("a 5 A 192.0.2.1", &["a.example.org. 5 A c0000201"][..]),
        ("a A 192.0.2.1", &["a.example.org. 9 A c0000201"]),
        (
            "a 1h30m IN A 192.0.2.1",
            &["a.example.org. 5400 A c0000201"],
        ),
        ("a IN 1w A 192.0.2.1", &["a.example.org. 604800 A c0000201"]),
        (
            "$TTL 3\na 5 A 192.0.2.1\n  A 192.0.2.2",
            &["a.example.org. 5 A c0000201", "a.example.org. 3 A c0000202"],
        ),
        (
            "a 5 A 192.0.2.1\n  A 192.0.2.2",
            &["a.example.org. 5 A c0000201", "a.example.org. 5 A c0000202"],
        ),
        (
            "$ORIGIN sub\na A 192.0.2.1",
            &["a.sub.example.org. 9 A c0000201"],
        ),
        ("$origin x.\n@ A 192.0.2.1", &["x. 9 A c0000201"]),
        (
            "a CLASS1 TYPE1 \\# 4 C0 000201",
            &["a.example.org. 9 A c0000201"],
        ),
        ("A.B A 192.0.2.1", &["a.b.example.org. 9 A c0000201"]),
    ] {
        assert_eq!(records(text), expected, "{text}");
    }
}

#[test]
fn rdata_of_each_kind() {
    for (text, hex) in [
        ("AAAA ::1", "00000000000000000000000000000001"),
        ("NS @", "076578616d706c65036f726700"),
        ("NS Up.", "02757000"),
        ("PTR Up.", "02557000"),
        ("MX 1 .", "000100"),
        ("SRV 1 2 3 X.", "000100020003015800"),
        (r#"TXT a "b c" "" \065\"d"#, "0161036220630003412264"),
        ("TXT ( a\n b )", "01610162"),
        ("HINFO a b", "01610162"),
        ("CAA 0 issue \"x\"", "0005697373756578"),
        ("DS 1 RSASHA256 2 AB CD", "00010802abcd"),
        ("DNSKEY 256 3 13 Aw EA", "0100030d030100"),
        (
            "RRSIG A 8 2 3600 19700101000001 2 1 . AQI=",
            "00010802 00000e10 00000001 00000002 0001 00 0102",
        ),
        (
            "RRSIG A 8 2 3600 20380119031408 21060207062816 1 . AQI=",
            "00010802 00000e10 80000000 00000000 0001 00 0102",
        ),
        ("NSEC . A MX TYPE256", "00 0002 4001 0101 80"),
        ("CSYNC 1 3", "00000001 0003"),
        (
            "NAPTR 1 2 \"a\" \"\" \"!x!y!\" .",
            "0001 0002 0161 00 0521782179 21 00",
        ),
        (
            "SVCB 1 . port=53 alpn=h2",
            "0001 00 0001 0003 02 6832 0003 0002 0035",
        ),
        ("EUI64 00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
        ("L64 1 0014:4fff:ff20:ee64", "0001 00144fffff20ee64"),
        ("URI 1 2 \"x\"", "0001 0002 78"),
        ("CERT PKIX 1 8 AQI=", "0001 0001 08 0102"),
        ("TYPE65280 \\# 0", ""),
        (
            "SOA ns.x. h.x. 7 1m 1h 1d 1w",
            "026e73017800 0168017800 00000007 0000003c 00000e10 00015180 00093a80",
        ),
    ] {
        let zone = format!("x 1 {text}");
        let is_soa = text.starts_with("SOA");
        let found = if is_soa {
            let words: Vec<_> = text.split(' ').skip(1).collect();
            let entry = format!(" {}", words.join(" "));
            let entry = Scanner::new(entry.as_bytes()).entry().unwrap().unwrap();
            let origin = n("example.org.");
            let rdata = field::rdata(RecordType::SOA, &entry.words, origin.view(), entry.at);
            data_encoding::HEXLOWER.encode(&rdata.unwrap())
        } else {
            let told = records(&zone);
            told[0].rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(found, hex.replace(' ', ""), "{text}");
    }
}

/// Text and its error, without the file.
const WRONG: &[(&str, &str)] = &[
    ("", " there is no SOA record for example.org."),
    (
        "a 1 A 192.0.2.256",
        "1:7: \"192.0.2.256\" is no IPv4 address",
    ),
    ("a 1 A", "1:1: the A record says nothing"),
    (
        "a 1 A 192.0.2.1 x",
        "1:17: \"x\" is too much for a A record",
    ),
    ("a 1 MX 10", "1:1: the MX record is too short"),
    ("a 1 NOPE x", "1:5: \"NOPE\" is no type of record"),
    ("a 1", "1:1: the record has no type"),
    (
        "a x y",
        "1:3: \"x\" is no type of record, no class and no TTL",
    ),
    (
        "a A 192.0.2.1",
        "1:1: the record has no TTL; write one, or $TTL above it",
    ),
    (
        " 1 A 192.0.2.1",
        "1:2: the record has no name, and there is none above it",
    ),
    (
        "a..b 1 A 192.0.2.1",
        "1:1: \"a..b\" is no name: a label is empty",
    ),
    ("$TTL", "1:1: the directive needs one argument"),
    ("$TTL x", "1:6: \"x\" is no time like 3600 or 1h30m"),
    (
        "$NOPE x",
        "1:1: $NOPE is no directive; $ORIGIN, $TTL, $INCLUDE and $GENERATE are known",
    ),
    (
        "$INCLUDE nope",
        "1:10: cannot read /zones/nope: entity not found",
    ),
    (
        "\n\n$INCLUDE db",
        "3:10: more than 7 files include each other",
    ),
    (
        "$GENERATE 1-x a A 192.0.2.1",
        "1:11: \"1-x\" is no range like 1-100 or 0-254/2",
    ),
    (
        "$GENERATE 9-1 a A 192.0.2.1",
        "1:11: \"9-1\" is a range that goes down or is too long",
    ),
    (
        "$GENERATE 1-2 a${ A 192.0.2.1",
        "1:11: a '{' of $GENERATE is not closed",
    ),
    (
        "$GENERATE 0-2 a${-1} A 192.0.2.1",
        "1:11: \"0-2\" with its offset leaves 0 to 2147483647",
    ),
    (
        "x 1 SOA a b 1 2 3 4 5",
        "1:1: the SOA record's owner is x.example.org., the zone's name is example.org.",
    ),
    (
        "a 1 NSEC3PARAM \\# 0",
        "1:1: NSEC3 is not supported; sign the zone with NSEC",
    ),
    (
        "a 1 LOC 1 2 3",
        r"1:1: rdata of type LOC is read in its generic form only: \# LENGTH HEX",
    ),
    (
        r"a 1 A \# 3 010203",
        "1:10: \"3\" bytes that are no rdata of type A",
    ),
    (
        r"a 1 A \# 5 01020304",
        "1:10: \"5\" is not the number of bytes that follow: 4",
    ),
];

#[test]
fn errors_tell_the_place_and_what_is_wrong() {
    for (text, expected) in WRONG {
        let error = read_files(&[("/zones/db", text)], None).unwrap_err();
        assert_eq!(error.to_string(), format!("/zones/db:{expected}"), "{text}");
    }
    let included = [
        ("/zones/db", "$INCLUDE sub/more"),
        ("/zones/sub/more", "\na 1 A x"),
    ];
    let error = read_files(&included, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/zones/sub/more:2:7: \"x\" is no IPv4 address"
    );
}

#[test]
fn a_line_stands_for_many() {
    let told =
        records("$GENERATE 8-10/2 h-$ A 192.0.2.$\n$GENERATE 1-1 \\$.${15,4,x} 5 A 192.0.2.1");
    assert_eq!(
        told,
        [
            "$.0010.example.org. 5 A c0000201",
            "h-10.example.org. 3600 A c000020a",
            "h-8.example.org. 3600 A c0000208",
        ]
    );
}

#[test]
fn a_known_serial_is_not_read_again() {
    let text = format!("{SOA}what follows is not looked at");
    let files = [("/zones/db", text.as_str())];
    assert!(matches!(read_files(&files, Some(7)), Ok(None)));
    assert!(read_files(&files, Some(6)).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ -~\n\t]{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let origin = n("example.org.");
        for content in [text.clone().into_bytes(), bytes] {
            let read_file = |_: &Path, _: usize| Ok(content.clone());
            let _ = read(Path::new("db"), origin.view(), None, &read_file);
        }
    }

    #[test]
    fn no_record_panics(
        rtype in prop::sample::select(vec!["A", "TXT", "SOA", "SVCB", "NSEC", "RRSIG", "CAA", "DS", "NAPTR", "\\# 1"]),
        words in prop::collection::vec("[\\\\\"0-9a-zA-Z.=,@$()*-]{0,12}", 0..12),
    ) {
        let text = format!("{SOA}a 1 {rtype} {}\n$GENERATE 1-9 {} A 192.0.2.1", words.join(" "), words.join(""));
        let _ = read_files(&[("/zones/db", &text)], None);
    }
}
