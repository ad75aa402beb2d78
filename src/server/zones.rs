//! The zones of a listener's server blocks, and which of them a name is in.

use std::sync::Arc;

use super::Block;
use crate::name::{Name, NameRef, ZoneMap};

/// Zones that are compared one by one; in more than these a name's suffixes are looked up.
const FEW: usize = 12;

/// All zones, each once.
pub(super) struct Zones {
    /// The longest first.
    all: Box<[Zone]>,
    /// The places of the zones; empty where there are few.
    places: ZoneMap<usize>,
}

/// A zone and the blocks that serve it, in the order of the file.
pub(super) struct Zone {
    pub(super) name: Name,
    pub(super) blocks: Vec<Arc<Block>>,
}

impl Zones {
    pub(super) fn new(blocks: &[Arc<Block>]) -> Self {
        let mut blocks = blocks.to_vec();
        // Those of one zone come to stand together, and stay in their order.
        blocks.sort_by(|one, other| {
            let [one, other] = [one, other].map(|block| block.zone.view().as_bytes());
            other.len().cmp(&one.len()).then_with(|| one.cmp(other))
        });
        let zones = blocks.chunk_by(|one, other| one.zone == other.zone);
        let zones = zones.filter_map(|blocks| {
            let name = blocks.first()?.zone.clone();
            let blocks = blocks.to_vec();
            Some(Zone { name, blocks })
        });
        let all: Box<[Zone]> = zones.collect();
        let many = all.iter().filter(|_| all.len() > FEW);
        let places = many.map(|zone| zone.name.clone()).zip(0..).collect();
        Self { all, places }
    }

    /// The zones that a name, in lower case, is in; the longest first.
    #[inline]
    pub(super) fn above<'z>(&'z self, name: NameRef<'z>) -> impl Iterator<Item = &'z Zone> {
        let few: &[Zone] = match self.places.is_empty() {
            true => &self.all,
            false => &[],
        };
        let few = few.iter().filter(move |zone| name.is_in(zone.name.view()));
        let places = (!self.places.is_empty()).then(|| self.places.above(name));
        let many = places.into_iter().flatten();
        few.chain(many.filter_map(|place| self.all.get(*place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Chain;
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
            ]
            .map(str::to_owned)
            .into_iter()
            .chain(others);
            let blocks: Vec<_> = zones.map(|zone| block(&zone)).collect();
            let zones = Zones::new(&blocks);
            for (name, expected) in [
                ("b.a.example.org.", "a.example.org. example.org. org. ."),
                ("a.example.org.", "a.example.org. example.org. org. ."),
                ("ba.example.org.", "example.org. org. ."),
                ("notexample.org.", "org. ."),
                ("net.", "."),
                (".", "."),
            ] {
                let name = n(name);
                let found: Vec<String> = zones
                    .above(name.view())
                    .map(|zone| zone.name.to_string())
                    .collect();
                assert_eq!(found.join(" "), expected, "{name} among {}", blocks.len());
            }
            let name = n("example.org.");
            let twice = zones.above(name.view()).next();
            assert_eq!(twice.map(|zone| zone.blocks.len()), Some(2));
        }
    }

    fn block(zone: &str) -> Arc<Block> {
        Arc::new(Block {
            zone: n(zone),
            view: "".into(),
            filters: Vec::new(),
            chain: Chain::new(Vec::new()),
            metadata: None,
        })
    }
}
