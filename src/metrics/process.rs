//! The `process_*` families that boards read, from `/proc/self`.

use std::fs;

use super::text;

/// Ticks of `/proc/self/stat` in a second; fixed by the kernel's interface to programs.
const TICKS: f64 = 100.0;
/// What `unlimited` is told as: the largest number of 64 bits.
const UNLIMITED: f64 = u64::MAX as f64;

/// Appends the families in the order of their names; those that cannot be read are left out.
pub(super) fn write(page: &mut String) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let netstat = read("/proc/self/net/netstat");
    let cpu = stat_field(&stat, 14)
        .zip(stat_field(&stat, 15))
        .map(|(user, system)| (user + system) / TICKS);
    let start = boot_time(&read("/proc/stat"))
        .zip(stat_field(&stat, 22))
        .map(|(boot, ticks)| boot + ticks / TICKS);
    for (name, kind, help, value) in [
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            cpu,
        ),
        (
            "process_max_fds",
            "gauge",
            "Maximum number of open file descriptors.",
            limit(&limits, "Max open files"),
        ),
        (
            "process_network_receive_bytes_total",
            "counter",
            "Number of bytes received by the process over the network.",
            octets(&netstat, "InOctets"),
        ),
        (
            "process_network_transmit_bytes_total",
            "counter",
            "Number of bytes sent by the process over the network.",
            octets(&netstat, "OutOctets"),
        ),
        (
            "process_open_fds",
            "gauge",
            "Number of open file descriptors.",
            open_fds(),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            memory(&status, "VmRSS:"),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            start,
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            memory(&status, "VmSize:"),
        ),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Maximum amount of virtual memory available in bytes.",
            limit(&limits, "Max address space"),
        ),
    ] {
        if let Some(value) = value {
            text::head(page, name, help, kind);
            text::sample(page, (name, ""), "", value);
        }
    }
}

/// A field of `/proc/self/stat` by its number in the manual, from the third on.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    // The program's name may hold spaces; the fields start after its closing parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// A line of `/proc/self/status` that is told in kB, in bytes.
fn memory(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The soft limit of a line of `/proc/self/limits`.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(UNLIMITED),
        number => number.parse().ok(),
    }
}

/// A field of the pair of lines `IpExt:` of `/proc/self/net/netstat`: names, then numbers.
fn octets(netstat: &str, name: &str) -> Option<f64> {
    let mut lines = netstat
        .lines()
        .filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|have| have == name)?;
    numbers.split_whitespace().nth(at)?.parse().ok()
}

fn open_fds() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read_by_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 8 0 0 0 150 50 0 0 20 0 1 0 4200 99 8";
        assert_eq!(stat_field(stat, 14), Some(150.0));
        assert_eq!(stat_field(stat, 22), Some(4200.0));
        assert_eq!(stat_field("", 14), None);
        assert_eq!(boot_time("cpu 1\nbtime 17\n"), Some(17.0));
        assert_eq!(
            memory("VmSize:\t  8 kB\nVmRSS:\t 4 kB\n", "VmRSS:"),
            Some(4096.0)
        );
        let limits = "Max address space unlimited unlimited bytes\nMax open files 20 40 files\n";
        assert_eq!(limit(limits, "Max address space"), Some(UNLIMITED));
        assert_eq!(limit(limits, "Max open files"), Some(20.0));
        let netstat = "TcpExt: A\nTcpExt: 1\nIpExt: InOctets OutOctets\nIpExt: 5 6\n";
        assert_eq!(octets(netstat, "OutOctets"), Some(6.0));
        assert_eq!(octets("IpExt: InOctets\n", "InOctets"), None);
    }
}
