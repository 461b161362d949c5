//! Answers questions with a student bundle: prefill, decode steps, streamed reasoning steps, on ONNX Runtime.
//!
//! ```no_run
//! use pupil_runtime::{Engine, Event, Request};
//!
//! let mut engine = Engine::open("models/students/symbolic")?;
//! for event in engine.stream("A coin is heads up. Ana flips the coin. Is the coin still heads up?", &Request::default())? {
//!     match event? {
//!         Event::Step(step) => println!("{}. {}", step.index + 1, step.text),
//!         Event::Finished(solution) => println!("{:?}: {:?}", solution.outcome, solution.answer),
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Following one question through this crate:
//!
//! 1. [`Engine::open`] opens the bundle and hands its graph to ONNX Runtime ([`backend::onnx`]), which maps the weights.
//!    [`EngineOptions`] say how it is run; what they leave open is decided by what `pupil tune` stored for this bundle on
//!    this machine ([`tuning`]), else by rules.
//! 2. [`Engine::stream`] lays the question out as the bundle's reasoning contract says, encodes it, and refuses it if it
//!    does not fit the context. A [`Request`] says how tokens are chosen, how many there may be, and who may cancel.
//! 3. The [`Generation`] is an iterator. Its first pull is the prefill: one forward pass ([`backend::Backend`]) over the
//!    prompt, which fills the key-value cache.
//! 4. Every further pull is a decode step: the sampler chooses a token from the logits, the token is shown to the student,
//!    and the cache grows by one position in place.
//! 5. Token ids become text, whole characters at a time; a filter holds back what could become a stop text; the step
//!    splitter of `pupil-models` finds steps and the answer marker. Each of these is an [`Event`] as soon as it is certain.
//! 6. The generation ends by the student's end token or a stop text, by a budget, by the repetition detector, or because
//!    it was cancelled. Answer cleansing extracts the answer, and [`Event::Finished`] carries the [`Solution`], whose
//!    [`Outcome`] says how it ended.
//!
//! [`Engine::solve_batch`] answers many questions at once, and [`Engine::vote`] writes several rationales for one question and
//! takes the answer that most of them come to; both decode rows of one cache side by side.
//!
//! The crate knows no libtorch, no dataset and no network, and ONNX Runtime's telemetry is switched off before it loads.

pub mod backend;
mod batch;
mod device;
mod draft;
mod engine;
mod error;
mod event;
mod generation;
pub mod kernels;
mod limits;
pub mod machine;
mod options;
mod repetition;
mod request;
mod rows;
mod sampler;
mod stop;
mod timing;
mod transcript;
pub mod tuning;
mod vote;

pub use batch::Question;
pub use device::{Device, DeviceError, UnknownDevice};
pub use engine::{Engine, PREFILL_TOKENS};
pub use error::{GenerateError, LibraryError, LoadError, RequestError};
pub use event::{Event, Outcome, Solution, Step, Usage};
pub use generation::Generation;
pub use kernels::{CacheType, InstructionSet};
pub use options::{EngineOptions, Execution};
pub use request::{CancelToken, RationaleExhausted, Request, RequestBuilder, Sampling};
pub use sampler::TokenId;
pub use timing::Timings;
pub use vote::{Ballot, Candidate, Vote, Weighting};
