//! The training loop over libtorch.

mod loss;
mod optimizer;
mod state;
mod trainer;

pub use trainer::train;
