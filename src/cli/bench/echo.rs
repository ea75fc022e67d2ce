//! `rhumb bench echo`: the socket limit of this machine, and how near the server comes to it.

use std::io::IsTerminal;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::figures;
use super::questions::{Kind, Questions};
use crate::answer::{Peer, Query, Reading};
use crate::cli::args::{Echo, Global};
use crate::cli::output::{Output, Table, Tone};
use crate::cli::{Failure, Outcome};
use crate::config::model::Transport;
use crate::net::load::{Load, Pace, Queries, Report};
use crate::net::{self, Engine, Hand, Limits, Options, Service, Turn};
use crate::threads::{self, Usage};

/// Queries drawn from the zones for each set.
const DRAWN: usize = 100_000;
/// Sockets of the generator, and queries outstanding on each at full speed: enough to keep a worker's batches full, few
/// enough for the receive buffer that an ordinary user gets.
const SOCKETS: usize = 16;
const WINDOW: usize = 24;
/// Each measurement is followed by the end of a server.
const STOPPING: Duration = Duration::from_millis(300);
/// The flag that makes a query a response (RFC 1035 section 4.1.1), in a message's third octet.
const QR: u8 = 0x80;

/// Sends each message back as it came, marked as a response: no work beyond that of the sockets.
#[derive(Clone, Copy)]
struct Mirror;

impl Service for Mirror {
    type Turn<'a> = Self;
    type Hand<'a> = Self;

    fn turn(&self) -> Self {
        Self
    }

    fn hand(&self) -> Self {
        Self
    }
}

impl Hand for Mirror {
    type Turn<'a> = Self;

    fn turn(&mut self) -> Self {
        Self
    }
}

impl Turn for Mirror {
    fn answer(
        &self,
        _: (&Query, Reading),
        buffer: &mut [u8],
        len: usize,
        _: &Peer,
        _: u64,
        _: impl FnOnce() -> bool,
    ) -> Option<usize> {
        *buffer.get_mut(2)? |= QR;
        Some(len)
    }
}

/// What one server did with one set of queries in one round.
struct Measured {
    rate: f64,
    lost: u64,
    answered: u64,
    usage: Usage,
    /// At the fixed rate.
    paced: Option<Report>,
}

/// One set of queries.
struct Set {
    name: &'static str,
    queries: Queries,
    echo: Vec<Measured>,
    rhumb: Vec<Measured>,
}

/// Where who runs.
struct Places {
    workers: Vec<usize>,
    generator: Option<usize>,
}

/// Measures both, round by round.
pub(super) fn run(global: &Global, output: &Output, args: &Echo) -> anyhow::Result<Outcome> {
    let snapshot = super::snapshot(global, output, args.zones.as_deref())?;
    let mut sets = sets(&Questions::of(&snapshot), args)?;
    let engine = Engine::new(Arc::new(ArcSwap::from_pointee(snapshot)));
    let bench = Bench {
        args,
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        places: places(args.workers),
    };
    if std::io::stderr().is_terminal() {
        let each = (args.seconds + STOPPING) * if args.rate > 0 { 2 } else { 1 };
        let all = each * (2 * sets.len() * args.rounds) as u32;
        output.note(&format!("this takes {} s", all.as_secs().max(1)));
    }
    for _ in 0..args.rounds {
        for set in &mut sets {
            let mut echo = bench.full_speed(Mirror, &set.queries)?;
            let mut rhumb = bench.full_speed(engine.clone(), &set.queries)?;
            let rate = echo.rate * f64::from(args.rate) / 100.0;
            if rate >= 1.0 {
                echo.paced = Some(bench.paced(Mirror, &set.queries, rate)?);
                rhumb.paced = Some(bench.paced(engine.clone(), &set.queries, rate)?);
            }
            set.echo.push(echo);
            set.rhumb.push(rhumb);
        }
    }
    if output.is_json() {
        output.json(&bench.told(&sets))?;
    } else {
        output.text(&bench.text(&sets, output))?;
    }
    Ok(Outcome::Done)
}

/// What is asked: the file's queries, or some of each kind that the zones have.
fn sets(questions: &Questions, args: &Echo) -> anyhow::Result<Vec<Set>> {
    let set = |name, queries| Set { name, queries, echo: Vec::new(), rhumb: Vec::new() };
    if let Some(file) = &args.queries {
        return Ok(vec![set("file", super::queries(file)?)]);
    }
    let kinds = [("static", Kind::Plain), ("NXDOMAIN", Kind::Missing), ("steered", Kind::Steered)];
    let sets: Vec<Set> =
        kinds.into_iter().filter_map(|(name, kind)| Some(set(name, questions.draw(kind, DRAWN)?))).collect();
    if sets.is_empty() {
        return Err(Failure::new("the zones answer nothing that could be asked")
            .help("give queries of your own with --queries FILE")
            .into());
    }
    Ok(sets)
}

/// The first processors are the server's and the last one is the generator's, where there are enough.
fn places(workers: usize) -> Places {
    let allowed = threads::allowed();
    if allowed.len() > workers {
        Places { workers: allowed[..workers].to_vec(), generator: allowed.last().copied() }
    } else {
        Places { workers: Vec::new(), generator: None }
    }
}

struct Bench<'a> {
    args: &'a Echo,
    runtime: Runtime,
    places: Places,
}

impl Bench<'_> {
    fn full_speed(&self, service: impl Service, queries: &Queries) -> anyhow::Result<Measured> {
        let (report, usage) = self.beside(service, queries, Pace::Closed(WINDOW))?;
        Ok(Measured { rate: report.rate(), lost: report.lost, answered: report.answered, usage, paced: None })
    }

    fn paced(&self, service: impl Service, queries: &Queries, rate: f64) -> anyhow::Result<Report> {
        Ok(self.beside(service, queries, Pace::Open(rate))?.0)
    }

    /// Loads a server of its own, and gives what its workers used from their start to their end.
    fn beside(&self, service: impl Service, queries: &Queries, pace: Pace) -> anyhow::Result<(Report, Usage)> {
        let options = Options { workers: self.args.workers, pin: self.places.workers.clone(), ..Options::default() };
        self.runtime.block_on(async {
            let bound = net::bind(&[(Ipv4Addr::LOCALHOST, 0).into()], &options, false)?;
            let serving = bound.serve(service, Transport::Native, Limits::default())?;
            let load = Load {
                server: serving.addresses()[0],
                pace,
                time: self.args.seconds,
                patience: pace.patience(),
                sockets: SOCKETS,
                threads: vec![self.places.generator],
            };
            let report = load.run(queries)?;
            Ok((report, serving.stop().await))
        })
    }

    fn text(&self, sets: &[Set], output: &Output) -> String {
        let mut table = Table::default();
        let titles =
            ["asked", "server", "answers/s", "÷ echo", "CPU µs", "user", "system", "p50", "p99", "p99.9", "lost"];
        table.row(titles.map(|title| (Tone::Faint, title.to_owned())));
        for set in sets {
            for (name, server, all) in [(set.name, "echo", &set.echo), ("", "rhumb", &set.rhumb)] {
                let [cpu, user, system] = costs(all).map(|cost| format!("{cost:.2}"));
                let quantile =
                    |share| pooled(all).map_or_else(String::new, |p| figures::time(p.latency.quantile(share)));
                let lost = all.iter().map(|m| m.lost + m.paced.as_ref().map_or(0, |paced| paced.lost)).sum::<u64>();
                table.row(
                    [
                        name.to_owned(),
                        server.to_owned(),
                        format!("{:.0}", median(all.iter().map(|m| m.rate))),
                        format!("{:.2}", median(ratios(all, &set.echo))),
                        cpu,
                        user,
                        system,
                        quantile(0.5),
                        quantile(0.99),
                        quantile(0.999),
                        lost.to_string(),
                    ]
                    .map(|text| (Tone::Plain, text)),
                );
            }
        }
        format!("{}\n{}", self.conditions(), table.render(output, ""))
    }

    /// One line on what was measured how.
    fn conditions(&self) -> String {
        let Echo { workers, rounds, seconds, rate, .. } = self.args;
        let places = match self.places.generator {
            Some(generator) => format!("on CPU {}, generator on CPU {generator}", list(&self.places.workers)),
            None => "sharing processors with the generator".to_owned(),
        };
        let paced = if *rate > 0 { format!("; latencies at {rate} % of the echo") } else { String::new() };
        let plural = if *workers == 1 { "" } else { "s" };
        let time = figures::time(*seconds);
        format!("{workers} worker{plural} {places}; {rounds} times {time} each; CPU time a query{paced}")
    }

    fn told(&self, sets: &[Set]) -> Value {
        let sets: Vec<Value> = sets
            .iter()
            .flat_map(|set| [("echo", &set.echo), ("rhumb", &set.rhumb)].map(|(server, all)| row(set, server, all)))
            .collect();
        json!({
            "workers": self.args.workers,
            "worker_cpus": self.places.workers,
            "generator_cpu": self.places.generator,
            "rounds": self.args.rounds,
            "seconds": self.args.seconds.as_secs_f64(),
            "paced_percent": self.args.rate,
            "figures": sets,
        })
    }
}

fn row(set: &Set, server: &str, all: &[Measured]) -> Value {
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let [cpu, user, system] = costs(all).map(hundredths);
    let ratios: Vec<f64> = ratios(all, &set.echo).map(hundredths).collect();
    let mut told = json!({
        "asked": set.name,
        "server": server,
        "rate": median(all.iter().map(|m| m.rate)).round(),
        "to_echo": median(ratios.iter().copied()),
        "to_echo_by_round": ratios,
        "cpu_us": cpu,
        "user_us": user,
        "system_us": system,
        "lost": all.iter().map(|m| m.lost).sum::<u64>(),
    });
    if let Some(paced) = pooled(all) {
        told["paced"] = json!({
            "rate": (paced.rate() / all.len() as f64).round(),
            "answered": paced.answered,
            "lost": paced.lost,
            "latency_us": figures::quantiles(&paced.latency),
            "lateness_us": figures::quantiles(&paced.lateness),
        });
    }
    told
}

/// Processor time a query in microseconds over all rounds: in all, in the program, in the kernel. The system divides
/// the last two by samples, of which one round has few.
fn costs(all: &[Measured]) -> [f64; 3] {
    let answered = all.iter().map(|measured| measured.answered).sum::<u64>().max(1) as f64;
    let mut used = Usage::default();
    all.iter().for_each(|measured| used += measured.usage);
    [used.total(), used.user, used.system].map(|time| time.as_secs_f64() * 1e6 / answered)
}

fn ratios<'a>(all: &'a [Measured], echo: &'a [Measured]) -> impl Iterator<Item = f64> + 'a {
    all.iter().zip(echo).map(|(one, echo)| one.rate / echo.rate.max(1.0))
}

/// All rounds at the fixed rate together.
fn pooled(all: &[Measured]) -> Option<Report> {
    let mut paced = all.iter().filter_map(|measured| measured.paced.as_ref());
    let mut pooled = paced.next()?.clone();
    paced.for_each(|more| pooled.merge(more));
    Some(pooled)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
