//! The zones of a listener's server blocks, and which of them a name is in.

use std::collections::HashMap;
use std::sync::Arc;

use super::Block;
use crate::name::{Name, NameRef};

/// Zones that are compared one by one; in more than these a name's suffixes are looked up.
const FEW: usize = 12;

/// All zones, each once.
pub(super) struct Zones {
    /// The longest first.
    all: Box<[Zone]>,
    /// The places of the zones; empty where there are few.
    places: HashMap<Name, usize, foldhash::fast::RandomState>,
}

/// A zone and the blocks that serve it, in the order of the file.
pub(super) struct Zone {
    pub(super) name: Name,
    pub(super) blocks: Vec<Arc<Block>>,
}

impl Zones {
    pub(super) fn new(blocks: &[Arc<Block>]) -> Self {
        let mut all: Vec<Zone> = Vec::new();
        let mut places = HashMap::default();
        for block in blocks {
            let place = *places.entry(block.zone.clone()).or_insert(all.len());
            match all.get_mut(place) {
                Some(zone) => zone.blocks.push(block.clone()),
                None => all.push(Zone {
                    name: block.zone.clone(),
                    blocks: vec![block.clone()],
                }),
            }
        }
        all.sort_by_key(|zone| std::cmp::Reverse(zone.name.view().as_bytes().len()));
        places.clear();
        if all.len() > FEW {
            places.extend(all.iter().map(|zone| zone.name.clone()).zip(0..));
        }
        Self {
            all: all.into(),
            places,
        }
    }

    /// The zones that a name, in lower case, is in; the longest first.
    #[inline]
    pub(super) fn above<'z>(&'z self, name: NameRef<'z>) -> impl Iterator<Item = &'z Zone> {
        let few: &[Zone] = match self.places.is_empty() {
            true => &self.all,
            false => &[],
        };
        let few = few.iter().filter(move |zone| name.is_in(zone.name.view()));
        let suffixes = (!self.places.is_empty()).then(|| name.suffixes());
        let many = suffixes.into_iter().flatten().filter_map(|suffix| {
            let place = self.places.get(suffix.as_bytes())?;
            self.all.get(*place)
        });
        few.chain(many)
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
