//! `rhumb bench load`: any server on this machine.

use super::figures;
use crate::cli::args::LoadArgs;
use crate::cli::output::Output;
use crate::cli::{Failure, Outcome};
use crate::net::load::{Load, Pace};

/// Asks a server on loopback and prints what came back.
pub(super) fn run(output: &Output, args: &LoadArgs) -> anyhow::Result<Outcome> {
    if !args.server.ip().to_canonical().is_loopback() {
        return Err(Failure::new(format!("{} is not on loopback", args.server))
            .help("this is a load generator: it is for servers on this machine, such as 127.0.0.1:5300")
            .into());
    }
    let queries = super::queries(&args.queries)?;
    let pace = args.rate.map_or(Pace::Closed(args.window), |rate| Pace::Open(rate.into()));
    let cpu = |number: usize| args.cpu.get(number % args.cpu.len().max(1)).copied();
    let load = Load {
        server: args.server,
        pace,
        time: args.seconds,
        patience: args.patience.unwrap_or_else(|| pace.patience()),
        sockets: args.sockets,
        threads: (0..args.threads).map(cpu).collect(),
    };
    let report = load.run(&queries).map_err(|error| Failure::new(format!("cannot load {}: {error}", args.server)))?;
    if report.answered == 0 {
        return Err(Failure::new(format!("{} answered none of {} queries", args.server, report.sent))
            .help("is it the right port, and does it listen on UDP?")
            .into());
    }
    if output.is_json() {
        output.json(&figures::json(&report, pace))?;
    } else {
        output.text(&figures::table(&report, pace).render(output, ""))?;
    }
    Ok(Outcome::Done)
}
