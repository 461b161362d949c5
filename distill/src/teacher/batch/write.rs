//! Request files: parts of a size that the service accepts, with names and bytes that depend on the requests alone.

use std::fs::{self, File};
use std::io::Write;
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

/// What requests will use, about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Requests that ask for rationales, or for whole completions.
    pub rationales: u64,
    /// Requests that ask for the answers to rationales.
    pub answers: u64,
    /// Tokens of the prompts, at four characters a token.
    pub prompt_tokens: u64,
    /// Most tokens of the replies.
    pub most_completion_tokens: u64,
    /// Most that it can cost by this estimate, in US dollars; none without a price.
    pub most_cost_usd: Option<f64>,
}

/// Adds every missing request of the assignment to `files`; what they will use.
///
/// # Errors
/// [`BatchError`]: a request alone is larger than a file may be; the requests cannot be worded; the folder cannot be written;
/// somebody asks to stop.
pub fn write(
    source: &OpenaiSource,
    assignment: &Assignment<'_>,
    files: &mut RequestFiles,
) -> Result<Estimate, BatchError> {
    let requests = Requests::of(source, assignment.source)?;
    let mut estimate = Estimate::default();
    for step in [Step::Rationale, Step::Answer] {
        let stem = format!("source-{}.{}", assignment.source, step.as_str());
        let mut parts = Parts { files, stem, lines: Vec::new(), requests: 0, closed: 0 };
        requests.missing(assignment, step, |request| {
            estimate.add(&request);
            parts.add(requests.offline.path(), &request)
        })?;
        parts.close()?;
    }
    estimate.most_cost_usd = requests.offline.cost(estimate.prompt_tokens, estimate.most_completion_tokens);
    Ok(estimate)
}

impl Estimate {
    fn add(&mut self, request: &BatchRequest) {
        match request.id.step {
            Step::Rationale => self.rationales += 1,
            Step::Answer => self.answers += 1,
        }
        self.prompt_tokens += (request.letter.characters as u64).div_ceil(CHARACTERS_PER_TOKEN);
        self.most_completion_tokens += u64::from(request.letter.max_tokens);
    }
}

/// Request files that appear in their folder together, or not at all: until [`Self::publish`] they have hidden names, and
/// dropped before it they leave nothing.
///
/// A file's name ends in the digest of its content: the same requests make the same files, and files that may have been handed
/// in already are never overwritten by others.
pub struct RequestFiles {
    folder: PathBuf,
    limits: Limits,
    staged: Vec<Part>,
}

impl RequestFiles {
    /// No files yet, for `folder`, which is made with the first one.
    #[must_use]
    pub fn new(folder: &Path, limits: Limits) -> Self {
        Self { folder: folder.to_owned(), limits, staged: Vec::new() }
    }

    /// Gives the files their names; the files, in the order in which their requests come.
    ///
    /// # Errors
    /// [`BatchError::Write`] if the folder cannot be written.
    pub fn publish(mut self) -> Result<Vec<Part>, BatchError> {
        for Part { path, .. } in &self.staged {
            let renamed = fs::rename(durable::staging_path(path), path).and_then(|()| durable::sync_folder(path));
            renamed.map_err(|source| BatchError::Write { path: path.clone(), source })?;
        }
        Ok(std::mem::take(&mut self.staged))
    }

    fn stage(&mut self, name: &str, lines: &[u8], requests: usize) -> Result<(), BatchError> {
        let path = self.folder.join(name);
        let failed = |source| BatchError::Write { path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let staged = durable::staging_path(&path);
        // Before it is written, so that half a file is removed, too.
        self.staged.push(Part { path: path.clone(), requests, bytes: lines.len() as u64 });
        let write = |mut file: File| file.write_all(lines).and_then(|()| file.sync_all());
        File::create(staged).and_then(write).map_err(failed)
    }
}

impl Drop for RequestFiles {
    fn drop(&mut self) {
        for part in &self.staged {
            // There is another error to tell about.
            let _ = fs::remove_file(durable::staging_path(&part.path));
        }
    }
}

/// The files of one step.
struct Parts<'a> {
    files: &'a mut RequestFiles,
    stem: String,
    lines: Vec<u8>,
    requests: usize,
    closed: usize,
}

impl Parts<'_> {
    fn add(&mut self, path: &str, request: &BatchRequest) -> Result<(), BatchError> {
        let line = line(path, &request.id.to_string(), &request.letter.body);
        let (found, most) = (line.len() as u64, self.files.limits.bytes);
        if found > most {
            return Err(BatchError::TooLarge { custom_id: request.id.to_string(), most, found });
        }
        self.push(&line)
    }

    fn push(&mut self, line: &[u8]) -> Result<(), BatchError> {
        let Limits { requests, bytes } = self.files.limits;
        if self.requests == requests || (self.lines.len() + line.len()) as u64 > bytes {
            self.close()?;
        }
        self.lines.extend(line);
        self.requests += 1;
        Ok(())
    }

    /// Ends the file under way, if there is anything in it.
    fn close(&mut self) -> Result<(), BatchError> {
        if self.requests == 0 {
            return Ok(());
        }
        let digest = Digest::of(&self.lines).to_string();
        let digits: String = digest.chars().skip("sha256:".len()).take(8).collect();
        let name = format!("{}.{:04}.{digits}.jsonl", self.stem, self.closed);
        self.files.stage(&name, &self.lines, self.requests)?;
        self.closed += 1;
        self.lines.clear();
        self.requests = 0;
        Ok(())
    }
}

/// A line of a request file. The id and the path are plain ASCII, the body is JSON.
fn line(path: &str, id: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{{\"custom_id\":\"{id}\",\"method\":\"POST\",\"url\":\"{path}\",\"body\":");
    [head.as_bytes(), body, b"}\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests of each file that lines of these lengths make.
    fn parts(lengths: &[usize], requests: usize, bytes: u64) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let mut files = RequestFiles::new(&folder.path().join("new"), Limits { requests, bytes });
        let mut parts = Parts { files: &mut files, stem: "s".to_owned(), lines: Vec::new(), requests: 0, closed: 0 };
        for &length in lengths {
            parts.push(&vec![b'x'; length]).unwrap();
        }
        parts.close().unwrap();
        let parts = files.publish().unwrap();
        for part in &parts {
            assert_eq!(fs::metadata(&part.path).unwrap().len(), part.bytes);
        }
        parts.iter().map(|part| part.requests).collect()
    }

    #[test]
    fn parts_are_as_full_as_the_limits_allow() {
        assert_eq!(parts(&[], 2, 100), [0; 0]);
        assert_eq!(parts(&[9; 4], 2, 100), [2, 2]);
        assert_eq!(parts(&[9; 5], 2, 100), [2, 2, 1]);
        assert_eq!(parts(&[10; 5], 9, 30), [3, 2]);
        assert_eq!(parts(&[10; 5], 9, 29), [2, 2, 1]);
        assert_eq!(parts(&[10, 30, 1, 1], 9, 30), [1, 1, 2]);
    }

    #[test]
    fn files_that_are_not_published_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = RequestFiles::new(folder.path(), Limits::default());
        files.stage("a.jsonl", b"{}\n", 1).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(files);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_line_is_json() {
        let line = line("/v1/completions", "0.1.2.answer.0", br#"{"prompt":"\n"}"#);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&value["method"], &value["body"]["prompt"]), (&"POST".into(), &"\n".into()));
        assert!(line.ends_with(b"}\n"));
    }
}
