//! What a command says when it cannot do its work: one line of cause, one of remedy, and the exit code.

use std::fmt;
use std::process::ExitCode;

use super::output::Output;

/// Exit code of a refusal or a fault that no other code describes.
const REFUSED: u8 = 1;
/// Exit code when nothing answers at the admin address.
const NO_SERVER: u8 = 4;

/// A cause for a person, with a remedy where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    cause: String,
    help: Option<String>,
    details: Vec<String>,
    code: u8,
}

impl Failure {
    /// The cause: one line, no final stop.
    pub(crate) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), help: None, details: Vec::new(), code: REFUSED }
    }

    /// Nothing answers at the admin address.
    pub(crate) fn no_server(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), help: None, details: Vec::new(), code: NO_SERVER }
    }

    /// What to do about it: one line, no final stop.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Particulars, printed after the cause: one a line, or texts of several lines.
    pub(crate) fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Failure {}

/// Prints a fault to stderr, with its causes on the same line, and gives the exit code.
pub(crate) fn report(fault: &anyhow::Error, output: &Output) -> ExitCode {
    if is_closed_pipe(fault) {
        return ExitCode::SUCCESS;
    }
    let known = fault.downcast_ref::<Failure>();
    let details = known.map(|f| f.details.as_slice()).unwrap_or_default();
    output.fault(&format!("{fault:#}"), details, known.and_then(|f| f.help.as_deref()));
    ExitCode::from(known.map_or(REFUSED, Failure::code))
}

/// Whether the reader of stdout went away, as `head` does: it has what it wants.
fn is_closed_pipe(fault: &anyhow::Error) -> bool {
    fault
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
