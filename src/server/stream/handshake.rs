//! The TLS handshake of a connection.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Agrees with a client. One that asks for other protocols than DNS over TLS has is served, by no
/// protocol's name, as if it had not asked; over HTTPS it is refused, since HTTP cannot do without.
///
/// # Errors
/// The client does not speak TLS, goes away, or asks for nothing that the settings have.
pub(super) async fn serve(
    settings: Arc<ServerConfig>,
    is_http: bool,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let settings = if is_http || names_one_of(&start.client_hello(), &settings.alpn_protocols) {
        settings
    } else {
        let mut settings = ServerConfig::clone(&settings);
        settings.alpn_protocols.clear();
        Arc::new(settings)
    };
    start.into_stream(settings).await
}

/// Whether a client names one of these protocols, or none at all.
fn names_one_of(hello: &ClientHello<'_>, protocols: &[Vec<u8>]) -> bool {
    hello.alpn().is_none_or(|mut named| {
        named.any(|name| protocols.iter().any(|protocol| protocol.as_slice() == name))
    })
}
