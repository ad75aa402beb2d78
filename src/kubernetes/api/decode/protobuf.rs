//! The same objects in protobuf, which costs the API server and us a fraction of what JSON does.
//!
//! ```text
//! a list     "k8s\0" Unknown{ raw: List{ metadata, items: object ... } }
//! a watch    (length WatchEvent{ type, object{ raw: "k8s\0" Unknown{ raw: object } } }) ...
//! ```
//!
//! As with JSON, fields that no name needs are skipped, and texts are borrowed.

use std::borrow::Cow;
use std::str;

use thiserror::Error;

use super::metadata::{Labels, ListMetadata, Metadata, Nothing};
use super::pod::{AllLabels, Pod, PodIp, PodStatus};
use super::slice::{Conditions, EndpointSlice, Reference, WireEndpoint};
use super::text::{Address, Text};
use super::{
    Ingress, LoadBalancer, Namespace, Service, ServiceImport, ServiceSpec, ServiceStatus, WirePort,
};
use crate::kubernetes::api::failure::Status;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What each object begins with.
pub(in crate::kubernetes::api) const MAGIC: &[u8] = b"k8s\0";

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(in crate::kubernetes::api) struct Malformed(&'static str);

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kubernetes::api) enum Value<'a> {
    /// a number or a truth
    Number(u64),
    /// a text, a message, or bytes
    Bytes(&'a [u8]),
    /// of a type that nothing here has
    Other,
}

/// The fields of a message, in their order.
pub(in crate::kubernetes::api) struct Fields<'a>(pub(in crate::kubernetes::api) &'a [u8]);

/// A message, as it is put together.
pub(in crate::kubernetes::api) trait Message<'a>: Default {
    /// Takes a field; one that is of no interest is passed over.
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed>;
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let tag = self.number()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed("a field without a number"))?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.bytes(8).map(|_| Value::Other)?,
            2 => {
                let length = self.number()?;
                Value::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Value::Other)?,
            _ => return Err(Malformed("a field of no known type")),
        };
        Ok((number, value))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let (number, length) = varint(self.0)?.ok_or(Malformed("it ends within a number"))?;
        self.0 = self.0.get(length..).unwrap_or_default();
        Ok(number)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length));
        let (bytes, rest) = split.ok_or(Malformed("it ends within a field"))?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// The number that some bytes begin with, and how many it takes; nothing where they end within it.
pub(in crate::kubernetes::api) fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((number, at + 1)));
        }
    }
    match bytes.len() < 10 {
        true => Ok(None),
        false => Err(Malformed("a number of more than ten bytes")),
    }
}

impl<'a> Value<'a> {
    fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed("a number where there is to be a text")),
        }
    }

    fn text(self) -> Result<Text<'a>, Malformed> {
        let text = str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text that is none"))?;
        Ok(Text(Cow::Borrowed(text)))
    }

    fn address(self) -> Result<Address, Malformed> {
        Ok(Address(self.text()?.0.parse().ok()))
    }

    fn number(self) -> Result<i64, Malformed> {
        match self {
            Self::Number(number) => Ok(number.cast_signed()),
            _ => Err(Malformed("a text where there is to be a number")),
        }
    }

    fn message<T: Message<'a>>(self) -> Result<T, Malformed> {
        read(self.bytes()?)
    }
}

/// A message.
pub(in crate::kubernetes::api) fn read<'a, T: Message<'a>>(
    bytes: &'a [u8],
) -> Result<T, Malformed> {
    let mut message = T::default();
    for field in Fields(bytes) {
        let (number, value) = field?;
        message.field(number, value)?;
    }
    Ok(message)
}

/// The object within what each object is wrapped in.
fn unwrapped(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let unknown = bytes
        .strip_prefix(MAGIC)
        .ok_or(Malformed("it does not begin as an object does"))?;
    let mut raw: &[u8] = &[];
    for field in Fields(unknown) {
        if let (2, value) = field? {
            raw = value.bytes()?;
        }
    }
    Ok(raw)
}

/// What a frame of a watch says has become of an object, and the object.
pub(super) fn event(frame: &[u8]) -> Result<(Text<'_>, &[u8]), Malformed> {
    let (mut kind, mut object): (Text<'_>, &[u8]) = (Text::default(), &[]);
    for field in Fields(frame) {
        match field? {
            (1, value) => kind = value.text()?,
            (2, value) => {
                for field in Fields(value.bytes()?) {
                    if let (1, value) = field? {
                        object = value.bytes()?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((kind, unwrapped(object)?))
}

/// An error of the API, as the body of an answer.
pub(in crate::kubernetes::api) fn status(body: &[u8]) -> Option<Status> {
    read(unwrapped(body).ok()?).ok()
}

/// An entry of labels or annotations.
#[derive(Default)]
struct Entry<'a> {
    key: Text<'a>,
    value: Text<'a>,
}

impl<'a> Message<'a> for Entry<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.key = value.text()?,
            2 => self.value = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

/// Labels, as they are put together.
trait Labelled<'a>: Default {
    /// Takes one; one that is of no interest is passed over.
    fn label(&mut self, name: Text<'a>, value: Text<'a>);
}

impl<'a> Labelled<'a> for Labels<'a> {
    fn label(&mut self, name: Text<'a>, value: Text<'a>) {
        match &*name.0 {
            SERVICE_NAME => self.service_name = value,
            IMPORT_NAME => self.import_name = value,
            SOURCE_CLUSTER => self.source_cluster = value,
            _ => {}
        }
    }
}

impl<'a> Labelled<'a> for AllLabels<'a> {
    fn label(&mut self, name: Text<'a>, value: Text<'a>) {
        self.0.push((name, value));
    }
}

impl<'a, L: Labelled<'a>> Message<'a> for Metadata<'a, L> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.name = value.text()?,
            3 => self.namespace = value.text()?,
            6 => self.resource_version = value.text()?,
            9 => self.deletion_timestamp = true,
            11 => {
                let Entry { key, value } = value.message()?;
                self.labels.label(key, value);
            }
            12 => {
                let Entry { key, value } = value.message()?;
                match &*key.0 {
                    TRIGGERED => self.annotations.triggered = value,
                    INITIAL_EVENTS_END => self.annotations.initial_events_end = value,
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Nothing<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.metadata = value.message()?;
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Namespace<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.metadata = value.message()?;
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Service<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata = value.message()?,
            2 => self.spec = value.message()?,
            3 => self.status = value.message()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for ServiceSpec<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.ports.push(value.message()?),
            3 => self.cluster_ip = value.text()?,
            4 => self.kind = value.text()?,
            5 => self.external_ips.push(value.address()?),
            10 => self.external_name = value.text()?,
            18 => self.cluster_ips.push(value.text()?),
            _ => {}
        }
        Ok(())
    }
}

/// A port of a Service has the same numbers as one of an EndpointSlice.
impl<'a> Message<'a> for WirePort<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.name = value.text()?,
            2 => self.protocol = value.text()?,
            3 => self.port = Some(value.number()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for ServiceStatus<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.load_balancer = value.message()?;
        }
        Ok(())
    }
}

impl<'a> Message<'a> for LoadBalancer<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.ingress.push(value.message()?);
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Ingress<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.ip = value.address()?,
            2 => self.hostname = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for EndpointSlice<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata = value.message()?,
            2 => self.endpoints.push(value.message()?),
            3 => self.ports.push(value.message()?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for WireEndpoint<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.addresses.push(value.text()?),
            2 => self.conditions = value.message()?,
            3 => self.hostname = value.text()?,
            4 => self.target_ref = value.message()?,
            7 => self.zone = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Conditions {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.ready = Some(value.number()? != 0);
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Reference<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 3 {
            self.name = value.text()?;
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Pod<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata = value.message()?,
            3 => self.status = value.message()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for PodStatus {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 12 {
            self.pod_ips.push(value.message()?);
        }
        Ok(())
    }
}

impl<'a> Message<'a> for PodIp {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.ip = value.address()?;
        }
        Ok(())
    }
}

/// It is none of the API's own, and comes in JSON alone.
impl<'a> Message<'a> for ServiceImport<'a> {
    fn field(&mut self, _: u32, _: Value<'a>) -> Result<(), Malformed> {
        Err(Malformed("a ServiceImport in protobuf"))
    }
}

impl<'a> Message<'a> for ListMetadata {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            2 => self.resource_version = value.text()?.0.into(),
            3 => self.next = value.text()?.0.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Status {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            3 => self.message = value.text()?.0.into(),
            6 => self.code = u16::try_from(value.number()?).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }
}
