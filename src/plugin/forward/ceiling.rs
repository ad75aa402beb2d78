//! How many queries may wait for upstreams at the same time, in the whole process: what a dead
//! upstream can cost, whatever the Corefile says.

use std::path::Path;

use crate::corefile::Environment;

/// Never more than this.
const MOST: u64 = 65_536;
/// Never fewer, however small the container.
const LEAST: u64 = 1024;
/// What one waiting query costs in bytes, with all that is made for it (3.4 KiB were measured).
const COST: u64 = 4096;
/// The share of the container's memory that they may have together: one part in so many.
const SHARE: u64 = 4;

/// The memory limit of a container: cgroup v2, then v1.
const LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// The number for this container.
pub(super) fn most_waiting(environment: &dyn Environment) -> i64 {
    let limit = LIMITS.iter().find_map(|path| {
        let content = environment.read(Path::new(path), 64).ok()?;
        // `max` is no number: no limit.
        String::from_utf8(content).ok()?.trim().parse::<u64>().ok()
    });
    let most = limit.map_or(MOST, |limit| limit / SHARE / COST);
    i64::try_from(most.clamp(LEAST, MOST)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corefile::Memory;

    #[test]
    fn a_small_container_bears_less() {
        let files = |path: &str, content: &str| Memory::default().with_file(path, content);
        for (what, environment, most) in [
            ("no container", Memory::default(), 65_536),
            ("no limit", files(LIMITS[0], "max\n"), 65_536),
            ("kubeadm's 170 MiB", files(LIMITS[0], "178257920\n"), 10_880),
            ("cgroup v1", files(LIMITS[1], "178257920\n"), 10_880),
            (
                "v1 without a limit",
                files(LIMITS[1], "9223372036854771712\n"),
                65_536,
            ),
            ("very small", files(LIMITS[0], "1000000\n"), 1024),
            ("junk", files(LIMITS[0], "junk"), 65_536),
        ] {
            assert_eq!(most_waiting(&environment), most, "{what}");
        }
    }
}
