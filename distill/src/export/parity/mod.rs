//! The parity ladder: libtorch in float32, the float32 graph, and every other form of the student, each measured.
//!
//! 1. [`compare`]: the float32 graph against libtorch. [`require_float32`] is the rule: logits equal up to rounding, greedy
//!    completions equal token by token.
//! 2. [`logit_errors`] and [`agreement`]: another form against libtorch, on libtorch's own greedy completions ([`GreedyPath`])
//!    and in what it writes itself.
//! 3. [`right_answers`] and [`flips`]: its answers to held-out questions against those of the float32 graph. Its rule is
//!    [`Tolerance`]: a form is inside if the accuracy that it may have lost, at the worst end of the paired 95 % interval, is
//!    no more than that.
//!
//! The two rules are never mixed: rounding has no influence on answers that greedy decoding could see, and quantisation has
//! one that logits do not tell.

mod answers;
mod float32;
mod gate;
mod greedy;
mod lockstep;
mod logits;
mod reference;

pub use answers::{flips, right_answers};
pub use float32::{MAX_LOGIT_DIFFERENCE, Proved, RELATIVE_LOGIT_DIFFERENCE, compare, require_float32, tolerance};
pub use gate::{Tolerance, ToleranceError};
pub use greedy::{GreedyPath, agreement};
pub use lockstep::logit_errors;
pub use logits::{LogitSums, argmax, divergence};
pub use reference::Reference;
