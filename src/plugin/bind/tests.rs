use super::*;
use crate::corefile::Memory;
use crate::testing::{planned, setup_error};

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    for (lines, error) in [
        (
            "bind",
            "Corefile:2:1: error: plugin/bind: at least one address or interface name is expected",
        ),
        (
            "bind lo {\nexcept\n}",
            "Corefile:3:1: error: plugin/bind: at least one address or interface must be given to except subdirective",
        ),
        (
            "bind 192.0.2.1 localhost",
            "Corefile:2:16: error: plugin/bind: not a valid IP address or interface name: \"localhost\"",
        ),
        (
            "bind lo {\nexcept ::1/128\n}",
            "Corefile:3:8: error: plugin/bind: not a valid IP address or interface name: \"::1/128\"",
        ),
        (
            "bind lo {\nexpect ::1\n}",
            "Corefile:3:1: error: plugin/bind: invalid option \"expect\"",
        ),
    ] {
        assert_eq!(setup_error(lines), error, "{lines}");
    }
}

fn rule(hosts: &[&str], except: &[&str]) -> Rule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Rule {
        hosts: owned(hosts),
        except: owned(except),
    }
}

#[test]
fn addresses_and_names_are_read_line_by_line() {
    for (lines, rules) in [
        ("bind 127.0.0.1", vec![rule(&["127.0.0.1"], &[])]),
        (
            "bind eth0 ::1 {\nexcept 10.0.0.1 lo\n}\nbind lo",
            vec![
                rule(&["eth0", "::1"], &["10.0.0.1", "lo"]),
                rule(&["lo"], &[]),
            ],
        ),
        // An interface that this machine does not have is found out at start.
        ("bind not-there", vec![rule(&["not-there"], &[])]),
    ] {
        let plan = planned(&format!(". {{\n{lines}\n}}"), &Memory::default()).unwrap();
        assert_eq!(plan.sites[0].listen.bind, rules, "{lines}");
    }
}

#[test]
fn names_of_interfaces_are_all_their_addresses() {
    let known = |name: &str, address: Option<&str>| Interface {
        name: name.into(),
        address: address.map(|address| address.parse().unwrap()),
    };
    let interfaces = [
        known("lo", Some("127.0.0.1")),
        known("lo", Some("::1")),
        known("eth0", Some("10.0.0.1")),
        known("dummy0", None),
    ];
    for (name, rules, addresses) in [
        (
            "an address",
            vec![rule(&["192.0.2.1"], &[])],
            Ok("192.0.2.1"),
        ),
        (
            "an interface",
            vec![rule(&["lo"], &[])],
            Ok("127.0.0.1 ::1"),
        ),
        (
            "both",
            vec![rule(&["eth0", "lo"], &[])],
            Ok("10.0.0.1 127.0.0.1 ::1"),
        ),
        (
            "an address twice",
            vec![rule(&["lo", "::1", "127.0.0.1"], &[])],
            Ok("127.0.0.1 ::1"),
        ),
        (
            "but not one",
            vec![rule(&["lo"], &["::1"])],
            Ok("127.0.0.1"),
        ),
        (
            "but not those of another",
            vec![rule(&["lo", "eth0"], &["lo"])],
            Ok("10.0.0.1"),
        ),
        (
            "except is for its own line",
            vec![rule(&["lo"], &[]), rule(&["eth0"], &["::1"])],
            Ok("127.0.0.1 ::1 10.0.0.1"),
        ),
        (
            "one without address beside another",
            vec![rule(&["dummy0", "eth0"], &[])],
            Ok("10.0.0.1"),
        ),
        (
            "nothing is left",
            vec![rule(&["lo"], &["lo"])],
            Err("no address is left to listen on"),
        ),
        (
            "one without address",
            vec![rule(&["dummy0"], &[])],
            Err("no address is left to listen on"),
        ),
        (
            "neither",
            vec![rule(&["eth1"], &[])],
            Err("not a valid IP address or interface name: \"eth1\""),
        ),
        (
            "neither, in except",
            vec![rule(&["lo"], &["fe80::1%eth0"])],
            Err("not a valid IP address or interface name: \"fe80::1%eth0\""),
        ),
    ] {
        let told = resolve(&rules, &interfaces).map(|addresses| {
            let texts: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            texts.join(" ")
        });
        let told = told.as_deref().map_err(String::as_str);
        assert_eq!(told, addresses, "{name}");
    }
}

#[test]
fn the_system_knows_loopback() {
    let loopback = "127.0.0.1".parse().unwrap();
    let known = interfaces().unwrap();
    let of_lo = known
        .iter()
        .find(|interface| interface.address == Some(loopback));
    let name = &of_lo.unwrap().name;
    let resolved = resolve(&[rule(&[name], &[])], &known).unwrap();
    assert!(resolved.contains(&loopback));
    assert!(!machine_addresses().contains(&loopback));
}
