//! The admin API: HTTP/1.1 on a loopback address or a Unix socket.
//!
//! Comes in: `GET /status`, `/explain`, `/metrics`; `POST /reload`, `/drain`, `/undrain` with a JSON body. Goes out:
//! JSON (`/metrics`: Prometheus text), and for everything that was not done `{"error", "help", "details"}`.
//!
//! Invariants: no GET changes anything; nothing is done for a request that the guard does not admit; an address
//! that other machines reach is served only with a token; each change, taken or refused, is written to the tracing
//! target `audit` with who asked and why.
//!
//! [`Listener`] is the server's side, [`Client`] the one of the commands.

mod address;
mod audit;
mod client;
mod explained;
mod guard;
mod listener;
mod metrics;
mod operations;
mod refusal;
mod routes;
mod token;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use audit::Change;
pub use client::{Client, ClientError};
pub use explained::Explained;
pub use listener::{BindError, Listener};
pub use operations::{Operations, Question};
pub use refusal::Fault;
pub use routes::{DrainRequest, ReloadReply, ReloadRequest, SwitchReply, UndrainRequest};
pub use token::Token;
