//! Values by zone, found by the longest zone that a name is in.

use std::collections::HashMap;

use super::{Name, NameRef};

/// A value for each zone.
#[derive(Clone, Debug)]
pub struct ZoneMap<T>(HashMap<Name, T, foldhash::fast::RandomState>);

impl<T> Default for ZoneMap<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T> ZoneMap<T> {
    /// Puts in the value of a zone, whose name is in lower case; the one that was there before.
    pub fn insert(&mut self, zone: Name, value: T) -> Option<T> {
        self.0.insert(zone, value)
    }

    /// The value of a zone, whose name is in lower case; put in where there is none.
    pub fn or_default(&mut self, zone: Name) -> &mut T
    where
        T: Default,
    {
        self.0.entry(zone).or_default()
    }

    /// Takes out the value of exactly this zone.
    pub fn remove(&mut self, zone: NameRef<'_>) -> Option<T> {
        self.0.remove(zone.as_bytes())
    }

    /// The value of exactly this zone.
    #[must_use]
    pub fn get(&self, zone: NameRef<'_>) -> Option<&T> {
        self.0.get(zone.as_bytes())
    }

    /// The value of the zone that a name, in lower case, is in: of several the longest.
    #[must_use]
    pub fn longest(&self, name: NameRef<'_>) -> Option<&T> {
        name.suffixes().find_map(|suffix| self.get(suffix))
    }

    /// The values of all zones that a name, in lower case, is in; of the longest first.
    pub fn above<'m>(&'m self, name: NameRef<'m>) -> impl Iterator<Item = &'m T> {
        name.suffixes().filter_map(|suffix| self.get(suffix))
    }

    /// Whether there is no zone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All zones, in no order.
    pub fn zones(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// All zones and their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &T)> {
        self.0.iter()
    }
}

impl<T> FromIterator<(Name, T)> for ZoneMap<T> {
    fn from_iter<I: IntoIterator<Item = (Name, T)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::n;

    #[test]
    fn the_longest_zone_counts() {
        let zones = [(n("example.org."), 1), (n("a.example.org."), 2)];
        let mut zones: ZoneMap<u8> = zones.into_iter().collect();
        for (name, longest) in [
            ("example.org.", Some(1)),
            ("b.example.org.", Some(1)),
            ("a.example.org.", Some(2)),
            ("x.y.a.example.org.", Some(2)),
            ("ba.example.org.", Some(1)),
            ("org.", None),
            (".", None),
        ] {
            assert_eq!(zones.longest(n(name).view()).copied(), longest, "{name}");
        }
        assert_eq!(zones.get(n("b.example.org.").view()), None);
        assert_eq!(zones.insert(n("."), 3), None);
        assert_eq!(zones.longest(n("com.").view()), Some(&3));
        assert_eq!(zones.remove(n("a.example.org.").view()), Some(2));
        assert_eq!(zones.longest(n("a.example.org.").view()), Some(&1));
    }
}
