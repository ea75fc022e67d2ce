//! What programs that others wrote make of the same text and the same octets (protocol 15).

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs a program; nothing where it is not installed, which is a failure only where everything has to be.
fn run(program: &str, args: &[&str], directory: &Path) -> Option<(bool, String)> {
    match Command::new(program).args(args).current_dir(directory).output() {
        Ok(done) => {
            let text = [done.stdout, done.stderr].concat();
            Some((done.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{program}: {error}");
            eprintln!("{program} is not installed: nothing was compared");
            None
        }
    }
}

/// Examples of every type, by the name that the registry has for it; without those that no zone file may hold twice.
fn all_examples() -> Vec<(RecordType, Vec<u8>)> {
    let of_known = known().into_iter().map(|(kind, text, _)| (kind, text));
    let all = forms().map(|(kind, _, text)| (kind, text)).chain(of_known).filter(|(kind, _)| *kind != RecordType::SOA);
    all.map(|(kind, text)| (kind, parse_rdata(kind, text, &origin()).unwrap().into_vec())).collect()
}

const HEAD: &str = "@ 60 IN SOA a b 1 2 3 4 5\n@ 60 IN NS ns.example.net.\n";

fn generic(kind: RecordType, wire: &[u8]) -> String {
    format!("TYPE{} \\# {} {}", kind.0, wire.len(), domain::utils::base16::encode_string(wire))
}

/// Owner, TTL, class, type and data of a line; blanks in data stay as they are.
fn fields(line: &str) -> [&str; 5] {
    let mut rest = line;
    let [owner, ttl, class, kind] = std::array::from_fn(|_| {
        let (field, behind) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        rest = behind.trim_start();
        field
    });
    [owner, ttl, class, kind, rest]
}

/// What BIND makes of records that stand at names of their own: type and data, in the order of the names; or why it
/// refuses the zone.
fn by_bind(directory: &Path, records: &[String]) -> Option<Result<Vec<(String, String)>, String>> {
    let lines = records.iter().enumerate().map(|(at, record)| format!("r{at} 60 IN {record}\n"));
    std::fs::write(directory.join("in"), format!("{HEAD}{}", lines.collect::<String>())).unwrap();
    let checks = ["-i", "none", "-k", "ignore", "-n", "ignore", "-r", "ignore", "-m", "ignore", "-M", "ignore"];
    let forms = ["-f", "text", "-F", "text", "-s", "full", "-o", "out", "example.com", "in"];
    let (done, said) = run("named-compilezone", &[&checks[..], &forms].concat(), directory)?;
    if !done {
        return Some(Err(said));
    }
    let text = std::fs::read_to_string(directory.join("out")).unwrap();
    let mut found = vec![(String::new(), String::new()); records.len()];
    for line in text.lines() {
        let [owner, _, _, kind, data] = fields(line);
        let Some(at) = owner.strip_prefix('r').and_then(|rest| rest.strip_suffix(".example.com.")) else { continue };
        found[at.parse::<usize>().unwrap()] = (kind.to_owned(), data.to_owned());
    }
    Some(Ok(found))
}

#[test]
fn p15_bind_reads_the_same_octets_of_every_text_and_its_own_text_is_read_here() {
    let directory = tempfile::tempdir().unwrap();
    let examples: Vec<_> = all_examples()
        .into_iter()
        // BIND calls MD and MF obsolete and loads no zone that holds them, nor an IPSECKEY without a key, which RFC 4025
        // section 2.4 lets be for algorithm 0.
        .filter(|(kind, wire)| {
            !matches!((*kind, wire.len()), (RecordType::MD | RecordType::MF, _) | (RecordType::IPSECKEY, 3))
        })
        .collect();
    let as_octets: Vec<String> = examples.iter().map(|(kind, wire)| generic(*kind, wire)).collect();
    let Some(theirs) = by_bind(directory.path(), &as_octets) else { return };
    let theirs = theirs.unwrap();
    let known = |(_, data): &&(String, String)| !data.starts_with("\\#");
    let pairs: Vec<_> = examples.iter().zip(&theirs).filter(|(_, theirs)| known(theirs)).collect();
    let ours: Vec<String> =
        pairs.iter().map(|((kind, wire), _)| format!("{kind} {}", format_rdata(*kind, wire))).collect();
    let of_our_text = by_bind(directory.path(), &ours).unwrap().unwrap();
    let mut seen = BTreeSet::new();
    for ((((kind, wire), theirs), ours), of_our_text) in pairs.into_iter().zip(&ours).zip(&of_our_text) {
        assert_eq!((&theirs.0, of_our_text), (&kind.to_string(), theirs), "{ours}");
        assert_eq!(parse_rdata(*kind, &theirs.1, &origin()).as_deref(), Ok(&wire[..]), "{kind} {}", theirs.1);
        seen.insert(*kind);
    }
    let unseen: Vec<_> = Layout::all().iter().map(|layout| layout.rtype).filter(|kind| !seen.contains(kind)).collect();
    // Of these BIND 9.18 has no text form, or refuses them.
    let known_unseen = [RecordType::MD, RecordType::MF, RecordType::SOA, RecordType::CLA, RecordType::IPN];
    assert!(unseen.iter().all(|kind| known_unseen.contains(kind)), "{unseen:?}");
}

#[test]
fn p15_ldns_reads_what_is_written_here_and_writes_what_is_read_here() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for (kind, wire) in all_examples() {
        let ours = format_rdata(kind, &wire);
        std::fs::write(directory.path().join("in"), format!("$ORIGIN example.com.\n{HEAD}x 60 IN {kind} {ours}\n"))
            .unwrap();
        let Some((done, said)) = run("ldns-read-zone", &["in"], directory.path()) else { return };
        let line = said.lines().find(|line| line.starts_with("x.example.com.")).filter(|_| done);
        // It knows fewer types.
        let Some(line) = line else { continue };
        let line = line.split_once(" ;{").map_or(line, |(line, _)| line);
        let data = fields(line)[4];
        assert_eq!(parse_rdata(kind, data, &origin()).as_deref(), Ok(&wire[..]), "{kind} {data}");
        seen.insert(kind);
    }
    assert!(seen.len() > 40, "{seen:?}");
}

#[test]
fn p15_bind_and_we_agree_on_octets_that_nobody_chose() {
    let directory = tempfile::tempdir().unwrap();
    let (mut seen, mut differing) = (BTreeSet::new(), Vec::new());
    for layout in Layout::all() {
        let kind = layout.rtype;
        for seed in 1..=4u8 {
            let octets: Vec<u8> = (0..400u32).map(|at| (at * at * u32::from(seed) + at * 37 + 11) as u8).collect();
            let (mut tape, mut wire) = (Tape(&octets), Vec::new());
            layout.fields.iter().for_each(|&field| tape.field(field, &mut wire));
            let ours = format!("{kind} {}", format_rdata(kind, &wire));
            let Some(theirs) = by_bind(directory.path(), &[generic(kind, &wire), ours.clone()]) else { return };
            // BIND has rules of its own for what some types may hold, and no text for a few.
            let Ok(theirs) = theirs else { continue };
            if theirs[0].1.starts_with("\\#") {
                continue;
            }
            let read = parse_rdata(kind, &theirs[0].1, &origin());
            if theirs[0] != theirs[1] || read.as_deref() != Ok(&wire) {
                differing.push(format!("{ours}\n{theirs:?}\n{read:?}\n{wire:?}\n"));
            }
            seen.insert(kind);
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(seen.len() > 60, "{seen:?}");
}
