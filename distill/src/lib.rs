//! Teaches a student to reason step by step from a teacher's rationales (Ho, Schmid and Yun 2023).

pub mod checkpoint;
pub mod dataset;
pub mod eval;
pub mod experiment;
pub mod export;
pub mod filter;
pub mod interrupt;
pub mod keyed;
pub mod progress;
pub mod pipeline;
pub mod rationale;
pub mod sample;
pub mod student;
pub mod teacher;
pub mod train;
pub mod vocabulary;
