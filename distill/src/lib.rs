//! Teaches a student to reason step by step from a teacher's rationales (Ho, Schmid and Yun, "Large Language Models Are
//! Reasoning Teachers", 2023).
//!
//! Following one dataset row through this crate:
//!
//! 1. [`dataset`]: the row becomes an [`dataset::Example`], id, question and gold answer, in a split.
//! 2. [`teacher`]: a teacher writes completions about it: [`teacher::openai`] asks a large model,
//!    [`teacher::batch`] by files, [`teacher::recorded`] replays what one wrote, [`teacher::bundle`] is a student of ours, and
//!    [`teacher::program`] makes questions of its own. [`rationale`] keeps every completion, word for word.
//! 3. [`filter`]: answer cleansing extracts the teacher's answer; the verdict keeps the rationale, or rejects it with a reason.
//! 4. [`sample`]: the contract lays question, rationale and gold answer out, the tokenizer ([`vocabulary`] trains one for a
//!    student from scratch) makes ids of them, and the loss mask covers what the student has to write.
//! 5. [`train()`](train::train): [`student`] computes the family's forward pass in libtorch, [`train`] follows its gradient. The result is a
//!    [`checkpoint`], as Hugging Face lays it out.
//! 6. [`export`]: the same forward pass is written down as an ONNX graph over the checkpoint's weights, and proved to compute
//!    the same logits and completions. The result is a bundle.
//! 7. [`eval`]: `pupil-runtime` answers test questions with the bundle, and the answers are graded.
//!
//! [`experiment`] is the file in which a user says all this; [`pipeline`] runs its stages, each once, in a folder; [`report`] writes a
//! page about finished runs. [`interrupt`], [`progress`] and [`keyed`] (randomness that needs no state) serve all of them;
//! [`numpy`] draws as the published code did; [`safetensors_writer`] writes weights of any size in little memory, and
//! [`random_student`] students for measurements, which nobody trained.
//!
//! libtorch is needed by [`student`] and [`train`] alone, and only with the feature `torch`.

pub mod checkpoint;
pub mod dataset;
pub mod eval;
pub mod experiment;
pub mod export;
pub mod filter;
pub mod grading;
pub mod interrupt;
pub mod keyed;
pub mod numpy;
pub mod pipeline;
pub mod progress;
pub mod quantize;
pub mod random_student;
pub mod rationale;
pub mod report;
pub mod safetensors_writer;
pub mod sample;
pub mod student;
pub mod teacher;
pub mod train;
pub mod vocabulary;
