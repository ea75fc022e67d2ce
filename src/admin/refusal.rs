//! What the API says when it does not do what it was asked: a status code and `{"error", "help"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of every reply that is not a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is wrong: one clause, no final stop.
    pub error: String,
    /// What to do about it, where something can be done.
    #[serde(default)]
    pub help: Option<String>,
    /// Particulars, one a line: diagnostics of a load, names that a drain would leave empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// A [`Fault`] on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    fault: Fault,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, fault: Fault { error: error.into(), help: Some(help.into()), details: Vec::new() } }
    }

    pub(super) fn bare(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, fault: Fault { error: error.into(), help: None, details: Vec::new() } }
    }

    pub(super) fn details(mut self, details: Vec<String>) -> Self {
        self.fault.details = details;
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn error(&self) -> &str {
        &self.fault.error
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.fault)).into_response()
    }
}
