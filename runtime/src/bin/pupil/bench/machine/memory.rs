//! Memory and page faults of this process, split into what is its own and what belongs to mapped files.

use std::fs;

use serde::{Deserialize, Serialize};

/// Memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Heap, stacks and other resident memory of this process alone.
    pub(crate) anonymous_bytes: u64,
    /// Resident pages of mapped files, libraries included; the system can drop them at any time.
    pub(crate) mapped_bytes: u64,
    /// Most that was ever resident.
    pub(crate) peak_bytes: u64,
    /// Page faults that were served from memory.
    pub(crate) minor_faults: u64,
    /// Page faults that waited for storage.
    pub(crate) major_faults: u64,
}

/// Memory now; `None` where the system does not tell.
pub(crate) fn now() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (minor_faults, major_faults) = faults(&stat)?;
    Some(Memory {
        anonymous_bytes: field(&status, "RssAnon:")?,
        mapped_bytes: field(&status, "RssFile:")?,
        peak_bytes: field(&status, "VmHWM:")?,
        minor_faults,
        major_faults,
    })
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// `minflt` and `majflt`, the tenth and twelfth field of `/proc/self/stat`; the second, a name, may hold anything.
fn faults(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(7);
    let minor = fields.next()?.parse().ok()?;
    let major = fields.nth(1)?.parse().ok()?;
    Some((minor, major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found_behind_any_name() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 700 8 900 10 11";
        assert_eq!(faults(stat), Some((700, 900)));
        assert_eq!(faults("12 (short) S 1"), None);
    }

    #[test]
    fn kibibytes_become_bytes() {
        assert_eq!(field("VmHWM:\t  12 kB\nRssAnon:\t 3 kB\n", "RssAnon:"), Some(3072));
        assert_eq!(field("VmHWM:\t  12 kB\n", "RssFile:"), None);
    }
}
