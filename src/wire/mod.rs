//! DNS as bytes: names, headers, questions, EDNS, and the text form of records.
//!
//! Nothing here allocates on the query path, reads a clock or does I/O.

mod name;
mod rtype;

pub use name::{Name, NameError};
pub use rtype::RecordType;

pub mod master;
pub mod text;
