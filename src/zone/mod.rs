//! A zone as a tree of names: what stands at each, what lies below a cut, which names exist only by their descendants.
//!
//! Comes in: a [`model::Zone`](crate::config::model::Zone). Goes out: every name that can be found by asking, with
//! empty non-terminals made real (RFC 8020), data below a cut kept as glue only, and wildcards tied to their parents.

mod tree;

pub use tree::{Contents, Cut, Tree};
