//! `rhumb serve`: the running server, from the first file to the last signal.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::args::{Global, Serve};
use super::demo::Regions;
use super::output::{Output, Tone};
use super::self_signed;
use super::waiting::Waiting;
use super::{Failure, Outcome};
use crate::admin::{Address, Change, Listener};
use crate::config::model::{Model, Server, Transport};
use crate::config::{Overrides, Progress, render_all};
use crate::control::{Control, Options, Prepared, StartError};
use crate::net::{self, Bound, Engine, Serving};
use crate::threads;
use crate::transfer::Transfers;

/// What rhumb says, and errors of the libraries: they warn of what strangers send, as often and as long as those like,
/// and it is counted here.
const LOG: &str = "error,rhumb=info";
/// Lines that wait to be written. Who reads them too slowly misses some: nobody else waits.
const LOG_LINES: usize = 4096;
/// Who changed what is written down, whatever the log is told to leave out.
const AUDIT: &str = "audit=info";
/// A network of a well-populated database entry, for the line that a newcomer tries.
const TRY_CLIENT: &str = "81.2.69.0/24";

/// Serves until told to stop.
pub(crate) fn run(global: &Global, output: &Output, serve: &Serve) -> anyhow::Result<Outcome> {
    let _log = log(global, output)?;
    net::return_large_memory();
    if let Err(error) = net::raise_descriptors() {
        tracing::warn!("the number of descriptors stays as it is: {error}");
    }
    let runtime = Builder::new_multi_thread().enable_all().thread_name("rhumb").build()?;
    let overrides = Overrides {
        zones: serve.zones.clone(),
        state: serve.state.clone(),
        listen: serve.listen.clone(),
        admin: global.admin.clone(),
        workers: serve.workers,
        demo: serve.demo,
        self_signed: serve.tls_self_signed.then(self_signed::identity).transpose()?,
        ..Overrides::default()
    };
    let outcome = runtime.block_on(until_told_to_stop(global, output, overrides));
    // Probes and look-ups at work need not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// RUST_LOG and `--log` say what; stderr is where. A thread of its own writes until what is returned is dropped, and then
/// the rest.
fn log(global: &Global, output: &Output) -> Result<WorkerGuard, Failure> {
    let given = global.log.clone().or_else(|| std::env::var("RUST_LOG").ok());
    let not_understood = |error: &dyn std::fmt::Display| {
        Failure::new(format!("the log filter is not understood: {error}"))
            .help("write a level such as debug, or targets such as warn,rhumb::health=debug")
    };
    let filter = EnvFilter::try_new(given.as_deref().unwrap_or(LOG)).map_err(|error| not_understood(&error))?;
    let filter = filter
        .add_directive(AUDIT.parse().map_err(|error: tracing_subscriber::filter::ParseError| not_understood(&error))?);
    // Already set up by whoever embeds this: theirs stays.
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(LOG_LINES).thread_name("log").finish(io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let _ = log.with_ansi(output.is_stderr_coloured()).with_target(false).try_init();
    Ok(guard)
}

async fn until_told_to_stop(global: &Global, output: &Output, overrides: Overrides) -> anyhow::Result<Outcome> {
    // Before anything is served, so that no signal is lost.
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let demo = overrides.demo;
    let progress = Arc::new(Progress::default());
    let options = Options {
        server_file: global.config.clone(),
        overrides,
        runtime: Handle::current(),
        progress: Arc::clone(&progress),
    };
    let waiting = Waiting::for_load(&progress);
    let prepared = match tokio::task::spawn_blocking(|| Prepared::read(options)).await? {
        Ok(prepared) => prepared,
        Err(error) => return refuse(error, output),
    };
    // Addresses first: what cannot be had is told at once, and the first probes find the demo.
    let server = prepared.model().server.clone();
    let bound = bind(&server)?;
    let listener = Listener::bind(&server.admin, server.admin_token_file.as_deref())
        .await
        .map_err(|error| with_help(&error.cause, error.help.as_deref()))?;
    let regions = if demo { Some(Regions::start(prepared.model()).await?) } else { None };
    let control = match tokio::task::spawn_blocking(|| prepared.start()).await? {
        Ok(control) => control,
        Err(error) => return refuse(error, output),
    };

    drop(waiting);
    let notes = bound.notes.clone();
    let transfers = Arc::new(Transfers::new(control.clone()));
    let counted = Arc::clone(&transfers);
    control.count_with(move || counted.read_counters());
    let telling = Arc::clone(&transfers);
    control.secondaries_with(move || telling.heard());
    let herald = tokio::spawn(Arc::clone(&transfers).follow(control.generations()));
    let engine = Engine::new(control.snapshot()).reporting_to(control.readers()).leaving_aside_to(transfers);
    let serving = bound.serve(engine, server.transport, server.connections)?;
    control.listening_on(listening(&serving, &server.https_path));
    let counters = serving.counters();
    control.count_with(move || counters.read());
    let admin = Address(listener.address());
    let stop = CancellationToken::new();
    let api = tokio::spawn(listener.serve(Arc::new(control.clone()), stop.clone()));

    announce(output, &control, &serving, &admin, regions.as_ref(), &notes)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                let control = control.clone();
                // What came of it is in the log.
                drop(tokio::task::spawn_blocking(move || {
                    let done = control.reload(None);
                    let outcome = done.as_ref().map(|taken| taken.generation).map_err(|_| "the files were not taken");
                    Change::new("SIGHUP", "reload", "all files").write(outcome);
                }));
            }
        }
    }
    tracing::info!("stopping");
    stop.cancel();
    herald.abort();
    serving.stop().await;
    api.await?;
    tokio::task::spawn_blocking(move || control.stop()).await?;
    Ok(Outcome::Done)
}

fn bind(server: &Server) -> Result<Bound, Failure> {
    let workers = match server.workers {
        0 => available_parallelism().map_or(1, usize::from),
        given => given,
    };
    let options = net::Options {
        workers,
        pin: if server.pin_workers { threads::allowed() } else { Vec::new() },
        steer: server.steer_by_cpu,
        receive_buffer: server.receive_buffer,
        send_buffer: server.send_buffer,
        proxies: server.proxy_from.clone(),
    };
    let bound = net::bind(&server.dns, &options, server.dns_is_default).and_then(|mut bound| {
        // The portable transport has no others; the load has told of it.
        if server.transport == Transport::Native {
            bound.also(&server.encrypted, &server.https_path)?;
        }
        Ok(bound)
    });
    bound.map_err(|error| with_help(&error.cause, Some(&error.remedy)))
}

/// UDP and TCP as they are, the others as addresses that say what is spoken there.
fn listening(serving: &Serving, https_path: &str) -> Vec<String> {
    let plain = serving.addresses().iter().map(ToString::to_string);
    let encrypted = serving.encrypted().iter().map(|(key, address)| match *key {
        "https" => format!("https://{address}{https_path}"),
        "http3" => format!("h3://{address}{https_path}"),
        key => format!("{key}://{address}"),
    });
    plain.chain(encrypted).collect()
}

fn refuse(error: StartError, output: &Output) -> anyhow::Result<Outcome> {
    match error {
        StartError::Config { diagnostics, sources } => {
            eprint!("{}", render_all(&diagnostics, &sources, output.is_stderr_coloured()));
            Ok(Outcome::Faulty)
        }
        StartError::Other(cause) => Err(Failure::new(cause).into()),
    }
}

fn with_help(cause: &str, help: Option<&str>) -> Failure {
    let failure = Failure::new(cause);
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Says once what is served, where, and how to try it.
fn announce(
    output: &Output,
    control: &Control,
    serving: &Serving,
    admin: &Address,
    regions: Option<&Regions>,
    notes: &[String],
) -> anyhow::Result<()> {
    let (status, model) = (control.status(), control.model());
    let addresses: Vec<String> = serving.addresses().iter().map(ToString::to_string).collect();
    if output.is_json() {
        let zones: Vec<&str> = status.zones.iter().map(|zone| zone.apex.as_str()).collect();
        let mut told = serde_json::json!({
            "version": status.version, "dns": addresses, "admin": admin.to_string(), "zones": zones,
            "generation": status.generation,
        });
        for (key, address) in serving.encrypted() {
            let list = &mut told[*key];
            match list.as_array_mut() {
                Some(list) => list.push(address.to_string().into()),
                None => *list = serde_json::json!([address.to_string()]),
            }
        }
        output.text(&told.to_string())?;
    } else {
        let mut text = format!("{} {}\n", output.paint(Tone::Strong, "rhumb"), status.version);
        for zone in &status.zones {
            let shown = output.paint(Tone::Strong, &zone.apex);
            let file = zone.file.display();
            text.push_str(&format!("  zone   {shown}: {} names, {} steered, from {file}\n", zone.names, zone.steered));
        }
        text.push_str(&format!("  dns    {} (UDP and TCP)\n", addresses.join(", ")));
        for address in listening(serving, &model.server.https_path).iter().skip(addresses.len()) {
            text.push_str(&format!("         {address}\n"));
        }
        if model.server.tls.as_ref().is_some_and(|tls| tls.files.is_none()) {
            let made = "for localhost, made by this start: nobody vouches for it";
            text.push_str(&format!("  tls    {} {made}\n", output.paint(Tone::Wary, "self-signed")));
        }
        text.push_str(&format!("  admin  {admin}\n"));
        text.push_str(&format!("  state  {}\n", model.server.state.display()));
        if let Some(regions) = regions {
            text.push_str(&format!("  demo   {}\n", regions.names().join(", ")));
        }
        if let Some(line) = try_line(&model, serving.addresses()) {
            text.push_str(&format!("\nTry:  {}\n", output.paint(Tone::Strong, line)));
        }
        if let Some(name) = regions.and_then(Regions::example) {
            text.push_str(&format!("then: {}\n", output.paint(Tone::Strong, format!("rhumb demo break {name}"))));
        }
        output.text(&text)?;
    }
    for note in notes.iter().chain(&status.notes) {
        output.note(note);
    }
    Ok(())
}

/// A `dig` line that shows steering, if any name is steered.
fn try_line(model: &Model, addresses: &[SocketAddr]) -> Option<String> {
    let steered = || model.zones.iter().flat_map(|zone| &zone.steered).filter(|s| !s.owner.is_wildcard());
    let name = steered()
        .find(|steered| steered.owner.labels().next() == Some(b"www"))
        .or_else(|| steered().next())?
        .owner
        .to_string();
    let address = addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first())?;
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    let port = if address.port() == 53 { String::new() } else { format!(" -p {}", address.port()) };
    Some(format!("dig @{host}{port} {} +subnet={TRY_CLIENT}", name.trim_end_matches('.')))
}
