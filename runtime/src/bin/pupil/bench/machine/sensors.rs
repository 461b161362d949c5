//! Clock, temperature and load, where Linux shows them.

use std::fs;
use std::path::{Path, PathBuf};

/// Mean clock of the cores, in MHz.
pub(in super::super) fn clock_mhz() -> Option<f64> {
    let cores = numbered(Path::new("/sys/devices/system/cpu"), "cpu", "cpufreq/scaling_cur_freq");
    let kilohertz: Vec<f64> = cores.iter().filter_map(|path| number(path)).collect();
    (!kilohertz.is_empty()).then(|| kilohertz.iter().sum::<f64>() / kilohertz.len() as f64 / 1e3)
}

/// The hottest thermal zone, in °C.
pub(in super::super) fn hottest_celsius() -> Option<f64> {
    let zones = numbered(Path::new("/sys/class/thermal"), "thermal_zone", "temp");
    zones.iter().filter_map(|path| number(path)).map(|millidegrees| millidegrees / 1e3).max_by(f64::total_cmp)
}

/// Processes that wanted to run at once, over the last minute.
pub(in super::super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// `file` in every folder of `parent` that is called `prefix` and a number.
fn numbered(parent: &Path, prefix: &str, file: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let is_numbered = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_numbered(name))
        .map(|name| parent.join(name).join(file))
        .collect()
}

fn number(path: &Path) -> Option<f64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_folders_count() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cpu0", "cpu12", "cpuidle", "cpu"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("value"), "5000\n").unwrap();
        }
        let mut found = numbered(folder.path(), "cpu", "value");
        found.sort();
        assert_eq!(found, [folder.path().join("cpu0/value"), folder.path().join("cpu12/value")]);
        assert_eq!(number(&found[0]), Some(5000.0));
    }
}
