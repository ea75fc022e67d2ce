//! `rhumb check`: of files, and of the world.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::super::live;

const CHECK_AFTER_HELP: &str = "\
A directory is read as zones. A server file brings its own zones. For a single zone file the directory around it is
read too, since it may use shared files, but only faults that touch the file are shown.

With --live the world is asked, as a resolver asks it: the servers of the parent for their delegation and its glue, then
each server of the zone at each of its addresses, over UDP and TCP, for its serial, its NS records and whether it echoes
a client subnet. Names and addresses are compared with each other and with the configuration here, if it has the zone.
Each finding says what is wrong, where, and what to do. Nothing is sent but questions, sixteen at once, to port 53.

Exits 1 on errors and 0 on warnings, of files and of the world alike.

Examples:
  rhumb check
  rhumb check zones/example.com.toml
  rhumb check --format json /etc/rhumb/rhumb.toml
  rhumb check --live example.com
  rhumb check --live example.test --root 10.53.0.1";

/// `rhumb check`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = CHECK_AFTER_HELP)]
pub struct Check {
    /// A directory of zones, one zone file, or a server file; by default what `serve` would read
    pub path: Option<PathBuf>,
    /// The world instead of files.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// How the world is asked.
#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    /// Ask the world about this zone: delegation, glue, serials, client subnets, TCP, reachability
    #[arg(long = "live", value_name = "ZONE", help_heading = "Of the world")]
    pub zone: Option<String>,
    /// A root server to begin at instead of those of the Internet; may be given again
    #[arg(
        long,
        value_name = "ADDRESS[:PORT]",
        requires = "zone",
        value_parser = live::parse_root,
        help_heading = "Of the world"
    )]
    pub root: Vec<SocketAddr>,
    /// A master file with the addresses of root servers, such as a resolver's named.root
    #[arg(long, value_name = "FILE", requires = "zone", conflicts_with = "root", help_heading = "Of the world")]
    pub hints: Option<PathBuf>,
}
