//! What survives a restart, and what a person's word does.

use super::{Mode, SOON, Site, Web, eventually, web};
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
    let (good, bad) = (Web::start("127.62.1.1"), Web::start("127.62.1.2"));
    bad.set(Mode::Refuse);
    let server = site(&[("good", &good), ("bad", &bad)]).start();
    let only_good = [text(&good)];
    eventually(SOON, "the refusing endpoint leaves", || {
        (server.ask(&Ask::a("all.example.com.")).sorted() == only_good).then_some(())
    });
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
