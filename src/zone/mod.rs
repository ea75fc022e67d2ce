//! A zone as names: what stands at each, what lies below a cut, which names exist only by their descendants.
//!
//! Comes in: a [`model::Zone`](crate::config::model::Zone), and which zones lie within it. Goes out: every name that can
//! be found by asking, with empty non-terminals made real (RFC 8020), data below a cut kept as glue only, and wildcards
//! tied to their parents. No name is copied: a zone may have millions.

mod index;
mod names;

pub use index::{Index, tag};
pub use names::{Cut, Host, Names, Standing, Within};
