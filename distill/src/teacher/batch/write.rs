//! Request files: parts of a size that the service accepts, with names and bytes that depend on the requests alone.

use std::path::{Path, PathBuf};

use pupil_models::digest::Digest;
use pupil_models::durable;

use super::custom_id::Step;
use super::request::{BatchRequest, Requests};
use super::{BatchError, OpenaiSource};
use crate::teacher::Assignment;

/// Characters per token where nobody counts: a common rule of thumb for English.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// How large a request file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most requests.
    pub requests: usize,
    /// Most bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// What the service accepts.
    fn default() -> Self {
        Self { requests: 50_000, bytes: 200_000_000 }
    }
}

/// A request file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// Requests in it.
    pub requests: usize,
    /// Its size.
    pub bytes: u64,
}

/// What written requests will use, about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Tokens of the prompts, at four characters a token.
    pub prompt_tokens: u64,
    /// Most tokens of the replies.
    pub most_completion_tokens: u64,
    /// Most that it can cost by this estimate, in US dollars; none without a price.
    pub most_cost_usd: Option<f64>,
}

/// What was written for one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The request files, in the order in which their requests come.
    pub parts: Vec<Part>,
    /// What they will use.
    pub estimate: Estimate,
}

/// Writes every missing request of the assignment into files in `folder`.
///
/// A file's name ends in the digest of its content: the same requests make the same files, and files that may have been handed
/// in already are never overwritten by others.
///
/// # Errors
/// [`BatchError`]: a request alone is larger than a file may be; the folder cannot be written. Files written before are whole.
pub fn write(
    source: &OpenaiSource,
    assignment: &mut Assignment<'_>,
    folder: &Path,
    limits: Limits,
) -> Result<Written, BatchError> {
    let requests = Requests::of(source, assignment.source)?;
    let mut written = Written::default();
    for step in [Step::Rationale, Step::Answer] {
        let stem = format!("source-{}.{}", assignment.source, step.as_str());
        let mut parts = Parts { folder, stem, limits, lines: Vec::new(), requests: 0, written: Vec::new() };
        requests.missing(assignment, step, |request| {
            written.estimate.add(&request);
            parts.add(&requests, &request)
        })?;
        written.parts.append(&mut parts.finish()?);
    }
    let Estimate { prompt_tokens, most_completion_tokens, .. } = written.estimate;
    written.estimate.most_cost_usd = requests.offline.cost(prompt_tokens, most_completion_tokens);
    Ok(written)
}

impl Estimate {
    fn add(&mut self, request: &BatchRequest) {
        self.prompt_tokens += (request.letter.characters as u64).div_ceil(CHARACTERS_PER_TOKEN);
        self.most_completion_tokens += u64::from(request.letter.max_tokens);
    }
}

/// The files of one step.
struct Parts<'a> {
    folder: &'a Path,
    stem: String,
    limits: Limits,
    lines: Vec<u8>,
    requests: usize,
    written: Vec<Part>,
}

impl Parts<'_> {
    fn add(&mut self, requests: &Requests, request: &BatchRequest) -> Result<(), BatchError> {
        let line = line(requests.offline.path(), request);
        let (found, most) = (line.len() as u64, self.limits.bytes);
        if found > most {
            return Err(BatchError::TooLarge { custom_id: request.id.to_string(), most, found });
        }
        if self.requests == self.limits.requests || self.lines.len() as u64 + found > most {
            self.close()?;
        }
        self.lines.extend(line);
        self.requests += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), BatchError> {
        let digest = Digest::of(&self.lines).to_string();
        let digits: String = digest.chars().skip("sha256:".len()).take(8).collect();
        let path = self.folder.join(format!("{}.{:04}.{digits}.jsonl", self.stem, self.written.len()));
        let failed = |source| BatchError::Write { path: path.clone(), source };
        std::fs::create_dir_all(self.folder).map_err(failed)?;
        durable::write(&path, &self.lines).map_err(failed)?;
        self.written.push(Part { path, requests: self.requests, bytes: self.lines.len() as u64 });
        self.lines.clear();
        self.requests = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Part>, BatchError> {
        if self.requests > 0 {
            self.close()?;
        }
        Ok(self.written)
    }
}

/// A line of a request file. The id and the path are plain ASCII, the body is JSON.
fn line(path: &str, request: &BatchRequest) -> Vec<u8> {
    let head = format!("{{\"custom_id\":\"{}\",\"method\":\"POST\",\"url\":\"{path}\",\"body\":", request.id);
    [head.as_bytes(), &request.letter.body, b"}\n"].concat()
}
