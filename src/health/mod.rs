//! STUB in part. Probes, thresholds, verdicts.

mod verdict;

pub use verdict::{Drain, Switches, Verdict, Verdicts};
