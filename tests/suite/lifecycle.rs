//! Start, signals, reload, drain.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::program::{
    Folder, PATIENCE, Program, Steady, callsign, is, question, read_frame, root, send_frame,
    uninterrupted,
};

/// A chain of one plugin on one address, which is not served before the cluster is known.
fn corefile(zone: &str) -> String {
    format!(
        "{zone}:0 {{\n    bind 127.0.0.1\n    kubernetes {zone} {{\n        startup_timeout 60s\n    }}\n}}\n"
    )
}

fn start(folder: &Folder, text: &str) -> Program {
    let path = folder.write("Corefile", text);
    let cluster = root().join("config/cluster");
    // A stop waits for who still asks as long as the tests take, not for five seconds.
    let flags = ["--drain", "60", "--manifests", cluster.to_str().unwrap()];
    Program::start(&path, &flags)
}

const WEB: &str = "idp-server.idp-system.svc.cluster.local.";

#[test]
fn a_cluster_name_is_answered_over_udp_and_tcp() {
    let folder = Folder::new();
    let program = start(&folder, &corefile("cluster.local"));
    let (udp, tcp) = (
        program.ask(WEB, RecordType::A),
        program.ask_tcp(WEB, RecordType::A),
    );
    assert_eq!(udp.answers.len(), 1, "{udp}");
    assert_eq!(udp.answers, tcp.answers);
}

#[test]
fn sigterm_answers_what_still_comes_and_exits_0() {
    let folder = Folder::new();
    let mut program = start(&folder, &corefile("cluster.local"));
    let mut steady = Steady::begin();
    program.ask(WEB, RecordType::A);
    program.signal("TERM");
    // While somebody asks at least once a second, all are answered.
    for _ in 0..200 {
        let reply = steady.ask(|sent| {
            let reply = program.try_ask(WEB, RecordType::A, sent);
            reply.ok_or_else(|| "no reply".to_owned())
        });
        match reply {
            Some(reply) => assert_eq!(reply.answers.len(), 1),
            None => break,
        }
    }
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_second_sigint_exits_2_at_once() {
    let folder = Folder::new();
    // It does not end by itself before the second one comes.
    let waiting =
        ".:0 {\n    bind 127.0.0.1\n    health 127.0.0.1:0 {\n        lameduck 60s\n    }\n}\n";
    let mut program = start(&folder, waiting);
    program.signal("INT");
    program.wait_line(|line| line.contains("SIGINT: Shutting down"));
    program.signal("INT");
    assert_eq!(program.wait().code(), Some(2));
}

#[test]
fn signals_that_ask_for_nothing_that_can_be_had_end_nothing() {
    let folder = Folder::new();
    let mut program = start(&folder, &corefile("cluster.local"));
    program.signal("HUP");
    program.signal("PIPE");
    program.signal("USR2");
    program.wait_said("SIGUSR2: a running server is not replaced in place");
    assert_eq!(program.ask(WEB, RecordType::A).answers.len(), 1);
}

/// A Corefile that waits for an API server that nobody is.
const WAITING: &str = ".:0 {
    bind 127.0.0.1
    kubernetes cluster.local {
        endpoint http://127.0.0.1:9
        startup_timeout 1h
    }
}
";

#[test]
fn a_signal_ends_a_start_that_waits_for_the_cluster() {
    let folder = Folder::new();
    let path = folder.write("Corefile", WAITING);
    let arguments = ["-conf", path.to_str().unwrap()];
    for signal in ["TERM", "INT", "QUIT"] {
        let mut program = Program::spawn(&arguments, "");
        program.wait_said("waiting for Kubernetes API before starting server");
        program.signal(signal);
        assert_eq!(program.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_signal_ends_a_reload_that_waits_for_the_cluster() {
    let folder = Folder::new();
    let path = folder.write("Corefile", ".:0 {\n    bind 127.0.0.1\n    whoami\n}\n");
    let mut program = Program::start(&path, &[]);
    folder.write("Corefile", WAITING);
    program.signal("USR1");
    program.wait_said("waiting for Kubernetes API before starting server");
    let reply = program.ask("a.test.", RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_reload_serves_the_new_zone_on_the_same_socket() {
    let folder = Folder::new();
    let program = start(&folder, &corefile("cluster.local"));
    assert!(is(ResponseCode::Refused)(
        &program.ask("web.example.org.", RecordType::A)
    ));
    folder.write("Corefile", &corefile("example.org"));
    program.signal("USR1");
    let name = "idp-server.idp-system.svc.example.org.";
    program.ask_until(name, |reply| reply.answers.len() == 1);
    assert!(is(ResponseCode::Refused)(&program.ask(WEB, RecordType::A)));
}

#[test]
fn no_query_is_lost_when_a_reload_changes_the_number_of_sockets() {
    let text = |sockets: usize| {
        format!(
            "cluster.local:0 {{\n    bind 127.0.0.1\n    multisocket {sockets}\n    \
             kubernetes cluster.local {{\n        startup_timeout 60s\n    }}\n}}\n"
        )
    };
    let folder = Folder::new();
    let mut program = start(&folder, &text(2));
    let (address, stop) = (program.address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ask_until_stopped(address, &stop)))
            .collect();
        for sockets in [1, 3, 4, 1, 2, 5, 1, 3] {
            folder.write("Corefile", &text(sockets));
            program.signal("USR1");
            program.wait_line(|line| line.contains("Reloading complete"));
        }
        stop.store(true, Ordering::Relaxed);
        for asker in askers {
            assert!(asker.join().unwrap() > 0);
        }
    });
}

/// Asks again and again, from another port each time; fails where a query gets no reply.
fn ask_until_stopped(address: SocketAddr, stop: &AtomicBool) -> usize {
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(&question(WEB, RecordType::A)).unwrap();
        uninterrupted(|| socket.recv(&mut [0; 512])).unwrap();
        asked += 1;
    }
    asked
}

#[test]
fn a_bad_corefile_leaves_the_old_one_serving() {
    let folder = Folder::new();
    let mut program = start(&folder, &corefile("cluster.local"));
    folder.write("Corefile", ".:0 {\n    nosuch\n}\n");
    program.signal("USR1");
    program.wait_line(|line| line.contains("Unknown directive 'nosuch'"));
    assert_eq!(program.ask(WEB, RecordType::A).answers.len(), 1);
}

#[test]
fn a_change_of_replicas_is_seen_within_a_second_or_so_and_without_a_restart() {
    let folder = Folder::new();
    let manifest = |replicas: u32| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: prod}}\n\
             spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{port: 5432}}]}}\n---\n\
             apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db, namespace: prod}}\n\
             spec:\n  replicas: {replicas}\n  serviceName: db\n  selector: {{matchLabels: {{app: db}}}}\n  \
             template:\n    metadata: {{labels: {{app: db}}}}\n    spec: {{containers: [{{name: db, image: db}}]}}\n"
        )
    };
    let cluster = Folder::new();
    cluster.write("db.yaml", &manifest(3));
    let path = folder.write("Corefile", &corefile("cluster.local"));
    let program = Program::start(&path, &["--manifests", cluster.path().to_str().unwrap()]);
    let name = "db.prod.svc.cluster.local.";
    let before = program.addresses(name);
    assert_eq!(before.len(), 3);
    let pod = program.addresses("db-0.db.prod.svc.cluster.local.");
    assert_eq!(pod.len(), 1);
    cluster.write("db.yaml", &manifest(5));
    program.ask_until(name, |reply| reply.answers.len() == 5);
    assert!(
        before
            .iter()
            .all(|address| program.addresses(name).contains(address))
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    // A socket that does not share its port.
    let taken = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = Folder::new();
    let text = format!(".:{port} {{\n    bind 127.0.0.1\n}}\n");
    let path = folder.write("Corefile", &text);
    let output = callsign(&["-conf", path.to_str().unwrap()])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(&format!("udp 127.0.0.1:{port}")), "{error}");
}

#[test]
fn the_process_id_is_in_its_file_while_the_process_runs() {
    let folder = Folder::new();
    let pidfile = folder.path().join("pid");
    let path = folder.write("Corefile", ".:0 {\n    bind 127.0.0.1\n}\n");
    let mut program = Program::start(&path, &["-pidfile", pidfile.to_str().unwrap()]);
    let written = std::fs::read_to_string(&pidfile).unwrap();
    assert_eq!(written, format!("{}\n", program.id()));
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
    assert!(!pidfile.exists());
}

#[test]
fn names_are_served_though_the_process_id_cannot_be_written() {
    let folder = Folder::new();
    let path = folder.write("Corefile", ".:0 {\n    bind 127.0.0.1\n    whoami\n}\n");
    let mut program = Program::start(&path, &["-pidfile", "/no/such/folder/pid"]);
    program.wait_said("[ERROR] Could not write pidfile: /no/such/folder/pid");
    let reply = program.ask("a.test.", RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn a_corefile_is_read_from_standard_input() {
    let text = ".:0 {\n    bind 127.0.0.1\n    whoami\n}\n";
    let mut program = Program::spawn(&["-conf", "stdin"], text);
    program.find_port();
    let reply = program.ask("a.test.", RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn a_block_without_plugins_refuses() {
    let folder = Folder::new();
    let program = start(&folder, ".:0 {\n    bind 127.0.0.1\n}\n");
    assert!(is(ResponseCode::Refused)(
        &program.ask("example.org.", RecordType::A)
    ));
}

#[test]
fn pipelined_requests_in_one_segment_are_all_answered() {
    let folder = Folder::new();
    let program = start(&folder, &corefile("cluster.local"));
    let mut stream = TcpStream::connect(program.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..100 {
        send_frame(&mut stream, &question(WEB, RecordType::A));
    }
    for _ in 0..100 {
        let reply = Message::from_vec(&read_frame(&mut stream)).unwrap();
        assert_eq!(reply.answers.len(), 1);
    }
}

#[test]
fn a_connection_that_sends_half_a_request_is_closed() {
    use std::io::{Read, Write};
    let folder = Folder::new();
    let program = start(&folder, &corefile("cluster.local"));
    let mut stream = TcpStream::connect(program.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"\xff\xff\x12").unwrap();
    let started = Instant::now();
    let read = uninterrupted(|| stream.read(&mut [0; 16]));
    assert_eq!(read.unwrap(), 0);
    assert!(started.elapsed() < PATIENCE - Duration::from_secs(1));
}
