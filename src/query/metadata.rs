//! Metadata: values by label (`kubernetes/client-namespace`) that one plugin knows and others read.
//!
//! Nothing is collected in advance: a [`Metadata`] remembers the question as it entered a server
//! block and who may know something about it, and asks when a value is wanted. So a query that
//! nobody asks about pays nothing, and a value is the same whatever a plugin above the reader made
//! of the question.

use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::Query;
use crate::chain::Chain;
use crate::name::{Name, NameRef};

/// Who knows values, and for which question.
#[derive(Clone, Copy)]
pub struct Metadata<'q> {
    /// The plugins that are asked; `None` where the block's `metadata` is not for this name.
    providers: Option<&'q Arc<Chain>>,
    name: NameRef<'q>,
    lower: NameRef<'q>,
    qtype: RecordType,
}

/// A [`Metadata`] that owns what it shows.
#[derive(Clone)]
pub(super) struct OwnedMetadata {
    providers: Option<Arc<Chain>>,
    name: Name,
    lower: Name,
    qtype: RecordType,
}

impl<'q> Query<'q> {
    /// The same query with the values that these plugins know about its question as it is now.
    /// They take the place of those that it had.
    #[must_use]
    pub fn with_metadata<'r>(&self, providers: Option<&'r Arc<Chain>>) -> Query<'r>
    where
        'q: 'r,
    {
        Query {
            metadata: Some(Metadata {
                providers,
                name: self.name,
                lower: self.lower,
                qtype: self.qtype,
            }),
            ..*self
        }
    }

    /// The value of a label; `None` where no plugin knows it, and where the server block has no
    /// `metadata`.
    #[must_use]
    pub fn metadata(&self, label: &str) -> Option<Arc<str>> {
        let entered = self.metadata?;
        let query = self.with_question(entered.name, entered.lower, entered.qtype);
        entered.providers?.metadata(&query, label)
    }
}

impl Metadata<'_> {
    pub(super) fn to_owned(self) -> OwnedMetadata {
        OwnedMetadata {
            providers: self.providers.cloned(),
            name: self.name.to_name(),
            lower: self.lower.to_name(),
            qtype: self.qtype,
        }
    }
}

impl OwnedMetadata {
    pub(super) fn view(&self) -> Metadata<'_> {
        Metadata {
            providers: self.providers.as_ref(),
            name: self.name.view(),
            lower: self.lower.view(),
            qtype: self.qtype,
        }
    }
}
