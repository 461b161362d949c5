//! Placeholder under construction.
