//! Paths to operations.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Extension, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::audit::Change;
use super::guard::{Caller, Guard};
use super::metrics;
use super::operations::{Operations, Question};
use super::refusal::Refusal;
use crate::config::{self, Diagnostic, Source};
use crate::control::{DrainError, Drained, ReloadError, Reloaded, Status, Subject};

/// No request needs more: a reason and a name.
const BODY_LIMIT: usize = 16 << 10;

/// The body of `POST /drain`: exactly one of `endpoint` and `site`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// Its full name, or the bare one where that is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Every endpoint of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Ends by itself after so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Drain even if some client gets drained endpoints only.
    #[serde(default)]
    pub force: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says that they ask; the audit log has it beside what the socket tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The body of `POST /undrain`: exactly one of `endpoint` and `site`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndrainRequest {
    /// Its full name, or the bare one where that is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Every endpoint of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says that they ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The body of `POST /reload`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// The number of the load that was held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says that they ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What `POST /drain` and `POST /undrain` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchReply {
    /// The full names of the endpoints that changed.
    pub endpoints: Vec<String>,
    /// When the drain ends, seconds since 1970 UTC.
    pub until: Option<u64>,
    /// Steered names that some clients now get from drained endpoints only.
    pub forced: Vec<String>,
    /// What answers now.
    pub generation: u64,
    /// The drain holds until the next restart only: why.
    pub not_kept: Option<String>,
}

/// What `POST /reload` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReply {
    /// What answers now.
    pub generation: u64,
    /// False when the files say what they said before.
    pub changed: bool,
    /// How many zones are served.
    pub zones: usize,
    /// Warnings, each as text of several lines.
    pub warnings: Vec<String>,
}

struct Shared<O> {
    operations: Arc<O>,
    guard: Guard,
    body_within: Duration,
    differences: std::sync::atomic::AtomicU64,
}

type Api<O> = State<Arc<Shared<O>>>;

/// The whole API. Requests carry a [`Caller`] among their extensions, and have so long to bring their body.
pub(super) fn router<O: Operations>(operations: Arc<O>, guard: Guard, body_within: Duration) -> Router {
    let shared = Arc::new(Shared { operations, guard, body_within, differences: 0.into() });
    Router::new()
        .route("/status", get(status::<O>))
        .route("/explain", get(explain::<O>))
        .route("/metrics", get(metrics::<O>))
        .route("/reload", post(reload::<O>))
        .route("/drain", post(drain::<O>))
        .route("/undrain", post(undrain::<O>))
        .fallback(|| async {
            let help = "GET /status, /explain?name=&type=&client=, /metrics; POST /reload, /drain, /undrain";
            Refusal::new(StatusCode::NOT_FOUND, "no such path", help)
        })
        .method_not_allowed_fallback(|| async {
            let help = "what only tells is GET; what changes something is POST with a JSON body";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path is not asked that way", help)
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), admit::<O>))
        .with_state(shared)
}

async fn admit<O: Operations>(
    State(shared): Api<O>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let admitted = match shared.guard.admit(request.method(), request.headers()) {
        Ok(()) => whole(request, shared.body_within).await,
        Err(refusal) => Err(refusal),
    };
    let mut reply = match admitted {
        Ok(request) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(
                target: "audit",
                who = %caller, %method, path,
                status = refusal.status().as_u16(), why = refusal.error(), "request turned away"
            );
            refusal.into_response()
        }
    };
    reply.headers_mut().insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    reply
}

/// The request with all of its body, which has to come in time: whoever sends none would keep a connection for good.
async fn whole(request: Request, within: Duration) -> Result<Request, Refusal> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(within, axum::body::to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, body.into())),
        Ok(Err(_)) => {
            let error = format!("the body is longer than {BODY_LIMIT} octets, or broke off");
            Err(Refusal::bare(StatusCode::PAYLOAD_TOO_LARGE, error))
        }
        Err(_) => Err(Refusal::bare(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

/// Runs what may block where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be worked on to its end"))
}

async fn status<O: Operations>(State(shared): Api<O>) -> Result<Json<Status>, Refusal> {
    blocking(move || shared.operations.status()).await.map(Json)
}

async fn metrics<O: Operations>(State(shared): Api<O>) -> Result<Response, Refusal> {
    let differences = shared.differences.load(std::sync::atomic::Ordering::Relaxed);
    let status = blocking(move || shared.operations.status()).await?;
    let text = metrics::render(&status, differences, SystemTime::now());
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

#[derive(Deserialize)]
struct ExplainQuery {
    name: Option<String>,
    #[serde(rename = "type")]
    rtype: Option<String>,
    client: Option<String>,
}

async fn explain<O: Operations>(State(shared): Api<O>, Query(query): Query<ExplainQuery>) -> Result<Response, Refusal> {
    let missing = |what: &str| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("`{what}` is missing"),
            "ask /explain?name=www.example.com&type=A&client=81.2.69.0/24",
        )
    };
    let name = query.name.ok_or_else(|| missing("name"))?;
    let client = query.client.ok_or_else(|| missing("client"))?;
    let question = Question::parse(&name, query.rtype.as_deref().unwrap_or("A"), &client)
        .map_err(|why| Refusal::bare(StatusCode::BAD_REQUEST, why))?;
    let worked_on = Arc::clone(&shared);
    let explained = blocking(move || worked_on.operations.explain(&question))
        .await?
        .map_err(|why| Refusal::bare(StatusCode::NOT_FOUND, why))?;
    if let Some(difference) = &explained.explanation.difference {
        shared.differences.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::error!(name, client, difference, "explain: the served answer and the reasons differ");
    }
    Ok(Json(explained).into_response())
}

async fn reload<O: Operations>(
    State(shared): Api<O>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<ReloadRequest>, JsonRejection>,
) -> Result<Json<ReloadReply>, Refusal> {
    let asked = json(body).map_err(|refusal| unreadable(&caller, "reload", refusal))?;
    let force = asked.force;
    let subject = force.map_or_else(|| "all files".to_owned(), |number| format!("all files, forced {number}"));
    let change = Change::new(&caller, "reload", subject).said(asked.by, asked.reason);
    changing(change, move || match shared.operations.reload(force) {
        Ok(taken) => {
            let warnings = rendered(&taken.diagnostics, &taken.sources);
            let Reloaded { generation, changed, zones, .. } = taken;
            Ok((generation, ReloadReply { generation, changed, zones, warnings }))
        }
        Err(fault) => Err(Refusal::from(fault)),
    })
    .await
}

async fn drain<O: Operations>(
    State(shared): Api<O>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<DrainRequest>, JsonRejection>,
) -> Result<Json<SwitchReply>, Refusal> {
    let asked = json(body).map_err(|refusal| unreadable(&caller, "drain", refusal))?;
    let action = if asked.force { "drain, forced" } else { "drain" };
    let subject = subject(asked.endpoint, asked.site).map_err(|refusal| unreadable(&caller, action, refusal))?;
    let change = Change::new(&caller, action, subject.to_string()).said(asked.by, asked.reason.clone());
    let span = asked.seconds.map(Duration::from_secs);
    changing(change, move || {
        let done = shared.operations.drain(&subject, span, asked.reason, asked.force)?;
        Ok((done.generation, done.into()))
    })
    .await
}

async fn undrain<O: Operations>(
    State(shared): Api<O>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<UndrainRequest>, JsonRejection>,
) -> Result<Json<SwitchReply>, Refusal> {
    let asked = json(body).map_err(|refusal| unreadable(&caller, "undrain", refusal))?;
    let subject = subject(asked.endpoint, asked.site).map_err(|refusal| unreadable(&caller, "undrain", refusal))?;
    let change = Change::new(&caller, "undrain", subject.to_string()).said(asked.by, asked.reason);
    changing(change, move || {
        let done = shared.operations.undrain(&subject)?;
        Ok((done.generation, done.into()))
    })
    .await
}

/// Makes a change and writes it down, also where whoever asked does not wait for the end of it.
async fn changing<T: Send + 'static>(
    change: Change,
    work: impl FnOnce() -> Result<(u64, T), Refusal> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    let written = change.clone();
    let done = blocking(move || {
        let outcome = work();
        written.write(outcome.as_ref().map(|(generation, _)| *generation).map_err(Refusal::error));
        outcome
    });
    match done.await {
        Ok(outcome) => outcome.map(|(_, reply)| Json(reply)),
        Err(died) => {
            change.write(Err(died.error()));
            Err(died)
        }
    }
}

/// A change that was asked for in a way that says not of what.
fn unreadable(caller: &Caller, action: &'static str, refusal: Refusal) -> Refusal {
    Change::new(caller, action, "not understood").write(Err(refusal.error()));
    refusal
}

fn json<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    body.map(|Json(value)| value).map_err(|why| Refusal::bare(why.status(), why.body_text()))
}

fn subject(endpoint: Option<String>, site: Option<String>) -> Result<Subject, Refusal> {
    match (endpoint, site) {
        (Some(endpoint), None) => Ok(Subject::Endpoint(endpoint)),
        (None, Some(site)) => Ok(Subject::Site(site)),
        _ => Err(Refusal::bare(StatusCode::BAD_REQUEST, "either `endpoint` or `site` is wanted")),
    }
}

impl From<Drained> for SwitchReply {
    fn from(done: Drained) -> Self {
        Self {
            endpoints: done.endpoints,
            until: done.until,
            forced: done.forced,
            generation: done.generation,
            not_kept: done.not_kept,
        }
    }
}

impl From<ReloadError> for Refusal {
    fn from(fault: ReloadError) -> Self {
        let help = match fault.force {
            Some(number) => format!("if that is meant: rhumb reload --force {number}"),
            None => "what was served before is still served; mend the files and try again".into(),
        };
        let errors = fault.diagnostics.iter().filter(|d| d.severity == config::Severity::Error).count();
        let error = match fault.force {
            Some(_) => "the load removes so much that it looks like an accident".to_owned(),
            None => format!("the files have {errors} error{}", if errors == 1 { "" } else { "s" }),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error, help).details(rendered(&fault.diagnostics, &fault.sources))
    }
}

impl From<DrainError> for Refusal {
    fn from(fault: DrainError) -> Self {
        match fault {
            DrainError::Unknown { subject, nearest } => {
                let error = format!("there is no {subject}");
                match nearest {
                    Some(near) => Self::new(StatusCode::NOT_FOUND, error, format!("is `{near}` meant?")),
                    None => Self::new(StatusCode::NOT_FOUND, error, "`rhumb status` lists the endpoints"),
                }
            }
            DrainError::Ambiguous(names) => {
                Self::new(StatusCode::CONFLICT, "more than one zone has an endpoint of this name", "say which")
                    .details(names)
            }
            DrainError::Empties(names) => Self::new(
                StatusCode::CONFLICT,
                "some clients would be left with drained endpoints only",
                "drain them all the same with --force; the drained ones are answered then",
            )
            .details(names),
            DrainError::NotDrained(subject) => Self::bare(StatusCode::CONFLICT, format!("{subject} is not drained")),
            DrainError::Failed(why) => Self::bare(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

/// One text a finding, as `rhumb check` prints it, without colours.
fn rendered(diagnostics: &[Diagnostic], sources: &[Source]) -> Vec<String> {
    config::render_each(diagnostics, sources, false)
}
