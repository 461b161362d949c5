//! One of several equal parts of a run's examples, so that many machines can teach at once.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use pupil_models::digest::Digest;

/// Part `index` of `count`: every example belongs to exactly one part, decided by its id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u32,
    count: NonZeroU32,
}

/// A text that names no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ShardError {
    expected: String,
    found: String,
}

impl Shard {
    /// Part `index` of `count`. Parts are numbered from 0; part `count` is part 0, so that counting from 1 works as well.
    ///
    /// # Errors
    /// `index` is above `count`.
    pub fn new(index: u32, count: NonZeroU32) -> Result<Self, ShardError> {
        if index > count.get() {
            return Err(refuse(format!("a shard from 0 to {count}"), index));
        }
        Ok(Self { index: index % count, count })
    }

    /// Number of the part, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many parts there are.
    #[must_use]
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Name of the shard's folder, such as `3-of-16`.
    #[must_use]
    pub fn folder(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }

    /// Whether the example with this id belongs to the part.
    #[must_use]
    pub fn contains(self, example: &str) -> bool {
        // The digits of the digest, for which every platform has the same hash.
        let digest = Digest::of(example.as_bytes()).to_string();
        let number = digest.bytes().skip("sha256:".len()).take(16).fold(0_u64, |number, digit| {
            (number << 4) | u64::from(if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 })
        });
        number % u64::from(self.count.get()) == u64::from(self.index)
    }

    /// Reads `K/N`; `auto/N`, the part with the number of this task of a Slurm array or a Kubernetes indexed job; or `auto`,
    /// where Slurm also says how many tasks there are.
    ///
    /// # Errors
    /// The text is none of these, or `variable` (an environment) has not what `auto` needs.
    pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ShardError> {
        let malformed = || refuse("a shard as K/N, auto/N or auto".to_owned(), format!("`{text}`"));
        let (part, count) = match text.split_once('/') {
            Some((part, count)) => (part, Some(count.parse().map_err(|_| malformed())?)),
            None if text == "auto" => (text, None),
            None => return Err(malformed()),
        };
        if part != "auto" {
            let index = part.parse().map_err(|_| malformed())?;
            return count.map_or_else(|| Err(malformed()), |count| Self::new(index, count));
        }
        let number = |name: &str| -> Result<Option<u32>, ShardError> {
            let Some(value) = variable(name) else { return Ok(None) };
            value.trim().parse().map(Some).map_err(|_| refuse(format!("a number in {name}"), format!("`{value}`")))
        };
        let count = match count {
            Some(count) => count,
            None => slurm_count(number)?,
        };
        let task = match number("SLURM_ARRAY_TASK_ID")? {
            Some(task) => Some(task),
            None => number("JOB_COMPLETION_INDEX")?,
        };
        let absent = || refuse("SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX in the environment".to_owned(), "neither");
        Ok(Self { index: task.ok_or_else(absent)? % count, count })
    }
}

/// Size of a Slurm array whose task numbers leave none out, without which a part would be left out as well.
fn slurm_count(number: impl Fn(&str) -> Result<Option<u32>, ShardError>) -> Result<NonZeroU32, ShardError> {
    let expected = || "auto/N, or SLURM_ARRAY_TASK_COUNT in the environment".to_owned();
    let count = number("SLURM_ARRAY_TASK_COUNT")?.and_then(NonZeroU32::new);
    let count = count.ok_or_else(|| refuse(expected(), "neither"))?;
    let (least, most) = (number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_MAX")?);
    if let (Some(least), Some(most)) = (least, most)
        && most.checked_sub(least).is_none_or(|span| span != count.get() - 1)
    {
        let found = format!("{count} tasks from {least} to {most}; auto/N says how many parts there are");
        return Err(refuse("an array without gaps".to_owned(), found));
    }
    Ok(count)
}

fn refuse(expected: String, found: impl ToString) -> ShardError {
    ShardError { expected, found: found.to_string() }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    /// As [`Shard::parse`], with this process's environment.
    fn from_str(text: &str) -> Result<Self, ShardError> {
        Self::parse(text, |name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<String, String> {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Shard::parse(text, variable).map(|shard| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_example_is_in_one_shard_whether_counted_from_zero_or_one() {
        let ids: Vec<String> = (0..2000).map(|number| format!("coin_flip/{number}")).collect();
        for numbers in [0..=15, 1..=16] {
            let shards: Vec<Shard> = numbers.map(|index| format!("{index}/16").parse().unwrap()).collect();
            for id in &ids {
                assert_eq!(shards.iter().filter(|shard| shard.contains(id)).count(), 1, "{id}");
            }
            // 125 on average; four standard deviations.
            let sizes = shards.iter().map(|shard| ids.iter().filter(|id| shard.contains(id)).count());
            assert!(sizes.into_iter().all(|size| (82..=168).contains(&size)));
        }
    }

    #[test]
    fn an_example_stays_in_its_shard_for_ever() {
        let shard: Shard = "1/4".parse().unwrap();
        let inside: Vec<u32> = (0..12).filter(|number| shard.contains(&format!("gsm8k/{number}"))).collect();
        assert_eq!(inside, GOLDEN);
    }

    /// Computed apart: the first 16 hexadecimal digits of `printf gsm8k/0 | sha256sum`, modulo 4.
    const GOLDEN: [u32; 3] = [0, 10, 11];

    #[test]
    fn slurm_and_kubernetes_name_the_shard() {
        let slurm = |id, least, most, count| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", least),
                ("SLURM_ARRAY_TASK_MAX", most),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ]
        };
        assert_eq!(parse("auto", &slurm("3", "0", "15", "16")).unwrap(), "3/16");
        assert_eq!(parse("auto", &slurm("16", "1", "16", "16")).unwrap(), "0/16");
        // One task of the array again, alone.
        assert_eq!(parse("auto/16", &slurm("3", "3", "3", "1")).unwrap(), "3/16");
        assert_eq!(parse("auto/16", &[("JOB_COMPLETION_INDEX", "7")]).unwrap(), "7/16");
    }

    type Environment<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn what_names_no_shard_is_refused() {
        let gaps = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        let cases: [(&str, Environment<'_>, &str); 8] = [
            ("17/16", &[], "expected a shard from 0 to 16, found 17"),
            ("3/0", &[], "expected a shard as K/N, auto/N or auto, found `3/0`"),
            ("3", &[], "found `3`"),
            ("-1/4", &[], "found `-1/4`"),
            ("auto", &[("JOB_COMPLETION_INDEX", "7")], "expected auto/N, or SLURM_ARRAY_TASK_COUNT in the environment"),
            ("auto/4", &[], "expected SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX in the environment, found neither"),
            ("auto/4", &[("JOB_COMPLETION_INDEX", "x")], "expected a number in JOB_COMPLETION_INDEX, found `x`"),
            ("auto", &gaps, "expected an array without gaps, found 3 tasks from 1 to 7"),
        ];
        for (text, environment, expected) in cases {
            let found = parse(text, environment).unwrap_err();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
