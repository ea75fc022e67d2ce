//! DNS as bytes: names, headers, questions, EDNS, the text form of records, and a zone's records
//! packed.
//!
//! Nothing that a query runs through allocates; nothing here reads a clock or does I/O.

pub mod cookie;
pub mod edns;
mod expanded;
mod file_name;
pub mod freshness;
mod lowered;
pub mod master;
pub mod message;
mod name;
mod name_ref;
pub(crate) mod rdata;
mod records;
mod rtype;
mod sections;
pub mod text;
pub mod tsig;

pub use expanded::Expanded;
pub(crate) use file_name::file_name;
pub use lowered::Lowered;
pub(crate) use name::MAX_NAME;
pub use name::{Name, NameError};
pub use name_ref::NameRef;
pub use records::{OwnerRef, RdataRef, Records, RecordsBuilder, RecordsIndex, RrsetRef};
pub use rtype::RecordType;
pub use sections::{Entry, Sections, push_record};
