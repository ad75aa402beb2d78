//! The process asks its own health endpoint: if that is slow, so is all else.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::warn;

use crate::duration::GoDuration;
use crate::metrics::{Counter, Histogram};

/// How often the endpoint is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// An answer that takes longer is a failure.
const TIMEOUT: Duration = Duration::from_secs(3);
/// An answer that takes longer is told to the log.
const SLOW: Duration = Duration::from_secs(1);
/// More of an answer is not read.
const LONGEST: u64 = 4096;

/// Asks the endpoint again and again.
pub(super) struct Poll {
    /// For messages.
    pub(super) url: String,
    /// Where it is, once that is known.
    pub(super) address: Arc<OnceLock<SocketAddr>>,
    pub(super) duration: Histogram,
    pub(super) failures: Counter,
}

impl Poll {
    /// Never ends.
    pub(super) async fn run(self) {
        let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.ask().await;
        }
    }

    /// Asks once, and counts.
    pub(super) async fn ask(&self) {
        let start = Instant::now();
        let answered = timeout(TIMEOUT, request(self.address.get().copied())).await;
        let elapsed = start.elapsed();
        self.duration.observe_duration(elapsed);
        let url = &self.url;
        let error = match answered {
            Ok(Ok(())) if elapsed > SLOW => {
                let elapsed = GoDuration(elapsed);
                return warn!(
                    target: "plugin/health",
                    "Local health request to \"{url}\" took more than 1s: {elapsed}"
                );
            }
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}", GoDuration(TIMEOUT)),
        };
        self.failures.inc();
        warn!(target: "plugin/health", "Local health request to \"{url}\" failed: {error}");
    }
}

/// Asks once; any answer in HTTP will do.
async fn request(address: Option<SocketAddr>) -> io::Result<()> {
    let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = match TcpStream::connect(address).await {
        // A machine of IPv6 alone has no loopback of IPv4.
        Err(error) if address.ip() == Ipv4Addr::LOCALHOST => {
            let address = (Ipv6Addr::LOCALHOST, address.port());
            TcpStream::connect(address).await.map_err(|_| error)?
        }
        stream => stream?,
    };
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    if answer.starts_with(b"HTTP/1.") {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
