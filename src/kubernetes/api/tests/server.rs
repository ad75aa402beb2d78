//! The server that a test plays, without a socket, so that time can stand still.

use std::sync::Arc;

use futures_util::stream;
use http_body_util::StreamBody;
use hyper::Response;
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tower::BoxError;

use crate::kubernetes::api::connection::Connection;
use crate::kubernetes::api::link::Link;
use crate::kubernetes::api::metrics::Metrics;

type Piece = Result<Frame<Bytes>, BoxError>;
type Answered = Result<Response<Answering>, BoxError>;
type Answering = StreamBody<stream::BoxStream<'static, Piece>>;

/// Requests, in their order.
pub(super) struct Server(mpsc::UnboundedReceiver<Request>);

/// A request that waits.
pub(super) struct Request {
    pub(super) path: String,
    /// `name=value`, as sent
    pub(super) query: Vec<String>,
    reply: oneshot::Sender<Answered>,
}

/// An answer that goes on until it is ended, or dropped.
pub(super) struct Answer(mpsc::UnboundedSender<Piece>);

impl Server {
    /// A server and the link to it.
    pub(super) fn new(metrics: Arc<Metrics>) -> (Self, Link) {
        let (sender, requests) = mpsc::unbounded_channel();
        let link = Link::by(move || {
            let sender = sender.clone();
            let service = tower::service_fn(move |asked: hyper::Request<Body>| {
                let (reply, replied) = oneshot::channel();
                let query = asked.uri().query().unwrap_or_default().split('&');
                let request = Request {
                    path: asked.uri().path().to_owned(),
                    query: query.map(str::to_owned).collect(),
                    reply,
                };
                let is_up = sender.send(request).is_ok();
                async move {
                    match replied.await {
                        Ok(answered) if is_up => answered,
                        _ => Err("connection reset".into()),
                    }
                }
            });
            let client = Client::new(service, "default");
            Ok(Connection::of(client, None, metrics.requests("api")))
        });
        (Self(requests), link)
    }

    pub(super) async fn next(&mut self) -> Request {
        self.0.recv().await.expect("a request")
    }

    /// Nobody asks any more.
    pub(super) async fn unasked(mut self) {
        assert!(self.0.recv().await.is_none());
    }
}

impl Request {
    /// It is asked with this parameter, `name=value`.
    #[track_caller]
    pub(super) fn assert_with(&self, parameter: &str) {
        let is_there = self.query.iter().any(|asked| asked == parameter);
        assert!(is_there, "{parameter}: {:?}", self.query);
    }

    /// Answers, piece by piece.
    pub(super) fn answer(self) -> Answer {
        let (sender, pieces) = mpsc::unbounded_channel();
        self.reply(200, &[], pieces);
        Answer(sender)
    }

    /// Answers with this, and no more.
    pub(super) fn give(self, text: &str) {
        self.answer().send(text);
    }

    /// Answers with an error of the API.
    pub(super) fn refuse(self, code: u16, message: &str, headers: &[(&str, &str)]) {
        let (sender, pieces) = mpsc::unbounded_channel();
        self.reply(code, headers, pieces);
        Answer(sender).send(&error(code, message).to_string());
    }

    /// Ends the connection.
    pub(super) fn break_off(self) {
        drop(self.reply);
    }

    fn reply(self, code: u16, headers: &[(&str, &str)], pieces: mpsc::UnboundedReceiver<Piece>) {
        let body = stream::unfold(pieces, async |mut pieces| {
            pieces.recv().await.map(|piece| (piece, pieces))
        });
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(StreamBody::new(Box::pin(body) as _)).unwrap();
        // Whoever asked may have gone away.
        let _ = self.reply.send(Ok(response));
    }
}

impl Answer {
    /// A line.
    pub(super) fn send(&self, line: &str) {
        let bytes = Bytes::from(format!("{line}\n"));
        let _ = self.0.send(Ok(Frame::data(bytes)));
    }

    /// Ends as it should.
    pub(super) fn end(self) {}

    /// Breaks.
    pub(super) fn fail(self) {
        let _ = self.0.send(Err("connection reset".into()));
    }

    /// Neither ends nor says anything.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

/// A Service, at a version.
pub(super) fn service(name: &str, version: usize) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "a", "resourceVersion": version.to_string()},
        "spec": {"clusterIP": "10.96.0.1"},
    })
}

/// An error of the API.
pub(super) fn error(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "code": code, "message": message, "metadata": {}})
}

/// A line of a watch.
pub(super) fn line(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string()
}

/// A bookmark.
pub(super) fn bookmark(version: u64) -> String {
    line(
        "BOOKMARK",
        &json!({"metadata": {"resourceVersion": version.to_string()}}),
    )
}

/// The bookmark that closes a list.
pub(super) fn closing(version: u64) -> String {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    let metadata = json!({"resourceVersion": version.to_string(), "annotations": annotations});
    line("BOOKMARK", &json!({"metadata": metadata}))
}

/// A page of a list.
pub(super) fn page(version: u64, next: &str, items: &[Value]) -> String {
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
    // As the API server has it, in this order.
    let (metadata, items) = (metadata.to_string(), Value::from(items.to_vec()));
    format!(r#"{{"kind":"ServiceList","metadata":{metadata},"items":{items}}}"#)
}
