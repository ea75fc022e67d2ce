//! What each of the other servers is told, so that they differ as little as they can.

use std::net::SocketAddr;
use std::path::Path;

use super::programs::Kind;

/// Zones by apex, each with its master file.
pub(super) type ZoneFiles = [(String, String)];

/// The configuration file.
pub(super) fn of(kind: Kind, dir: &Path, port: u16, zones: &ZoneFiles) -> String {
    let dir = dir.display();
    let each = |format: &dyn Fn(&str, &str) -> String| -> String {
        zones.iter().map(|(apex, file)| format(apex, file)).collect()
    };
    match kind {
        Kind::Nsd => {
            let zones = each(&|apex, file| format!("zone:\n  name: \"{apex}\"\n  zonefile: \"{file}\"\n"));
            format!(
                "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  zonesdir: \"{dir}\"\n  database: \"\"\n  \
                 pidfile: \"\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  zonelistfile: \"{dir}/zone.list\"\n  \
                 server-count: 1\n  ipv4-edns-size: 1232\n  rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n  \
                 tcp-query-count: 0\n  minimal-responses: yes\nremote-control:\n  control-enable: no\n{zones}"
            )
        }
        Kind::Knot => {
            let zones = each(&|apex, file| format!("  - domain: \"{apex}\"\n    file: \"{file}\"\n"));
            format!(
                "server:\n  rundir: \"{dir}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 1\n  udp-max-payload: 1232\ncontrol:\n  listen: \"{dir}/knot.sock\"\n\
                 database:\n  storage: \"{dir}\"\nlog:\n  - target: stderr\n    any: warning\n\
                 template:\n  - id: default\n    storage: \"{dir}\"\n    semantic-checks: off\n    zonefile-sync: -1\n    \
                 journal-content: none\nzone:\n{zones}"
            )
        }
        Kind::Bind => {
            let zones = each(&|apex, file| format!("zone \"{apex}\" {{ type primary; file \"{file}\"; }};\n"));
            format!(
                "options {{\n  directory \"{dir}\";\n  listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  \
                 pid-file none;\n  lock-file none;\n  session-keyfile \"{dir}/session.key\";\n  recursion no;\n  notify no;\n  \
                 allow-query {{ any; }};\n  empty-zones-enable no;\n  dnssec-validation no;\n  minimal-responses no-auth;\n  \
                 minimal-any no;\n  answer-cookie no;\n  max-udp-size 1232;\n  edns-udp-size 1232;\n  rrset-order {{ order none; }};\n  zero-no-soa-ttl no;\n  \
                 check-names primary ignore;\n  check-mx ignore;\n  check-integrity no;\n  check-mx-cname ignore;\n  \
                 check-srv-cname ignore;\n  check-sibling no;\n  check-wildcard no;\n  check-dup-records ignore;\n  \
                 check-spf ignore;\n}};\ncontrols {{ }};\n{zones}"
            )
        }
        Kind::Unbound => unreachable!("it has no zones of its own: see `resolver`"),
    }
}

/// The configuration of a resolver that asks one server for `example.com`, tells it the client's network, and keeps
/// answers by the networks that they are for.
pub(super) fn resolver(dir: &Path, port: u16, upstream: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  directory: \"{dir}\"\n  \
         pidfile: \"\"\n  use-syslog: no\n  num-threads: 1\n  do-ip6: no\n  access-control: 127.0.0.0/8 allow\n  \
         module-config: \"subnetcache iterator\"\n  do-not-query-localhost: no\n  send-client-subnet: {}\n  \
         client-subnet-always-forward: yes\n  max-client-subnet-ipv4: 32\n  max-client-subnet-ipv6: 128\n  \
         max-ecs-tree-size-ipv4: 100000\n  max-ecs-tree-size-ipv6: 100000\n  cache-min-ttl: 3600\n\
         remote-control:\n  control-enable: no\n\
         stub-zone:\n  name: \"example.com.\"\n  stub-addr: {}@{}\n",
        upstream.ip(),
        upstream.ip(),
        upstream.port(),
    )
}
