//! Bad inputs that are kept: each file of `fuzz/seeds` through the judge of its fuzz target.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use crate::judges::TARGETS;

/// Files are read by people and run at each test: few and small.
const MOST_FILES: usize = 1000;
const MOST_OCTETS: u64 = 1 << 20;

fn seeds() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn files(directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(seeds().join(directory)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[track_caller]
fn replay(target: &str) {
    let (_, directory, judge) = TARGETS.iter().find(|(name, ..)| *name == target).expect("a target of this name");
    let files = files(directory);
    assert!(files.len() >= 5, "{target} has seeds");
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let data = fs::read(file).unwrap();
            panic::catch_unwind(AssertUnwindSafe(|| judge(&data))).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "what these came to stands above: {failed:#?}");
}

#[test]
fn p4_p17_p29_bad_messages_are_read_as_the_rules_say() {
    replay("message");
}

#[test]
fn p1_p7_p17_p29_bad_messages_are_answered_as_the_rules_say() {
    replay("engine");
}

#[test]
fn p24_p25_p27_bad_signatures_transfers_and_updates_are_told_from_good_ones() {
    replay("records");
}

#[test]
fn e3_p18_bad_client_subnets_are_told_from_good_ones() {
    replay("ecs");
}

#[test]
fn p15_bad_master_files_are_told_of_and_what_is_taken_is_well_formed() {
    replay("zone_text");
}

#[test]
fn p15_record_data_is_read_back_as_it_was_written() {
    replay("rdata");
}

#[test]
fn bad_zone_files_are_told_of_and_what_loads_answers() {
    replay("zone_toml");
}

#[test]
fn bad_server_files_are_told_of_and_what_loads_answers() {
    replay("server_toml");
}

#[test]
fn corrupt_databases_are_refused_or_agree_with_themselves() {
    replay("database");
}

#[test]
fn p19_bad_cookies_are_told_from_good_ones() {
    replay("cookie");
}

#[test]
fn p23_bad_proxy_headers_are_told_from_good_ones() {
    replay("proxy");
}

#[test]
fn p22_bad_https_requests_are_told_from_good_ones() {
    replay("https");
}

#[test]
fn p25_bad_signatures_are_told_from_good_ones() {
    replay("tsig");
}

#[test]
fn p27_updates_are_judged_as_the_rfc_says() {
    replay("update");
}

#[test]
fn p26_bad_transfers_are_told_from_good_ones() {
    replay("transfer");
}

#[test]
fn every_fuzz_target_has_a_judge_and_seeds_that_are_few_and_small() {
    let names = |directory: PathBuf| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        fs::read_dir(directory).unwrap().map(|entry| stem(entry.unwrap().path())).collect()
    };
    let targets = TARGETS.iter().map(|(target, ..)| (*target).to_owned()).collect();
    assert_eq!(names(seeds().join("../targets")), targets);
    let directories: BTreeSet<String> = TARGETS.iter().map(|(_, directory, _)| (*directory).to_owned()).collect();
    assert_eq!(names(seeds()), directories);
    let all: Vec<_> = directories.iter().flat_map(|directory| files(directory)).collect();
    assert!(all.len() <= MOST_FILES, "{} files", all.len());
    let octets: u64 = all.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(octets <= MOST_OCTETS, "{octets} octets");
}
