//! `[[source]]` with `teacher = "openai"`: the endpoint, what is asked, and how fast.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dataset::SplitReference;
use crate::teacher::{Degree, prompting};

/// Which examples are asked about, and how often.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Questions {
    /// The dataset.
    pub data: PathBuf,
    /// Which of its examples; all if absent.
    pub split: Option<SplitReference>,
    /// Completions per example.
    pub degree: Degree,
}

/// A teacher behind an OpenAI-compatible endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenaiSource {
    /// What is asked, and how often.
    pub questions: Questions,
    /// Where, and which model.
    pub endpoint: Endpoint,
    /// How the model is asked to reason.
    pub prompting: Prompting,
    /// File of exemplar blocks by task, for [`Prompting::FewShotCot`].
    pub exemplars: Option<PathBuf>,
    /// How it samples.
    pub generation: Generation,
    /// How fast it is asked.
    pub limits: Limits,
    /// What it charges.
    pub price: Option<Price>,
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Base URL up to and including the version, such as `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// Name of the model.
    pub model: String,
    /// Chat or plain completions.
    #[serde(default)]
    pub api: Api,
    /// Environment variable that holds the key; `OPENAI_API_KEY` if absent. No key is sent where the variable is not set.
    #[serde(default)]
    pub key_env: Option<String>,
    /// Text before the question in chats.
    #[serde(default)]
    pub system: Option<String>,
    /// Whether replies are streamed; a stream shows early that a server has died.
    #[serde(default)]
    pub stream: bool,
}

/// Which of the two interfaces is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/chat/completions`.
    #[default]
    Chat,
    /// `/completions`.
    Completions,
}

/// How a model is asked to reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompting {
    /// Two-step zero-shot-CoT as published: a rationale, then the answer to it.
    #[default]
    ZeroShotCot,
    /// One step: reason, then the answer after an answer marker.
    OneStep,
    /// One step after the published exemplars.
    FewShotCot,
    /// A reasoning model: its reasoning is the rationale, its reply the answer.
    Reasoning,
}

/// How a model samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generation {
    /// 0 is greedy.
    pub temperature: f64,
    /// Only the smallest set of most probable tokens with at least this much probability; not sent if absent.
    pub top_p: Option<f64>,
    /// Most tokens of a rationale.
    pub max_tokens: NonZeroU32,
    /// Most tokens of an answer that is asked for in a second step.
    pub answer_max_tokens: NonZeroU32,
    /// Completion `i` of an example is sampled with seed `seed + i`; no seed is sent if absent.
    pub seed: Option<u64>,
    /// Texts that end a completion.
    pub stop: Vec<String>,
    /// Whether log-probabilities are asked for.
    pub logprobs: bool,
    /// The announcement of the answer that a one-step prompt asks for.
    pub marker: String,
    /// Key under which the token budget is sent: `max_completion_tokens` where `max_tokens` is refused.
    pub max_tokens_key: String,
    /// Further keys of every request, such as `top_k` or `reasoning_effort`; they win over the others.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Default for Generation {
    fn default() -> Self {
        let most = NonZeroU32::MIN.saturating_add(127);
        Self {
            temperature: 0.0,
            top_p: None,
            max_tokens: most,
            answer_max_tokens: most,
            seed: None,
            stop: Vec::new(),
            logprobs: false,
            marker: prompting::FEW_SHOT_MARKER.to_owned(),
            max_tokens_key: "max_tokens".to_owned(),
            extra: serde_json::Map::new(),
        }
    }
}

/// How fast a model is asked, and how patiently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most requests that have no durable reply yet.
    pub concurrency: NonZeroUsize,
    /// Most requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Most tokens a minute, prompts and budgets together.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Attempts after the first one, per request.
    pub retries: u32,
    /// Seconds until a connection must stand.
    pub connect_timeout_s: f64,
    /// Seconds without a byte after which an attempt is given up.
    pub idle_timeout_s: f64,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
    /// Longest pause between two attempts, in seconds, where the server names none.
    pub longest_pause_s: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN.saturating_add(31),
            requests_per_minute: None,
            tokens_per_minute: None,
            retries: 8,
            connect_timeout_s: 10.0,
            idle_timeout_s: 120.0,
            timeout_s: 600.0,
            longest_pause_s: 120.0,
        }
    }
}

/// What a model charges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars per million tokens of prompts.
    pub prompt_usd_per_million: f64,
    /// US dollars per million tokens of replies.
    pub completion_usd_per_million: f64,
}

/// A value with which no endpoint can be asked: the key, what is accepted, what was found.
pub type BadSetting = (&'static str, &'static str, String);

impl OpenaiSource {
    /// Checks every value that can be checked without asking.
    ///
    /// # Errors
    /// The first bad value.
    pub fn check(&self) -> Result<(), BadSetting> {
        let url =
            self.endpoint.base().map_err(|found| ("endpoint.url", "an http or https address without a key", found))?;
        debug_assert!(url.has_host());
        let require =
            |key, holds: bool, expected, found: String| if holds { Ok(()) } else { Err((key, expected, found)) };
        require("endpoint.model", !self.endpoint.model.is_empty(), "the name of a model", "nothing".to_owned())?;
        let few_shot = self.prompting == Prompting::FewShotCot;
        let expected = "a file if `prompting` is `few_shot_cot`, and none otherwise";
        let found = if few_shot { "none" } else { "a file" };
        require("exemplars", self.exemplars.is_some() == few_shot, expected, found.to_owned())?;
        self.generation.check()?;
        self.limits.check()?;
        let prices =
            self.price.map_or([0.0; 2], |price| [price.prompt_usd_per_million, price.completion_usd_per_million]);
        for price in prices {
            require("price", (0.0..=1e9).contains(&price), "US dollars per million tokens", price.to_string())?;
        }
        match self.questions.degree {
            Degree::Adaptive(adaptive) if adaptive.enough > adaptive.most => {
                Err(("degree", "`enough` to be at most `most`", format!("{} and {}", adaptive.enough, adaptive.most)))
            }
            _ => Ok(()),
        }
    }
}

impl Endpoint {
    /// The base URL.
    pub(super) fn base(&self) -> Result<reqwest::Url, String> {
        // A URL that does not parse is not shown: it may hold a key.
        let url = reqwest::Url::parse(&self.url).map_err(|error| error.to_string())?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(format!("the scheme `{}`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user or password in it".to_owned());
        }
        Ok(url)
    }
}

impl Generation {
    fn check(&self) -> Result<(), BadSetting> {
        if !(0.0..=10.0).contains(&self.temperature) {
            return Err(("generation.temperature", "a number from 0 to 10", self.temperature.to_string()));
        }
        match self.top_p {
            Some(share) if !(share > 0.0 && share <= 1.0) => {
                Err(("generation.top_p", "a number above 0, at most 1", share.to_string()))
            }
            _ if self.marker.trim().is_empty() => Err(("generation.marker", "a text", "nothing".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), BadSetting> {
        const DAY_S: f64 = 86_400.0;
        for (key, seconds) in [
            ("limits.connect_timeout_s", self.connect_timeout_s),
            ("limits.idle_timeout_s", self.idle_timeout_s),
            ("limits.timeout_s", self.timeout_s),
            ("limits.longest_pause_s", self.longest_pause_s),
        ] {
            if !(seconds > 0.0 && seconds <= DAY_S) {
                return Err((key, "seconds above 0, at most a day", seconds.to_string()));
            }
        }
        if self.concurrency.get() > 65_536 {
            return Err(("limits.concurrency", "at most 65536", self.concurrency.to_string()));
        }
        Ok(())
    }
}
