//! Lists, refusals, and the faults that a request meets.

use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asked::{self, Asked};
use super::protobuf;
use super::watch::Watch;
use super::{Api, Refusal, Resource, Seen, Shared, State};

/// The body of a response.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A connection that a request comes on.
#[derive(Clone)]
pub(super) struct Connection {
    number: u64,
    /// Cancelled when the connection is closed from this side.
    pub(super) closed: CancellationToken,
}

/// A status other than 200.
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    retry_after: Option<u64>,
}

impl Api {
    /// Answers a request as if it came on a connection of its own.
    ///
    /// # Errors
    /// The connection was refused or cut.
    pub(crate) fn respond<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = std::io::Result<Response<Body>>> + Send + use<B> {
        let shared = self.shared.clone();
        let seen = seen(request);
        let asked = read(request);
        let token = asked::token(request).map(str::to_owned);
        async move {
            let connection = shared.connect()?;
            shared.respond(connection, seen, asked, token).await
        }
    }
}

impl Shared {
    pub(super) fn connect(&self) -> std::io::Result<Connection> {
        self.change(|state| {
            if state.is_down {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            state.connections += 1;
            Ok(Connection {
                number: state.connections,
                closed: state.era.clone(),
            })
        })
    }

    /// Answers a request of a connection.
    pub(super) async fn answer<B>(
        self: Arc<Self>,
        connection: Connection,
        request: Request<B>,
    ) -> std::io::Result<Response<Body>> {
        let (seen, asked) = (seen(&request), read(&request));
        let token = asked::token(&request).map(str::to_owned);
        self.respond(connection, seen, asked, token).await
    }

    async fn respond(
        self: Arc<Self>,
        connection: Connection,
        mut seen: Seen,
        asked: Result<Asked, Status>,
        token: Option<String>,
    ) -> std::io::Result<Response<Body>> {
        if self.is_silent(&connection) {
            self.change(|state| state.requests.push(seen));
            connection.closed.cancelled().await;
            return Err(cut());
        }
        let delay = self.state().faults.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let asked = asked.map(|mut asked| {
            asked.is_protobuf &= !self.state().faults.no_protobuf;
            asked
        });
        let is_protobuf = asked.as_ref().is_ok_and(|asked| asked.is_protobuf);
        let answer = match asked {
            Ok(asked) => self
                .change(|state| state.answer(&asked, token))
                .map(|list| (asked, list)),
            Err(status) => Err(status),
        };
        let response = match answer {
            Ok((_, Some(list))) => response(200, is_protobuf, list),
            Ok((asked, None)) => {
                let body = Watch::start(self.clone(), connection, asked);
                with_type(Response::new(body), is_protobuf)
            }
            Err(status) => status.response(is_protobuf),
        };
        seen.status = response.status().as_u16();
        self.change(|state| state.requests.push(seen));
        Ok(response)
    }

    /// Whether a connection hears nothing.
    pub(super) fn is_silent(&self, connection: &Connection) -> bool {
        let state = self.state();
        state.faults.silent || connection.number < state.frozen
    }
}

impl State {
    /// The list that is asked for, or nothing where it is a watch.
    fn answer(&mut self, asked: &Asked, token: Option<String>) -> Result<Option<Vec<u8>>, Status> {
        if self.faults.token.is_some() && self.faults.token != token {
            return Err(Status::new(401, "Unauthorized", "Unauthorized"));
        }
        self.limit()?;
        self.refuse(asked)?;
        if !asked.is_watch {
            return self.list(asked).map(Some);
        }
        let is_stream = asked.is("sendInitialEvents");
        if is_stream && self.faults.no_streams {
            let message = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch \
                           unless the WatchList feature gate is enabled";
            return Err(Status::new(422, "Invalid", message));
        }
        if is_stream && asked.value("resourceVersionMatch") != "NotOlderThan" {
            let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting \
                           resourceVersionMatch to NotOlderThan";
            return Err(Status::new(422, "Invalid", message));
        }
        self.not_newer(asked)?;
        Ok(None)
    }

    /// Counts a request, where so many are answered in a second.
    fn limit(&mut self) -> Result<(), Status> {
        let Some(most) = self.faults.most_per_second else {
            return Ok(());
        };
        if self.second.0.elapsed().as_secs() > 0 {
            self.second = (Instant::now(), 0);
        }
        if self.second.1 >= most {
            return Err(Status::too_many(1));
        }
        self.second.1 += 1;
        Ok(())
    }

    fn refuse(&mut self, asked: &Asked) -> Result<(), Status> {
        if self.faults.refuse_watches_alone && !asked.is_watch {
            return Ok(());
        }
        let Some(refusal) = self.faults.refused.get_mut(&asked.resource) else {
            return Ok(());
        };
        let (group, _, name, _) = asked.resource.parts();
        Err(match refusal {
            Refusal::Forbidden => {
                let verb = if asked.is_watch { "watch" } else { "list" };
                let message = format!(
                    "{name} is forbidden: User \"system:serviceaccount:kube-system:coredns\" cannot \
                     {verb} resource \"{name}\" in API group \"{group}\" at the cluster scope"
                );
                Status::new(403, "Forbidden", message)
            }
            Refusal::Gone if asked.is_watch => gone(),
            Refusal::Gone => return Ok(()),
            Refusal::TooMany { times: 0, .. } => return Ok(()),
            Refusal::TooMany { wait, times } => {
                *times -= 1;
                Status::too_many(wait.as_secs())
            }
            Refusal::Broken => Status::new(500, "InternalError", "etcdserver: no leader"),
            Refusal::Unavailable => Status::new(503, "ServiceUnavailable", "not yet"),
            Refusal::Unknown => unknown(),
        })
    }

    fn list(&self, asked: &Asked) -> Result<Vec<u8>, Status> {
        self.not_newer(asked)?;
        let (version, after) = match asked.value("continue").split_once(':') {
            Some((version, after)) => (version.parse().unwrap_or_default(), after.to_owned()),
            None => (self.version_of(asked), String::new()),
        };
        if !self.objects.remembers(version) {
            return Err(gone());
        }
        let all = self.objects.at(asked.resource, version);
        let name =
            |(_, namespace, name): &(Resource, String, String)| format!("{namespace}/{name}");
        let mut items = all
            .iter()
            .filter(|(key, object)| asked.wants(object) && (after.is_empty() || name(key) > after))
            .peekable();
        let limit = asked.number("limit").filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let mut page = Vec::new();
        let mut last = String::new();
        while page.len() < limit.unwrap_or(usize::MAX)
            && let Some((key, object)) = items.next()
        {
            last = name(key);
            page.push(item(object, asked));
        }
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if items.peek().is_some() {
            metadata["continue"] = json!(format!("{version}:{last}"));
            metadata["remainingItemCount"] = json!(items.count());
        }
        if asked.is_protobuf {
            return Ok(protobuf::list(asked.resource, &metadata, &page));
        }
        let (api_version, kind) = if asked.is_partial {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata")
        } else {
            (asked.resource.api_version(), asked.resource.kind())
        };
        // In the order in which an API server writes it: who reads it relies on that.
        let items = Value::from(page);
        Ok(format!(
            r#"{{"kind":"{kind}List","apiVersion":"{api_version}","metadata":{metadata},"items":{items}}}"#
        )
        .into_bytes())
    }

    /// The version that a list is of.
    fn version_of(&self, asked: &Asked) -> u64 {
        let exact = asked.value("resourceVersionMatch") == "Exact";
        match asked.number("resourceVersion") {
            Some(version) if exact => version,
            _ => self.objects.version().saturating_sub(self.faults.behind),
        }
    }

    /// A version from the future is none that can be told of.
    fn not_newer(&self, asked: &Asked) -> Result<(), Status> {
        let version = asked.number("resourceVersion").unwrap_or_default();
        let own = match asked.is("sendInitialEvents") {
            true => self.objects.version().saturating_sub(self.faults.behind),
            false => self.objects.version(),
        };
        if version <= own {
            return Ok(());
        }
        let message = format!("Too large resource version: {version}, current: {own}");
        let mut status = Status::new(504, "Timeout", message);
        status.retry_after = Some(1);
        Err(status)
    }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            retry_after: None,
        }
    }

    fn too_many(seconds: u64) -> Self {
        let mut status = Self::new(429, "TooManyRequests", "too many requests");
        status.retry_after = Some(seconds);
        status
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(seconds) = self.retry_after {
            body["details"] = json!({"retryAfterSeconds": seconds});
        }
        body
    }

    fn response(&self, is_protobuf: bool) -> Response<Body> {
        let body = match is_protobuf {
            true => protobuf::status(&self.body()),
            false => self.body().to_string().into_bytes(),
        };
        let mut response = response(self.code, is_protobuf, body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What a watch of a version that is forgotten is told.
pub(super) fn gone_body() -> Value {
    gone().body()
}

fn gone() -> Status {
    Status::new(410, "Expired", "too old resource version")
}

fn unknown() -> Status {
    let message = "the server could not find the requested resource";
    Status::new(404, "NotFound", message)
}

/// The error of a connection that is closed from this side.
pub(super) fn cut() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

/// An object as it stands in a list.
fn item(object: &Value, asked: &Asked) -> Value {
    if asked.is_partial {
        return partial(object);
    }
    let mut item = object.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

/// An object's metadata alone.
pub(super) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

fn seen<B>(request: &Request<B>) -> Seen {
    let asked = read(request).ok();
    let target = request.uri().path_and_query();
    Seen {
        at: Instant::now(),
        method: request.method().to_string(),
        target: target.map(ToString::to_string).unwrap_or_default(),
        resource: asked.as_ref().map(|asked| asked.resource),
        is_watch: asked.as_ref().is_some_and(|asked| asked.is_watch),
        is_partial: asked.as_ref().is_some_and(|asked| asked.is_partial),
        status: 0,
    }
}

/// Only lists and watches are answered: that is what the role of a DNS server allows.
fn read<B>(request: &Request<B>) -> Result<Asked, Status> {
    let path = request.uri().path();
    let Some((resource, namespace)) = Resource::of_path(path) else {
        let message = format!("forbidden: nothing but lists and watches, not {path}");
        return Err(Status::new(403, "Forbidden", message));
    };
    if request.method() != Method::GET {
        return Err(Status::new(403, "Forbidden", "forbidden: read only"));
    }
    let asked = Asked::read(resource, namespace, request);
    asked.map_err(|error| Status::new(400, "BadRequest", error))
}

fn response(code: u16, is_protobuf: bool, body: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(body));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = code.try_into().unwrap_or_default();
    with_type(response, is_protobuf)
}

fn with_type(mut response: Response<Body>, is_protobuf: bool) -> Response<Body> {
    let text = match is_protobuf {
        true => "application/vnd.kubernetes.protobuf",
        false => "application/json",
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
    response
}
