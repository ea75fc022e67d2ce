//! The handler that stands before a server's own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use rhumb::config::{Overrides, Progress};
use rhumb::control::{Control, Options, StartError};
use rhumb::net::{Engine, Hickory};
use rhumb::wire::Name;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;

use super::Fault;

/// How long a TCP connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Octets that are kept for a stream's replies.
const REPLIES: usize = 64;

/// Names in rhumb's zones are answered by rhumb, all others by `rest`.
pub(crate) struct Steering<H> {
    control: Control,
    steered: Hickory<Engine>,
    rest: H,
}

impl<H> Steering<H> {
    fn is_ours(&self, request: &Request) -> bool {
        let mut names = request.queries.queries().iter().map(|query| Name::absolute(&query.name().to_string()));
        let zones = &self.control.model().zones;
        names.any(|name| name.is_ok_and(|name| zones.iter().any(|zone| name.is_within(&zone.apex))))
    }
}

#[async_trait::async_trait]
impl<H: RequestHandler> RequestHandler for Steering<H> {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, to: R) -> ResponseInfo {
        if self.is_ours(request) {
            self.steered.handle_request::<R, T>(request, to).await
        } else {
            self.rest.handle_request::<R, T>(request, to).await
        }
    }
}

/// A hickory-server on these sockets, over `rest` and rhumb's zones.
pub(crate) async fn server<H: RequestHandler>(
    file: PathBuf,
    rest: H,
    udp: UdpSocket,
    tcp: TcpListener,
) -> Result<Server<Steering<H>>, Fault> {
    let options = Options {
        server_file: Some(file),
        overrides: Overrides::default(),
        runtime: Handle::current(),
        progress: Arc::new(Progress::default()),
    };
    // It reads files and databases.
    let control = tokio::task::spawn_blocking(|| Control::start(options)).await?.map_err(|error| match error {
        StartError::Config { diagnostics, sources } => rhumb::config::render_all(&diagnostics, &sources, false),
        StartError::Other(cause) => cause,
    })?;
    let steered = Hickory::new(Engine::new(control.snapshot()).reporting_to(control.readers()));
    let mut server = Server::new(Steering { control, steered, rest });
    server.register_socket(udp);
    server.register_listener(tcp, IDLE, REPLIES);
    Ok(server)
}
