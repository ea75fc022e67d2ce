"""Asks by every transport that dnspython speaks and compares what comes back, octet for octet.

Arguments: the certificate, then the ports of UDP, TLS, HTTPS, QUIC and HTTP/3, then names.
"""

import sys

import dns.message
import dns.query

certificate, *ports = sys.argv[1:7]
udp, tls, https, quic, http3 = map(int, ports)
HOST = "127.0.0.1"
NAME = "localhost"


def over_https(query, port, version, post):
    return dns.query.https(
        query,
        f"https://{NAME}:{port}/dns-query",
        timeout=30,
        verify=certificate,
        bootstrap_address=HOST,
        http_version=version,
        post=post,
    )


for name in sys.argv[7:]:
    query = dns.message.make_query(name, "A", use_edns=0, id=0)
    expected = dns.query.udp(query, HOST, port=udp, timeout=30).to_wire()
    versions = dns.query.HTTPVersion
    transports = {
        "tls": lambda: dns.query.tls(query, HOST, 30, tls, server_hostname=NAME, verify=certificate),
        "quic": lambda: dns.query.quic(query, HOST, 30, quic, hostname=NAME, verify=certificate),
    }
    for label, port, version in [("http/1.1", https, versions.H1), ("h2", https, versions.H2), ("h3", http3, versions.H3)]:
        for post in [True, False]:
            key = f"{label} {'POST' if post else 'GET'}"
            transports[key] = lambda port=port, version=version, post=post: over_https(query, port, version, post)
    for transport, ask in transports.items():
        answer = ask().to_wire()
        if answer != expected:
            sys.exit(f"{name} over {transport}: {answer.hex()} and not {expected.hex()}")
        print(name, transport)
