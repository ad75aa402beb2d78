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
    /// What is sent is kept until this is over, on all connections.
    pub(crate) hold: bool,
}

/// What is done, and what has been done once.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    trouble: Trouble,
    /// How often all connections were cut.
    cuts: usize,
    /// How often all connections were forgotten.
    losses: usize,
}

/// A proxy; it ends with the runtime.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Starts one in front of an address.
    pub(crate) fn start(api: &Api, to: SocketAddr, trouble: Trouble) -> Result<Self, String> {
        let listener = api
            .runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (sender, receiver) = watch::channel(State {
            trouble,
            ..State::default()
        });
        api.runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, receiver.clone()));
            }
        });
        Ok(Self {
            address,
            state: sender,
        })
    }

    /// Sets what is done from now on, to connections that there are too.
    pub(crate) fn set(&self, trouble: Trouble) {
        self.state.send_modify(|state| state.trouble = trouble);
    }

    /// Cuts all connections that there are. New ones are served.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Forgets all connections that there are, and tells neither side: nothing comes through any more.
    /// New ones are served.
    pub(crate) fn forget(&self) {
        self.state.send_modify(|state| state.losses += 1);
    }
}

/// Passes on what both sides send, until one ends or the connection is to be cut.
async fn pass(client: TcpStream, to: SocketAddr, state: watch::Receiver<State>) {
    let born = *state.borrow();
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let began = Arc::new(tokio::time::Instant::now());
    let end = async {
        let mut changes = state.clone();
        loop {
            let State { trouble, cuts, .. } = *changes.borrow_and_update();
            if cuts != born.cuts {
                return;
            }
            let cut = trouble.cut;
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
        () = one_way(from_client, to_server, state.clone(), born) => {}
        () = one_way(from_server, to_client, state.clone(), born) => {}
        () = end => {}
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    born: State,
) {
    let mut chunk = [0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await;
        // That it has ended does not come through either.
        let is_open = |state: &State| state.losses == born.losses && !state.trouble.hold;
        let delay = match state.wait_for(is_open).await {
            Ok(state) => state.trouble.delay,
            Err(_) => return,
        };
        let Ok(length @ 1..) = read else { return };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let bytes = chunk.get(..length).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
