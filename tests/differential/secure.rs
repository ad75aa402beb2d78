//! The client's side of DNS over HTTPS and over QUIC, and the certificate that servers show it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::client::Request;
use crate::connection::{Received, take_message};
use crate::wire::words;

/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The server's name in its certificate.
const NAME: &str = "127.0.0.1";
/// The content type of a message.
const MESSAGE: &str = "application/dns-message";

/// Writes `cert.pem`, `key.pem` and the `ca.pem` that signed the one.
pub(crate) fn certificate(folder: &Path) -> Result<(), String> {
    let text = |error: rcgen::Error| error.to_string();
    let mut authority = CertificateParams::new(Vec::new()).map_err(text)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(text)?;
    let authority = CertifiedIssuer::self_signed(authority, key).map_err(text)?;
    let key = KeyPair::generate().map_err(text)?;
    let own = CertificateParams::new(vec![NAME.to_owned()]).map_err(text)?;
    let own = own.signed_by(&key, &authority).map_err(text)?;
    for (name, content) in [
        ("ca.pem", authority.pem()),
        ("cert.pem", own.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), content).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// TLS that trusts the folder's `ca.pem`.
pub(crate) fn tls(folder: &Path, protocol: &str) -> Result<ClientConfig, String> {
    let authority = CertificateDer::from_pem_file(folder.join("ca.pem"));
    let authority = authority.map_err(|error| format!("ca.pem: {error}"))?;
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Ok(tls)
}

fn wait<T>(exchange: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await });
    ended.map_err(|_| "no reply".to_owned())?
}

/// `METHOD PATH [NAME TYPE OPTIONS|bytes HEX...] [+http1] [+clear] [+user=NAME:PASSWORD] [+host=NAME]`:
/// the response's lines. With `+host`, once or more, these are the Host headers.
pub(crate) fn https(text: &str, to: SocketAddr, folder: &Path) -> Result<Vec<String>, String> {
    let all = words(text);
    let (http1, clear) = (all.contains(&"+http1"), all.contains(&"+clear"));
    let user = all.iter().find_map(|word| word.strip_prefix("+user="));
    let hosts = all.iter().filter_map(|word| word.strip_prefix("+host="));
    let hosts: Vec<&str> = hosts.collect();
    let is_option = |word: &str| {
        ["+http1", "+clear"].contains(&word)
            || word.starts_with("+user=")
            || word.starts_with("+host=")
    };
    let mut rest = all.iter().filter(|word| !is_option(word));
    let (Some(method), Some(path)) = (rest.next(), rest.next()) else {
        return Err("expected METHOD PATH".to_owned());
    };
    let rest: Vec<&str> = rest.copied().collect();
    let request = match rest.split_first() {
        None => Request::new(to),
        Some((&"bytes", bytes)) => Request::packet(&bytes.join(" "), to)?,
        Some(_) => Request::query(&rest.join(" "), to)?,
    };
    let (mut path, mut body) = ((*path).to_owned(), request.bytes.clone());
    if *method == "GET" && !rest.is_empty() {
        let encoded = data_encoding::BASE64URL_NOPAD.encode(&body);
        (path, body) = (format!("{path}?dns={encoded}"), Vec::new());
    }
    let mut asked = hyper::Request::builder();
    if let Some(user) = user {
        let login = data_encoding::BASE64.encode(user.as_bytes());
        asked = asked.header("authorization", format!("Basic {login}"));
    }
    let address = to.to_string();
    for host in if hosts.is_empty() {
        vec![address.as_str()]
    } else {
        hosts
    } {
        // `+host=` alone is none at all.
        asked = if host.is_empty() {
            asked
        } else {
            asked.header("host", host)
        };
    }
    let asked = asked
        .method(*method)
        .uri(if http1 {
            path
        } else {
            format!("https://{to}{path}")
        })
        .header("content-type", MESSAGE)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let tls = tls(folder, if http1 { "http/1.1" } else { "h2" })?;
    let response = match wait(exchange(asked, to, (!clear).then_some(tls), http1)) {
        // Nobody has to speak HTTP/2 in the clear.
        Err(_) if clear && !http1 => return Ok(vec!["no response".to_owned()]),
        response => response?,
    };
    let (head, body) = response.into_parts();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("none").to_owned()
    };
    let kind = header("content-type");
    if kind == MESSAGE {
        let mut lines = vec![format!(
            "{} {kind} {}",
            head.status.as_u16(),
            header("cache-control")
        )];
        lines.extend(Received::Message(body).lines(&request));
        return Ok(lines);
    }
    let mut lines = vec![format!("{} {kind}", head.status.as_u16())];
    let body = String::from_utf8_lossy(&body).into_owned();
    lines.extend(
        body.lines()
            .map(|line| format!("| {line}").trim_end().to_owned()),
    );
    Ok(lines)
}

trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Io for T {}

async fn exchange(
    request: hyper::Request<Full<Bytes>>,
    to: SocketAddr,
    tls: Option<ClientConfig>,
    http1: bool,
) -> Result<hyper::Response<Vec<u8>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("to {to}: {error}");
    let stream = tokio::net::TcpStream::connect(to).await;
    let stream = stream.map_err(|error| wrong(&error))?;
    let stream: Box<dyn Io> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from(NAME).map_err(|error| wrong(&error))?;
            let stream = TlsConnector::from(Arc::new(tls))
                .connect(name, stream)
                .await;
            Box::new(stream.map_err(|error| wrong(&error))?)
        }
    };
    let io = TokioIo::new(stream);
    let response = if http1 {
        let (mut sender, connection) = http1::handshake(io).await.map_err(|error| wrong(&error))?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.map_err(|error| wrong(&error))?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let (head, body) = response.map_err(|error| wrong(&error))?.into_parts();
    let body = body.collect().await.map_err(|error| wrong(&error))?;
    Ok(hyper::Response::from_parts(head, body.to_bytes().to_vec()))
}

/// `NAME TYPE OPTIONS`, with the id 0 unless one is given, or `bytes HEX...` for all of a stream:
/// the reply's lines, `reset CODE` or `closed CODE`; and `stopped CODE` where the server did not want
/// the rest of it. With `+unfinished` the stream is ended after the reply.
pub(crate) fn quic(text: &str, to: SocketAddr, folder: &Path) -> Result<Vec<String>, String> {
    let unfinished = text.ends_with(" +unfinished");
    let text = text.trim_end_matches(" +unfinished");
    let (request, sent) = match text.strip_prefix("bytes ") {
        Some(bytes) => {
            let request = Request::packet(bytes, to)?;
            let sent = request.bytes.clone();
            (request, sent)
        }
        None => {
            let id = if text.contains("+id=") { "" } else { " +id=0" };
            let request = Request::query(&format!("{text}{id}"), to)?;
            let length = u16::try_from(request.bytes.len()).map_err(|error| error.to_string())?;
            let sent = [&length.to_be_bytes()[..], &request.bytes].concat();
            (request, sent)
        }
    };
    let tls = tls(folder, "doq")?;
    match wait(ask(&sent, unfinished, to, tls))? {
        Answer::Reset(code) => Ok(vec![format!("reset {code}")]),
        Answer::Closed(code) => Ok(vec![format!("closed {code}")]),
        Answer::Stream(mut stream, stopped) => {
            let stopped = stopped.map(|code| format!("stopped {code}"));
            let mut lines: Vec<String> = stopped.into_iter().collect();
            while let Some(message) = take_message(&mut stream) {
                lines.extend(Received::Message(message).lines(&request));
            }
            if lines.is_empty() {
                lines.push("nothing".to_owned());
            }
            Ok(lines)
        }
    }
}

/// What came of a stream.
enum Answer {
    Stream(Vec<u8>, Option<u64>),
    Reset(u64),
    Closed(u64),
}

async fn ask(
    sent: &[u8],
    unfinished: bool,
    to: SocketAddr,
    tls: ClientConfig,
) -> Result<Answer, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("to {to}: {error}");
    let tls = QuicClientConfig::try_from(tls).map_err(|error| wrong(&error))?;
    let endpoint = quinn::Endpoint::client(([0, 0, 0, 0], 0).into());
    let endpoint = endpoint.map_err(|error| wrong(&error))?;
    let settings = quinn::ClientConfig::new(Arc::new(tls));
    let connecting = endpoint.connect_with(settings, to, NAME);
    let connection = connecting.map_err(|error| wrong(&error))?.await;
    let connection = connection.map_err(|error| wrong(&error))?;
    let (mut send, mut receive) = connection.open_bi().await.map_err(|error| wrong(&error))?;
    send.write_all(sent).await.map_err(|error| wrong(&error))?;
    if !unfinished {
        send.finish().map_err(|error| wrong(&error))?;
    }
    let closed = |error: &quinn::ConnectionError| match error {
        quinn::ConnectionError::ApplicationClosed(closed) => {
            Ok(Answer::Closed(closed.error_code.into_inner()))
        }
        other => Err(wrong(other)),
    };
    match receive.read_to_end(1 << 20).await {
        Ok(stream) => {
            let _ = send.finish();
            let stopped = send.stopped().await.ok().flatten();
            Ok(Answer::Stream(
                stream,
                stopped.map(quinn::VarInt::into_inner),
            ))
        }
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
            Ok(Answer::Reset(code.into_inner()))
        }
        Err(quinn::ReadToEndError::Read(quinn::ReadError::ConnectionLost(lost))) => closed(&lost),
        Err(error) => Err(wrong(&error)),
    }
}
