#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{A, CNAME};
use rustls::RootCertStore;

use super::super::server::failure;
use super::*;
use crate::config::model::CheckKind;
use crate::health::sample;

/// Answers each query with the datagrams that `reply` makes of it.
async fn responder(reply: impl Fn(Message) -> Vec<Message> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            for message in reply(Message::from_vec(&buffer[..length]).unwrap()) {
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    address
}

fn answered(query: &Message, code: ResponseCode, data: &[RData]) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.iter().cloned());
    let name = query.queries[0].name().clone();
    reply.add_answers(data.iter().map(|data| Record::from_rdata(name.clone(), 30, data.clone())));
    reply
}

async fn ask(to: SocketAddr, rcodes: &[u16], answers: &[&str]) -> Outcome {
    let kind = CheckKind::Dns {
        qname: Name::absolute("www.example.com").unwrap(),
        qtype: RecordType::A,
        rcodes: rcodes.iter().copied().collect(),
        answers: answers.iter().map(|&text| text.to_owned()).collect(),
    };
    super::super::server::ask(&sample::check("dns", kind), to, RootCertStore::empty()).await
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

#[tokio::test]
async fn an_answer_with_the_right_code_passes() {
    let to = responder(|query| vec![answered(&query, ResponseCode::NoError, &[])]).await;
    assert!(matches!(ask(to, &[0], &[]).await, Outcome::Pass(_)));
    let to = responder(|query| vec![answered(&query, ResponseCode::Refused, &[])]).await;
    assert!(failure(ask(to, &[0], &[]).await).contains("Refused"));
    assert!(matches!(ask(to, &[0, 5], &[]).await, Outcome::Pass(_)));
}

#[tokio::test]
async fn one_of_the_expected_data_must_be_in_the_answer_with_the_asked_type() {
    let alias = RData::CNAME(CNAME("192.0.2.9.".parse().unwrap()));
    let to = responder(move |query| vec![answered(&query, ResponseCode::NoError, &[alias.clone(), a(1), a(2)])]).await;
    assert!(matches!(ask(to, &[0], &["192.0.2.7", "192.0.2.2"]).await, Outcome::Pass(_)));
    let text = failure(ask(to, &[0], &["192.0.2.9"]).await);
    assert_eq!(text, "none of the expected data is in the answer (192.0.2.1, 192.0.2.2)");
}

#[tokio::test]
async fn replies_to_other_questions_are_passed_over() {
    let to = responder(|query| {
        let mut wrong_id = answered(&query, ResponseCode::ServFail, &[]);
        wrong_id.metadata.id ^= 1;
        let mut wrong_question = answered(&query, ResponseCode::NoError, &[a(1)]);
        wrong_question.queries[0].set_name("other.example.".parse().unwrap());
        let echo = query.clone();
        vec![wrong_id, wrong_question, echo, answered(&query, ResponseCode::NoError, &[a(2)])]
    })
    .await;
    assert!(matches!(ask(to, &[0], &["192.0.2.2"]).await, Outcome::Pass(_)));
}

#[tokio::test]
async fn the_query_ids_are_random_and_the_question_is_the_checks() {
    let (sender, mut queries) = tokio::sync::mpsc::unbounded_channel();
    let to = responder(move |query| {
        sender.send(query.clone()).unwrap();
        vec![answered(&query, ResponseCode::NoError, &[])]
    })
    .await;
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        ask(to, &[0], &[]).await;
        let query = queries.recv().await.unwrap();
        assert_eq!(query.queries[0].to_string(), "www.example.com. IN A");
        ids.insert(query.metadata.id);
    }
    assert!(ids.len() > 15, "{ids:?}");
}

#[tokio::test]
async fn nonsense_under_the_right_id_and_a_closed_port_fail() {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let to = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&buffer[..9], from).await.unwrap();
    });
    assert!(failure(ask(to, &[0], &[]).await).contains("malformed"));
    let closed = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    assert!(failure(ask(closed, &[0], &[]).await).contains("refused"));
}

#[test]
fn expected_data_matches_in_any_case_and_with_or_without_the_last_dot() {
    let wanted = |text: &str| {
        let name = Name::absolute("x.example").unwrap();
        Dns::new(&name, RecordType::CNAME, &BTreeSet::from([0]), &[text.to_owned()]).unwrap()
    };
    let data = RData::CNAME(CNAME("Target.Example.".parse().unwrap()));
    for text in ["target.example", "TARGET.example.", "Target.Example."] {
        assert!(wanted(text).answers[0].is(&data), "{text}");
    }
    assert!(!wanted("target.example.net").answers[0].is(&data));
}
