//! HTTP/3 by h3 over quinn.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use h3::server::{RequestResolver, RequestStream, builder};
use h3_quinn::BidiStream;
use http::{Response, StatusCode};
use quinn::{Connection, VarInt};
use tokio::time::timeout;

use super::accept::{Door, GRACE};
use super::clock::Moment;
use super::counters::count;
use super::http::{Asked, asked, refusal, respond};
use super::metered::{Account, EXCESSIVE_LOAD, Metered, Over};
use super::pulse::Pulse;
use super::service::{MESSAGE_MAX, Service};
use super::taken::Untaken;
use crate::answer::{Carrier, Peer};

/// Octets of a request's head, as HTTP counts them (RFC 9114 section 4.2.2); as much as of the other versions.
const HEAD_MAX: u64 = 16 << 10;
/// For the last words of a connection.
const FAREWELL: Duration = Duration::from_millis(200);
/// H3_NO_ERROR (RFC 9114 section 8.1).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

type Stream = RequestStream<Metered<BidiStream<Bytes>>, Bytes>;

/// Serves one connection until its client ends it, is silent for too long, or others need its place.
pub(super) async fn serve<S: Service>(door: Arc<Door<S>>, connection: Connection, client: IpAddr, pulse: Arc<Pulse>) {
    let untaken = Arc::new(Untaken::default());
    let requests = async {
        let over = Over::new(connection.clone());
        let account = over.account();
        let Ok(mut requests) = builder().max_field_section_size(HEAD_MAX).build(over).await else { return };
        while let Ok(Some(request)) = requests.accept().await {
            let (door, account, untaken) = (Arc::clone(&door), Arc::clone(&account), Arc::clone(&untaken));
            let beat = pulse.begin();
            tokio::spawn(async move {
                let peer = Peer { seconds: Moment::now().seconds, ..Peer::new(client, Carrier::Encrypted) };
                one(&door, request, peer, &account, &untaken).await;
                drop(beat);
            });
        }
    };
    let stop = door.stop.clone();
    tokio::select! {
        () = requests => {}
        () = pulse.stops() => {}
        () = untaken.is_too_much(2 * door.limits().message) => {
            connection.close(EXCESSIVE_LOAD, b"");
            return;
        }
    }
    let _ = timeout(GRACE, pulse.rests()).await;
    if stop.is_cancelled() {
        // What was answered last is on its way: a connection that is closed forgets it.
        let _ = timeout(FAREWELL, connection.closed()).await;
    }
    connection.close(NO_ERROR, b"");
}

async fn one<S: Service>(
    door: &Door<S>,
    request: RequestResolver<Over, Bytes>,
    peer: Peer,
    account: &Account,
    untaken: &Arc<Untaken>,
) {
    let patience = door.limits().message;
    // A request that cannot be read is ended by h3 itself.
    let Ok(Ok((request, mut stream))) = timeout(patience, request.resolve_request()).await else {
        count(&door.counters.http3_refused);
        account.charge_unread();
        return;
    };
    // The head takes many times what came, and the body may take its time.
    let asked = asked(&request.into_parts().0, &door.path);
    let message = match asked {
        Ok(Asked::Here(message)) => Ok(Bytes::from(message)),
        Ok(Asked::InBody) => match timeout(patience, whole(&mut stream)).await {
            Ok(body) => body,
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        },
        Err(status) => Err(status),
    };
    let response = match message {
        Ok(message) => respond(&*door.service, &door.counters, &message, peer, door.draw.next()).await,
        Err(status) => refusal(status),
    };
    let counters = &door.counters;
    count(if response.status().is_success() { &counters.http3_queries } else { &counters.http3_refused });
    let _waiting = untaken.wait(response.body().len());
    // Whether it is taken is the client's affair.
    let _ = timeout(patience, send(&mut stream, response)).await;
}

/// A body that is no longer than a message may be.
async fn whole(stream: &mut Stream) -> Result<Bytes, StatusCode> {
    let mut body = BytesMut::new();
    while let Some(mut more) = stream.recv_data().await.map_err(|_| StatusCode::BAD_REQUEST)? {
        if body.len() + more.remaining() > MESSAGE_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let length = more.remaining();
        body.extend_from_slice(&more.copy_to_bytes(length));
    }
    Ok(body.freeze())
}

async fn send(stream: &mut Stream, response: Response<Bytes>) -> Result<(), h3::error::StreamError> {
    let (mut head, body) = response.into_parts();
    head.headers.insert(http::header::CONTENT_LENGTH, body.len().into());
    stream.send_response(Response::from_parts(head, ())).await?;
    if !body.is_empty() {
        stream.send_data(body).await?;
    }
    stream.finish().await
}
