//! Zones of a configuration, of which a name is in the longest.

use super::{Name, NameRef, ZoneMap};

/// Zones that are compared one by one; in more than these a name's suffixes are looked up.
const FEW: usize = 12;

/// A value for each zone of a list that does not change.
#[derive(Debug)]
pub struct ZoneList<T> {
    /// The longest first; those that are as long in the order in which they came, each zone once.
    all: Box<[(Name, T)]>,
    /// The places of the zones; empty where they are few.
    places: ZoneMap<usize>,
}

impl<T> ZoneList<T> {
    /// The zones that a name, in lower case, is in, and their values; the longest first.
    #[inline]
    pub fn above<'z>(&'z self, name: NameRef<'z>) -> impl Iterator<Item = &'z (Name, T)> {
        let few: &[_] = match self.places.is_empty() {
            true => &self.all,
            false => &[],
        };
        let few = few.iter().filter(move |(zone, _)| name.is_in(zone.view()));
        let places = (!self.places.is_empty()).then(|| self.places.above(name));
        let many = places.into_iter().flatten();
        few.chain(many.filter_map(|place| self.all.get(*place)))
    }

    /// The place of the longest zone that a name, in lower case, is in, among [all](Self::iter).
    #[inline]
    #[must_use]
    pub fn place(&self, name: NameRef<'_>) -> Option<usize> {
        match self.places.is_empty() {
            true => self.iter().position(|(zone, _)| name.is_in(zone.view())),
            false => self.places.longest(name).copied(),
        }
    }

    /// The longest zone that a name, in lower case, is in, and its value.
    #[inline]
    #[must_use]
    pub fn longest(&self, name: NameRef<'_>) -> Option<&(Name, T)> {
        self.at(self.place(name)?)
    }

    /// The zone at a [place](Self::place), and its value.
    #[inline]
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&(Name, T)> {
        self.all.get(place)
    }

    /// All zones and their values, the longest zone first.
    pub fn iter(&self) -> std::slice::Iter<'_, (Name, T)> {
        self.all.iter()
    }
}

/// Of several values of one zone the first counts.
impl<T> FromIterator<(Name, T)> for ZoneList<T> {
    fn from_iter<I: IntoIterator<Item = (Name, T)>>(zones: I) -> Self {
        let mut all: Vec<_> = zones.into_iter().collect();
        // Those of one name come to stand together, the first of them first.
        all.sort_by(|one, other| {
            let [one, other] = [&one.0, &other.0].map(|zone| zone.view().as_bytes());
            other.len().cmp(&one.len()).then_with(|| one.cmp(other))
        });
        all.dedup_by(|one, before| one.0 == before.0);
        let many = all.iter().filter(|_| all.len() > FEW);
        let places = many.map(|(zone, _)| zone.clone()).zip(0..).collect();
        Self {
            all: all.into(),
            places,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::n;

    #[test]
    fn a_name_is_in_the_longest_zone_first_be_they_few_or_many() {
        for padding in [0, FEW] {
            let others = (0..padding).map(|number| format!("zone{number}.test."));
            let zones = [
                "example.org.",
                ".",
                "a.example.org.",
                "example.org.",
                "org.",
            ];
            let zones = zones.map(str::to_owned).into_iter().chain(others);
            let zones: ZoneList<usize> = zones.map(|zone| n(&zone)).zip(0..).collect();
            assert_eq!(zones.iter().count(), 4 + padding, "each zone once");
            for (name, expected) in [
                ("b.a.example.org.", "a.example.org. example.org. org. ."),
                ("a.example.org.", "a.example.org. example.org. org. ."),
                ("ba.example.org.", "example.org. org. ."),
                ("notexample.org.", "org. ."),
                ("net.", "."),
                (".", "."),
            ] {
                let name = n(name);
                let found = zones.above(name.view()).map(|(zone, _)| zone.to_string());
                let found: Vec<String> = found.collect();
                assert_eq!(found.join(" "), expected, "{name}, {padding} more");
                let longest = zones.longest(name.view()).map(|(zone, _)| zone.to_string());
                assert_eq!(longest.as_ref(), found.first(), "{name}, {padding} more");
            }
            let first = zones.longest(n("example.org.").view());
            assert_eq!(first.map(|(_, value)| *value), Some(0), "the first counts");
        }
        let zones: ZoneList<()> = [(n("example.org."), ())].into_iter().collect();
        assert!(zones.longest(n("org.").view()).is_none());
    }
}
