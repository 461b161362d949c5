//! What a student *is*: the contract between `pupil-distill`, which makes students, and `pupil-runtime`, which runs them.
//!
//! Following one question through this crate:
//!
//! 1. [`contract`]: the [`contract::ReasoningContract`] turns the question into the exact prompt, and a kept rationale and
//!    gold answer into the exact completion that a student is trained to write.
//! 2. [`tokenizer`]: prompt and completion become token ids; new ids become text again, character by character.
//! 3. [`config`] and [`family`]: the [`config::StudentConfig`] says how large the student is, and [`family::forward`] how
//!    logits are computed from ids, once for training and for export; [`preset`] knows published sizes.
//! 4. [`graph`]: the names and shapes by which the exported graph is called.
//! 5. [`step`]: the [`step::StepSplitter`] finds the steps and the answer in the text as it is written.
//! 6. [`answer`]: answer cleansing extracts the prediction and compares it with the gold answer.
//! 7. [`bundle`]: all of it in one folder, opened with mapped weights, which are stored in a [`mod@format`]; that of our own
//!    operators is made of [`packed`] matrices.
//!
//! [`digest`] and [`durable`] carry what every artefact needs: an identity, and being whole or absent.
//!
//! This crate knows no ONNX Runtime, no libtorch and no network.

pub mod answer;
pub mod bundle;
pub mod config;
pub mod contract;
pub mod digest;
pub mod durable;
pub mod family;
pub mod format;
pub mod graph;
mod map;
pub mod packed;
pub mod preset;
pub mod step;
pub mod tokenizer;
