//! STUB. Master files (RFC 1035 section 5).

use super::{Name, RecordType};

/// One record of a master file.
#[derive(Clone, Debug, PartialEq)]
pub struct MasterRecord {
    /// Absolute.
    pub owner: Name,
    /// In seconds; as given, or by `$TTL`, or the last one.
    pub ttl: u32,
    /// The type.
    pub rtype: RecordType,
    /// Uncompressed wire form.
    pub rdata: Box<[u8]>,
    /// The line that the record begins on, from 1.
    pub line: usize,
}

/// A fault in a master file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong, as a clause without a final stop.
    pub message: String,
}

/// Reads a whole file, gathering every fault that can be told apart. `default_ttl` serves where the file gives none.
/// `$INCLUDE` is a fault: zone text cannot read other files.
pub fn scan(_text: &[u8], _origin: &Name, _default_ttl: u32) -> (Vec<MasterRecord>, Vec<MasterError>) {
    (Vec::new(), Vec::new())
}
