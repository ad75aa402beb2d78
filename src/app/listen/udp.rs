//! The UDP sockets of one address, and the threads that serve them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::error;

use super::BindError;
use crate::server::Server;
use crate::server::udp::{self, Stopper, UdpListener, Worker};
use crate::telemetry::Pace;

/// Addresses of a wildcard listener that get sockets of their own; all others share one.
const MOST_ADDRESSES: usize = 8;
/// Threads of an address, whatever is asked for: one reads more than most networks bring.
const MOST_THREADS: usize = 64;
/// A UDP thread's stack: a query runs through the chain on it.
const STACK: usize = 512 << 10;

/// Sockets that are served.
pub(super) struct UdpThreads {
    listener: Arc<UdpListener>,
    stoppers: Vec<Stopper>,
    threads: Vec<JoinHandle<()>>,
}

/// `threads` sockets for the address; for the unspecified one so many for each local address, and
/// one for all others.
pub(super) fn bind(address: SocketAddr, threads: usize) -> Result<Vec<UdpSocket>, BindError> {
    let threads = threads.min(MOST_THREADS);
    let bind = |address| udp::bind(address).map_err(|error| BindError::new("udp", address, error));
    if !address.ip().is_unspecified() {
        return (0..threads).map(|_| bind(address)).collect();
    }
    let mut sockets = vec![bind(address)?];
    for ip in udp::local_addresses(MOST_ADDRESSES) {
        // An address may go away at any time; the socket for all addresses serves it then.
        let bound: io::Result<Vec<_>> = (0..threads)
            .map(|_| udp::bind(SocketAddr::new(ip, address.port())))
            .collect();
        sockets.extend(bound.unwrap_or_default());
    }
    Ok(sockets)
}

impl UdpThreads {
    /// Starts a thread for each socket.
    pub(super) fn start(sockets: Vec<UdpSocket>, server: Arc<Server>) -> io::Result<Self> {
        let mut started = Self {
            listener: UdpListener::new(server, Handle::current()),
            stoppers: Vec::new(),
            threads: Vec::new(),
        };
        for socket in sockets {
            let worker = Worker::new(socket, started.listener.clone())?;
            started.stoppers.push(worker.stopper());
            started.threads.push(spawn(worker)?);
        }
        Ok(started)
    }

    /// Gives the sockets new server blocks.
    pub(super) fn swap(&self, server: Arc<Server>) {
        self.listener.server.store(server);
    }

    /// Batches received so far.
    pub(super) fn received(&self) -> u64 {
        self.listener.received()
    }

    /// Lets go of the sockets, and answers what they have received.
    pub(super) async fn stop(self) {
        self.stoppers.iter().for_each(Stopper::stop);
        let threads = self.threads;
        // A thread ends when it has answered what is there.
        let _ = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| {
                let _ = thread.join();
            });
        })
        .await;
        self.listener.drained().await;
    }
}

/// A thread that serves a socket, and goes on after what should not happen.
fn spawn(worker: Worker) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("udp".into())
        .stack_size(STACK)
        .spawn(move || {
            let mut failed = Pace::default();
            while let Err(error) = worker.run() {
                if failed.is_due() {
                    error!("reading a UDP socket failed and is tried again: {error}");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        })
}
