//! Stands between the servers and the API server as one who reads what is asked and told: it asks the
//! API server for the same by the same rights, in JSON, and passes on what it is set to pass on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::Api;

/// What is done to requests and to what is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// The bookmark that closes a list as a stream is kept back.
    pub(crate) withhold_end: bool,
    /// All other bookmarks are.
    pub(crate) withhold_bookmarks: bool,
    /// Events of objects whose names start so are lost, once all that there was has been told.
    pub(crate) lose: Option<&'static str>,
    /// Requests are answered with this status, and watches that are open end: 410 to watches that go
    /// on from a version, any other to all.
    pub(crate) refuse: Option<u16>,
}

/// A proxy; it ends with the runtime.
pub(crate) struct Interceptor {
    /// Where it is.
    pub(crate) url: String,
    rules: watch::Sender<Rules>,
}

impl Interceptor {
    /// Starts one, by whose client the API server is asked.
    pub(crate) fn start(api: &Api, client: Client) -> Result<Self, String> {
        let listener = api
            .runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (sender, rules) = watch::channel(Rules::default());
        api.runtime.spawn(accept(listener, Way { client, rules }));
        Ok(Self {
            url: format!("http://{address}"),
            rules: sender,
        })
    }

    /// Sets what is done from now on, to watches that are open too.
    pub(crate) fn set(&self, rules: Rules) {
        self.rules.send_replace(rules);
    }
}

/// The way to the API server.
#[derive(Clone)]
struct Way {
    client: Client,
    rules: watch::Receiver<Rules>,
}

type Told = UnsyncBoxBody<Bytes, Infallible>;

async fn accept(listener: TcpListener, way: Way) {
    while let Ok((connection, _)) = listener.accept().await {
        let way = Arc::new(way.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(way.clone(), request));
            // An error is the client's going away.
            _ = http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

/// An error ends the connection.
async fn answer(way: Arc<Way>, asked: Request<Incoming>) -> Result<Response<Told>, String> {
    let query = asked.uri().query().unwrap_or_default().to_owned();
    let is = |parameter: &str| query.split('&').any(|pair| pair == parameter);
    let is_watch = is("watch=true") || is("watch=1");
    let is_stream = is("sendInitialEvents=true");
    let mut rules = way.rules.clone();
    match rules.borrow_and_update().refuse {
        Some(410) if !is_watch || is_stream => {}
        Some(code) => return Ok(refusal(code)),
        None => {}
    }
    let mut request = Request::new(Body::from(Vec::new()));
    *request.uri_mut() = asked.uri().clone();
    let partial = asked.headers().get(ACCEPT).filter(|accept| {
        let accept = accept.to_str();
        accept.is_ok_and(|accept| accept.contains("as=PartialObjectMetadata"))
    });
    let json = HeaderValue::from_static("application/json");
    let accept = partial.cloned().unwrap_or_else(|| json.clone());
    request.headers_mut().insert(ACCEPT, accept);
    let told = way.client.send(request).await;
    let (mut head, body) = told.map_err(|error| error.to_string())?.into_parts();
    head.headers.clear();
    head.headers.insert(CONTENT_TYPE, json);
    let body = if is_watch && head.status.is_success() {
        let passing = Passing {
            body,
            rules,
            rest: Vec::new(),
            lines: VecDeque::new(),
            is_listed: !is_stream,
            has_ended: false,
        };
        let lines = stream::unfold(passing, |mut passing| async {
            let line = passing.next().await?;
            Some((Ok(Frame::data(line)), passing))
        });
        StreamBody::new(lines).boxed_unsync()
    } else {
        let whole = body.collect().await.map_err(|error| error.to_string())?;
        Full::new(whole.to_bytes()).boxed_unsync()
    };
    Ok(Response::from_parts(head, body))
}

/// A watch that is passed on, line by line.
struct Passing {
    body: Body,
    rules: watch::Receiver<Rules>,
    /// the start of a line
    rest: Vec<u8>,
    lines: VecDeque<Bytes>,
    /// whether all that there was at the start has been told
    is_listed: bool,
    has_ended: bool,
}

impl Passing {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.has_ended {
                return None;
            }
            tokio::select! {
                changed = self.rules.changed() => self.refuse(changed.is_ok()),
                frame = self.body.frame() => match frame {
                    Some(Ok(frame)) => self.take(frame.data_ref().map_or(&[], |bytes| bytes)),
                    _ => self.has_ended = true,
                },
            }
        }
    }

    /// Ends where the rules say so now.
    fn refuse(&mut self, are_there: bool) {
        let refuse = self.rules.borrow_and_update().refuse;
        if refuse == Some(410) {
            let line = json!({"type": "ERROR", "object": status(410)});
            self.lines.push_back(format!("{line}\n").into());
        }
        self.has_ended |= refuse.is_some() || !are_there;
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if self.passes(&line) {
                self.lines.push_back(line.into());
            }
        }
    }

    /// Whether a line is passed on.
    fn passes(&mut self, line: &[u8]) -> bool {
        let rules = *self.rules.borrow();
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let metadata = &line["object"]["metadata"];
        if line["type"] != "BOOKMARK" {
            let name = metadata["name"].as_str().unwrap_or_default();
            let is_lost = rules.lose.is_some_and(|start| name.starts_with(start));
            return !(self.is_listed && is_lost);
        }
        match metadata["annotations"]["k8s.io/initial-events-end"] == "true" {
            true => {
                self.is_listed = true;
                !rules.withhold_end
            }
            false => !rules.withhold_bookmarks,
        }
    }
}

fn status(code: u16) -> Value {
    let (reason, message) = match code {
        403 => ("Forbidden", "the proxy does not allow it"),
        410 => ("Expired", "too old resource version"),
        429 => ("TooManyRequests", "too many requests"),
        _ => ("InternalError", "the proxy cannot do it"),
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

fn refusal(code: u16) -> Response<Told> {
    let mut response = Response::new(Full::new(status(code).to_string().into()).boxed_unsync());
    *response.status_mut() = code.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if code == 429 {
        headers.insert(RETRY_AFTER, 1.into());
    }
    response
}
