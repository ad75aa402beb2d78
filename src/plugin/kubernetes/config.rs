//! The directive's options.

use std::time::Duration;

use crate::corefile::{Cursor, Diagnostic, Token};
use crate::kubernetes::api::Access;
use crate::kubernetes::selector;
use crate::kubernetes::zone::{Pods, View};
use crate::name::Name;
use crate::plugin::fall::Fall;
use crate::plugin::setup::{Setup, SetupError};

/// Seconds; the longest is an hour.
const TTL: u32 = 5;
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A kubeconfig is longer only by mistake, in bytes.
const MOST_OF_FILE: usize = 1 << 20;

/// The lines of its block, by their first words.
pub(in crate::plugin) const OPTIONS: &[&str] = &[
    "endpoint",
    "tls",
    "kubeconfig",
    "namespaces",
    "namespace_labels",
    "labels",
    "pods",
    "endpoint_pod_names",
    "ttl",
    "noendpoints",
    "fallthrough",
    "ignore",
    "multicluster",
    "zonal",
    "startup_timeout",
    "apiserver_qps",
    "apiserver_burst",
    "apiserver_max_inflight",
];

/// What a `kubernetes` directive says.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) zones: Vec<Name>,
    /// The first zone that is not for addresses.
    pub(super) primary: Name,
    pub(super) view: View,
    pub(super) ttl: u32,
    pub(super) fall: Fall,
    /// `labels`, as written; selects Services, Pods and EndpointSlices.
    pub(super) labels: String,
    /// `namespace_labels`, as written.
    pub(super) namespace_labels: String,
    pub(super) startup_timeout: Duration,
    pub(super) api: Api,
    /// `multicluster`: those of the zones that hold Services of several clusters.
    pub(super) multicluster: Vec<Name>,
    /// `zonal`: endpoints of headless Services have names by topology zone.
    pub(super) zonal: bool,
}

/// How to reach an API server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Api {
    pub(super) endpoint: Option<String>,
    /// Client certificate, its key, and the CA.
    pub(super) tls: Option<[String; 3]>,
    /// The file, and the context in it.
    pub(super) kubeconfig: Option<(String, Option<String>)>,
}

impl Config {
    pub(super) fn parse(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut cursor = setup.directive.cursor();
        cursor.next_token();
        let zones = setup.zones(&cursor.remaining_args());
        let Some(primary) = zones
            .iter()
            // As in CoreDNS, in-addr.arpa and ip6.arpa themselves are no reverse zones here.
            .find(|zone| !zone.view().parent().is_some_and(super::is_reverse))
            .cloned()
        else {
            let error = cursor.err("non-reverse zone name must be used");
            return Err(error.help("name the cluster's domain first: kubernetes cluster.local"));
        };
        let mut config = Self {
            zones,
            primary,
            view: View::default(),
            ttl: TTL,
            fall: Fall::default(),
            labels: String::new(),
            namespace_labels: String::new(),
            startup_timeout: STARTUP_TIMEOUT,
            api: Api::default(),
            multicluster: Vec::new(),
            zonal: false,
        };
        while cursor.next_block().is_some() {
            config.option(&mut cursor, setup)?;
        }
        cursor.clone().next_once()?;
        if !config.view.namespaces.is_all() && !config.namespace_labels.is_empty() {
            return Err(cursor.err("namespaces and namespace_labels cannot both be set"));
        }
        config.check_multicluster(&cursor)?;
        if config.zonal && !config.view.endpoints {
            let error = cursor.err("zonal requires the endpoint cache; remove noendpoints");
            return Err(error.help("zones are those of endpoints, which noendpoints leaves out"));
        }
        Ok(config)
    }

    /// Names of other clusters are asked for in zones that the plugin answers for only.
    fn check_multicluster(&self, cursor: &Cursor<'_>) -> Result<(), SetupError> {
        let mut foreign = self.multicluster.iter();
        let Some(zone) = foreign.find(|zone| !self.zones.contains(zone)) else {
            return Ok(());
        };
        let zones: Vec<String> = self.zones.iter().map(ToString::to_string).collect();
        let zones = zones.join(" ");
        let message = format!(
            "is not authoritative for the multicluster zone {zone} (authoritative zones: [{zones}])"
        );
        let zone = zone.to_string();
        let zone = zone.trim_end_matches('.');
        let help = format!("name it among the zones too: kubernetes cluster.local {zone}");
        Err(cursor.err(message).help(help))
    }

    fn option(&mut self, cursor: &mut Cursor<'_>, setup: &mut Setup<'_>) -> Result<(), SetupError> {
        match cursor.text() {
            "endpoint_pod_names" => {
                none(cursor)?;
                self.view.endpoint_pod_names = true;
            }
            "noendpoints" => {
                none(cursor)?;
                self.view.endpoints = false;
            }
            "pods" => self.view.pods = pods(one(cursor)?)?,
            "namespaces" => {
                let names = some(cursor)?;
                self.view
                    .namespaces
                    .extend(names.into_iter().map(Token::text));
            }
            "labels" => self.labels = selector_of(cursor, "label selector")?,
            "namespace_labels" => {
                self.namespace_labels = selector_of(cursor, "namespace_label selector")?
            }
            "fallthrough" => self.fall = Fall::read(setup, &cursor.remaining_args()),
            "ttl" => self.ttl = ttl(first(cursor)?)?,
            "ignore" => self.ignore(cursor)?,
            "startup_timeout" => self.startup_timeout = startup_timeout(first(cursor)?)?,
            "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" => limit(cursor)?,
            "endpoint" => self.api.endpoint = Some(endpoint(cursor, setup)?),
            "tls" => match cursor.remaining_args().as_slice() {
                [cert, key, ca] => {
                    // What is not there is told by who connects, or by who checks the Corefile.
                    for file in [cert, key, ca] {
                        let _ = read(setup, file);
                    }
                    self.api.tls = Some([cert, key, ca].map(|token| token.text().to_owned()));
                }
                _ => return Err(cursor.arg_err()),
            },
            "kubeconfig" => match cursor.remaining_args().as_slice() {
                [file, context @ ..] if context.len() < 2 => {
                    let context = context.first().map(|token| token.text().to_owned());
                    kubeconfig(setup, file, context.as_deref())?;
                    self.api.kubeconfig = Some((file.text().to_owned(), context));
                }
                _ => return Err(cursor.arg_err()),
            },
            "multicluster" => {
                let zones = cursor.remaining_args();
                self.multicluster = match zones.is_empty() {
                    true => Vec::new(),
                    false => setup.zones(&zones),
                };
            }
            "zonal" => {
                none(cursor)?;
                self.zonal = true;
            }
            _ => return Err(cursor.unknown_property(OPTIONS)),
        }
        Ok(())
    }

    fn ignore(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Diagnostic> {
        match cursor.remaining_args().first() {
            // As in CoreDNS, the option alone changes nothing.
            None => Ok(()),
            Some(what) if what.text() == "empty_service" => {
                self.view.ignore_empty_service = true;
                Ok(())
            }
            Some(what) => {
                let error =
                    Diagnostic::error(format!("unable to parse ignore value: '{}'", what.text()));
                Err(error
                    .at(what.place())
                    .help("the one value is empty_service"))
            }
        }
    }
}

/// The API server's URL. CoreDNS took several once.
fn endpoint(cursor: &mut Cursor<'_>, setup: &mut Setup<'_>) -> Result<String, Diagnostic> {
    let arguments = some(cursor)?;
    let [url, more @ ..] = arguments.as_slice() else {
        return Err(cursor.arg_err());
    };
    if let Some(more) = more.first() {
        let warning = Diagnostic::warning(format!(
            "multiple endpoints have been deprecated, only the first specified endpoint '{}' is used",
            url.text()
        ));
        setup.warnings.push(warning.at(more.place()));
    }
    if !url.text().is_empty() && !is_endpoint(url.text()) {
        let text = url.text();
        let error = url.err(format!("host must be a URL or a host:port pair: {text:?}"));
        return Err(error.help("write https://ADDRESS:6443"));
    }
    Ok(url.text().to_owned())
}

/// Whether CoreDNS's client takes a text for an API server: a URL, or else what would be one with
/// `http://` before it, and without a path.
fn is_endpoint(text: &str) -> bool {
    let host = |rest: &str| -> (bool, usize) {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest.get(..end).unwrap_or_default();
        let port = host.rsplit(']').next().unwrap_or(host);
        let port = port.rsplit_once(':').map_or("", |(_, port)| port);
        (port.bytes().all(|byte| byte.is_ascii_digit()), end)
    };
    if let Some((scheme, rest)) = text.split_once("://")
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && let (true, 1..) = host(rest)
    {
        return true;
    }
    let (has_port, end) = host(text);
    has_port && matches!(text.get(end..), Some("" | "/"))
}

/// The text of a file, where it is here. As in CoreDNS, a relative path starts at the working
/// directory.
fn read(setup: &Setup<'_>, file: &Token) -> Option<String> {
    let path = setup.environment.directory().join(file.text());
    let text = setup.environment.read(&path, MOST_OF_FILE).ok()?;
    String::from_utf8(text).ok()
}

/// Whether a kubeconfig that is here can be used, as far as its text tells. One that is not here may
/// be where the server runs.
fn kubeconfig(setup: &Setup<'_>, file: &Token, context: Option<&str>) -> Result<(), Diagnostic> {
    let Some(text) = read(setup, file) else {
        return Ok(());
    };
    Access::check_kubeconfig(&text, context).map_err(|error| {
        let message = format!("the kubeconfig {} cannot be used: {error}", file.text());
        let help = format!(
            "see what kubectl makes of it: kubectl --kubeconfig {} config view",
            file.text()
        );
        Diagnostic::error(message).at(file.place()).help(help)
    })
}

fn none(cursor: &mut Cursor<'_>) -> Result<(), Diagnostic> {
    if cursor.remaining_args().is_empty() {
        Ok(())
    } else {
        Err(cursor.arg_err())
    }
}

fn one<'a>(cursor: &mut Cursor<'a>) -> Result<&'a Token, Diagnostic> {
    match cursor.remaining_args().as_slice() {
        [token] => Ok(token),
        _ => Err(cursor.arg_err()),
    }
}

/// The first argument; CoreDNS passes over more.
fn first<'a>(cursor: &mut Cursor<'a>) -> Result<&'a Token, Diagnostic> {
    match cursor.remaining_args().first() {
        Some(token) => Ok(token),
        None => Err(cursor.arg_err()),
    }
}

fn some<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a Token>, Diagnostic> {
    let arguments = cursor.remaining_args();
    if arguments.is_empty() {
        Err(cursor.arg_err())
    } else {
        Ok(arguments)
    }
}

fn pods(token: &Token) -> Result<Pods, Diagnostic> {
    match token.text() {
        "disabled" => Ok(Pods::Disabled),
        "insecure" => Ok(Pods::Insecure),
        "verified" => Ok(Pods::Verified),
        other => {
            let message = format!(
                "wrong value for pods: {other},  must be one of: disabled, verified, insecure"
            );
            Err(Diagnostic::error(message).at(token.place()))
        }
    }
}

fn ttl(token: &Token) -> Result<u32, Diagnostic> {
    let ttl = token.integer(i64::MIN..=i64::MAX)?;
    u32::try_from(ttl)
        .ok()
        .filter(|ttl| *ttl <= 3600)
        .ok_or_else(|| {
            Diagnostic::error(format!("ttl must be in range [0, 3600]: {ttl}"))
                .at(token.place())
                .help("seconds; 5 is the default, 30 is what kubeadm writes")
        })
}

fn startup_timeout(word: &Token) -> Result<Duration, Diagnostic> {
    let timeout = word.duration()?;
    if timeout.is_zero() {
        let error = word.err("startup_timeout must be more than 0");
        return Err(error.help("leave the option out for 5s; CoreDNS panics here"));
    }
    Ok(timeout)
}

/// Limits of CoreDNS's client. They have no effect there either; they must be numbers.
fn limit(cursor: &mut Cursor<'_>) -> Result<(), Diagnostic> {
    let name = cursor.text();
    let token = one(cursor)?;
    let is_number = if name == "apiserver_qps" {
        // As in Go, digits may be apart by one '_'.
        let text = token.text();
        let is_apart = !text.contains("__") && !text.starts_with('_') && !text.ends_with('_');
        is_apart && text.replace('_', "").parse::<f32>().is_ok()
    } else {
        token.text().parse::<i64>().is_ok()
    };
    if !is_number {
        return Err(
            Diagnostic::error(format!("invalid {name} {:?}", token.text())).at(token.place()),
        );
    }
    if token.text().starts_with('-') {
        return Err(Diagnostic::error(format!("{name} must be >= 0")).at(token.place()));
    }
    Ok(())
}

fn selector_of(cursor: &mut Cursor<'_>, what: &str) -> Result<String, Diagnostic> {
    let arguments = some(cursor)?;
    let text = arguments
        .iter()
        .map(|token| token.text())
        .collect::<Vec<_>>()
        .join(" ");
    match selector::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => {
            let error =
                Diagnostic::error(format!("unable to parse {what} value: '{text}': {error}"));
            Err(arguments
                .first()
                .map_or_else(|| error.clone(), |token| error.clone().at(token.place())))
        }
    }
}
