//! The example that is shipped in `zones/`, its endpoints moved to addresses of the test's own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::{Client, Mode, SOON, Server, Site, Web, bound, eventually, over_tcp};
use crate::harness::Ask;

/// Region by the last octet of its address.
const REGIONS: [&str; 10] =
    ["virginia", "oregon", "saopaulo", "frankfurt", "paris", "johannesburg", "mumbai", "singapore", "tokyo", "sydney"];

/// A network of each country in the built-in database, and the region that a map shows to be the nearest to where its
/// people live.
const COUNTRIES: [(&str, &str, &str); 24] = [
    ("GB", "81.2.69.0/24", "paris"),
    ("FR", "212.27.48.0/24", "paris"),
    ("ES", "213.0.0.0/24", "paris"),
    ("DE", "78.46.0.0/24", "frankfurt"),
    ("IT", "151.1.0.0/24", "frankfurt"),
    ("SE", "193.10.0.0/24", "frankfurt"),
    ("PL", "83.0.0.0/24", "frankfurt"),
    ("FI", "88.112.0.0/24", "frankfurt"),
    ("TR", "78.160.0.0/24", "frankfurt"),
    ("ZA", "196.25.1.0/24", "johannesburg"),
    ("KE", "41.90.0.0/24", "johannesburg"),
    ("IN", "117.192.0.0/24", "mumbai"),
    ("SG", "103.6.150.0/24", "singapore"),
    ("MY", "58.27.0.0/24", "singapore"),
    ("ID", "36.64.0.0/24", "singapore"),
    ("VN", "14.160.0.0/24", "singapore"),
    ("JP", "210.130.0.0/24", "tokyo"),
    ("KR", "1.201.0.0/24", "tokyo"),
    ("AU", "1.128.0.0/24", "sydney"),
    ("NZ", "203.96.0.0/24", "sydney"),
    ("BR", "200.160.0.0/24", "saopaulo"),
    ("AR", "190.192.0.0/24", "saopaulo"),
    ("US", "73.158.0.0/24", "virginia"),
    ("CA", "99.224.0.0/24", "virginia"),
];

/// The example with its addresses `127.0.1.x:8080` moved, and checks that are quick to see.
fn example(net: &str, port: u16) -> Site {
    let site = Site::new("");
    for file in ["example.com.toml", "shared.toml"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones").join(file);
        let text = fs::read_to_string(shipped).unwrap();
        assert!(text.contains("127.0.1.") && text.contains("8080") && text.contains("\"2s\""), "{file} as it was");
        let moved = text.replace("127.0.1.", net).replace("8080", &port.to_string());
        site.write(file, &moved.replace("\"2s\"", "\"400ms\"").replace("\"1s\"", "\"300ms\""));
    }
    site
}

fn addresses(net: &str) -> Vec<String> {
    (1..=12).map(|host| format!("{net}{host}")).collect()
}

fn region<'a>(net: &str, address: &str) -> &'a str {
    REGIONS[address.strip_prefix(net).unwrap().parse::<usize>().unwrap() - 1]
}

/// Every endpoint and both content networks are up.
fn settled(server: &Server) {
    server.until(&REGIONS, "up");
    server.until(&["cdn-one", "cdn-two"], "up");
}

#[test]
fn clients_of_24_countries_get_the_nearest_region_over_udp_and_tcp_alike_and_the_next_when_it_breaks() {
    const NET: &str = "127.63.1.";
    let webs = Web::all(&addresses(NET));
    let server = example(NET, webs[0].address.port()).start();
    settled(&server);
    for (country, subnet, nearest) in COUNTRIES {
        for name in ["www.example.com.", "example.com."] {
            let ask = Ask::a(name).subnet(subnet);
            let reply = server.ask(&ask);
            assert_eq!(region(NET, &reply.only()), nearest, "{country} at {name}");
            assert_eq!(reply.ttl(), 5);
            assert!(reply.scope() > 0 && reply.scope() <= 24, "{country}: scope {}", reply.scope());
            let stream = over_tcp(server.dns, &ask);
            assert_eq!(stream.answer, reply.answer, "{country} at {name} over TCP");
            assert_eq!(stream.ecs(), reply.ecs());
        }
    }

    let german = |name: &str| region(NET, &server.a(name, "78.46.0.0/24"));
    assert_eq!(german("www.example.com."), "frankfurt");
    assert_eq!(german("shoes.shop.example.com."), "frankfurt", "a wildcard's CNAME leads to a steered name");
    assert_eq!(german("privacy.example.com."), "frankfurt");
    webs[3].set(Mode::Status500);
    server.until(&["frankfurt"], "down");
    for name in ["www.example.com.", "shoes.shop.example.com.", "privacy.example.com.", "app.example.com."] {
        assert_eq!(german(name), "paris", "{name}");
    }
    for name in
        ["@", "www", "app", "api", "session", "next", "files", "privacy", "office", "origin", "static", "x.shop"]
    {
        let name = if name == "@" { "example.com.".to_owned() } else { format!("{name}.example.com.") };
        for (country, subnet, _) in COUNTRIES {
            let reply = server.ask(&Ask::a(&name).subnet(subnet));
            assert_eq!(reply.rcode, 0, "{name} for {country}");
            assert!(!reply.answer.is_empty(), "{name} for {country}");
            assert!(!reply.sorted().contains(&format!("{NET}4")), "{name} for {country}: what is down is not answered");
        }
    }
}

#[test]
fn a_shift_of_the_examples_weights_moves_its_shares_and_a_typo_moves_nothing() {
    const NET: &str = "127.63.4.";
    const N: usize = 2_000;
    let webs = Web::all(&addresses(NET));
    let site = example(NET, webs[0].address.port());
    let server = site.start();
    settled(&server);
    let paris = || {
        let counts = Client::of(server.dns).counts(&Ask::a("app.example.com.").subnet("212.27.48.0/24"), N);
        assert!(counts.keys().all(|address| ["frankfurt", "paris"].contains(&region(NET, address))), "{counts:?}");
        *counts.get(&format!("{NET}5")).unwrap_or(&0) as f64 / N as f64
    };
    let shows = |p: f64| eventually(SOON, "the shares", || ((paris() - p).abs() <= bound(p, N)).then_some(()));
    shows(0.1);
    server.done(&["shift", "europe", "paris", "90"]);
    shows(0.5);
    let text = site.read("example.com.toml");
    site.write(
        "example.com.toml",
        &text.replace("endpoint = \"frankfurt\", weight = 90", "endpoint = \"frankfort\", weight = 9"),
    );
    let said = eventually(SOON, "the typo is told", || {
        let load = server.status()["last_load"].clone();
        (load["ok"] == false).then(|| load["diagnostics"].to_string())
    });
    assert!(said.contains("`frankfort`") && said.contains("frankfurt"), "{said}");
    shows(0.5);
}

/// A port that is free on all these addresses.
fn free_port(net: &str) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind(format!("{net}1:0")).unwrap();
        let port = first.local_addr().unwrap().port();
        let others: Result<Vec<_>, _> = addresses(net)[1..]
            .iter()
            .map(|ip| TcpListener::bind(SocketAddr::new(ip.parse().unwrap(), port)))
            .collect();
        if others.is_ok() {
            return port;
        }
    }
    panic!("no port is free on all of {net}1 to {net}12");
}

#[test]
fn the_demo_runs_its_endpoints_and_breaks_and_mends_them_by_command() {
    const NET: &str = "127.63.3.";
    let site = example(NET, free_port(NET));
    let server = site.start_with(&["--demo"]);
    settled(&server);
    let state = site.path().join("state");
    let demo = |arguments: &[&str]| {
        let all: Vec<&str> = ["demo", "--state", state.to_str().unwrap()].iter().chain(arguments).copied().collect();
        server.done(&all)
    };
    let german = || region(NET, &server.a("www.example.com.", "78.46.0.0/24"));
    assert_eq!(german(), "frankfurt");
    let list = demo(&[]);
    assert!(REGIONS.iter().all(|region| list.contains(region)), "{list}");
    for how in ["refuse", "hang"] {
        demo(&["break", "frankfurt", "--how", how]);
        assert!(demo(&[]).contains(&format!("broken ({how})")));
        eventually(SOON, "the answer moves", || (german() == "paris").then_some(()));
        demo(&["mend", "frankfurt"]);
        eventually(SOON, "the answer moves back", || (german() == "frankfurt").then_some(()));
    }
    let unknown = server.rhumb(&["demo", "--state", state.to_str().unwrap(), "break", "frankfort"]);
    assert!(!unknown.status.success());
}
