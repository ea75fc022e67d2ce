//! What survives a restart, and what a person's word does.

use std::time::{Duration, Instant};

use super::{Mode, SOON, Server, Site, Web, eventually, web};
use crate::harness::{Ask, zone};

/// `all.example.com` answers each endpoint that is up; nothing that failed once comes back during a test.
fn site(webs: &[(&str, &Web)]) -> Site {
    let endpoints: String = webs
        .iter()
        .map(|(name, web)| {
            format!("[endpoints.{name}]\nA = \"{}\"\ncheck = \"{name}\"\nsite = \"here\"\n", web.address.ip())
        })
        .collect();
    let names: Vec<String> = webs.iter().map(|(name, _)| format!("{name:?}")).collect();
    let checks = web::checks(webs.iter().copied(), "interval = \"1s\"\ntimeout = \"500ms\"\nfall = 1\nrise = 100");
    let routes = format!("[routes.all]\npolicy = \"multivalue\"\nto = [{}]\n", names.join(", "));
    Site::with_zone("", &zone("all = { route = \"all\", ttl = 1 }", &(endpoints + &checks + &routes)))
}

fn text(web: &Web) -> String {
    web.address.ip().to_string()
}

#[test]
fn g5_a_verdict_that_comes_while_the_first_snapshot_is_compiled_is_not_lost() {
    // The only check there is, so that no later verdict covers for this one.
    let bad = Web::start("127.62.1.2");
    bad.set(Mode::Refuse);
    let site = site(&[("bad", &bad)]);
    let zone = site.read("example.com.toml").replace("to = [", "to = [\"good\", ");
    site.write("example.com.toml", &(zone + "[endpoints.good]\nA = \"192.0.2.1\"\n"));
    let server = site.start();
    eventually(SOON, "the refusing endpoint leaves", || {
        (server.ask(&Ask::a("all.example.com.")).sorted() == ["192.0.2.1"]).then_some(())
    });
    assert_eq!(server.state("bad"), "down");
}

#[test]
fn g5_the_first_answers_after_a_restart_equal_the_last_before_it() {
    let (good, bad) = (Web::start("127.62.2.1"), Web::start("127.62.2.2"));
    bad.set(Mode::Status500);
    let site = site(&[("good", &good), ("bad", &bad)]);
    let server = site.start();
    server.until(&["bad"], "down");
    server.until(&["good"], "up");
    assert_eq!(server.ask(&Ask::a("all.example.com.")).sorted(), [text(&good)]);
    assert!(server.stop().success(), "SIGTERM is an orderly end");
    // Were it forgotten, `bad` would count as up until its first probe, and now for ever.
    bad.set(Mode::Well);
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("all.example.com.")).sorted(), [text(&good)]);
    assert_eq!(server.state("bad"), "down");
}

#[test]
fn g5_verdicts_outlive_a_kill_once_they_are_on_disk() {
    let (good, bad) = (Web::start("127.62.3.1"), Web::start("127.62.3.2"));
    bad.set(Mode::Hang);
    let site = site(&[("good", &good), ("bad", &bad)]);
    let server = site.start();
    server.until(&["bad"], "down");
    let kept = site.path().join("state/verdicts.json");
    eventually(SOON, "the verdict is kept", || {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("down")).then_some(())
    });
    server.kill();
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("all.example.com.")).sorted(), [text(&good)]);
}

#[test]
fn g5_a_check_that_was_edited_while_the_server_was_down_begins_anew() {
    let (good, bad) = (Web::start("127.62.4.1"), Web::start("127.62.4.2"));
    bad.set(Mode::Status500);
    let site = site(&[("good", &good), ("bad", &bad)]);
    let server = site.start();
    server.until(&["bad"], "down");
    assert!(server.stop().success());
    bad.set(Mode::Well);
    site.write("example.com.toml", &site.read("example.com.toml").replace("/healthz", "/health"));
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("all.example.com.")).sorted(), [text(&good), text(&bad)]);
}

/// Two endpoints of one site that are always up, and one elsewhere that is no member of `pair`.
fn switched() -> Site {
    Site::with_zone(
        "",
        &zone(
            "pair = { route = \"pair\", ttl = 5 }\nthird = { route = \"third\", ttl = 5 }",
            "[endpoints.a]\nA = \"192.0.2.1\"\nsite = \"here\"\n[endpoints.b]\nA = \"192.0.2.2\"\nsite = \"here\"\n\
             [endpoints.c]\nA = \"192.0.2.3\"\nsite = \"there\"\n\
             [routes.pair]\npolicy = \"multivalue\"\nto = [\"a\", \"b\"]\n\
             [routes.third]\npolicy = \"failover\"\nto = [\"a\", \"b\", \"c\"]\n",
        ),
    )
}

fn pair(server: &Server) -> Vec<String> {
    server.ask(&Ask::a("pair.example.com.")).sorted()
}

#[test]
fn g10_a_drain_is_at_once_survives_a_restart_and_ends_when_it_is_undrained() {
    let site = switched();
    let server = site.start();
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    server.done(&["drain", "a", "--reason", "disk swap"]);
    assert_eq!(pair(&server), ["192.0.2.2"]);
    let shown = server.done(&["status"]);
    assert!(shown.contains("disk swap"), "{shown}");
    assert!(server.stop().success());
    let server = site.start();
    assert_eq!((pair(&server), server.state("a")), (vec!["192.0.2.2".to_owned()], "drained".to_owned()));
    server.kill();
    let server = site.start();
    assert_eq!(pair(&server), ["192.0.2.2"]);
    server.done(&["undrain", "a"]);
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(server.rhumb(&["undrain", "a"]).status.code(), Some(1), "nothing is left to undrain");
    assert!(server.stop().success());
    assert_eq!(pair(&site.start()), ["192.0.2.1", "192.0.2.2"], "the end survives as well");
}

#[test]
fn g10_a_drain_that_leaves_nothing_is_refused_unless_forced_and_then_the_drained_are_answered() {
    let server = switched().start();
    server.done(&["drain", "a"]);
    let refused = server.rhumb(&["drain", "b"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--force") && said.contains("pair"), "{said}");
    assert_eq!((pair(&server), server.state("b")), (vec!["192.0.2.2".to_owned()], "unchecked".to_owned()));
    assert_eq!(server.rhumb(&["drain", "--site", "here"]).status.code(), Some(1), "a site's drain is judged alike");
    server.done(&["drain", "b", "--force"]);
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(server.ask(&Ask::a("third.example.com.")).only(), "192.0.2.3", "others leave the drained");
    assert!(server.status()["forced"].to_string().contains("pair"), "an alarm says so");
    server.done(&["undrain", "--site", "here"]);
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(server.status()["forced"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_drain_for_a_time_ends_by_itself_and_not_before() {
    let server = switched().start();
    let begun = Instant::now();
    server.done(&["drain", "a", "--for", "2s"]);
    assert_eq!(pair(&server), ["192.0.2.2"]);
    eventually(SOON, "the drain ends", || (pair(&server).len() == 2).then_some(()));
    // Ends are kept in whole seconds.
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.state("a"), "unchecked");
}

#[test]
fn a_drain_of_what_nobody_knows_names_the_nearest() {
    let server = switched().start();
    let refused = server.rhumb(&["drain", "--site", "heer"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("heer") && said.contains("`here`"), "{said}");
}

#[test]
fn a_start_on_broken_files_serves_the_last_good_ones_and_says_so_until_they_are_mended() {
    let site = switched();
    assert!(site.start().stop().success());
    let good = site.read("example.com.toml");
    site.write("example.com.toml", &good.replace("policy = \"failover\"", "policy = \"failovr\""));
    let server = site.start();
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    let status = server.status();
    assert_eq!(status["last_load"]["from_last_good"], true);
    assert!(status["last_load"]["diagnostics"].to_string().contains("failovr"), "{status}");
    assert!(server.log().contains("last good"), "the log says so");
    site.write("example.com.toml", &good.replace("to = [\"a\", \"b\"]", "to = [\"a\", \"b\", \"c\"]"));
    eventually(SOON, "mended files are taken", || (pair(&server).len() == 3).then_some(()));
    assert_eq!(server.status()["last_load"]["from_last_good"], false);
}

#[test]
fn a_start_on_broken_files_and_nothing_good_that_was_kept_serves_what_is_whole() {
    let site = switched();
    let other = zone("plain = { A = \"192.0.2.9\" }", "").replace("example.com", "example.org");
    std::fs::write(site.zones().join("example.org.toml"), other).unwrap();
    assert!(site.start().stop().success());
    let kept: Vec<_> = std::fs::read_dir(site.path().join("state/last-good")).unwrap().flatten().collect();
    assert!(!kept.is_empty());
    kept.iter().for_each(|entry| std::fs::write(entry.path(), "of another disk").unwrap());
    let good = site.read("example.com.toml");
    site.write("example.com.toml", &good.replace("policy = \"failover\"", "policy = \"failovr\""));
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("pair.example.com.")).rcode, 2, "SERVFAIL: the zone is not loaded");
    assert_eq!(server.ask(&Ask::a("plain.example.org.")).only(), "192.0.2.9");
    let notes = server.status()["notes"].to_string();
    assert!(notes.contains("left out"), "{notes}");
    site.write("example.com.toml", &good);
    eventually(SOON, "mended files are taken", || (pair(&server).len() == 2).then_some(()));
}

#[test]
fn a_start_on_a_broken_master_file_serves_the_other_zones_alone_or_imported() {
    let site = switched();
    let other = "zone = \"example.org\"\nimport = \"more.txt\"\n[records]\n\"@\" = { NS = \"ns1.example.net.\" }\n";
    std::fs::write(site.zones().join("example.org.toml"), other).unwrap();
    std::fs::write(site.zones().join("more.txt"), "plain 60 A 192.0.2.9\n").unwrap();
    let master = "@ 60 SOA ns1.example.net. host 1 3600 600 86400 60\n@ 60 NS ns1.example.net.\nwww 60 A 192.0.2.8\n";
    std::fs::write(site.zones().join("example.info.zone"), master).unwrap();
    let server = site.start();
    assert_eq!(server.ask(&Ask::a("plain.example.org.")).only(), "192.0.2.9");
    assert_eq!(server.ask(&Ask::a("www.example.info.")).only(), "192.0.2.8");
    assert!(server.stop().success());
    for entry in std::fs::read_dir(site.path().join("state/last-good")).unwrap().flatten() {
        std::fs::write(entry.path(), "of another disk").unwrap();
    }
    for file in ["more.txt", "example.info.zone"] {
        std::fs::write(site.zones().join(file), "what 60 A is-this\n").unwrap();
    }
    let server = site.start();
    assert_eq!(pair(&server).len(), 2);
    for name in ["plain.example.org.", "www.example.info."] {
        assert_eq!(server.ask(&Ask::a(name)).rcode, 2, "SERVFAIL: {name} is of a zone that is not loaded");
    }
    std::fs::write(site.zones().join("example.info.zone"), master).unwrap();
    std::fs::write(site.zones().join("more.txt"), "plain 60 A 192.0.2.9\n").unwrap();
    eventually(SOON, "mended files are taken", || {
        let reply = server.ask(&Ask::a("www.example.info."));
        (reply.rcode == 0 && server.ask(&Ask::a("plain.example.org.")).rcode == 0).then_some(())
    });
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told_of_and_costs_no_answer() {
    let site = switched();
    std::fs::write(site.path().join("state"), "a file where a directory is wanted").unwrap();
    let server = site.start();
    assert_eq!(pair(&server), ["192.0.2.1", "192.0.2.2"]);
    let notes = server.status()["notes"].to_string();
    assert!(notes.contains("state") && notes.contains("cannot be written"), "{notes}");
    let drained = server.rhumb(&["drain", "a"]);
    assert!(drained.status.success());
    assert!(String::from_utf8(drained.stderr).unwrap().contains("only until the server restarts"));
    assert_eq!(pair(&server), ["192.0.2.2"]);
}
