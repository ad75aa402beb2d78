//! What a source of cluster state tells the store, and the seam between the two.

use super::object::{Key, Kind, Object};

/// One step of a source. Within a kind the steps are in order; between kinds there is no order.
///
/// A list is a diff, not a replacement: what it holds is put in as it streams by, and at
/// [`Event::Listed`] what it did not name is removed. No name vanishes meanwhile, and no second
/// copy is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A full list of this kind starts; objects of it follow as [`Event::Apply`].
    Listing(Kind),
    /// An object as it is now: new, changed, or seen again.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, Key),
    /// The list of this kind is complete; the kind is synced from here on.
    Listed(Kind),
}
