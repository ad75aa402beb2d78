//! Zone transfers: both servers' are taken whole, and held against each other.

mod outside;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::ask::Pair;
use super::departure::TRANSFERRED;
use super::exchange::over_tcp;
use crate::connection::{Connection, Received};
use crate::wire::message::Message;
use crate::wire::query::Query;

/// How long a server may take for a message of a transfer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Labels of a whole name in `in-addr.arpa` and `ip6.arpa`.
const REVERSE_LABELS: [(&str, usize); 2] = [("in-addr.arpa.", 6), ("ip6.arpa.", 34)];

/// The names of IPv4 addresses as IPv6 ones.
const MAPPED: &str = "f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";

/// A zone's records as lines, each once, without the serial.
type Records = BTreeSet<String>;

impl Pair {
    /// Compares the transfers of these zones, of a name that is in the first of them, and of the
    /// reverse zones, of which CoreDNS has no records; `names` are all that are known.
    pub(crate) fn transfer_all(&mut self, zones: &[&str], names: &[String]) -> Result<(), String> {
        for zone in zones {
            self.transfer(&format!("{zone}."))?;
        }
        if let Some(zone) = zones.first() {
            self.transfer_below(&format!("svc.{zone}."))?;
            self.transfer_changes(&format!("{zone}."))?;
        }
        for (zone, labels) in REVERSE_LABELS {
            self.transfer_reverse(zone, labels, names)?;
        }
        Ok(())
    }

    /// Of a cluster that is not known whole CoreDNS transfers what it knows, as if that were all, and
    /// callsign nothing.
    pub(crate) fn transfer_part(&mut self, zones: &[&str]) -> Result<(), String> {
        for zone in zones {
            let theirs = take(self.coredns, &format!("{zone}."))?;
            let ours = take(self.callsign, &format!("{zone}."))?;
            let services = records(theirs.clone());
            let services = services
                .iter()
                .filter(|line| line.contains(" IN A "))
                .count();
            self.compared.asked += 1;
            self.compared.answered += usize::from(services > 2);
            let gives_a_part = services > 2
                && theirs
                    .first()
                    .is_some_and(|head| head.starts_with("NOERROR"))
                && theirs.last().is_some_and(|last| last.contains(" SOA "));
            let is_refused = matches!(&ours[..], [head, _question] if head.starts_with("SERVFAIL"));
            if gives_a_part && is_refused {
                self.compared.departures.push(TRANSFERRED);
            } else {
                let difference =
                    format!("{zone} AXFR\n  CoreDNS: {theirs:#?}\n  callsign: {ours:#?}");
                self.compared.differences.push(difference);
            }
        }
        Ok(())
    }

    fn transfer(&mut self, zone: &str) -> Result<(), String> {
        let theirs = records(take(self.coredns, zone)?);
        let ours = records(take(self.callsign, zone)?);
        let mut missing: Records = theirs.difference(&ours).cloned().collect();
        let mut added: Records = ours.difference(&theirs).cloned().collect();
        let shown = as_answered(&mut missing, &mut added, &ours);
        let compared = &mut self.compared;
        compared.asked += 1;
        compared.answered += usize::from(theirs.len() > 2);
        compared.departures.extend(vec![TRANSFERRED; shown]);
        if !(missing.is_empty() && added.is_empty()) {
            let missing: Vec<_> = missing.iter().map(|line| format!("  - {line}\n")).collect();
            let added: Vec<_> = added.iter().map(|line| format!("  + {line}\n")).collect();
            let lines = missing.concat() + &added.concat();
            compared.differences.push(format!("{zone} AXFR\n{lines}"));
        }
        Ok(())
    }

    /// What has changed since a serial (IXFR): the SOA record alone where it is the zone's own, and
    /// the whole zone otherwise.
    fn transfer_changes(&mut self, zone: &str) -> Result<(), String> {
        for (since, offset) in [("now", 0), ("before", u32::MAX), ("later", 1)] {
            let theirs = told_since(self.coredns, zone, offset)?;
            let ours = told_since(self.callsign, zone, offset)?;
            self.compared.asked += 1;
            if theirs != ours {
                let difference = format!("{zone} IXFR since {since}\n  - {theirs}\n  + {ours}\n");
                self.compared.differences.push(difference);
            }
        }
        Ok(())
    }

    /// A name that is no zone: CoreDNS gives the zone that it is in, under this name.
    fn transfer_below(&mut self, name: &str) -> Result<(), String> {
        let theirs = records(take(self.coredns, name)?);
        let ours = take(self.callsign, name)?;
        let gives_a_zone = theirs.iter().any(|line| line.contains(" SOA "));
        let head = ours.first().map_or("", String::as_str);
        self.compared.asked += 1;
        if gives_a_zone && head.starts_with("REFUSED") {
            self.compared.departures.push(TRANSFERRED);
        } else {
            let difference = format!("{name} AXFR\n  CoreDNS: {theirs:?}\n  callsign: {ours:?}");
            self.compared.differences.push(difference);
        }
        Ok(())
    }

    /// The PTR records of our transfer are all that CoreDNS answers.
    fn transfer_reverse(
        &mut self,
        zone: &str,
        labels: usize,
        names: &[String],
    ) -> Result<(), String> {
        let ours = records(take(self.callsign, zone)?);
        let pointers: Records = ours
            .iter()
            .filter(|line| line.contains(" PTR "))
            .map(|line| line.to_lowercase())
            .collect();
        let owners = pointers.iter().filter_map(|line| line.split(' ').nth(1));
        let known = names.iter().map(|name| name.to_lowercase());
        // Mapped IPv4 addresses lead where IPv4 addresses do, and have no record of their own.
        let known = known.filter(|name| {
            let count = name.split_terminator('.').count();
            let is_mapped = name.contains(':') || name.ends_with(MAPPED);
            name.ends_with(&format!(".{zone}")) && count == labels && !is_mapped
        });
        let names: BTreeSet<String> = owners.map(str::to_owned).chain(known).collect();
        let messages = names.iter().map(|name| query(name, "PTR"));
        let replies = over_tcp(self.coredns, &messages.collect::<Result<Vec<_>, _>>()?)?;
        let mut answers = Records::new();
        for reply in replies.into_iter().flatten() {
            let lines = Message::decode(&reply)?.reply_lines(0, None, false);
            let lines = lines.iter().filter(|line| line.starts_with("answer "));
            answers.extend(lines.map(|line| line.to_lowercase()));
        }
        let theirs = records(take(self.coredns, zone)?);
        self.compared.asked += 1;
        let of_coredns = theirs.iter().filter(|line| line.contains(" PTR ")).count();
        if answers == pointers && of_coredns == 0 {
            self.compared.departures.push(TRANSFERRED);
        } else {
            let difference = format!("{zone} AXFR: {of_coredns} of {answers:#?}, got {ours:#?}");
            self.compared.differences.push(difference);
        }
        Ok(())
    }
}

/// Takes out of both what is a departure: that CoreDNS gives name servers' addresses a TTL of 0, calls
/// endpoints of several clusters without their cluster, writes 65535 for a port that is not
/// there, and ports of endpoints that are names as if they were at the root. Returns how often it is shown.
fn as_answered(missing: &mut Records, added: &mut Records, ours: &Records) -> usize {
    let before = missing.len() + added.len();
    let ttls: BTreeSet<&str> = ours
        .iter()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    missing.retain(|line| {
        let with = |ttl: &&str| {
            let told = line.replacen(" 0 IN ", &format!(" {ttl} IN "), 1);
            told != *line && ours.contains(&told)
        };
        !ttls.iter().any(with)
    });
    // A port that is left out.
    missing.retain(|line| !line.contains(" 65535 "));
    // Endpoints that are names: ports at the root in the place of their aliases.
    missing.retain(|line| !(line.contains(" IN SRV ") && line.ends_with(" .")));
    added.retain(|line| !line.contains(" IN CNAME "));
    let is_glue = |line: &String| line.contains(" IN A ") || line.contains(" IN AAAA ");
    let servers: BTreeSet<String> = ours
        .iter()
        .filter_map(|line| line.split(" NS ").nth(1).map(str::to_owned))
        .collect();
    added.retain(|line| {
        let owner = line.split(' ').nth(1).unwrap_or_default();
        !(is_glue(line) && servers.contains(owner))
    });
    let without_cluster = |line: &String| {
        super::data::CLUSTERS
            .iter()
            .fold(line.clone(), |line, cluster| {
                line.replace(&format!(".{cluster}."), ".")
            })
    };
    let named: Vec<String> = added
        .iter()
        .filter(|line| without_cluster(line) != **line)
        .cloned()
        .collect();
    let short: Records = named.iter().map(without_cluster).collect();
    if short.is_subset(missing) {
        missing.retain(|line| !short.contains(line));
        added.retain(|line| !named.contains(line));
    }
    before - missing.len() - added.len()
}

/// The records of a transfer; its head is not one of them.
fn records(transfer: Vec<String>) -> Records {
    in_order(transfer).collect()
}

/// The same in their order.
fn in_order(lines: Vec<String>) -> impl Iterator<Item = String> {
    let records = lines.into_iter();
    let records = records.filter(|line| line.starts_with("answer "));
    records.map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words.get(4) == Some(&"SOA")
            && let Some(serial) = words.get_mut(7)
        {
            *serial = "SERIAL";
        }
        words.join(" ")
    })
}

/// What is told of the changes since a serial that is so much more than the zone's own.
fn told_since(server: SocketAddr, zone: &str, offset: u32) -> Result<&'static str, String> {
    let serial = serial(server, zone)?.wrapping_add(offset);
    let changes = records(take_by(server, zone, &since_serial(zone, serial)?)?);
    Ok(match changes.len() {
        0 => "nothing",
        1 => "the SOA record",
        _ if changes == records(take(server, zone)?) => "the zone",
        _ => "a part",
    })
}

/// The serial of a zone.
fn serial(server: SocketAddr, zone: &str) -> Result<u32, String> {
    let replies = over_tcp(server, &[query(zone, "SOA")?])?;
    let reply = replies.into_iter().flatten().next().unwrap_or_default();
    let lines = Message::decode(&reply)?.reply_lines(0, None, false);
    let soa = lines.iter().find(|line| line.starts_with("answer "));
    let serial = soa.and_then(|soa| soa.split(' ').nth(7)?.parse().ok());
    serial.ok_or_else(|| format!("{server}: no serial of {zone} in {lines:?}"))
}

/// A question for what has changed since a serial.
fn since_serial(zone: &str, serial: u32) -> Result<Vec<u8>, String> {
    let mut message = query(zone, "IXFR")?;
    // One record of the authority section: the zone's SOA record, with all but the serial empty.
    if let Some(count) = message.get_mut(9) {
        *count = 1;
    }
    message.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
    message.extend(serial.to_be_bytes());
    message.extend([0; 16]);
    Ok(message)
}

/// A transfer as lines: of each message its head, then its records.
fn take(server: SocketAddr, zone: &str) -> Result<Vec<String>, String> {
    take_by(server, zone, &query(zone, "AXFR")?)
}

/// The same, by what is asked.
fn take_by(server: SocketAddr, zone: &str, message: &[u8]) -> Result<Vec<String>, String> {
    let mut connection = Connection::open(server)?;
    connection.send(message)?;
    let (mut lines, mut ends) = (Vec::new(), 0);
    loop {
        let Received::Message(reply) = connection.receive(PATIENCE) else {
            return Err(format!("{server} does not end the transfer of {zone}"));
        };
        let message = Message::decode(&reply)?.reply_lines(0, None, false);
        let soas = message.iter().filter(|line| line.contains(" SOA "));
        ends += soas.count();
        lines.extend(message);
        let is_error = lines
            .first()
            .is_some_and(|head| !head.starts_with("NOERROR"));
        let answers = lines.iter().filter(|line| line.starts_with("answer "));
        // Nothing has changed since the serial that was asked with.
        let is_all = ends == 1 && answers.count() == 1;
        if ends >= 2 || is_error || is_all {
            return Ok(lines);
        }
    }
}

fn query(name: &str, rtype: &str) -> Result<Vec<u8>, String> {
    let mut query = Query::parse(&[name, rtype])?;
    query.id = 0;
    query.encode()
}
