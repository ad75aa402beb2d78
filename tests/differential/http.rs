//! One HTTP request: the status, the content type and the body.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An HTTP answer.
pub(crate) struct Response {
    /// The status and the content type, as an expectation has them.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// Fetches `HOST:PORT/PATH`; nothing where the connection is refused.
pub(crate) fn get(url: &str) -> Result<Option<Response>, String> {
    ask(url, "GET", "")
}

/// Asks for `HOST:PORT/PATH` by a method and with more header lines.
pub(crate) fn ask(url: &str, method: &str, headers: &str) -> Result<Option<Response>, String> {
    let (address, path) = url
        .split_once('/')
        .ok_or_else(|| format!("`{url}`: expected HOST:PORT/PATH"))?;
    let mut stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(format!("{address}: {error}")),
    };
    let wrong = |error: std::io::Error| format!("{url}: {error}");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .map_err(wrong)?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(wrong)?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).map_err(wrong)?;
    parse(&String::from_utf8_lossy(&received))
        .map(Some)
        .map_err(|problem| format!("{url}: {problem}"))
}

fn parse(text: &str) -> Result<Response, String> {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or("the answer has no end of headers")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .ok_or("no status line")?;
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let chunked =
        header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let content_type = header("content-type").unwrap_or("no content type");
    if let Some(coding) = header("content-encoding") {
        // Its bytes are no text, and no two servers compress alike.
        return Ok(Response {
            head: format!("{status} {content_type}, {coding}"),
            body: String::new(),
        });
    }
    Ok(Response {
        head: format!("{status} {content_type}"),
        body: if chunked {
            unchunked(body)?
        } else {
            body.to_owned()
        },
    })
}

fn unchunked(mut body: &str) -> Result<String, String> {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16)
            .map_err(|error| format!("chunk size `{size}`: {error}"))?;
        if size == 0 {
            break;
        }
        out.push_str(rest.get(..size).ok_or("a chunk is cut")?);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    Ok(out)
}
