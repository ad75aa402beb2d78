//! Zones of `k8s_external`: callsign transfers what CoreDNS answers, which is not what CoreDNS
//! transfers.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAPPED, REVERSE_LABELS, Records, in_order, query, records, serial, take, told_since};
use crate::cluster::ask::Pair;
use crate::cluster::departure::TRANSFERRED;
use crate::cluster::exchange::over_tcp;
use crate::wire::message::Message;

/// The types of records that a transfer can hold, but for those of ports.
const TYPES: [&str; 6] = ["SOA", "NS", "A", "AAAA", "SRV", "PTR"];

impl Pair {
    /// Compares transfers of these zones; `names` are all that are known.
    pub(crate) fn transfer_outside(
        &mut self,
        zones: &[&str],
        names: &[String],
    ) -> Result<(), String> {
        for zone in zones {
            let zone = format!("{zone}.");
            self.transfer_as_answered(&zone, names)?;
            self.transfer_changes_outside(&zone)?;
            for below in [format!("dns.{zone}"), format!("default.{zone}")] {
                self.compare_refusal(&below)?;
            }
        }
        Ok(())
    }

    /// Holds our transfer against what CoreDNS answers of each name in either one's transfer, and of
    /// each that a Service or an address can have.
    fn transfer_as_answered(&mut self, zone: &str, names: &[String]) -> Result<(), String> {
        let theirs = records(take(self.coredns, zone)?);
        let ours = records(take(self.callsign, zone)?);
        let names = names.iter().map(|name| name.to_lowercase());
        let of_services = names.filter(|name| may_have_records(name, zone));
        let owners = theirs.union(&ours).filter_map(|line| owner(line));
        let owners: BTreeSet<String> = owners.map(str::to_lowercase).chain(of_services).collect();
        let answers = self.answers(&owners)?;
        let expected: Records = answers.values().flat_map(|all| as_a_zone(all)).collect();

        // Endpoints by the names of pods that hold dots: records lead there, no question does.
        let owners: BTreeSet<&str> = theirs.iter().filter_map(|line| owner(line)).collect();
        let unasked = |line: &&String| {
            owner(line).is_some_and(|owner| !answers.contains_key(owner) && owners.contains(owner))
        };
        let unasked: Records = ours.iter().filter(unasked).cloned().collect();
        let expected: Records = expected.union(&unasked).cloned().collect();
        let compared = &mut self.compared;
        compared.asked += 1;
        compared.answered += usize::from(theirs.len() > 2);
        if ours != theirs {
            compared.departures.push(TRANSFERRED);
        }
        if ours != expected {
            let missing = expected
                .difference(&ours)
                .map(|line| format!("  - {line}\n"));
            let added = ours
                .difference(&expected)
                .map(|line| format!("  + {line}\n"));
            let lines: String = missing.chain(added).collect();
            compared.differences.push(format!("{zone} AXFR\n{lines}"));
        }
        Ok(())
    }

    /// The serial of CoreDNS moves when a Service changes, and not when one comes or goes. So at first it
    /// is 0, of which everybody has a later one, and who has it is given the zone anew.
    fn transfer_changes_outside(&mut self, zone: &str) -> Result<(), String> {
        let serials = [serial(self.coredns, zone)?, serial(self.callsign, zone)?];
        let told = |server| [0, u32::MAX, 1].map(|offset| told_since(server, zone, offset));
        let told = |server| told(server).into_iter().collect::<Result<Vec<_>, _>>();
        let (theirs, ours) = (told(self.coredns)?, told(self.callsign)?);
        self.compared.asked += 1;
        let (soa, whole) = ("the SOA record", "the zone");
        let is_still = serials[0] == 0 && theirs == [whole, soa, soa];
        if is_still && serials[1] > 0 && ours == [soa, whole, soa] {
            self.compared.departures.push(TRANSFERRED);
        } else {
            let difference = format!("{zone} IXFR: {serials:?}\n  - {theirs:?}\n  + {ours:?}\n");
            self.compared.differences.push(difference);
        }
        Ok(())
    }

    /// What CoreDNS answers of each of these names, with no more than the name's own records.
    fn answers(&self, owners: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>, String> {
        let types = |owner: &String| match owner {
            _ if owner.starts_with('_') => &["SRV"][..],
            _ if is_address(owner) => &["PTR"][..],
            _ => &TYPES[..],
        };
        let questions = owners
            .iter()
            .flat_map(|owner| types(owner).iter().map(move |rtype| query(owner, rtype)));
        let questions: Vec<_> = questions.collect::<Result<_, _>>()?;
        let mut answers = BTreeMap::<String, Vec<String>>::new();
        for reply in over_tcp(self.coredns, &questions)?.into_iter().flatten() {
            for line in in_order(Message::decode(&reply)?.reply_lines(0, None, false)) {
                let name = owner(&line).unwrap_or_default().to_owned();
                let of_name = answers.entry(name).or_default();
                if !of_name.contains(&line) {
                    of_name.push(line);
                }
            }
        }
        // Some answers go on with those of another name.
        answers.retain(|owner, _| owners.contains(owner));
        Ok(answers)
    }

    /// A name that is no zone of the plugin.
    fn compare_refusal(&mut self, name: &str) -> Result<(), String> {
        let message = [query(name, "AXFR")?];
        let theirs = over_tcp(self.coredns, &message)?;
        let ours = over_tcp(self.callsign, &message)?;
        for (theirs, ours) in theirs.iter().zip(&ours) {
            let what = || format!("{name} AXFR");
            self.compared.add(theirs.as_deref(), ours.as_deref(), what);
        }
        Ok(())
    }
}

/// `answer OWNER TTL ...`
fn owner(line: &str) -> Option<&str> {
    line.split(' ').nth(1)
}

/// Whether a name is one of a Service, or of an address, in a zone.
fn may_have_records(name: &str, zone: &str) -> bool {
    let Some(head) = name.strip_suffix(&format!(".{zone}")) else {
        return false;
    };
    let is_plain = !head.contains(['_', '\\', '*', ':']);
    let is_service = head.matches('.').count() == 1 && zone.starts_with("svc.");
    is_plain && (is_service || is_address(name))
}

/// Whether a name is that of an address, and not of an IPv4 address as an IPv6 one.
fn is_address(name: &str) -> bool {
    let count = name.split_terminator('.').count();
    let is_whole = |(zone, labels): &(&str, usize)| name.ends_with(zone) && count == *labels;
    REVERSE_LABELS.iter().any(is_whole) && !name.ends_with(MAPPED) && !name.contains("svc")
}

/// What a zone can hold of the answers of a name: of one that is an alias, that and nothing else.
fn as_a_zone(answers: &[String]) -> Vec<String> {
    let is = |rtype: &'static str| {
        move |line: &&String| line.split(' ').nth(4).is_some_and(|word| word == rtype)
    };
    let is_alias = is("CNAME");
    let has_address = answers
        .iter()
        .any(|line| is("A")(&line) || is("AAAA")(&line));
    match answers.iter().find(is_alias) {
        Some(alias) if !has_address => vec![alias.clone()],
        _ => answers
            .iter()
            .filter(|line| !is_alias(line))
            .cloned()
            .collect(),
    }
}
