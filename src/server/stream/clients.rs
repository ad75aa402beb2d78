//! How many connections each client has to a listener.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use crate::telemetry::Pace;

/// Connections of one client on a crowded listener.
const MOST_OF_CLIENT: usize = 256;

/// The connections of each client.
#[derive(Default)]
pub(super) struct Clients(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    of_client: HashMap<IpAddr, usize>,
    /// That a client has its share.
    told: Pace,
}

/// A place that a connection has; it is free again when this is dropped.
pub(super) struct ClientSlot<'c>(&'c Clients, IpAddr);

impl Clients {
    /// A place for one more connection of this client; `None` where the listener is crowded and
    /// the client has its share. Until then there is no share: behind one address may stand a whole
    /// node, as with a cache on each.
    pub(super) fn enter(&self, client: IpAddr, is_crowded: bool) -> Option<ClientSlot<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.of_client.entry(client).or_default();
        if is_crowded && *count >= MOST_OF_CLIENT {
            let has = *count;
            if counts.told.is_due() {
                warn!(
                    "{client} has {has} connections to one listener, more than half of whose \
                     connections are in use: further ones of it are closed"
                );
            }
            return None;
        }
        *count += 1;
        Some(ClientSlot(self, client))
    }
}

impl Drop for ClientSlot<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.of_client.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.of_client.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_of_a_crowded_listener_and_others_have_theirs() {
        let clients = Clients::default();
        let [one, other] = ["192.0.2.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
        let mut slots: Vec<_> = (0..MOST_OF_CLIENT)
            .map(|_| clients.enter(one, true).unwrap())
            .collect();
        assert!(clients.enter(one, true).is_none());
        assert!(clients.enter(one, false).is_some(), "there is room");
        assert!(clients.enter(other, true).is_some());
        slots.pop();
        assert!(clients.enter(one, true).is_some());
        drop(slots);
        let counts = clients.0.lock().unwrap();
        assert!(counts.of_client.is_empty(), "nobody is remembered");
    }
}
