//! What the parts' tests share, and the way from question to store against a server in this process.

mod ends;
mod faults;
mod run;
mod server;

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::*;
use crate::teacher::Degree;

pub(super) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        model: "teacher".to_owned(),
        api: Api::Chat,
        key_env: None,
        system: None,
        stream: false,
    }
}

pub(super) fn source(url: &str) -> OpenaiSource {
    OpenaiSource {
        questions: Questions { data: PathBuf::new(), split: None, degree: Degree::Fixed(NonZeroU32::MIN) },
        endpoint: endpoint(url),
        prompting: Prompting::ZeroShotCot,
        exemplars: None,
        generation: Generation::default(),
        limits: Limits { longest_pause_s: 0.02, ..Limits::default() },
        price: None,
    }
}
