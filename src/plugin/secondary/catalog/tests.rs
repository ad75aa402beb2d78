use std::path::Path;

use super::*;
use crate::testing::n;
use crate::zone::text;

const START: &str = "@ 60 IN SOA ns host 1 2 3 4 5\n@ 60 IN NS invalid.\n";

fn read(records: &str) -> Result<Vec<String>, String> {
    let origin = n("catalog.test.");
    let records = records.as_bytes().to_vec();
    let read = |_: &Path, _| Ok(records.clone());
    let zone = text::read(Path::new("db"), origin.view(), None, &read);
    let catalog = Catalog::of(&zone.unwrap().unwrap()).map_err(|error| error.to_string())?;
    let told = catalog.members.iter().map(|member| {
        let id = String::from_utf8_lossy(&member.id);
        let successor = member.successor.as_ref();
        let successor = successor.map_or(String::new(), |name| format!(" to {name}"));
        format!("{id} {}{successor}", member.zone)
    });
    Ok(told.collect())
}

#[test]
fn members_are_read() {
    for (what, records, members) in [
        ("nobody", "", &[][..]),
        (
            "in the order of their labels, and in lower case",
            "b.zones 0 IN PTR Example.ORG.\nA.zones 0 IN PTR example.net.\n",
            &["a example.net.", "b example.org."],
        ),
        (
            "one that may go to another catalog",
            "a.zones 0 IN PTR example.org.\ncoo.a.zones 0 IN PTR New.test.\n",
            &["a example.org. to new.test."],
        ),
        (
            "what is known to nobody is passed over",
            "a.zones 0 IN PTR example.org.\nx.y.z.zones 0 IN PTR x.\nzones 0 IN PTR y.\n\
             group.a.zones 0 IN TXT \"g\"\nb.zones 0 IN TXT \"x\"\nversion 0 IN A 192.0.2.1\n\
             coo.b.zones 0 IN PTR z.\n",
            &["a example.org."],
        ),
    ] {
        let records = format!("{START}version 0 IN TXT \"2\"\n{records}");
        let told = read(&records).unwrap();
        assert_eq!(told, members, "{what}");
    }
}

#[test]
fn what_is_no_catalog_is_told() {
    let version = "version 0 IN TXT \"2\"\n";
    for (records, error) in [
        (
            "@ 60 IN SOA ns host 1 2 3 4 5\nversion 0 IN TXT \"2\"\n".to_owned(),
            "it has no NS record",
        ),
        (
            START.to_owned(),
            "it must have one TXT record version.catalog.test., and has 0",
        ),
        (
            format!("{START}{version}version 0 IN TXT \"3\"\n"),
            "it must have one TXT record version.catalog.test., and has 2",
        ),
        (
            format!("{START}version 0 IN TXT \"2\" \"2\"\n"),
            "its version is \"22\", and 2 is what is known here",
        ),
        (
            format!("{START}{version}a.zones 0 IN PTR a.\na.zones 0 IN PTR b.\n"),
            "a.zones must have one PTR record, and has 2",
        ),
        (
            format!("{START}{version}a.zones 0 IN PTR a.\nb.zones 0 IN PTR A.\n"),
            "a. is a member twice, by b and by another label",
        ),
        (
            format!(
                "{START}{version}a.zones 0 IN PTR a.\ncoo.a.zones 0 IN PTR b.\ncoo.a.zones 0 IN PTR c.\n"
            ),
            "coo.a.zones must have one PTR record at most, and has 2",
        ),
    ] {
        assert_eq!(read(&records), Err(error.to_owned()), "{records}");
    }
}
