//! The addresses of a name.

use super::unique::Unique;
use std::hash::Hash;
use std::sync::Arc;

/// The addresses of a name, of one family; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses<T> {
    /// What most names have. It stands in place: no memory is fetched for it, and no thread counts
    /// who shares it.
    One(T),
    /// More than one.
    Many(Arc<[T]>),
}

impl<T: Copy + Eq + Hash> Addresses<T> {
    /// Those of a list that can be gone over twice, each once; `None` where there is none.
    pub(super) fn of<I: Iterator<Item = T>>(list: impl Fn() -> I) -> Option<Self> {
        let mut rest = list();
        let first = rest.next()?;
        match rest.all(|other| other == first) {
            true => Some(Self::One(first)),
            false => Some(Self::Many(Unique::of(list()))),
        }
    }
}

impl<T> Addresses<T> {
    /// The addresses, in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }
}
