//! Every command and flag, once: parsing, `--help`, shell completions and man pages are all made from these types.

mod bench;
mod check;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Effects, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bench::{Answer, Bench, Echo, LoadArgs, Measured};
pub use check::{Check, LiveArgs};

use crate::answer::Asker;
use crate::config::{self, Overrides};
use crate::wire::RecordType;

const HELP_STYLE: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default());

const TOP_AFTER_HELP: &str = "\
Examples:
  rhumb serve --demo                         serve ./zones and the endpoints of the example
  rhumb check                                every fault of ./rhumb.toml and its zones
  rhumb check --live example.com             what the world sees of a zone
  rhumb explain www.example.com --client 81.2.69.0/24
  rhumb drain frankfurt --for 30m --reason 'disk swap'

Exit codes:
  0  done (warnings included)
  1  refused or faulty: errors in the configuration or in what the world sees, or the server said no
  2  the command line is wrong
  3  explain: the served answer and the reasons differ (a fault in rhumb; please report it)
  4  no server answers at the admin address";

/// An authoritative DNS server that steers.
///
/// Each query is answered with the endpoint that serves that client best: by place, distance, latency, weight or
/// network. Endpoints whose health check says that they are down leave the answers. Zones are TOML files; an edit is
/// checked as a whole and live at once.
///
/// Without a command, `rhumb` serves.
#[derive(Parser, Debug)]
#[command(name = "rhumb", version, styles = HELP_STYLE, after_help = TOP_AFTER_HELP)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; none is `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// The server file; else ./rhumb.toml, else /etc/rhumb/rhumb.toml, else built-in defaults
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RHUMB_CONFIG",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub config: Option<PathBuf>,
    /// Where the admin API is: ADDRESS:PORT or unix:/PATH; else `listen.admin` of the server file, else 127.0.0.1:8053
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "RHUMB_ADMIN",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub admin: Option<String>,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, help_heading = "Everywhere")]
    pub format: Format,
    /// When to colour; NO_COLOR is respected
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, help_heading = "Everywhere")]
    pub color: Color,
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as rhumb::health=debug
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "RHUMB_LOG",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub log: Option<String>,
}

/// How results are printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: keys are only ever added
    Json,
}

/// When colours are used.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve DNS (the default)
    Serve(Serve),
    /// Read everything as `serve` would and print every fault
    Check(Check),
    /// Tell what one client is answered, and why
    Explain(Explain),
    /// Show endpoints, verdicts, drains and the generation
    Status(Status),
    /// Take an endpoint, or a whole site, out of the answers at once
    Drain(Drain),
    /// Let a drained endpoint or site answer again
    Undrain(Undrain),
    /// Set the weight of a route's member in the zone's TOML, keeping comments and layout
    Shift(Shift),
    /// Read all files again now
    Reload(Reload),
    /// Print the JSON schema of a file, for completion in editors
    Schema(Schema),
    /// Print a shell's completions
    Completions(Completions),
    /// Print the man page of rhumb or of one command
    Man(Man),
    /// Break or mend a region of the running demo
    Demo(Demo),
    /// Measure this machine's sockets, the engine, or a running server
    Bench(Bench),
}

const SERVE_AFTER_HELP: &str = "\
Serves ./zones on 127.0.0.1:5300 and [::1]:5300 unless told otherwise. Files are read again when they change, on
SIGHUP and on `rhumb reload`; a faulty edit changes nothing and is reported with its line.

Examples:
  rhumb serve --demo
  rhumb serve --zones /etc/rhumb/zones --listen 0.0.0.0:53 --listen '[::]:53'
  rhumb serve --admin unix:/run/rhumb/admin.sock --log rhumb::health=debug";

/// `rhumb serve`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = SERVE_AFTER_HELP)]
pub struct Serve {
    /// Answer on this address, UDP and TCP; may be given again
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// The directory of zone files
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
    /// The directory of verdicts, drains and the last good configuration
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// UDP workers; by default one a core
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Also run the endpoints of the example, one small HTTP server a region
    #[arg(long)]
    pub demo: bool,
    /// Make a certificate for a first try of TLS, HTTPS, QUIC and HTTP/3, where the server file names none; unless it
    /// says where, they listen on ports 8853 and 8443 of loopback
    #[arg(long)]
    pub tls_self_signed: bool,
}

const EXPLAIN_AFTER_HELP: &str = "\
The answer, its TTL and its ECS scope come from the engine that answers queries; the reasons come from the compiler's
own evaluator. Should the two ever differ, the difference is printed and the exit code is 3.

Examples:
  rhumb explain www.example.com --client 81.2.69.160
  rhumb explain www.example.com AAAA --client 2001:db8::/56
  rhumb explain www.example.com --client 81.2.69.0/24 --at-config ./zones";

/// `rhumb explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXPLAIN_AFTER_HELP)]
pub struct Explain {
    /// The name that is asked for
    pub name: String,
    /// The type that is asked for
    #[arg(value_name = "TYPE", default_value = "A", value_parser = record_type)]
    pub rtype: RecordType,
    /// The client: ADDRESS/LEN as a resolver sends it (ECS), or an ADDRESS that asks for itself
    #[arg(long, value_name = "ADDR[/LEN]")]
    pub client: Asker,
    /// Explain from the files in this directory of zones, or this server file, instead of asking the running server
    #[arg(long, value_name = "DIR")]
    pub at_config: Option<PathBuf>,
    /// Where the running server is reached.
    #[command(flatten)]
    pub access: Access,
}

/// How to be let in by an admin API that asks for a token.
#[derive(Args, Clone, Debug, Default)]
pub struct Access {
    /// The file with the admin token; by default the server file's `listen.admin_token_file`
    #[arg(long, value_name = "FILE", env = "RHUMB_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
}

/// `rhumb status`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  rhumb status\n  rhumb status --watch\n  rhumb status --format json | jq .generation"
)]
pub struct Status {
    /// Draw again every second until interrupted
    #[arg(long)]
    pub watch: bool,
    /// Where the running server is reached.
    #[command(flatten)]
    pub access: Access,
}

const DRAIN_AFTER_HELP: &str = "\
A drained endpoint takes no part in any answer, not even when everything else is down. A drain that would leave some
client without an answer is refused unless forced. Drains survive restarts.

Examples:
  rhumb drain frankfurt --for 30m --reason 'disk swap'
  rhumb drain --site fra1 --reason maintenance
  rhumb drain example.com/frankfurt";

/// `rhumb drain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DRAIN_AFTER_HELP)]
pub struct Drain {
    /// What to drain.
    #[command(flatten)]
    pub what: Switched,
    /// End by itself after this time, such as 30m or 1h30m; by default it lasts until undrained
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub period: Option<Duration>,
    /// Why, for status and the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Drain even if some client is left with nothing but drained endpoints
    #[arg(long)]
    pub force: bool,
    /// Where the running server is reached.
    #[command(flatten)]
    pub access: Access,
}

/// `rhumb undrain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  rhumb undrain frankfurt\n  rhumb undrain --site fra1")]
pub struct Undrain {
    /// What to undrain.
    #[command(flatten)]
    pub what: Switched,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the running server is reached.
    #[command(flatten)]
    pub access: Access,
}

/// One endpoint or one site.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Switched {
    /// An endpoint: ZONE/NAME, or NAME where that is unique
    pub endpoint: Option<String>,
    /// Every endpoint with this `site`
    #[arg(long)]
    pub site: Option<String>,
}

const SHIFT_AFTER_HELP: &str = "\
The file is edited in place and replaced in one step, and only if the result loads. A running server takes the change
up as it would any edit.

Examples:
  rhumb shift eu paris 50
  rhumb shift example.com/eu frankfurt 0";

/// `rhumb shift`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SHIFT_AFTER_HELP)]
pub struct Shift {
    /// The route: ZONE/NAME, or NAME where that is unique
    pub route: String,
    /// The member: the endpoint or route that it leads to
    pub member: String,
    /// The new weight; shares are weight by sum of weights, and 0 is standby
    #[arg(value_parser = clap::value_parser!(u16))]
    pub weight: u16,
    /// The directory of zone files; by default the server file's
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
}

/// `rhumb reload`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  rhumb reload\n  rhumb reload --force 3412    the number is in the log and in `rhumb status`"
)]
pub struct Reload {
    /// Take the load of this number, which was held back because it removes so much that it looks like an accident
    #[arg(long, value_name = "NUMBER")]
    pub force: Option<u64>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the running server is reached.
    #[command(flatten)]
    pub access: Access,
}

/// `rhumb schema`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  rhumb schema zone > zones/zone.schema.json\n  rhumb schema server")]
pub struct Schema {
    /// Of which file
    #[arg(value_enum, default_value_t = SchemaOf::Zone)]
    pub of: SchemaOf,
}

/// Files that have a schema.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaOf {
    /// Zone files and shared files
    #[default]
    Zone,
    /// rhumb.toml
    Server,
}

/// `rhumb completions`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  rhumb completions bash > /etc/bash_completion.d/rhumb\n  rhumb completions fish > ~/.config/fish/completions/rhumb.fish"
)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `rhumb man`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  rhumb man | man -l -\n  rhumb man explain\n  rhumb man --all /usr/share/man/man1")]
pub struct Man {
    /// Whose page; by default rhumb's own
    pub command: Option<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// `rhumb demo`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  rhumb demo\n  rhumb demo break frankfurt\n  rhumb demo break paris --how hang\n  rhumb demo mend frankfurt"
)]
pub struct Demo {
    /// The state directory of the running demo; by default that of the server file, else ./state
    #[arg(long, value_name = "DIR", global = true)]
    pub state: Option<PathBuf>,
    /// What to do; by default the regions are listed.
    #[command(subcommand)]
    pub action: Option<DemoAction>,
}

/// What can be done to the running demo.
#[derive(Subcommand, Clone, Debug)]
pub enum DemoAction {
    /// Let a region's endpoint fail its health check
    Break {
        /// The region, which is the endpoint's name
        region: String,
        /// In which way
        #[arg(long, value_enum, default_value_t = How::Status500)]
        how: How,
    },
    /// Let it answer 200 again
    Mend {
        /// The region, which is the endpoint's name
        region: String,
    },
}

/// How a region of the demo fails.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Connections are refused
    Refuse,
    /// Connections open and nothing comes
    Hang,
    /// The answer is 500
    #[value(name = "500")]
    Status500,
}

impl How {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Hang => "hang",
            Self::Status500 => "500",
        }
    }

    /// The reverse of [`How::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Refuse, Self::Hang, Self::Status500].into_iter().find(|how| how.as_str() == text)
    }
}

impl Cli {
    /// Parses a command line; `rhumb --demo` is `rhumb serve --demo`, since serving is the default.
    ///
    /// # Errors
    /// What clap says of a wrong command line, `--help` and `--version` included.
    pub fn from_arguments(arguments: Vec<std::ffi::OsString>) -> Result<Self, clap::Error> {
        use clap::CommandFactory;
        use clap::error::ErrorKind;
        Self::try_parse_from(&arguments).or_else(|fault| {
            let names_a_command =
                arguments.iter().skip(1).any(|a| Self::command().get_subcommands().any(|c| a == c.get_name()));
            if fault.kind() != ErrorKind::UnknownArgument || names_a_command {
                return Err(fault);
            }
            let (program, rest) = arguments.split_at(arguments.len().min(1));
            let served = program.iter().cloned().chain(["serve".into()]).chain(rest.iter().cloned());
            Self::try_parse_from(served)
        })
    }
}

impl Global {
    /// What the flags say over the server file, those of `serve` included where they were given.
    pub fn overrides(&self, serve: Option<&Serve>) -> Overrides {
        let serve = serve.cloned().unwrap_or_default();
        Overrides {
            zones: serve.zones,
            state: serve.state,
            listen: serve.listen,
            admin: self.admin.clone(),
            workers: serve.workers,
            demo: serve.demo,
            ..Overrides::default()
        }
    }
}

fn record_type(text: &str) -> Result<RecordType, String> {
    text.parse().map_err(|_| "no record type of this name; A, AAAA, CNAME, TXT … or TYPE65280".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
        .filter(|span| span.as_secs() > 0)
        .ok_or_else(|| "no duration of a second or more, such as 45s, 30m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::from_arguments(line.split_whitespace().map(Into::into).collect())
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_one_line_help_without_a_final_stop_and_examples_where_it_takes_arguments() {
        for command in Cli::command().get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", command.get_name());
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains("Examples:"), "{}", command.get_name());
            assert!(examples.contains(&format!("rhumb {}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn no_command_serves_and_takes_the_flags_of_serve() {
        assert!(parse("rhumb").unwrap().command.is_none());
        let Some(Command::Serve(serve)) = parse("rhumb --demo --listen 127.0.0.1:53").unwrap().command else {
            panic!("not served");
        };
        assert!(serve.demo);
        assert_eq!(serve.listen, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn an_unknown_flag_of_another_command_is_reported_for_that_command() {
        let fault = parse("rhumb status --demo").unwrap_err().to_string();
        assert!(fault.contains("--demo"), "{fault}");
        assert!(fault.contains("rhumb status"), "{fault}");
    }

    #[test]
    fn a_client_with_a_length_is_a_subnet_and_one_without_asks_for_itself() {
        let client = |line: &str| match parse(line).unwrap().command {
            Some(Command::Explain(explain)) => explain.client,
            other => panic!("{other:?}"),
        };
        let subnet = client("rhumb explain a.example --client 81.2.69.160/24");
        assert_eq!(subnet, Asker::Subnet("81.2.69.0".parse().unwrap(), 24));
        let sender = client("rhumb explain a.example AAAA --client 2001:db8::1");
        assert_eq!(sender, Asker::Sender("2001:db8::1".parse().unwrap()));
        assert!(parse("rhumb explain a.example").is_err());
        assert!(parse("rhumb explain a.example --client nowhere").is_err());
    }

    #[test]
    fn a_drain_names_an_endpoint_or_a_site_and_not_both() {
        assert!(parse("rhumb drain frankfurt --for 1h30m").is_ok());
        assert!(parse("rhumb drain --site fra1").is_ok());
        assert!(parse("rhumb drain").is_err());
        assert!(parse("rhumb drain frankfurt --site fra1").is_err());
        assert!(parse("rhumb drain frankfurt --for soon").is_err());
    }

    #[test]
    fn a_weight_beyond_sixteen_bits_is_a_wrong_command_line() {
        assert!(parse("rhumb shift eu paris 65535").is_ok());
        assert!(parse("rhumb shift eu paris 65536").is_err());
        assert!(parse("rhumb shift eu paris -- -1").is_err());
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in ["rhumb --format json status", "rhumb status --format json"] {
            assert_eq!(parse(line).unwrap().global.format, Format::Json);
        }
    }
}
