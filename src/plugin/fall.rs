//! `fallthrough [ZONES]`: for which names a plugin that has nothing asks the next one.

use crate::corefile::Token;
use crate::name::{Name, NameRef};

use super::setup::Setup;

/// The names for which a plugin passes a question on. It is about names that do not exist, never
/// about types that a name does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fall(Vec<Name>);

impl Fall {
    /// Reads the option's arguments: none is all names.
    pub fn read(setup: &mut Setup<'_>, arguments: &[&Token]) -> Self {
        if arguments.is_empty() {
            Self(vec![Name::root()])
        } else {
            Self(setup.zones(arguments))
        }
    }

    /// Whether a question for this name, in lower case, is passed on.
    #[inline]
    #[must_use]
    pub fn through(&self, name: NameRef<'_>) -> bool {
        self.0.iter().any(|zone| name.is_in(zone.view()))
    }
}
