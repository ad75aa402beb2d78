//! The zones of a listener's server blocks.

use std::sync::Arc;

use super::Block;
use crate::name::ZoneList;

/// All zones, each with the blocks that serve it, in the order of the file.
pub(super) type Zones = ZoneList<Vec<Arc<Block>>>;

pub(super) fn of(blocks: &[Arc<Block>]) -> Zones {
    let mut blocks = blocks.to_vec();
    // Those of one zone come to stand together, and stay in their order.
    blocks.sort_by(|one, other| {
        let [one, other] = [one, other].map(|block| block.zone.view().as_bytes());
        one.cmp(other)
    });
    let zones = blocks.chunk_by(|one, other| one.zone == other.zone);
    zones
        .filter_map(|blocks| Some((blocks.first()?.zone.clone(), blocks.to_vec())))
        .collect()
}
