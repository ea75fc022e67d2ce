//! What cannot be served: a cause, a remedy, an exit code that is not 0, and no panic.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use super::Site;
use crate::harness::zone;

fn good() -> String {
    zone("www = { A = \"192.0.2.1\" }", "")
}

/// It ended with exit code 1, printed all these words, and no more than `lines` lines.
#[track_caller]
fn assert_says(output: &Output, words: &[&str], lines: usize) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "faults go to stderr: {:?}", String::from_utf8_lossy(&output.stdout));
    for word in words {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(said.lines().count() <= lines, "no more than {lines} lines: {said}");
}

#[test]
fn a_zones_directory_that_is_a_file_or_cannot_be_reached_is_named_with_a_remedy() {
    let site = Site::new("");
    fs::remove_dir(site.zones()).unwrap();
    assert_says(&site.refused(&[]), &["zones", "does not exist", "--zones"], 8);
    fs::write(site.zones(), "no directory").unwrap();
    assert_says(&site.refused(&[]), &["zones", "directory"], 8);
    assert_says(&site.refused(&["--zones", "zones/deeper"]), &["zones/deeper"], 8);
}

#[test]
fn a_zones_directory_without_permission_is_named_where_the_system_refuses_it() {
    let site = Site::with_zone("", &good());
    fs::set_permissions(site.zones(), fs::Permissions::from_mode(0o000)).unwrap();
    let is_refused = fs::read_dir(site.zones()).is_err();
    if is_refused {
        assert_says(&site.refused(&[]), &["zones", "ermission"], 8);
    } else {
        // Root reads everything: then the same directory is served.
        drop(site.start());
    }
    fs::set_permissions(site.zones(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn an_empty_directory_says_what_to_put_there() {
    let site = Site::new("");
    assert_says(&site.refused(&[]), &["zones", "toml"], 8);
}

#[test]
fn a_port_in_use_is_told_with_its_holder() {
    let site = Site::with_zone("", &good());
    let ourselves = format!("pid {}", std::process::id());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let output = site.refused(&["--listen", &address]);
    assert_says(&output, &[&address, "in use", &ourselves, "--listen"], 3);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap().to_string();
    assert_says(&site.refused(&["--listen", &address]), &[&address, "in use (UDP)", &ourselves], 3);
}

#[test]
fn a_port_that_another_rhumb_serves_is_not_shared_with_it() {
    let site = Site::with_zone("", &good());
    let server = site.start();
    let address = server.dns.to_string();
    let holder = format!("rhumb (pid {})", server.pid());
    let output = site.refused(&["--listen", &address, "--state", "other"]);
    assert_says(&output, &[&address, "in use", &holder], 3);
}

#[test]
fn an_admin_address_in_use_and_one_that_others_reach_without_a_token_are_refused() {
    let site = Site::with_zone("", &good());
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    assert_says(&site.refused(&["--admin", &address]), &[&address, "in use"], 3);
    assert_says(&site.refused(&["--admin", "0.0.0.0:0"]), &["token"], 8);
}

#[test]
fn a_low_port_without_the_right_to_it_says_how_to_get_it() {
    // A user without rights, and a directory that it can read.
    let site = Site::with_zone("", &good());
    for path in [site.path().to_owned(), site.zones()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let first_free: u16 = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024);
    // The program itself may lie where only we may look.
    let copy = site.path().join("rhumb");
    fs::copy(env!("CARGO_BIN_EXE_rhumb"), &copy).unwrap();
    let as_nobody = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--clear-groups", "--inh-caps=-all", program]).args(arguments);
        command.current_dir(site.path()).env("NO_COLOR", "1").stdin(Stdio::null()).output()
    };
    let can_try = first_free > 53 && as_nobody("true", &[]).is_ok_and(|output| output.status.success());
    if !can_try {
        // Covered by `no_permission_says_what_to_do` beside the sockets.
        eprintln!("not tried: this system cannot run a program as nobody, or lets everybody have port 53");
        return;
    }
    let arguments = ["serve", "--config", "rhumb.toml", "--listen", "127.0.0.1:53", "--admin", "127.0.0.1:0"];
    let output = as_nobody(copy.to_str().unwrap(), &arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in
        ["127.0.0.1:53", "not permitted", "setcap cap_net_bind_service=+ep", "--listen", "such as 127.0.0.1:5300"]
    {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
}

#[test]
fn a_database_that_is_none_is_named() {
    let site = Site::with_zone("[geoip]\ndatabases = [\"no.mmdb\"]", &good());
    assert_says(&site.refused(&[]), &["no.mmdb", "does not exist", "help"], 10);
    fs::write(site.path().join("no.mmdb"), "this is no database").unwrap();
    assert_says(&site.refused(&[]), &["no.mmdb", "MMDB", "`databases`"], 3);
    let whole = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-fixtures/city.mmdb")).unwrap();
    fs::write(site.path().join("no.mmdb"), &whole[..whole.len() / 2]).unwrap();
    assert_says(&site.refused(&[]), &["no.mmdb", "cut short"], 3);
}

#[test]
fn a_zone_twice_names_both_files() {
    let site = Site::with_zone("", &good());
    site.write("second.toml", &good());
    assert_says(&site.refused(&[]), &["example.com", "example.com.toml", "second.toml"], 20);
}

#[test]
fn a_file_that_is_not_utf_8_is_named_with_the_place() {
    let site = Site::new("");
    fs::write(site.file("example.com.toml"), b"zone = \"example.com\"\n# caf\xe9\n").unwrap();
    assert_says(&site.refused(&[]), &["example.com.toml", "UTF-8"], 10);
}

#[test]
fn all_faults_of_a_load_are_shown_at_once() {
    let site = Site::new("");
    site.write("example.com.toml", &good().replace("ttl = \"5m\"", "tll = \"5m\""));
    site.write("example.net.toml", &good().replace("example.com", "example.net").replace("192.0.2.1", "192.0.2.256"));
    site.write("example.org.toml", "zone = \n");
    let words = ["tll", "`ttl`", "192.0.2.256", "example.com.toml:2", "example.net.toml:7", "example.org.toml:1"];
    assert_says(&site.refused(&[]), &words, 60);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let site = Site::with_zone("", &good());
    assert_eq!(super::rhumb(site.path(), &["serve", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(super::rhumb(site.path(), &["serve", "--listen", "nowhere"]).status.code(), Some(2));
}
