//! What is said to the person who edits: faults and warnings with their place in a file.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The load is refused.
    Error,
    /// The load is taken.
    Warning,
}

/// One finding. `code` is stable and documented (`unknown-endpoint`, `route-loop`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable kebab-case name of the kind of fault.
    pub code: &'static str,
    /// What is wrong, one line, no final stop.
    pub message: String,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// Bytes in that file.
    pub span: Option<Range<usize>>,
    /// What stands at the span: short, such as "no endpoint of this name".
    pub label: String,
    /// Further places that matter: file, bytes, what stands there.
    pub related: Vec<(PathBuf, Range<usize>, String)>,
    /// What was expected, or the likely fix.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault or warning that belongs to no place in a file.
    pub fn general(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            file: None,
            span: None,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
