//! Steering inside a hickory-server that serves zones of its own:
//! `cargo run --example steer_inside_hickory -- RHUMB_TOML 127.0.0.1:5301`
//!
//! rhumb loads its zones, follows their files and checks their endpoints as it would on its own; hickory-server has the
//! sockets, and asks rhumb where a name lies in one of rhumb's zones.

mod steering;

use std::net::SocketAddr;
use std::path::PathBuf;

use hickory_server::zone_handler::Catalog;
use tokio::net::{TcpListener, UdpSocket};

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("give rhumb's server file and an address with a port".into());
    };
    let address: SocketAddr = address.parse()?;
    // The catalog that this server had before, with zones of its own.
    let catalog = Catalog::new();
    let (udp, tcp) = (UdpSocket::bind(address).await?, TcpListener::bind(address).await?);
    let mut server = steering::server(PathBuf::from(file), catalog, udp, tcp).await?;
    server.block_until_done().await?;
    Ok(())
}
