//! Sockets and TLS, in a thread of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

use super::answer::Connection;
use super::{Api, Shared};

/// A socket that can be closed and opened again.
pub(super) struct Listener {
    address: SocketAddr,
    is_tls: bool,
    orders: UnboundedSender<(Order, mpsc::Sender<()>)>,
}

enum Order {
    Open,
    Close,
}

/// An authority, and a certificate of it for this server.
pub(super) struct Identity {
    authority: CertifiedIssuer<'static, KeyPair>,
    config: Arc<ServerConfig>,
}

/// What this server is reached by.
const NAMES: &[&str] = &["127.0.0.1", "localhost"];

impl Api {
    /// Serves HTTP on a port from the kernel.
    pub(crate) fn listen() -> Self {
        Self::start(None)
    }

    /// Serves HTTPS, by a certificate of an authority of its own.
    pub(crate) fn listen_tls() -> Self {
        Self::start(Some(Identity::new()))
    }

    fn start(identity: Option<Identity>) -> Self {
        let is_tls = identity.is_some();
        let mut api = Self::with(identity);
        api.listener = Some(Listener::start(api.shared.clone(), is_tls));
        api
    }

    /// Where it is, for the option `endpoint`.
    pub(crate) fn url(&self) -> String {
        let listener = self
            .listener
            .as_ref()
            .unwrap_or_else(|| panic!("no socket"));
        let scheme = if listener.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", listener.address)
    }

    /// The authority's certificate, in PEM.
    pub(crate) fn authority(&self) -> String {
        let state = self.state();
        let identity = state.identity.as_ref();
        identity.unwrap_or_else(|| panic!("no TLS")).authority.pem()
    }

    /// From here on another authority has signed this server's certificate. Connections go on.
    pub(crate) fn rotate_authority(&self) {
        let identity = Identity::new();
        self.change(|state| state.identity = Some(identity));
    }

    /// From here on this server's certificate, of the same authority, is for another name, or again for
    /// the right ones. Connections go on.
    pub(crate) fn certify(&self, other: Option<&str>) {
        let other = other.as_ref().map(std::slice::from_ref);
        self.change(|state| {
            let identity = state.identity.take();
            let authority = identity.unwrap_or_else(|| panic!("no TLS")).authority;
            state.identity = Some(Identity::of(authority, other.unwrap_or(NAMES)));
        });
    }
}

impl Listener {
    fn start(shared: Arc<Shared>, is_tls: bool) -> Self {
        let (orders, receiver) = unbounded_channel();
        let (told, address) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.unwrap_or_else(|error| panic!("no socket: {error}"));
                let address = listener.local_addr();
                let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
                let _ = told.send(address);
                run(shared, listener, address, receiver).await;
            });
        });
        let address = address.recv();
        Self {
            address: address.unwrap_or_else(|_| panic!("the API server did not start")),
            is_tls,
            orders,
        }
    }

    pub(super) fn close(&self) {
        self.order(Order::Close);
    }

    pub(super) fn open(&self) {
        self.order(Order::Open);
    }

    fn order(&self, order: Order) {
        let (done, wait) = mpsc::channel();
        if self.orders.send((order, done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

/// Accepts connections, as ordered, until nobody can order any more.
async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    mut orders: UnboundedReceiver<(Order, mpsc::Sender<()>)>,
) {
    let mut open = Some(listener);
    loop {
        let accept = async {
            match &open {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                Some((Order::Close, done)) => {
                    open = None;
                    let _ = done.send(());
                }
                Some((Order::Open, done)) => {
                    let listener = TcpListener::bind(address).await;
                    open = Some(listener.unwrap_or_else(|error| panic!("{address}: {error}")));
                    let _ = done.send(());
                }
                None => return,
            },
            accepted = accept => if let Ok((stream, _)) = accepted {
                tokio::spawn(connection(shared.clone(), stream));
            },
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(connection) = shared.connect() else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let closed = connection.closed.clone();
    let serve = async {
        let config = shared
            .state()
            .identity
            .as_ref()
            .map(|own| own.config.clone());
        let Some(config) = config else {
            return http(shared, connection, stream).await;
        };
        if shared.is_silent(&connection) {
            return connection.closed.cancelled().await;
        }
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            http(shared, connection, stream).await;
        }
    };
    tokio::select! {
        () = closed.cancelled() => {}
        () = serve => {}
    }
}

async fn http(
    shared: Arc<Shared>,
    connection: Connection,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) {
    let service = service_fn(|request| shared.clone().answer(connection.clone(), request));
    // An error is the client's going away, or a fault that was asked for.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Identity {
    fn new() -> Self {
        let make = || {
            let mut params = CertificateParams::new(Vec::new())?;
            let name = rand::random::<u64>().to_string();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        let authority = make().unwrap_or_else(|error: rcgen::Error| panic!("no CA: {error}"));
        Self::of(authority, NAMES)
    }

    /// A certificate of this authority for these names.
    fn of(authority: CertifiedIssuer<'static, KeyPair>, names: &[&str]) -> Self {
        let make = || -> Result<_, Box<dyn std::error::Error>> {
            let key = KeyPair::generate()?;
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der())?,
                )?;
            Ok(Arc::new(config))
        };
        let config = make().unwrap_or_else(|error| panic!("no certificate: {error}"));
        Self { authority, config }
    }
}
