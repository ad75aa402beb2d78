//! Stop and reload of the listeners with TLS: over TLS itself, over HTTPS and over QUIC.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::program::{Folder, PATIENCE, PAUSE, Program, Steady, question};

const KINDS: [&str; 3] = ["tls", "https", "quic"];

/// Writes `cert.pem` and `key.pem` for this machine.
fn certificate(folder: &Folder) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    folder.write("cert.pem", &certificate.pem());
    folder.write("key.pem", &key.serialize_pem());
}

/// A block of one kind that asks this upstream, with one more line.
fn corefile(kind: &str, folder: &Path, upstream: &UdpSocket, line: &str) -> String {
    let (folder, upstream) = (folder.display(), upstream.local_addr().unwrap());
    format!(
        "{kind}://.:0 {{\n    bind 127.0.0.1\n    tls {folder}/cert.pem {folder}/key.pem\n    \
         hosts {{\n        192.0.2.1 here.test\n        fallthrough\n    }}\n    \
         forward . {upstream} {{\n        prefer_udp\n        read_timeout 4s\n    }}\n    {line}\n}}\n"
    )
}

/// A connection that takes a question at a time; over HTTPS and QUIC several.
#[derive(Clone)]
enum Client {
    Tls(Arc<tokio::sync::Mutex<TlsStream<TcpStream>>>),
    Https(http2::SendRequest<Full<Bytes>>, SocketAddr),
    Quic(quinn::Connection),
}

type Wrong = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    async fn open(kind: &str, to: SocketAddr, folder: &Path) -> Result<Self, Wrong> {
        let tls = tls(kind, folder);
        let name = ServerName::try_from("127.0.0.1").unwrap();
        if kind == "quic" {
            let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into())?;
            let settings = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
            let connection = endpoint.connect_with(settings, to, "127.0.0.1")?.await?;
            return Ok(Self::Quic(connection));
        }
        let stream = TcpStream::connect(to).await?;
        let connector = TlsConnector::from(Arc::new(tls));
        let stream = connector.connect(name, stream).await?;
        if kind == "tls" {
            return Ok(Self::Tls(Arc::new(tokio::sync::Mutex::new(stream))));
        }
        let executor = TokioExecutor::new();
        let (sender, connection) = http2::handshake(executor, TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Https(sender, to))
    }

    async fn ask(&self, name: &str) -> Result<Message, Wrong> {
        let mut asked = question(name, RecordType::A);
        if let Self::Quic(_) = self {
            asked[..2].fill(0);
        }
        let framed = [&u16::try_from(asked.len())?.to_be_bytes(), &asked[..]].concat();
        let reply = match self {
            Self::Tls(stream) => {
                let mut stream = stream.lock().await;
                stream.write_all(&framed).await?;
                let length = stream.read_u16().await?;
                let mut reply = vec![0; length.into()];
                stream.read_exact(&mut reply).await?;
                reply
            }
            Self::Https(sender, to) => {
                let request = hyper::Request::post(format!("https://{to}/dns-query"))
                    .header("content-type", "application/dns-message")
                    .body(Full::new(Bytes::from(asked)))?;
                let response = sender.clone().send_request(request).await?;
                response.into_body().collect().await?.to_bytes().to_vec()
            }
            Self::Quic(connection) => {
                let (mut send, mut receive) = connection.open_bi().await?;
                send.write_all(&framed).await?;
                send.finish()?;
                receive.read_to_end(65_537).await?.split_off(2)
            }
        };
        Ok(Message::from_vec(&reply)?)
    }
}

fn tls(kind: &str, folder: &Path) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    let protocol: &[u8] = match kind {
        "tls" => b"dot",
        "https" => b"h2",
        _ => b"doq",
    };
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls
}

/// Takes the query that the server sends its upstream, and gives what answers it.
fn take(upstream: &UdpSocket) -> impl FnOnce() + use<'_> {
    let mut query = [0; 512];
    upstream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (length, server) = upstream.recv_from(&mut query).unwrap();
    let mut reply = query[..length].to_vec();
    reply[2] |= 0x80;
    move || {
        upstream.send_to(&reply, server).unwrap();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A question is under way when the server is told to stop, and still when its listeners close.
#[test]
fn what_is_under_way_is_answered_at_the_stop() {
    for kind in KINDS {
        let (folder, upstream) = (Folder::new(), UdpSocket::bind("127.0.0.1:0").unwrap());
        certificate(&folder);
        let text = corefile(kind, folder.path(), &upstream, "");
        let path = folder.write("Corefile", &text);
        let mut program = Program::start(&path, &["--drain", "30"]);
        let runtime = runtime();
        let opened = Client::open(kind, program.address, folder.path());
        let client = runtime.block_on(opened).unwrap();
        let asking = client.clone();
        let begun = Instant::now();
        let asked = runtime.spawn(async move { asking.ask("away.test.").await });
        let answer = take(&upstream);
        program.signal("TERM");
        program.wait_line(|line| line.contains("SIGTERM: Shutting down"));
        // A second without a question: the listeners close with this one open.
        std::thread::sleep(Duration::from_millis(1500));
        answer();
        // No upstream is waited for as long as this, and then the machine has let it pass.
        let is_late = begun.elapsed() > Duration::from_secs(4);
        let reply = runtime.block_on(asked).unwrap();
        let reply = reply.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(
            is_late || reply.metadata.response_code == 0.into(),
            "{kind}: {reply}"
        );
        assert_eq!(program.wait().code(), Some(0), "{kind}");
    }
}

/// While somebody asks at least once a second, new connections are taken and all are answered.
#[test]
fn who_still_comes_is_answered_at_the_stop() {
    for kind in KINDS {
        let (folder, upstream) = (Folder::new(), UdpSocket::bind("127.0.0.1:0").unwrap());
        certificate(&folder);
        let path = folder.write("Corefile", &corefile(kind, folder.path(), &upstream, ""));
        let mut program = Program::start(&path, &["--drain", "60"]);
        let runtime = runtime();
        let address = program.address;
        let ask = |sent: &dyn Fn()| {
            runtime.block_on(async {
                let client = Client::open(kind, address, folder.path()).await;
                let client = client.map_err(|error| format!("{kind}: {error}"))?;
                sent();
                let reply = client.ask("here.test.").await;
                reply.map_err(|error| format!("{kind}: {error}"))
            })
        };
        let mut steady = Steady::begin();
        steady.ask(ask).unwrap();
        program.signal("TERM");
        for _ in 0..20 {
            match steady.ask(ask) {
                Some(reply) => assert_eq!(reply.answers.len(), 1, "{kind}"),
                None => break,
            }
        }
        assert_eq!(program.wait().code(), Some(0), "{kind}");
    }
}

/// Reloads that change the block and the certificate, and one that takes the listener away, under
/// questions on one connection and on new ones.
#[test]
fn no_question_is_lost_at_a_reload() {
    for kind in KINDS {
        let (folder, upstream) = (Folder::new(), UdpSocket::bind("127.0.0.1:0").unwrap());
        certificate(&folder);
        let text = |line: &str| corefile(kind, folder.path(), &upstream, line);
        let path = folder.write("Corefile", &text(""));
        let mut program = Program::start(&path, &[]);
        let runtime = runtime();
        let (address, stop) = (program.address, Arc::new(AtomicBool::new(false)));
        let opened = Client::open(kind, address, folder.path());
        let client = runtime.block_on(opened).unwrap();
        let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let askers = [Some(client.clone()), None].into_iter().zip(&counts);
        let askers: Vec<_> = askers
            .map(|(client, count)| {
                let (folder, count) = (folder.path().to_owned(), count.clone());
                let stop = stop.clone();
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let client = match &client {
                            Some(client) => client.clone(),
                            None => Client::open(kind, address, &folder).await?,
                        };
                        let reply = client.ask("here.test.").await?;
                        assert_eq!(reply.answers.len(), 1);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), Wrong>(())
                })
            })
            .collect();
        for line in ["errors", "", "loadbalance", "debug"] {
            let before = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
            folder.write("Corefile", &text(line));
            program.signal("USR1");
            program.wait_line(|line| line.contains("Reloading complete"));
            // Both kinds of askers go on.
            let all = || counts.iter().zip(before);
            while all().any(|(count, before)| count.load(Ordering::Relaxed) == before)
                && askers.iter().all(|asker| !asker.is_finished())
            {
                std::thread::sleep(PAUSE);
            }
        }
        stop.store(true, Ordering::Relaxed);
        for asker in askers {
            let asked = runtime.block_on(asker).unwrap();
            asked.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        // A question is under way when the listener goes.
        let asked = runtime.spawn(async move { client.ask("away.test.").await });
        let answer = take(&upstream);
        folder.write(
            "Corefile",
            "other.test:0 {\n    bind 127.0.0.1\n    whoami\n}\n",
        );
        program.signal("USR1");
        program.wait_line(|line| line.contains("Reloading complete"));
        answer();
        let reply = runtime.block_on(asked).unwrap();
        let reply = reply.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(reply.metadata.response_code, 0.into(), "{kind}");
    }
}
