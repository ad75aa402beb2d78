//! Stands between the servers and the API server, and makes the way to it slow or unreliable. It
//! passes bytes on and knows nothing of TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::api::Api;

/// Bytes that are passed on at a time.
const CHUNK: usize = 4096;

/// What is done to connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    /// Each [`CHUNK`] is passed on so much later than the one before.
    pub(crate) delay: Duration,
    /// Each connection is cut so long after it began.
    pub(crate) cut: Option<Duration>,
}

/// A proxy; it ends with the runtime.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    trouble: watch::Sender<Trouble>,
}

impl Proxy {
    /// Starts one in front of an address.
    pub(crate) fn start(api: &Api, to: SocketAddr, trouble: Trouble) -> Result<Self, String> {
        let listener = api
            .runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (sender, receiver) = watch::channel(trouble);
        api.runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, receiver.clone()));
            }
        });
        Ok(Self {
            address,
            trouble: sender,
        })
    }

    /// Sets what is done from now on, to connections that there are too.
    pub(crate) fn set(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

/// Passes on what both sides send, until one ends or the connection is to be cut.
async fn pass(client: TcpStream, to: SocketAddr, trouble: watch::Receiver<Trouble>) {
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let began = Arc::new(tokio::time::Instant::now());
    let end = async {
        let mut changes = trouble.clone();
        loop {
            let cut = changes.borrow_and_update().cut;
            let ends = async {
                match cut {
                    Some(cut) => tokio::time::sleep_until(*began + cut).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ends => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    };
    tokio::select! {
        () = one_way(from_client, to_server, trouble.clone()) => {}
        () = one_way(from_server, to_client, trouble.clone()) => {}
        () = end => {}
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    trouble: watch::Receiver<Trouble>,
) {
    let mut chunk = [0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let delay = trouble.borrow().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let bytes = chunk.get(..length).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
