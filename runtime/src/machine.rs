//! The machine that this process runs on, as far as it decides what is fast.

use std::fs::{self, File};
use std::io::Read;

/// What is read of the processor's description: the first core's part is far shorter.
const DESCRIPTION_BYTES: u64 = 8192;

/// Keys of `/proc/cpuinfo` that tell processors of one name apart; x86-64 has the first three, `AArch64` the others.
const IDENTIFYING: [&str; 6] = ["cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU revision"];

/// Name and revision of the processor, such as `AMD EPYC (cpu family 25, model 1, stepping 1)`.
///
/// The architecture alone where the system does not tell more.
#[must_use]
pub fn cpu_model() -> String {
    let mut text = Vec::new();
    // A cut in the middle of the text is no matter: only the first core is looked at.
    let read = File::open("/proc/cpuinfo").and_then(|file| file.take(DESCRIPTION_BYTES).read_to_end(&mut text));
    match read {
        Ok(_) => describe(&String::from_utf8_lossy(&text)),
        Err(_) => std::env::consts::ARCH.to_owned(),
    }
}

fn describe(cpuinfo: &str) -> String {
    let first_core = cpuinfo.split("\n\n").next().unwrap_or_default();
    let value = |wanted: &str| {
        let fields = first_core.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == wanted).map(|(_, value)| value)
    };
    let name = value("model name").unwrap_or(std::env::consts::ARCH);
    let details: Vec<String> =
        IDENTIFYING.iter().filter_map(|key| value(key).map(|value| format!("{key} {value}"))).collect();
    if details.is_empty() { name.to_owned() } else { format!("{name} ({})", details.join(", ")) }
}

/// Features of this machine's processor that kernels are chosen by.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn cpu_features() -> Vec<&'static str> {
    let features = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("f16c", std::is_x86_feature_detected!("f16c")),
        ("avx_vnni", std::is_x86_feature_detected!("avxvnni")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512_vnni", std::is_x86_feature_detected!("avx512vnni")),
        ("avx512_bf16", std::is_x86_feature_detected!("avx512bf16")),
    ];
    features.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Features of this machine's processor that kernels are chosen by.
#[cfg(target_arch = "aarch64")]
#[must_use]
pub fn cpu_features() -> Vec<&'static str> {
    let features = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
    ];
    features.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Features of this machine's processor: none are known by name here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[must_use]
pub fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

/// Cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A logical processor of each physical core that this process may use, in order; empty where the system does not tell.
///
/// Where a core is two processors, threads on both share it.
#[must_use]
pub fn physical_cores() -> Vec<usize> {
    let read = |path: String| fs::read_to_string(path).ok();
    let Some(status) = read("/proc/self/status".to_owned()) else { return Vec::new() };
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map_or(Vec::new(), listed);
    let siblings = |cpu: usize| read(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"));
    first_of_cores(&allowed, |cpu| siblings(cpu).map(|list| listed(&list)))
}

/// The first of the allowed processors of each core; one whose siblings are not known is a core of its own.
fn first_of_cores(allowed: &[usize], siblings: impl Fn(usize) -> Option<Vec<usize>>) -> Vec<usize> {
    let is_first = |&cpu: &usize| {
        siblings(cpu).is_none_or(|list| !list.iter().any(|sibling| *sibling < cpu && allowed.contains(sibling)))
    };
    allowed.iter().copied().filter(is_first).collect()
}

/// The numbers of a list such as `0-3,8`; empty if it is none.
fn listed(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    let ranges: Option<Vec<_>> = text.trim().split(',').map(range).collect();
    ranges.unwrap_or_default().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_counted_once() {
        assert_eq!(listed("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(listed("\t5"), [5]);
        assert_eq!(listed("").len() + listed("0-x").len(), 0);
        // Cores of two processors each: 0 and 4, 1 and 5, …
        let siblings = |cpu: usize| Some(vec![cpu % 4, cpu % 4 + 4]);
        assert_eq!(first_of_cores(&[0, 1, 4, 5, 6], siblings), [0, 1, 6]);
        assert_eq!(first_of_cores(&[0, 1], |_| None), [0, 1]);
        assert!(physical_cores().len() <= cores());
    }

    #[test]
    fn processors_of_one_name_are_told_apart() {
        let text =
            "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU\nstepping\t: 1\n\nprocessor\t: 1\nmodel\t\t: 99\n";
        assert_eq!(describe(text), "Some CPU (model 17, stepping 1)");
        assert_eq!(describe("CPU part : 0xd40\n"), format!("{} (CPU part 0xd40)", std::env::consts::ARCH));
        assert_eq!(describe(""), std::env::consts::ARCH);
    }
}
