//! The client of the API server: kube's, but for how much it holds of what comes.

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceExt};

/// The most that a connection receives before it is read, in bytes. Left alone, hyper takes 416 KiB
/// once a long list comes fast, and keeps them for as long as the connection is there; a watch stays.
const RECEIVED: usize = 32 << 10;

/// A client by kube's layers. Nothing is connected yet.
pub(super) fn client(config: Config) -> kube::Result<Client> {
    let credentials = &config.auth_info;
    let by_others = credentials.exec.is_some() || credentials.auth_provider.is_some();
    // Proxies, and the expiry of certificates that a command gives, are within reach of kube alone.
    if config.proxy_url.is_some() || by_others {
        return Ok(ClientBuilder::try_from(config)?.build());
    }
    let mut connector = TimeoutConnector::new(config.rustls_https_connector()?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .http1_max_buf_size(RECEIVED)
        .build(connector);
    let client = client.map_err(BoxError::from);
    let namespace = config.default_namespace.clone();
    let layers = ClientBuilder::new(client, namespace).with_layer(&config.extra_headers_layer()?);
    let url = config.base_uri_layer();
    Ok(match config.auth_layer()? {
        Some(credentials) => layers.with_layer(&credentials).with_layer(&url).build(),
        None => layers.with_layer(&url).build(),
    })
}
