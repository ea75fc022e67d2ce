//! A zone in a temporary directory, loaded, compiled and asked.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rhumb::answer::{Carrier, Peer, Query, answer, answer_in_place};
use rhumb::config::model::{Endpoint, EndpointId, Health, Model, ProbeId};
use rhumb::config::{Loaded, Overrides, Severity};
use rhumb::health::{Verdict, Verdicts};
use rhumb::snapshot::{Inputs, Snapshot, compile};
use rhumb::world::Place;

use super::geography::paint;
use super::{Ask, Reply};

/// `example.com` with an SOA, an NS elsewhere, these lines of `[records]` and whatever follows.
pub fn zone(records: &str, rest: &str) -> String {
    format!(
        "zone = \"example.com\"\nttl = \"5m\"\n[soa]\nrname = \"hostmaster.example.com.\"\nminimum = \"60s\"\n\
         [records]\n\"@\" = {{ NS = \"ns1.example.net.\" }}\n{records}\n{rest}\n"
    )
}

/// Loads a server file and zone files by name.
fn load_files(server: &str, files: &[(&str, &str)]) -> Loaded {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("zones")).unwrap();
    for (file, text) in files {
        fs::write(dir.path().join("zones").join(file), text).unwrap();
    }
    let main = dir.path().join("rhumb.toml");
    fs::write(&main, format!("zones = \"zones\"\nstate = \"state\"\n{server}\n")).unwrap();
    rhumb::config::load(Some(&main), &Overrides::default())
}

/// Loads one zone file.
pub fn load(zone: &str) -> Loaded {
    load_files("", &[("example.com.toml", zone)])
}

/// Loads one file of the zones directory.
pub fn load_file(name: &str, text: &str) -> Loaded {
    load_files("", &[(name, text)])
}

/// Loads a shared file and a zone file.
pub fn shared_and_zone(shared: &str, zone: &str) -> Loaded {
    load_files("", &[("shared.toml", shared), ("example.com.toml", zone)])
}

fn says(loaded: &Loaded, severity: Severity, words: &[&str]) -> bool {
    loaded.diagnostics.iter().any(|d| {
        let text = format!("{} {} {} {}", d.code, d.message, d.label, d.help.as_deref().unwrap_or("")).to_lowercase();
        d.severity == severity && words.iter().all(|word| text.contains(&word.to_lowercase()))
    })
}

/// The load is refused, and one error holds all these words.
#[track_caller]
pub fn assert_error(loaded: &Loaded, words: &[&str]) {
    assert!(loaded.model.is_none(), "the load must be refused: {words:?}");
    assert!(says(loaded, Severity::Error, words), "an error with {words:?} in {:#?}", loaded.diagnostics);
}

/// The load is taken, and one warning holds all these words.
#[track_caller]
pub fn assert_warning(loaded: &Loaded, words: &[&str]) {
    assert_loads(loaded);
    assert!(says(loaded, Severity::Warning, words), "a warning with {words:?} in {:#?}", loaded.diagnostics);
}

/// The load is taken.
#[track_caller]
pub fn assert_loads(loaded: &Loaded) {
    assert!(loaded.model.is_some(), "the load must be taken: {:#?}", loaded.diagnostics);
}

/// What a fixture is made of.
#[derive(Default)]
pub struct Setup {
    server: String,
    files: Vec<(String, String)>,
    places: Vec<(IpNet, Place)>,
    down: Vec<(String, Option<IpAddr>)>,
    unchecked: Vec<String>,
    members_down: Vec<(String, String)>,
    drained: Vec<String>,
}

impl Setup {
    /// `example.com` from [`zone`].
    pub fn new(records: &str, rest: &str) -> Self {
        Self { files: vec![("example.com.toml".into(), zone(records, rest))], ..Self::default() }
    }

    /// Lines of the server file.
    #[must_use]
    pub fn server(mut self, toml: &str) -> Self {
        self.server.push_str(toml);
        self
    }

    /// A further file beside the zone.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    #[must_use]
    pub fn place(mut self, net: &str, place: Place) -> Self {
        self.places.push((net.parse().expect("a network"), place));
        self
    }

    /// Every probe of these endpoints is down; without a word all probes are up.
    #[must_use]
    pub fn down(mut self, endpoints: &[&str]) -> Self {
        self.down.extend(endpoints.iter().map(|e| ((*e).to_owned(), None)));
        self
    }

    /// One address of an endpoint is down.
    #[must_use]
    pub fn down_address(mut self, endpoint: &str, address: &str) -> Self {
        self.down.push((endpoint.into(), Some(address.parse().expect("an address"))));
        self
    }

    /// The check that a member itself carries is down.
    #[must_use]
    pub fn member_down(mut self, route: &str, member: &str) -> Self {
        self.members_down.push((route.into(), member.into()));
        self
    }

    /// No verdict for this endpoint yet.
    #[must_use]
    pub fn unchecked(mut self, endpoint: &str) -> Self {
        self.unchecked.push(endpoint.into());
        self
    }

    #[must_use]
    pub fn drained(mut self, endpoints: &[&str]) -> Self {
        self.drained.extend(endpoints.iter().map(|e| (*e).to_owned()));
        self
    }

    #[track_caller]
    pub fn build(&self) -> Fixture {
        Fixture::compiled(self.inputs())
    }

    /// What the files and the state of the world come to, not yet compiled.
    #[track_caller]
    pub fn inputs(&self) -> Inputs {
        let files: Vec<_> = self.files.iter().map(|(name, text)| (&name[..], &text[..])).collect();
        let loaded = load_files(&self.server, &files);
        assert_loads(&loaded);
        let model = loaded.model.expect("just seen");
        let mut verdicts = Verdicts::from(vec![Verdict::Up; model.probes.len()]);
        let mut set = |probes: Vec<ProbeId>, verdict: Verdict| {
            assert!(!probes.is_empty(), "something to set {verdict:?}");
            for probe in probes {
                verdicts.set(probe, verdict);
            }
        };
        for (endpoint, address) in &self.down {
            set(probes_of(&find(&model, endpoint).1.health, *address), Verdict::Down);
        }
        for endpoint in &self.unchecked {
            set(probes_of(&find(&model, endpoint).1.health, None), Verdict::Unchecked);
        }
        for (route, member) in &self.members_down {
            let route = model.routes.iter().find(|r| is_called(&r.name, route)).expect("a route of this name");
            let member = route.members.iter().find(|m| m.name == *member).expect("a member of this name");
            set(probes_of(&member.health, None), Verdict::Down);
        }
        let drained = self.drained.iter().map(|endpoint| find(&model, endpoint).0).collect();
        Inputs { model: Arc::new(model), places: Arc::new(paint(&self.places)), verdicts, drained, seed: 0x5eed }
    }
}

fn is_called(full: &str, name: &str) -> bool {
    full == name || full.strip_suffix(name).is_some_and(|zone| zone.ends_with('/'))
}

fn find<'a>(model: &'a Model, name: &str) -> (EndpointId, &'a Endpoint) {
    let position = model.endpoints.iter().position(|e| is_called(&e.name, name)).expect("an endpoint of this name");
    (EndpointId(position as u32), &model.endpoints[position])
}

fn probes_of(health: &Health, address: Option<IpAddr>) -> Vec<ProbeId> {
    match health {
        Health::Unchecked => Vec::new(),
        Health::Whole(probe) => vec![*probe],
        Health::PerAddress(all) => {
            all.iter().filter(|(a, _)| address.is_none_or(|wanted| wanted == *a)).map(|&(_, probe)| probe).collect()
        }
    }
}

/// A compiled snapshot that can be asked.
pub struct Fixture {
    pub inputs: Inputs,
    pub snapshot: Snapshot,
}

impl Fixture {
    /// Compiles; a limit that is passed fails the test.
    #[track_caller]
    pub fn compiled(inputs: Inputs) -> Self {
        let snapshot = compile(&inputs, 1, None).unwrap_or_else(|e| panic!("it compiles: {e:?}"));
        Self { inputs, snapshot }
    }

    /// The same configuration with other verdicts and drains.
    #[track_caller]
    pub fn with(&self, verdicts: Verdicts, drained: BTreeSet<EndpointId>) -> Self {
        let inputs = Inputs { verdicts, drained, ..self.inputs.clone() };
        let snapshot = compile(&inputs, 2, Some(&self.snapshot)).unwrap_or_else(|e| panic!("it compiles: {e:?}"));
        Self { inputs, snapshot }
    }

    /// The reply's octets, `None` when the query is dropped.
    pub fn raw(&self, query: &[u8], ask: &Ask) -> Option<Vec<u8>> {
        let mut out = vec![0; if ask.carrier.is_datagram() { 4096 } else { 65_535 }];
        let length = answer(&self.snapshot, query, ask.peer(), ask.draw, &mut out)?;
        out.truncate(length);
        Some(out)
    }

    /// The reply to a query whose sender asks too fast, if it is asked about, read by both parsers.
    #[track_caller]
    pub fn ask_over(&self, ask: &Ask) -> Reply {
        Reply::read(&self.in_place(&mut Query::default(), &ask.bytes(), ask, true))
    }

    /// The same to these octets.
    pub fn raw_over(&self, query: &[u8]) -> Reply {
        Reply::read(&self.in_place(&mut Query::default(), query, &Ask::a("ignored."), true))
    }

    /// The replies to one message after the other, as a thread answers them that reads all into one place.
    pub fn raw_in_turn(&self, queries: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut read = Query::default();
        queries.iter().map(|query| self.in_place(&mut read, query, &Ask::a("ignored."), false)).collect()
    }

    fn in_place(&self, read: &mut Query, query: &[u8], ask: &Ask, is_over: bool) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        buffer[..query.len()].copy_from_slice(query);
        let peer = ask.peer();
        let len = answer_in_place(&self.snapshot, read, &mut buffer, query.len(), &peer, ask.draw, || is_over);
        buffer.truncate(len.expect("a reply"));
        buffer
    }

    /// The reply to these octets, read by both parsers.
    #[track_caller]
    pub fn send(&self, query: &[u8]) -> Reply {
        Reply::read(&self.raw(query, &Ask::a("ignored.")).expect("a reply"))
    }

    /// The reply to a well-formed query, read by both parsers; what holds for every reply is checked.
    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Reply {
        let query = ask.bytes();
        let reply = Reply::read(&self.raw(&query, ask).expect("a reply"));
        assert_eq!(reply.id, ask.id);
        assert_eq!(reply.edns.is_some(), ask.edns, "p17: OPT if and only if asked with OPT");
        let limit = match (ask.carrier.is_datagram(), ask.edns) {
            (false, _) => 65_535,
            (true, false) => 512,
            (true, true) => usize::from(ask.payload.clamp(512, 1232)),
        };
        assert!(reply.bytes.len() <= limit, "{} octets where {limit} are allowed", reply.bytes.len());
        match ask.subnet {
            None => assert_eq!(reply.ecs(), None, "e1: no client subnet where none was sent"),
            Some((address, source)) => {
                let ecs = reply.ecs().expect("e1: the client subnet is echoed");
                assert_eq!(ecs.source, source);
                let octets = match address {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                assert_eq!(ecs.family, if address.is_ipv4() { 1 } else { 2 });
                assert_eq!(ecs.address, octets[..usize::from(source).div_ceil(8)]);
            }
        }
        reply
    }

    /// The one A address that a client subnet gets at a name.
    #[track_caller]
    pub fn a(&self, name: &str, subnet: &str) -> String {
        self.ask(&Ask::a(name).subnet(subnet)).only()
    }

    /// How often each first address is answered in 100,000 draws of a fixed seed.
    #[track_caller]
    pub fn shares(&self, ask: &Ask) -> std::collections::BTreeMap<String, u32> {
        let mut draws = super::Draws::new(0x5eed);
        let mut counts = std::collections::BTreeMap::new();
        let query = ask.bytes();
        let mut out = vec![0; 4096];
        let peer = Peer::new(ask.sender, Carrier::Datagram);
        for round in 0..100_000 {
            let length = answer(&self.snapshot, &query, peer, draws.bits(), &mut out).expect("a reply");
            // Both parsers on each of 100,000 replies would take a minute; the first ones stand for the rest.
            let address =
                if round < 200 { Reply::read(&out[..length]).addresses()[0] } else { first_address(&out[..length]) };
            *counts.entry(address.to_string()).or_insert(0) += 1;
        }
        counts
    }
}

/// The data of the first answer record, an A record whose owner is one pointer.
fn first_address(reply: &[u8]) -> IpAddr {
    let message = domain::base::Message::from_octets(reply).expect("a header");
    let record = message.answer().expect("an answer section").next().expect("a record").expect("a whole record");
    let record = record.to_record::<domain::rdata::A>().expect("data that parses").expect("an A record");
    IpAddr::V4(record.data().addr())
}
