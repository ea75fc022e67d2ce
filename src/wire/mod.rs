//! DNS as bytes: names, headers, questions, EDNS, and the text form of records.
//!
//! Nothing that a query runs through allocates; nothing here reads a clock or does I/O.

pub mod edns;
mod lowered;
pub mod master;
pub mod message;
mod name;
mod rtype;
pub mod text;

pub use lowered::Lowered;
pub use name::{Name, NameError};
pub use rtype::RecordType;
