//! `rhumb bench` and what it takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

const BENCH_AFTER_HELP: &str = "\
Nothing leaves this machine: servers that are measured listen on loopback. Figures depend on the machine and on what
else runs on it; ratios of one run say more than rates of two.

Examples:
  rhumb bench echo
  rhumb bench answer --format json
  rhumb bench load 127.0.0.1:5300 --queries names.txt --rate 20000";

/// `rhumb bench`.
#[derive(Args, Clone, Debug)]
#[command(after_help = BENCH_AFTER_HELP)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub what: Measured,
}

/// What can be measured.
#[derive(Subcommand, Clone, Debug)]
pub enum Measured {
    /// Answer over loopback beside a bare echo: the limit of this machine's sockets, and how near rhumb comes
    Echo(Echo),
    /// Answer without sockets: nanoseconds a query by kind of question, beside the latency of memory
    Answer(Answer),
    /// Ask any server on loopback: rate, latencies and losses
    Load(LoadArgs),
}

const ECHO_AFTER_HELP: &str = "\
In each round the same loop serves the same queries twice: once sending each back as it came, which is all that sockets
can do, and once answering it by the configured zones. Each runs at full speed and then at a fixed rate, a share of what
the echo did, for latencies. Servers have the first processors, the generator the last; with one processor they share it.

Questions are made from the zones (plain names, and steered names with client subnets drawn at random) unless a file
gives them.

Examples:
  rhumb bench echo
  rhumb bench echo --seconds 5 --rounds 7 --rate 50
  rhumb bench echo --zones ./zones --queries names.txt";

/// `rhumb bench echo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ECHO_AFTER_HELP)]
pub struct Echo {
    /// How long each measurement lasts, such as 3s or 500ms
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub seconds: Duration,
    /// Rounds; medians of them are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// UDP workers of the server
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// The rate for latencies, in percent of what the echo does; 0 leaves them out
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub rate: u8,
    /// Lines of `NAME TYPE [NETWORK/LENGTH]` to ask instead of questions from the zones
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,
    /// The directory of zone files; by default the server file's
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
}

const ANSWER_AFTER_HELP: &str = "\
`hot` repeats one question, `cold` draws from many, so that it measures memory as much as code. Each figure is the least
of several runs. The last line follows pointers through a buffer larger than the caches: what one look at memory costs
that could not be foreseen.

Examples:
  rhumb bench answer
  rhumb bench answer --zones ./zones --format json";

/// `rhumb bench answer`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ANSWER_AFTER_HELP)]
pub struct Answer {
    /// Runs of each kind of question; the least is shown
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = at_least_one)]
    pub runs: usize,
    /// Queries of each run
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = at_least_one)]
    pub count: usize,
    /// The directory of zone files; by default the server file's
    #[arg(long, value_name = "DIR")]
    pub zones: Option<PathBuf>,
}

const LOAD_AFTER_HELP: &str = "\
Without --rate, a window of queries is kept outstanding on each socket, which finds how much the server can do. With it,
queries leave by the clock whether or not earlier ones were answered, so that a server that stalls shows in the latency
of every query that came meanwhile; the generator then keeps a processor busy, and says how late it was itself.

A query file has a line `NAME TYPE [NETWORK/LENGTH]` for each query; the network is sent as a client subnet, `#` begins a
comment. The lines are asked in turn, and then again.

Examples:
  rhumb bench load 127.0.0.1:5300 --queries names.txt
  rhumb bench load 127.0.0.1:5300 --queries names.txt --rate 20000 --seconds 30s --format json";

/// `rhumb bench load`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LOAD_AFTER_HELP)]
pub struct LoadArgs {
    /// The server; only loopback addresses are loaded
    #[arg(value_name = "ADDRESS:PORT")]
    pub server: SocketAddr,
    /// What to ask
    #[arg(long, value_name = "FILE")]
    pub queries: PathBuf,
    /// Queries a second; by default as many as are answered
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// How long queries are sent, such as 10s or 500ms
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub seconds: Duration,
    /// Queries outstanding on each socket, without --rate
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub window: usize,
    /// Sockets of each thread: each is a client of its own to the server's workers
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub sockets: usize,
    /// Threads of the generator
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub threads: usize,
    /// Pin the generator's threads to these processors, in turn; may be given again
    #[arg(long, value_name = "CPU")]
    pub cpu: Vec<usize>,
    /// How long a reply is waited for until the query is lost; by default 200ms without --rate, 2s with it
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub patience: Option<Duration>,
}

/// Counts that could not be meant are refused here and not by the system.
fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=1 << 24).contains(count)).ok_or_else(|| "expected 1 or more".to_owned())
}

/// `3s`, `500ms`, or seconds as a plain number.
fn time(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => crate::config::duration(text)
            .filter(|time| !time.is_zero())
            .ok_or_else(|| "no time such as 3s, 500ms or 1m".to_owned()),
    }
}
