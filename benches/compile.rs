//! From the model to the snapshot: time and memory by names and zones, and of an edit beside them.
//! `cargo bench --bench compile`; with `-- 1000000` or `-- beside` a part of it.
//!
//! Models are made here, without files, so that nothing is measured but compiling. Memory is what the process has more
//! than before, the model aside; time is that of the wall and, of all threads, that of the processor (in hundredths of
//! a second, as the system counts).

#![allow(clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use rhumb::config::model::{Model, Soa, Transfer, Zone};
use rhumb::geo::Places;
use rhumb::health::Verdicts;
use rhumb::snapshot::{Inputs, Snapshot, compile};
use rhumb::wire::{Name, RecordType, RecordsBuilder};

fn main() {
    let places = Arc::new(rhumb::geo::world().expect("the embedded world"));
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |what: &str| word.as_ref().is_none_or(|word| word == what);
    println!("{:<44} {:>9} {:>8} {:>9} {:>9}", "", "wall ms", "CPU s", "MiB more", "B a name");
    for (names, zones) in [(10_000, 1), (100_000, 1), (1_000_000, 1), (1_000_000, 1_000), (1_000_000, 100_000)] {
        if !is_wanted(&names.to_string()) {
            continue;
        }
        let zones: Vec<Arc<Zone>> = (0..zones).map(|zone| plain(zone, names / zones, 1)).collect();
        let label = format!("{names} names in {} zones", zones.len());
        let first = measure(&label, names, &places, zones, None);
        edits(&first, &places);
    }
    if is_wanted("beside") {
        beside(&places);
    }
}

/// The same again, one zone changed, one gone, one more.
fn edits(first: &Snapshot, places: &Arc<Places>) {
    let zones = &first.inputs.model.zones;
    let many = zones.len() > 1;
    measure("  nothing changed", 0, places, zones.clone(), Some(first));
    if many {
        let size = first.plan.table.len() / zones.len();
        let mut changed = zones.clone();
        changed[7] = plain(7, size, 2);
        measure(&format!("  one zone of {size} names changed"), 0, places, changed.clone(), Some(first));
        changed.remove(3);
        changed.push(plain(zones.len(), size, 1));
        measure("  and one gone, one new", 0, places, changed, Some(first));
    }
}

/// A small zone beside a large one.
fn beside(places: &Arc<Places>) {
    let large = plain(0, 1_000_000, 1);
    let zones = |octet| vec![Arc::clone(&large), plain(1, 1_000, octet)];
    let mut snapshot = measure("1,000,000 names, and a zone of 1,000", 0, places, zones(0), None);
    for octet in 1..=5 {
        snapshot = measure("  the small one changed", 0, places, zones(octet), Some(&snapshot));
    }
    let changed = vec![plain(0, 1_000_000, 2), Arc::clone(&snapshot.inputs.model.zones[1])];
    let other = measure("  the large one changed, both kept", 0, places, changed, Some(&snapshot));
    let both = resident("VmRSS:");
    drop((large, snapshot));
    let freed = both.saturating_sub(resident("VmRSS:"));
    println!("  {:.1} MiB go back with the one before, its model included", freed as f64 / f64::from(1 << 20));
    drop(other);
    let deep = vec![deep(1_000_000)];
    measure("1,000,000 names, half of them empty", 1_000_000, places, deep, None);
    println!("  {:.1} MiB at most, all of it", resident("VmHWM:") as f64 / f64::from(1 << 20));
}

fn measure(
    label: &str,
    names: usize,
    places: &Arc<Places>,
    zones: Vec<Arc<Zone>>,
    previous: Option<&Snapshot>,
) -> Snapshot {
    let inputs = Inputs {
        model: Arc::new(Model { zones, ..Model::default() }),
        places: Arc::clone(places),
        verdicts: Verdicts::default(),
        drained: BTreeSet::new(),
        seed: 0x5eed_5eed,
    };
    let (memory, cpu, start) = (resident("VmRSS:"), processor(), Instant::now());
    let snapshot = compile(&inputs, 1, previous).expect("within limits");
    let wall = start.elapsed().as_secs_f64() * 1e3;
    let (memory, cpu) = (resident("VmRSS:").saturating_sub(memory), processor() - cpu);
    let each = memory.checked_div(names).map_or_else(String::new, |each| each.to_string());
    println!("{label:<44} {wall:>9.1} {cpu:>8.2} {:>9.1} {each:>9}", memory as f64 / f64::from(1 << 20));
    snapshot
}

fn soa() -> Soa {
    let host = Name::absolute("ns1.example.net").expect("a name");
    let rname = host.clone();
    Soa { ttl: 3600, mname: host, rname, serial: 1, refresh: 7200, retry: 900, expire: 86_400, minimum: 300 }
}

fn zone(apex: &str, records: RecordsBuilder) -> Arc<Zone> {
    let file = format!("{apex}zone").into();
    let apex = Name::absolute(apex).expect("a name");
    Arc::new(Zone {
        apex,
        file,
        soa: soa(),
        records: Arc::new(records.finish()),
        steered: Vec::new(),
        transfer: Transfer::default(),
        expiry: None,
    })
}

/// NS, and names with an A record each.
fn plain(number: usize, names: usize, octet: u8) -> Arc<Zone> {
    let apex = format!("z{number}.example.");
    let mut records = RecordsBuilder::new();
    let ns = Name::absolute("ns1.example.net").expect("a name");
    records.push(Name::absolute(&apex).expect("a name").view(), RecordType::NS, 3600, [ns.as_wire()]);
    for n in 0..names {
        let owner = Name::absolute(&format!("h{n}.{apex}")).expect("a name");
        let address = [10, octet, (n >> 8) as u8, n as u8];
        records.push(owner.view(), RecordType::A, 300, [&address[..]]);
    }
    zone(&apex, records)
}

/// Each name below one of its own that has nothing.
fn deep(names: usize) -> Arc<Zone> {
    let mut records = RecordsBuilder::new();
    for n in 0..names / 2 {
        let owner = Name::absolute(&format!("www.h{n}.deep.example.")).expect("a name");
        records.push(owner.view(), RecordType::A, 300, [&[10, 0, (n >> 8) as u8, n as u8][..]]);
    }
    zone("deep.example.", records)
}

/// Octets of memory that the process has, or has had at most.
fn resident(which: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) << 10
}

/// Seconds of processor time that all threads have taken.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}
