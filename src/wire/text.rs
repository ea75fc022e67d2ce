//! STUB. Record data between presentation form and wire form.

use super::{Name, RecordType};

/// Why a text is no data of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// What was expected or is wrong, as a clause without a final stop.
    pub message: String,
}

/// Reads one record's data; relative names take the origin. The result is uncompressed wire form.
pub fn parse_rdata(_rtype: RecordType, _text: &str, _origin: &Name) -> Result<Box<[u8]>, TextError> {
    Err(TextError { message: String::new() })
}

/// Writes one record's data in presentation form; what cannot be decoded comes out as `\# n hex` (RFC 3597).
pub fn format_rdata(_rtype: RecordType, _rdata: &[u8]) -> String {
    String::new()
}
