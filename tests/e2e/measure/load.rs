//! The objects of a large cluster, and their changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::{TryStreamExt, stream};
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::api::{Api, JSON, Place, exchange};

/// Requests that are under way at a time.
const PARALLEL: usize = 16;

/// Namespaces that the Services are spread over.
const NAMESPACES: usize = 50;

/// Endpoints of each Service.
const ENDPOINTS: usize = 5;

/// One in this many Services is headless.
const HEADLESS: usize = 5;

/// Slices that change while events are timed.
const CHANGING: u32 = 500;

/// Makes a cluster of so many Services out of a smaller one.
pub(super) fn grow(api: &Api, from: usize, to: usize) -> Result<(), String> {
    if from == 0 {
        let namespaces = (0..NAMESPACES).map(|number| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("n-{number}")}})
        });
        namespaces
            .chain([changing_namespace()])
            .try_for_each(|one| api.apply_one(&one))?;
    }
    let numbers = stream::iter((from..to).map(Ok::<_, String>));
    api.runtime.block_on(
        numbers.try_for_each_concurrent(PARALLEL, |number| async move {
            for object in [service(number), slice(number)] {
                let path = Place::of(&object).collection()?;
                exchange(&api.client, Method::POST, &path, Some((JSON, &object))).await?;
            }
            Ok(())
        }),
    )
}

fn changing_namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "changing"}})
}

/// The last headless Service of a cluster of this size, and how many addresses it has.
pub(super) fn headless_below(size: usize) -> (String, u16) {
    match size.checked_sub(1) {
        Some(last) => {
            let number = last - last % HEADLESS;
            let namespace = number % NAMESPACES;
            let name = format!("service-{number}.n-{namespace}.svc.cluster.local.");
            (name, ENDPOINTS as u16)
        }
        None => ("kubernetes.default.svc.cluster.local.".to_owned(), 1),
    }
}

fn service(number: usize) -> Value {
    let mut spec =
        json!({"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 9153}]});
    if number.is_multiple_of(HEADLESS) {
        spec["clusterIP"] = json!("None");
    }
    json!({
        "apiVersion": "v1", "kind": "Service", "spec": spec,
        "metadata": {"name": format!("service-{number}"), "namespace": format!("n-{}", number % NAMESPACES)},
    })
}

fn slice(number: usize) -> Value {
    let namespace = format!("n-{}", number % NAMESPACES);
    let endpoints: Vec<Value> = (0..ENDPOINTS)
        .map(|at| {
            let serial = number * ENDPOINTS + at;
            let [_, high, middle, low] = (serial as u32).to_be_bytes();
            json!({
                "addresses": [format!("10.{}.{middle}.{low}", 128 + high)],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": format!("node-{}", serial % 200),
                "zone": format!("zone-{}", serial % 3),
                "targetRef": {
                    "kind": "Pod", "namespace": namespace,
                    "name": format!("service-{number}-7d4b9c6f5-{serial:x}"),
                    "uid": format!("00000000-0000-4000-8000-{serial:012x}"),
                },
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("service-{number}-x"), "namespace": namespace,
            "labels": {"kubernetes.io/service-name": format!("service-{number}")},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9153}],
        "endpoints": endpoints,
    })
}

/// Changes of slices at a rate, until it is ended.
pub(super) struct Churn {
    api: Api,
    began: Instant,
    done: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
    changing: Option<JoinHandle<Result<(), String>>>,
}

impl Churn {
    /// Begins; with a rate of 0 nothing changes.
    pub(super) fn start(api: &Api, size: usize, rate: u32) -> Self {
        let done = Arc::new(AtomicU32::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let changing = (rate > 0 && size > 0).then(|| {
            api.runtime
                .spawn(change(api.clone(), rate, done.clone(), ended.clone()))
        });
        Self {
            api: api.clone(),
            began: Instant::now(),
            done,
            ended,
            changing,
        }
    }

    /// Ends; how many changes there were in a second.
    pub(super) fn end(self) -> Result<f64, String> {
        let rate = f64::from(self.done.load(Ordering::SeqCst)) / self.began.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::SeqCst);
        if let Some(changing) = self.changing {
            let ended = self.api.runtime.block_on(changing);
            ended.map_err(|error| error.to_string())??;
        }
        Ok(rate)
    }
}

async fn change(
    api: Api,
    rate: u32,
    done: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
) -> Result<(), String> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut under_way = JoinSet::new();
    let done_one = |ended: Option<Result<Result<(), String>, _>>| match ended {
        Some(ended) => ended.map_err(|error: JoinError| error.to_string())?,
        None => Ok(()),
    };
    for number in 0.. {
        if ended.load(Ordering::SeqCst) {
            break;
        }
        ticks.tick().await;
        if under_way.len() >= PARALLEL {
            done_one(under_way.join_next().await)?;
        }
        let api = api.clone();
        under_way.spawn(async move { change_one(&api, number).await });
        done.fetch_add(1, Ordering::SeqCst);
    }
    while !under_way.is_empty() {
        done_one(under_way.join_next().await)?;
    }
    Ok(())
}

/// One endpoint of a slice of its own gets another address.
async fn change_one(api: &Api, number: u32) -> Result<(), String> {
    let name = format!("changing-{}", number % CHANGING);
    let [_, _, middle, low] = number.to_be_bytes();
    let object = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": "changing",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [format!("10.64.{middle}.{low}")]}],
    });
    let place = Place::of(&object);
    // The first of each is new.
    let (method, path) = match number < CHANGING {
        true => (
            Method::PATCH,
            place.path()? + "?fieldManager=e2e&force=true",
        ),
        false => (Method::PUT, place.path()?),
    };
    let kind = if number < CHANGING {
        crate::api::APPLY
    } else {
        JSON
    };
    exchange(&api.client, method, &path, Some((kind, &object))).await?;
    Ok(())
}
