use std::sync::Mutex;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;

/// Answers one path with one text, and remembers where it is served.
struct Page {
    path: &'static str,
    body: String,
    bound: Mutex<Option<SocketAddr>>,
}

impl Page {
    fn new(path: &'static str, body: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path,
            body: body.into(),
            bound: Mutex::new(None),
        })
    }

    fn address(&self) -> SocketAddr {
        let mut address = self.bound.lock().unwrap().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        address
    }
}

impl Service for Page {
    fn get(&self, path: &str) -> Option<Response> {
        (path == self.path).then(|| Response::text(200, self.body.clone()))
    }

    fn bound(&self, address: SocketAddr) {
        *self.bound.lock().unwrap() = Some(address);
    }
}

fn endpoint(address: impl ToString, service: &Arc<Page>) -> Endpoint {
    Endpoint {
        address: address.to_string(),
        plugin: "health",
        required: true,
        service: service.clone(),
        guard: None,
    }
}

async fn served(endpoints: Vec<Endpoint>) -> Endpoints {
    let mut all = Endpoints::default();
    let opened = all.bind(endpoints).await.unwrap();
    all.swap(opened);
    all
}

/// Sends a request line and reads all that comes until the server closes.
async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let reply = ask(address, &format!("GET {path}")).await;
    let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = reply
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (status.unwrap(), body.unwrap())
}

#[tokio::test]
async fn known_paths_are_answered_whatever_the_method() {
    let page = Page::new("/health", "OK");
    let _served = served(vec![endpoint("127.0.0.1:0", &page)]).await;
    for (line, status, rest) in [
        ("GET /health", "200 OK", "\r\n\r\nOK"),
        ("GET /health?x=1", "200 OK", "\r\n\r\nOK"),
        ("HEAD /health", "200 OK", "\r\n\r\n"),
        ("GET /", "404 Not Found", "\r\n\r\n404 page not found\n"),
        (
            "GET /healthz",
            "404 Not Found",
            "\r\n\r\n404 page not found\n",
        ),
        ("POST /health", "200 OK", "\r\n\r\nOK"),
        ("OPTIONS /health", "200 OK", "\r\n\r\nOK"),
        ("DELETE /", "404 Not Found", "\r\n\r\n404 page not found\n"),
    ] {
        let reply = ask(page.address(), line).await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{line}: {reply}"
        );
        assert!(reply.ends_with(rest), "{line}: {reply}");
        if status.starts_with("200") {
            assert!(
                reply.contains("content-type: text/plain; charset=utf-8\r\n"),
                "{reply}"
            );
            assert!(reply.contains("content-length: 2\r\n"), "{line}: {reply}");
        }
    }
    let reply = ask(page.address(), "nonsense").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
}

#[tokio::test]
async fn a_long_text_is_compressed_for_who_takes_that() {
    let text = "a line of metrics\n".repeat(100);
    let (page, short) = (Page::new("/metrics", &text), Page::new("/health", "OK"));
    let _served = served(vec![
        endpoint("127.0.0.1:0", &page),
        endpoint("127.0.0.1:0", &short),
    ])
    .await;
    for (page, line, accepted, is_compressed) in [
        (&page, "GET /metrics", "gzip", true),
        (&page, "GET /metrics", "deflate, GZIP;q=0.5", true),
        (&page, "GET /metrics", "gzip;q=0", false),
        (&page, "GET /metrics", "identity", false),
        (&page, "GET /nothing", "gzip", false),
        (&short, "GET /health", "gzip", false),
    ] {
        let mut stream = TcpStream::connect(page.address()).await.unwrap();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        let end = reply.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&reply[..end]).into_owned();
        let told = head.contains("content-encoding: gzip");
        assert_eq!(told, is_compressed, "{line} {accepted}: {head}");
        if is_compressed {
            let mut plain = String::new();
            let mut decoder = flate2::read::GzDecoder::new(&reply[end + 4..]);
            std::io::Read::read_to_string(&mut decoder, &mut plain).unwrap();
            assert_eq!(plain, text);
        }
    }
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let page = Page::new("/health", "OK");
    let _served = served(vec![endpoint("127.0.0.1:0", &page)]).await;
    let mut stream = TcpStream::connect(page.address()).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\nOK") {
            assert!(stream.read_buf(&mut reply).await.unwrap() > 0, "closed");
        }
    }
}

#[tokio::test]
async fn endpoints_of_one_address_share_a_socket() {
    let (health, ready) = (Page::new("/health", "OK"), Page::new("/ready", "no"));
    let all = served(vec![endpoint(":0", &health), endpoint("0.0.0.0:0", &ready)]).await;
    assert_eq!(health.address(), ready.address());
    assert_eq!(get(health.address(), "/health").await, (200, "OK".into()));
    assert_eq!(get(health.address(), "/ready").await, (200, "no".into()));
    assert_eq!(
        all.addresses(),
        [
            ("0.0.0.0:0".to_owned(), all.addresses()[0].1),
            (":0".to_owned(), all.addresses()[0].1),
        ]
    );
}

/// A port, and what keeps others from it: a socket that does not listen.
fn free_port() -> (u16, Socket) {
    let held = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    held.set_only_v6(false).unwrap();
    held.set_reuse_address(true).unwrap();
    let any: SocketAddr = "[::]:0".parse().unwrap();
    held.bind(&any.into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    (address.port(), held)
}

#[tokio::test]
async fn a_single_address_beside_all_addresses_is_served_there_only() {
    let (port, _held) = free_port();
    let (all, one) = (Page::new("/metrics", "all"), Page::new("/one", "one"));
    let _served = served(vec![
        endpoint(format!("127.0.0.1:{port}"), &one),
        endpoint(format!(":{port}"), &all),
    ])
    .await;
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    let other = SocketAddr::from(([127, 0, 0, 2], port));
    assert_eq!(get(v4, "/metrics").await.1, "all");
    assert_eq!(get(v4, "/one").await.1, "one");
    assert_eq!(get(other, "/metrics").await.1, "all");
    assert_eq!(get(other, "/one").await.0, 404);
}

#[tokio::test]
async fn a_reload_keeps_the_socket_and_swaps_the_service() {
    let before = Page::new("/health", "before");
    let mut all = served(vec![endpoint("127.0.0.1:0", &before)]).await;
    let address = before.address();
    let mut kept = TcpStream::connect(address).await.unwrap();
    let after = Page::new("/health", "after");
    let opened = all
        .bind(vec![endpoint("127.0.0.1:0", &after)])
        .await
        .unwrap();
    assert_eq!(
        get(address, "/health").await.1,
        "before",
        "nothing changes before the swap"
    );
    all.swap(opened);
    assert_eq!(after.address(), address);
    assert_eq!(get(address, "/health").await.1, "after");
    kept.write_all(b"GET /health HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut reply = String::new();
    kept.read_to_string(&mut reply).await.unwrap();
    assert!(
        reply.ends_with("after"),
        "an open connection is served on: {reply}"
    );
}

#[tokio::test]
async fn a_reload_goes_from_one_address_to_all_and_back() {
    let (port, _held) = free_port();
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    let other = SocketAddr::from(([127, 0, 0, 2], port));
    let mut all = Endpoints::default();
    for (address, body, on_other) in [
        (format!("127.0.0.1:{port}"), "1", false),
        (format!(":{port}"), "2", true),
        (format!("127.0.0.1:{port}"), "3", false),
        (format!(":{port}"), "4", true),
    ] {
        let page = Page::new("/health", body);
        let opened = all.bind(vec![endpoint(address, &page)]).await.unwrap();
        all.swap(opened);
        // The old socket may have a connection in its queue yet: it is closed by its own task.
        let served = |address| async move {
            match TcpStream::connect(address).await {
                Ok(_) => get(address, "/health").await.0 == 200,
                Err(_) => false,
            }
        };
        while all.tasks.len() > all.sockets.len() {
            tokio::task::yield_now().await;
        }
        assert_eq!(get(v4, "/health").await.1, body);
        assert_eq!(served(other).await, on_other, "{body}");
    }
}

#[tokio::test]
async fn an_address_that_nothing_asks_for_is_closed() {
    let page = Page::new("/health", "OK");
    let (port, _held) = free_port();
    let mut all = served(vec![endpoint(format!("127.0.0.1:{port}"), &page)]).await;
    let opened = all.bind(Vec::new()).await.unwrap();
    all.swap(opened);
    all.tasks.close();
    all.tasks.wait().await;
    assert!(TcpStream::connect(page.address()).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_plugin_and_address() {
    let page = Page::new("/health", "OK");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let all = Endpoints::default();
    let error = all
        .bind(vec![endpoint(address, &page)])
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("plugin/health: cannot listen on {address}: ")),
        "{text}"
    );
    assert!(
        text.ends_with("stop that one, or write another port"),
        "{text}"
    );

    let optional = Endpoint {
        required: false,
        ..endpoint(address, &page)
    };
    let other = endpoint("127.0.0.1:0", &page);
    let opened = all.bind(vec![optional, other]).await.unwrap();
    assert_eq!(opened.failures.len(), 1);
    assert_eq!(opened.listeners.len(), 1);
}

#[tokio::test]
async fn another_server_of_the_same_user_is_found_out() {
    let page = Page::new("/health", "OK");
    let _first = served(vec![endpoint("127.0.0.1:0", &page)]).await;
    let error = Endpoints::default()
        .bind(vec![endpoint(page.address(), &page)])
        .await;
    assert_eq!(
        error.err().unwrap().source.kind(),
        std::io::ErrorKind::AddrInUse
    );
}

#[tokio::test]
async fn addresses_that_mean_nothing_are_refused() {
    let page = Page::new("/health", "OK");
    for (address, reason) in [
        ("localhost", "the port is missing"),
        ("127.0.0.1:x", "the port is no number up to 65535"),
        (":99999", "the port is no number up to 65535"),
        ("192.0.2.1:0", "no interface of this host has this address"),
    ] {
        let error = Endpoints::default()
            .bind(vec![endpoint(address, &page)])
            .await;
        let text = error.err().unwrap().to_string();
        assert!(text.contains(reason), "{address}: {text}");
    }
}

#[tokio::test]
async fn names_and_families_are_read_as_go_reads_them() {
    for (text, address) in [
        (":8080", "[::]:8080"),
        ("0.0.0.0:8080", "[::]:8080"),
        ("[::]:8080", "[::]:8080"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        ("127.0.0.1:", "127.0.0.1:0"),
    ] {
        let resolved = bind::resolve(text).await.unwrap();
        assert_eq!(resolved.to_string(), address, "{text}");
    }
}

#[tokio::test]
async fn stop_ends_idle_connections() {
    let page = Page::new("/health", "OK");
    let all = served(vec![endpoint("127.0.0.1:0", &page)]).await;
    let mut idle = TcpStream::connect(page.address()).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"OK") {
        idle.read_buf(&mut reply).await.unwrap();
    }
    all.stop().await;
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0, "not closed");
}

/// With the clock paused, tokio moves on to the next time-out when nothing else can happen.
#[tokio::test(start_paused = true)]
async fn slow_clients_are_cut_off() {
    // More than the buffers of both ends: a client that does not read stalls the response.
    let page = Page::new("/big", "x".repeat(32 << 20));
    let all = served(vec![endpoint("127.0.0.1:0", &page)]).await;
    for (name, sent, most) in [
        ("says nothing", &b""[..], 6),
        ("sends half a header", b"GET /big HTTP/1.1\r\nHost", 6),
        ("does not read", b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n", 11),
    ] {
        let mut stream = TcpStream::connect(page.address()).await.unwrap();
        stream.write_all(sent).await.unwrap();
        while all.tasks.len() < 2 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        while all.tasks.len() > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let waited = start.elapsed();
        let least = Duration::from_secs(4);
        assert!(
            waited > least && waited <= Duration::from_secs(most),
            "{name}: {waited:?}"
        );
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let page = Page::new("/health", "OK");
    let mut all = Endpoints {
        connections: Arc::new(Semaphore::new(2)),
        ..Endpoints::default()
    };
    let opened = all
        .bind(vec![endpoint("127.0.0.1:0", &page)])
        .await
        .unwrap();
    all.swap(opened);
    let address = page.address();
    let held = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    while all.tasks.len() < 3 {
        tokio::task::yield_now().await;
    }
    let third = tokio::spawn(get(address, "/health"));
    drop(held);
    assert_eq!(third.await.unwrap(), (200, "OK".into()));
}
