//! Records that are made for a transfer.

use std::collections::HashSet;
use std::net::IpAddr;

use hickory_proto::rr::{DNSClass, RecordType};

use crate::answer::{RdataRef, RecordRef, Records, RecordsBuilder, Section};
use crate::kubernetes::name::name_of_address;
use crate::name::{MAX_NAME, NameParts, NameRef};

/// A part of a zone: each record once, and none that no message can hold.
pub struct Portion<'z> {
    zone: NameRef<'z>,
    written: HashSet<Vec<u8>>,
    builder: RecordsBuilder,
}

impl<'z> Portion<'z> {
    /// Nothing yet of this zone.
    #[must_use]
    pub fn new(zone: NameRef<'z>) -> Self {
        Self {
            zone,
            written: HashSet::new(),
            builder: RecordsBuilder::default(),
        }
    }

    /// Labels in front of the zone; `None` where that is too long for a name.
    #[must_use]
    pub fn name<'a>(&self, head: &'a [u8]) -> Option<NameParts<'a>>
    where
        'z: 'a,
    {
        let tail = self.zone;
        (head.len() + tail.as_bytes().len() <= MAX_NAME).then_some(NameParts { head, tail })
    }

    /// Writes a record of these labels in front of the zone, if it is not written yet; `ttl` is in
    /// seconds.
    pub fn push(&mut self, owner: &[u8], ttl: u32, rtype: RecordType, rdata: &RdataRef<'_>) {
        let Some(name) = self.name(owner) else {
            return;
        };
        let mut record = owner.to_vec();
        record.push(0);
        record.extend(u16::from(rtype).to_be_bytes());
        crate::answer::append_rdata(&mut record, rdata);
        if self.written.insert(record) {
            self.builder.push(&RecordRef {
                section: Section::Answer,
                owner: name,
                rtype,
                class: DNSClass::IN,
                ttl,
                rdata: *rdata,
            });
        }
    }

    /// Writes an A or AAAA record.
    pub fn address(&mut self, owner: &[u8], ttl: u32, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.push(owner, ttl, RecordType::A, &RdataRef::A(v4)),
            IpAddr::V6(v6) => self.push(owner, ttl, RecordType::AAAA, &RdataRef::Aaaa(v6)),
        }
    }

    /// Writes the PTR record of an address whose name is in the zone.
    pub fn pointer(&mut self, address: IpAddr, ttl: u32, target: NameRef<'_>) {
        let mut name = name_of_address(address);
        name.push(0);
        let name = NameRef::parse(&name);
        if let Some(owner) = name.ok().and_then(|name| name.strip_zone(self.zone)) {
            let target = RdataRef::Name(target.into());
            self.push(owner, ttl, RecordType::PTR, &target);
        }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Records {
        self.builder.finish()
    }
}
