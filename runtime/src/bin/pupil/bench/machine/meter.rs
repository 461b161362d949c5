//! Energy, where the processor counts it: the powercap interface of Linux.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const POWERCAP: &str = "/sys/class/powercap";

/// The energy counters of all packages.
#[derive(Debug)]
pub(in super::super) struct Meter {
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    counter: PathBuf,
    /// Where the counter starts again from 0.
    range_microjoules: u64,
}

/// What the counters showed.
#[derive(Debug)]
pub(in super::super) struct Reading(Vec<u64>);

impl Meter {
    /// The meter of this machine.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(in super::super) fn find() -> Result<Self, String> {
        Self::find_in(Path::new(POWERCAP))
    }

    fn find_in(folder: &Path) -> Result<Self, String> {
        let none = || "no meter: this machine counts no energy that Linux shows".to_owned();
        let entries = fs::read_dir(folder).map_err(|_| none())?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| is_package(path));
        paths.sort();
        if paths.is_empty() {
            return Err(none());
        }
        let zones: Result<Vec<Zone>, String> = paths.iter().map(|path| Zone::open(path)).collect();
        Ok(Self { zones: zones? })
    }

    /// What the counters show now.
    pub(in super::super) fn read(&self) -> io::Result<Reading> {
        self.zones.iter().map(|zone| number(&zone.counter)).collect::<io::Result<_>>().map(Reading)
    }

    /// Joules since an earlier reading, which must be younger than one turn of the counters, minutes at full load.
    pub(in super::super) fn joules_since(&self, earlier: &Reading) -> io::Result<f64> {
        let now = self.read()?;
        let spent = self.zones.iter().zip(now.0).zip(&earlier.0).map(|((zone, now), &before)| {
            if now >= before { now - before } else { now + zone.range_microjoules.saturating_sub(before) }
        });
        Ok(spent.sum::<u64>() as f64 / 1e6)
    }
}

impl Zone {
    fn open(path: &Path) -> Result<Self, String> {
        let counter = path.join("energy_uj");
        number(&counter).map_err(|error| format!("no meter: `{}` cannot be read: {error}", counter.display()))?;
        let range_microjoules = number(&path.join("max_energy_range_uj")).unwrap_or(0);
        Ok(Self { counter, range_microjoules })
    }
}

/// Zones are nested, `intel-rapl:0:1` in `intel-rapl:0`; the outer ones count all that is in them. AMD uses the same names.
fn is_package(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_zone = name.strip_prefix("intel-rapl:").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    // The platform's zone counts the packages a second time.
    is_zone && fs::read_to_string(path.join("name")).is_ok_and(|name| name.starts_with("package"))
}

fn number(path: &Path) -> io::Result<u64> {
    fs::read_to_string(path)?.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(folder: &Path, name: &str, kind: &str, energy: u64) {
        let zone = folder.join(name);
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("name"), format!("{kind}\n")).unwrap();
        fs::write(zone.join("energy_uj"), format!("{energy}\n")).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "1000000\n").unwrap();
    }

    #[test]
    fn packages_are_added_up_over_a_turn_of_the_counter() {
        let folder = tempfile::tempdir().unwrap();
        zone(folder.path(), "intel-rapl:0", "package-0", 100);
        zone(folder.path(), "intel-rapl:1", "package-1", 900_000);
        zone(folder.path(), "intel-rapl:0:0", "core", 50);
        zone(folder.path(), "intel-rapl:2", "psys", 7);
        let meter = Meter::find_in(folder.path()).unwrap();
        let before = meter.read().unwrap();
        zone(folder.path(), "intel-rapl:0", "package-0", 500_100);
        zone(folder.path(), "intel-rapl:1", "package-1", 400_000);
        assert!((meter.joules_since(&before).unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_machine_without_counters_has_no_meter() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Meter::find_in(folder.path()).unwrap_err().starts_with("no meter"));
        assert!(Meter::find_in(&folder.path().join("absent")).unwrap_err().starts_with("no meter"));
    }
}
