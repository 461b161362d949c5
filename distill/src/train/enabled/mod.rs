//! The training loop over libtorch.

mod optimizer;
mod state;
mod trainer;

pub use trainer::train;
