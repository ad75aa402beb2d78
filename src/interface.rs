//! The interface of a node-local server: one that carries nothing, for addresses that pods of this
//! node ask. An address on it is the node's own, so that what is sent there stays on the node.
//!
//! It is made, looked after and taken away over netlink, as node-cache does it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt;
use nix::errno::Errno;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkBridge, LinkDummy, LinkMessageBuilder, LinkUnspec, new_connection};
use tracing::{info, warn};

/// What `ip link` shows of an interface that this program made.
const ALIAS: &str = "callsign";

/// An interface that carries nothing, and the addresses that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    name: String,
    addresses: Vec<IpAddr>,
}

/// Why an interface cannot be set up or taken away.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not change interfaces.
    #[error(
        "cannot set up the interface {0}: the process may not; run it as root with the capability \
         NET_ADMIN, or set the addresses up otherwise and give -setupinterface=false"
    )]
    Denied(String),
    /// An interface by that name is there, and is somebody else's.
    #[error(
        "the interface {0} is there and is not for this: it is no dummy interface; give another \
         name (-interfacename)"
    )]
    Foreign(String),
    /// The system refuses.
    #[error("cannot set up the interface {0}: {1}")]
    System(String, io::Error),
}

impl Interface {
    /// An interface by this name, of at most 15 bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, addresses: Vec<IpAddr>) -> Self {
        Self {
            name: name.into(),
            addresses,
        }
    }

    /// Makes the interface and gives it its addresses, as far as they are not there. True if
    /// anything was missing.
    ///
    /// # Errors
    /// [`Error`]; what was done until then stays.
    pub async fn ensure(&self) -> Result<bool, Error> {
        self.connected(async |handle| {
            let (link, made) = match self.find(handle).await? {
                Some(link) => (link, false),
                None => (self.make(handle).await?, true),
            };
            self.must_be_ours(&link)?;
            let mut changed = made;
            for address in &self.addresses {
                changed |= self.add(handle, &link, *address).await?;
            }
            Ok(changed)
        })
        .await
    }

    /// Takes the interface away, and its addresses with it. One that is not there is fine.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn remove(&self) -> Result<(), Error> {
        self.connected(async |handle| {
            let Some(link) = self.find(handle).await? else {
                return Ok(());
            };
            self.must_be_ours(&link)?;
            let removed = handle.link().del(link.header.index).execute().await;
            removed.map_err(|error| self.error(error))
        })
        .await
    }

    /// Looks now and then whether all is there, and mends what is not: somebody may take the
    /// interface away, such as the server before this one when it ends. Never returns.
    pub async fn keep(&self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            match self.ensure().await {
                Ok(false) => {}
                Ok(true) => warn!("the interface {} was not as it is to be: mended", self.name),
                Err(error) => warn!("{error}"),
            }
        }
    }

    async fn connected<T>(
        &self,
        what: impl AsyncFnOnce(&Handle) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (connection, handle, _) =
            new_connection().map_err(|error| Error::System(self.name.clone(), error))?;
        let connection = tokio::spawn(connection);
        let done = what(&handle).await;
        connection.abort();
        done
    }

    async fn find(&self, handle: &Handle) -> Result<Option<LinkMessage>, Error> {
        let mut found = handle.link().get().match_name(&self.name).execute();
        match found.try_next().await {
            Ok(link) => Ok(link),
            Err(error) if errno(&error) == Some(Errno::ENODEV) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    async fn make(&self, handle: &Handle) -> Result<LinkMessage, Error> {
        let dummy = LinkDummy::new(&self.name).build();
        let made = match handle.link().add(dummy).execute().await {
            // A kernel without the driver: a bridge that has no port carries as little.
            Err(error) if errno(&error) == Some(Errno::EOPNOTSUPP) => {
                let bridge = LinkMessageBuilder::<LinkBridge>::new(&self.name).build();
                handle.link().add(bridge).execute().await
            }
            made => made,
        };
        match made {
            Err(error) if errno(&error) != Some(Errno::EEXIST) => return Err(self.error(error)),
            _ => {}
        }
        let Some(link) = self.find(handle).await? else {
            return Err(Error::System(self.name.clone(), Errno::ENODEV.into()));
        };
        let alias = LinkUnspec::new_with_index(link.header.index)
            .append_extra_attribute(LinkAttribute::IfAlias(ALIAS.to_owned()));
        // IPv6 addresses are not the node's before the link is up; IPv4 ones are.
        let change = match self.addresses.iter().any(IpAddr::is_ipv6) {
            true => alias.up().build(),
            false => alias.build(),
        };
        let changed = handle.link().change(change).execute().await;
        changed.map_err(|error| self.error(error))?;
        info!("added the interface {}", self.name);
        self.find(handle).await.map(|found| found.unwrap_or(link))
    }

    /// True if the address was not there.
    async fn add(
        &self,
        handle: &Handle,
        link: &LinkMessage,
        address: IpAddr,
    ) -> Result<bool, Error> {
        let length = if address.is_ipv4() { 32 } else { 128 };
        let mut request = handle.address().add(link.header.index, address, length);
        // Nobody else can have it: it need not be asked for on the link before it is used.
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        match request.execute().await {
            Ok(()) => Ok(true),
            Err(error) if errno(&error) == Some(Errno::EEXIST) => Ok(false),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Whether the interface may be changed and taken away: a dummy, which can be nothing else's
    /// way, or a bridge that this program made.
    fn must_be_ours(&self, link: &LinkMessage) -> Result<(), Error> {
        let is_kind = |wanted: InfoKind| {
            link.attributes.iter().any(|attribute| {
                matches!(attribute, LinkAttribute::LinkInfo(infos)
                    if infos.contains(&LinkInfo::Kind(wanted.clone())))
            })
        };
        let is_marked = link
            .attributes
            .contains(&LinkAttribute::IfAlias(ALIAS.to_owned()));
        match is_kind(InfoKind::Dummy) || (is_kind(InfoKind::Bridge) && is_marked) {
            true => Ok(()),
            false => Err(Error::Foreign(self.name.clone())),
        }
    }

    fn error(&self, error: rtnetlink::Error) -> Error {
        let name = self.name.clone();
        match errno(&error) {
            Some(Errno::EPERM | Errno::EACCES) => Error::Denied(name),
            Some(errno) => Error::System(name, errno.into()),
            None => Error::System(name, io::Error::other(error)),
        }
    }
}

fn errno(error: &rtnetlink::Error) -> Option<Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            message.to_io().raw_os_error().map(Errno::from_raw)
        }
        _ => None,
    }
}
