//! What can go wrong on the way of a message, each hazard by a name of its own, over real sockets.
//!
//! Three more have theirs beside the code: a batch goes on after a reply that cannot be sent
//! (`server::udp`), a kept answer's TTL counts down (`plugin::cache`), and what waits for an upstream is
//! bounded (`plugin::forward`).

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use crate::program::{Folder, PATIENCE, Program, is, root, uninterrupted};

const REDIS: &str = "redis.production.svc.cluster.local";
const OPT: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0];

/// An upstream that knows one address for every name, or says nothing at all.
struct Upstream {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Upstream {
    fn start(answers: bool) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            let mut message = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut message) {
                count.fetch_add(1, Ordering::SeqCst);
                if answers {
                    let mut reply = message[..length].to_vec();
                    reply[2] |= 0x80;
                    reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
                    reply.extend_from_slice(&[
                        0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1,
                    ]);
                    let _ = socket.send_to(&reply, peer);
                }
            }
        });
        Self { address, asked }
    }
}

/// The sample cluster, with whatever else the block has.
fn start(folder: &Folder, more: &str) -> Program {
    let manifests = root().join("config/cluster");
    start_with(folder, more, manifests.to_str().unwrap())
}

fn start_with(folder: &Folder, more: &str, manifests: &str) -> Program {
    let text = format!(
        ".:0 {{\nbind 127.0.0.1\nkubernetes cluster.local in-addr.arpa {{\nttl 30\nstartup_timeout 60s\n}}\n{more}\n}}\n"
    );
    let path = folder.write("Corefile", &text);
    Program::start(&path, &["--manifests", manifests])
}

/// The bytes of a message: the second 16 bits of the header, four counts, and what follows.
fn packet(bits: u16, counts: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let [questions, answers, authorities, additionals] = counts;
    let mut packet = vec![0x12, 0x34];
    packet.extend_from_slice(&bits.to_be_bytes());
    packet.extend_from_slice(&[0, questions, 0, answers, 0, authorities, 0, additionals]);
    packet.extend(parts.concat());
    packet
}

/// A question section: a name's text, type and class.
fn question(name: &str, qtype: u8, class: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, qtype, 0, class]);
    bytes
}

fn socket(program: &Program, from: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(program.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut reply = vec![0; 65_535];
    let length = uninterrupted(|| socket.recv(&mut reply)).unwrap();
    reply.truncate(length);
    reply
}

fn exchange(program: &Program, packet: &[u8]) -> Vec<u8> {
    let socket = socket(program, Ipv4Addr::LOCALHOST);
    socket.send(packet).unwrap();
    receive(&socket)
}

fn bits(reply: &[u8]) -> u16 {
    u16::from_be_bytes([reply[2], reply[3]])
}

#[test]
fn the_question_comes_back_in_its_own_case_from_memory_and_from_the_cache() {
    let (folder, upstream) = (Folder::new(), Upstream::start(true));
    let program = start(&folder, &format!("cache\nforward . {}", upstream.address));
    for name in [
        "redis.production.svc.cluster.local",
        "ReDiS.pRoDuCtIoN.sVc.ClUsTeR.lOcAl",
    ] {
        let question = question(name, 1, 1);
        let reply = exchange(&program, &packet(0x100, [1, 0, 0, 0], &[&question]));
        assert_eq!(reply[12..12 + question.len()], question, "{name}");
        let reply = Message::from_vec(&reply).unwrap();
        // The owner follows the question, letter by letter.
        assert_eq!(reply.answers[0].name.to_string(), format!("{name}."));
    }
    for name in ["www.example.org", "WWW.example.ORG", "www.EXAMPLE.org"] {
        let question = question(name, 1, 1);
        let reply = exchange(&program, &packet(0x100, [1, 0, 0, 0], &[&question]));
        assert_eq!(reply[12..12 + question.len()], question, "{name}");
        assert_eq!(
            Message::from_vec(&reply).unwrap().answers.len(),
            1,
            "{name}"
        );
    }
    assert_eq!(
        upstream.asked.load(Ordering::SeqCst),
        1,
        "one name, whatever its case"
    );
}

#[test]
fn names_that_are_made_of_the_question_fit_questions_of_any_length() {
    let folder = Folder::new();
    let program = start(&folder, "");
    for length in 1..=63 {
        let name = format!(
            "{}.{}.production.svc.cluster.local",
            "x".repeat(length),
            "y".repeat(64 - length)
        );
        let reply = exchange(
            &program,
            &packet(0x100, [1, 0, 0, 0], &[&question(&name, 1, 1)]),
        );
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(
            reply.metadata.response_code,
            ResponseCode::NXDomain,
            "{name}"
        );
        let soa = &reply.authorities[0];
        assert_eq!(soa.name.to_string(), "cluster.local.", "{name}");
        let RData::SOA(data) = &soa.data else {
            panic!("{soa}")
        };
        assert_eq!(data.mname.to_string(), "ns.dns.cluster.local.", "{name}");
        assert_eq!(
            data.rname.to_string(),
            "hostmaster.cluster.local.",
            "{name}"
        );
    }
    let reply = program.ask(&format!("_redis._tcp.{REDIS}."), RecordType::SRV);
    let RData::SRV(srv) = &reply.answers[0].data else {
        panic!("{reply}")
    };
    assert_eq!(srv.target.to_string(), format!("{REDIS}."));
}

#[test]
fn a_zone_starts_at_a_label_not_inside_one() {
    let folder = Folder::new();
    let program = start(&folder, "");
    let whole = [&b"\x15svc\x07cluster\x05local.com\x00\x00\x01\x00\x01"[..]];
    let inside = [&b"\x14x.svc\x07cluster\x05local\x00\x00\x00\x01\x00\x01"[..]];
    for parts in [whole, inside] {
        let reply = exchange(&program, &packet(0x100, [1, 0, 0, 0], &parts));
        // Nothing in this block answers for it: not a name error of the cluster.
        assert_ne!(bits(&reply) & 0xf, 3, "{parts:?}");
        assert_eq!(bits(&reply) & 0x400, 0, "{parts:?}: not authoritative");
    }
    let reply = program.ask("redis.production.svc.notcluster.local.", RecordType::A);
    assert!(!reply.metadata.authoritative, "{reply}");
}

#[test]
fn an_opt_answers_an_opt_and_nothing_else() {
    let folder = Folder::new();
    let program = start(&folder, "");
    let question = question(REDIS, 1, 1);
    let option = [
        &[0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 8][..],
        &[0xfd, 0xe9, 0, 4, 1, 2, 3, 4],
    ]
    .concat();
    let next_version = [0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0];
    for (what, additional, opts, rcode, told) in [
        ("no OPT", &[][..], 0, ResponseCode::NoError, None),
        (
            "an OPT with DO",
            OPT,
            1,
            ResponseCode::NoError,
            Some((1232, true)),
        ),
        (
            "an unknown option",
            &option,
            1,
            ResponseCode::NoError,
            Some((4096, false)),
        ),
        (
            "EDNS version 1",
            &next_version,
            1,
            ResponseCode::BADVERS,
            Some((512, false)),
        ),
        (
            "two OPTs",
            &[OPT, OPT].concat(),
            2,
            ResponseCode::FormErr,
            None,
        ),
    ] {
        let reply = exchange(
            &program,
            &packet(0x100, [1, 0, 0, opts], &[&question, additional]),
        );
        let reply = Message::from_vec(&reply).unwrap();
        let same = reply.metadata.response_code.low() == rcode.low();
        assert!(same, "{what}: {reply}");
        let edns = reply.edns.as_ref();
        let edns = edns.map(|edns| (edns.max_payload(), edns.flags().dnssec_ok));
        assert_eq!(edns, told, "{what}");
    }
}

#[test]
fn what_does_not_fit_is_cut_between_records_and_says_so() {
    let folder = Folder::new();
    let manifests = Folder::new();
    let endpoints: String = (1..=80)
        .map(|last| format!("- addresses: [10.244.0.{last}]\n"))
        .collect();
    manifests.write(
        "many.yaml",
        &format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: many, namespace: a}}\n\
             spec: {{clusterIP: None, ports: [{{port: 80}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: many-1, namespace: a, labels: {{kubernetes.io/service-name: many}}}}\n\
             addressType: IPv4\nports: [{{port: 80}}]\nendpoints:\n{endpoints}"
        ),
    );
    let program = start_with(&folder, "", manifests.path().to_str().unwrap());
    let question = question("many.a.svc.cluster.local", 1, 1);
    let ask = |size: Option<u16>| {
        let opt = size.map(|size| {
            let [high, low] = size.to_be_bytes();
            vec![0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]
        });
        let opt = opt.unwrap_or_default();
        let count = u8::from(!opt.is_empty());
        exchange(
            &program,
            &packet(0x100, [1, 0, 0, count], &[&question, &opt]),
        )
    };
    for (size, limit, all) in [
        (None, 512, false),
        (Some(0), 512, false),
        (Some(1232), 1232, false),
        (Some(4096), 4096, true),
    ] {
        let reply = ask(size);
        assert!(reply.len() <= limit, "{size:?}: {} bytes", reply.len());
        // As many as fit: one more record would be 16 bytes, its owner being a pointer.
        assert!(
            all || reply.len() + 16 > limit,
            "{size:?}: {} bytes",
            reply.len()
        );
        let message = Message::from_vec(&reply).unwrap();
        assert_eq!(message.metadata.truncation, !all, "{size:?}");
        assert_eq!(message.answers.len() == 80, all, "{size:?}");
    }
    let whole = program.ask_tcp("many.a.svc.cluster.local.", RecordType::A);
    assert_eq!(whole.answers.len(), 80);
}

#[test]
fn flags_are_copied_set_or_cleared_each_by_its_rule() {
    let folder = Folder::new();
    let program = start(&folder, "");
    let question = question(REDIS, 1, 1);
    let reply = |flags| {
        bits(&exchange(
            &program,
            &packet(flags, [1, 0, 0, 0], &[&question]),
        ))
    };
    assert_eq!(reply(0x0000), 0x8400, "QR and AA are set");
    assert_eq!(reply(0x0110), 0x8510, "RD and CD are copied");
    assert_eq!(
        reply(0x06e0),
        0x8400,
        "AA is ours; TC, RA, Z and AD are cleared"
    );
    assert_eq!(reply(0x2800) & 0xf, 4, "UPDATE is not implemented");
    let asked =
        |counts, parts: &[&[u8]]| bits(&exchange(&program, &packet(0, counts, parts))) & 0xf;
    assert_eq!(
        asked([2, 0, 0, 0], &[&question, &question]),
        1,
        "two questions"
    );
    assert_eq!(asked([0, 0, 0, 0], &[]), 1, "no question");
    let chaos = self::question("version.bind", 16, 3);
    assert_eq!(asked([1, 0, 0, 0], &[&chaos]), 5, "class CH");
}

#[test]
fn a_reply_is_never_answered() {
    let folder = Folder::new();
    let program = start(&folder, "");
    let socket = socket(&program, Ipv4Addr::LOCALHOST);
    let question = question(REDIS, 1, 1);
    socket
        .send(&packet(0x8100, [1, 0, 0, 0], &[&question]))
        .unwrap();
    let mut second = packet(0x0100, [1, 0, 0, 0], &[&question]);
    second[0] = 0x77;
    socket.send(&second).unwrap();
    // Both are in one queue, so what comes first answers the first that is answered at all.
    assert_eq!(receive(&socket)[0], 0x77);
}

#[test]
fn a_service_of_many_addresses_is_told_in_many_orders() {
    let folder = Folder::new();
    let program = start(&folder, "loadbalance");
    let mut orders = HashSet::new();
    for _ in 0..64 {
        let reply = program.ask(
            "postgres-headless.production.svc.cluster.local.",
            RecordType::A,
        );
        let order: Vec<String> = reply
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect();
        assert!(order.len() > 1, "{reply}");
        orders.insert(order);
    }
    // Of two orders at least, 64 times the same one would come once in 2^63 runs.
    assert!(orders.len() > 1, "{orders:?}");
}

#[test]
fn acl_stands_before_what_the_cache_holds() {
    let (folder, upstream) = (Folder::new(), Upstream::start(true));
    let more = format!(
        "acl {{\nblock net 127.0.0.2/32\n}}\ncache\nforward . {}",
        upstream.address
    );
    let program = start(&folder, &more);
    let ask = |from: Ipv4Addr| {
        let socket = socket(&program, from);
        socket
            .send(&packet(
                0x100,
                [1, 0, 0, 0],
                &[&question("www.example.org", 1, 1)],
            ))
            .unwrap();
        bits(&receive(&socket)) & 0xf
    };
    assert_eq!(ask(Ipv4Addr::LOCALHOST), 0, "fills the cache");
    assert_eq!(ask(Ipv4Addr::new(127, 0, 0, 2)), 5, "refused all the same");
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_silent_upstream_holds_up_no_cluster_name_on_the_same_socket() {
    let (folder, upstream) = (Folder::new(), Upstream::start(false));
    let program = start(
        &folder,
        &format!("forward . {} {{\nmax_concurrent 1000\n}}", upstream.address),
    );
    let socket = socket(&program, Ipv4Addr::LOCALHOST);
    for number in 0..200 {
        let name = format!("host-{number}.example.org");
        socket
            .send(&packet(0x100, [1, 0, 0, 0], &[&question(&name, 1, 1)]))
            .unwrap();
    }
    let mut asked = packet(0x100, [1, 0, 0, 0], &[&question(REDIS, 1, 1)]);
    asked[0] = 0x77;
    socket.send(&asked).unwrap();
    let reply = receive(&socket);
    assert_eq!(
        (reply[0], bits(&reply) & 0xf),
        (0x77, 0),
        "before any of the others fails"
    );
    assert!(is(ResponseCode::NoError)(
        &program.ask(&format!("{REDIS}."), RecordType::A)
    ));
}
