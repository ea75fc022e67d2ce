//! Many questions at once to one server, over UDP and TCP.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::served::SOON;

/// Datagrams under way at once, few enough for any socket's buffer.
const WINDOW: usize = 64;
/// Messages written to a connection before their replies are read; some servers close one after a hundred.
const PIPELINE: usize = 50;
/// How often a datagram is sent.
const TRIES: usize = 4;
/// Until a datagram counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

fn numbered(query: &[u8], id: usize) -> Vec<u8> {
    let mut query = query.to_vec();
    query[..2].copy_from_slice(&(id as u16).to_be_bytes());
    query
}

fn id(reply: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([reply[0], reply[1]]))
}

/// Replies to datagrams in the order of the queries; an empty one where there was none.
pub(super) fn over_udp(server: SocketAddr, queries: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut replies = Vec::with_capacity(queries.len());
    for window in queries.chunks(WINDOW) {
        replies.extend(one_window(server, window));
    }
    replies
}

fn one_window(server: SocketAddr, queries: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut arrived = vec![Vec::new(); queries.len()];
    // Whoever comes late comes to a socket that is closed.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = vec![0; 65_535];
    for _ in 0..TRIES {
        let open: Vec<usize> = (0..queries.len()).filter(|&number| arrived[number].is_empty()).collect();
        for &number in &open {
            socket.send(&numbered(queries[number], number)).unwrap();
        }
        let mut missing = open.len();
        while missing > 0 {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    let place = &mut arrived[id(&buffer)];
                    missing -= usize::from(place.is_empty());
                    *place = buffer[..length].to_vec();
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("{server}: {error}"),
            }
        }
        if missing == 0 {
            break;
        }
    }
    arrived
}

/// Replies over connections, in the order of the queries.
pub(super) fn over_tcp(server: SocketAddr, queries: &[&[u8]]) -> Vec<Vec<u8>> {
    queries.chunks(PIPELINE).flat_map(|pipeline| one_connection(server, pipeline)).collect()
}

fn one_connection(server: SocketAddr, queries: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut written = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        written.extend((query.len() as u16).to_be_bytes());
        written.extend(numbered(query, number));
    }
    stream.write_all(&written).unwrap();
    let mut arrived = HashMap::new();
    for _ in queries {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap_or_else(|error| panic!("{server}: {error}"));
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        arrived.insert(id(&reply), reply);
    }
    (0..queries.len()).map(|number| arrived.remove(&number).unwrap_or_default()).collect()
}
