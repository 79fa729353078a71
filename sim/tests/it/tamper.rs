//! An honest node behind a tamper: what it sends is rewritten, withheld, cut, sent twice, answered
//! in its place; and nothing is seen of what is not HTTP/1.1.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::put};
use bytes::Bytes;
use http::Request;
use journal::{Event, Journal};
use sim::{
    Outcome,
    tamper::{Aside, Dealing, Fate, HttpMessage, Tamper, tampered},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{
    Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{PORT, Run, config, exchange, ms, on_seat, receive, secs, with_echo};

/// Where a message passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    RequestOut,
    RequestIn,
    AnswerOut,
}

/// A tamper made of a function.
struct By<F>(F);

impl<F: Fn(Way, &HttpMessage) -> Dealing + Send + Sync + 'static> Tamper for By<F> {
    fn request_out(&self, _: &str, request: &HttpMessage) -> Dealing {
        self.0(Way::RequestOut, request)
    }

    fn request_in(&self, _: &str, request: &HttpMessage) -> Dealing {
        self.0(Way::RequestIn, request)
    }

    fn answer_out(&self, _: &str, _: &HttpMessage, answer: &HttpMessage) -> Dealing {
        self.0(Way::AnswerOut, answer)
    }
}

/// Does `fate` to messages on `way`, and lets the others pass.
fn on(way: Way, fate: Fate) -> impl Fn(Way, &HttpMessage) -> Dealing {
    move |on, _| if on == way { fate.clone().into() } else { Fate::Pass.into() }
}

/// The host of an honest node, or of a dishonest one.
type Seat = Arc<dyn Fn(Host) -> Host + Send + Sync>;

fn dishonest(deal: impl Fn(Way, &HttpMessage) -> Dealing + Send + Sync + 'static) -> Seat {
    let tamper: Arc<dyn Tamper> = Arc::new(By(deal));
    Arc::new(move |host| tampered(host, Arc::clone(&tamper)))
}

/// Seat `a` puts `mine` to `b`, which says what it was sent. Tells what `a` is answered, and what
/// `b` was sent.
fn put_to_b(a: &Seat, b: &Seat) -> Outcome<(Option<Bytes>, Vec<Bytes>)> {
    let (a, b) = (Arc::clone(a), Arc::clone(b));
    sim::run(config(), |world| async move {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let serves = Run(move |host: Host| {
            let (host, kept) = (b(host), Arc::clone(&kept));
            async move {
                let handler = put(async move |body: Bytes| {
                    kept.lock().unwrap().push(body.clone());
                    body
                });
                let router = Router::new().route("/{*path}", handler);
                let served = serve(&host, PORT, router, ServerLimits::default()).await;
                served.map(drop).map_err(|error| error.to_string())
            }
        });
        world.add_machine("b", Arc::new(serves));
        world.boot("b");
        let host = world.add_seat("a");
        tokio::time::sleep(ms(1)).await;
        let client = Client::new(&a(host.clone()), ClientLimits::default());
        let answer = on_seat(host, async move {
            let address = Address { name: "b".into(), port: PORT };
            let request = Request::put("/x").body(Bytes::from_static(b"mine")).unwrap();
            let answer = client.send(&address, request, secs(10)).await;
            tokio::time::sleep(secs(1)).await;
            answer.ok().map(http::Response::into_body)
        });
        let answer = answer.await;
        let received = received.lock().unwrap().clone();
        (answer, received)
    })
}

fn honest() -> Seat {
    Arc::new(|host| host)
}

/// The bodies of the requests that the network saw.
fn sent(journal: &Journal) -> Vec<Bytes> {
    let requests = journal.entries().iter().filter_map(|entry| match &entry.event {
        Event::RequestSent(request) => Some(request.body.clone()),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_tamper_that_lets_everything_pass_leaves_no_trace() {
    let pass = dishonest(|_, _| Fate::Pass.into());
    let plain = put_to_b(&honest(), &honest()).journal;
    assert!(plain.entries().len() > 4);
    assert_eq!(put_to_b(&pass, &pass).journal.hash(), plain.hash());
}

#[test]
fn a_rewritten_request_is_what_the_network_sees_and_the_other_side_reads() {
    let rewrite = |way, message: &HttpMessage| match way {
        Way::RequestOut => Fate::Replace(message.clone().with_body("another")).into(),
        _ => Fate::Pass.into(),
    };
    let outcome = put_to_b(&dishonest(rewrite), &honest());
    assert_eq!(sent(&outcome.journal), ["another"]);
    assert_eq!(outcome.value.unwrap(), (Some("another".into()), vec!["another".into()]));
}

#[test]
fn a_rewritten_answer_is_what_arrives() {
    let lie = on(Way::AnswerOut, Fate::Replace(HttpMessage::answer("200 OK", "a lie")));
    let (answer, received) = put_to_b(&honest(), &dishonest(lie)).value.unwrap();
    assert_eq!((answer, received), (Some("a lie".into()), vec!["mine".into()]));
}

#[test]
fn what_is_withheld_is_waited_for_in_vain() {
    let request = put_to_b(&dishonest(on(Way::RequestOut, Fate::Withhold)), &honest());
    assert!(sent(&request.journal).is_empty());
    assert_eq!(request.value.unwrap(), (None, Vec::new()));
    let answer = put_to_b(&honest(), &dishonest(on(Way::AnswerOut, Fate::Withhold)));
    assert_eq!(answer.value.unwrap(), (None, vec!["mine".into()]));
}

#[test]
fn a_request_is_answered_in_the_place_of_a_node_that_never_reads_it() {
    let answer = on(Way::RequestIn, Fate::Answer(HttpMessage::answer("200 OK", "done")));
    let (answer, received) = put_to_b(&honest(), &dishonest(answer)).value.unwrap();
    assert_eq!((answer, received), (Some("done".into()), Vec::new()));
}

#[test]
fn a_cut_request_is_none_and_its_connection_ends_at_once() {
    let outcome = put_to_b(&dishonest(on(Way::RequestOut, Fate::Cut(20))), &honest());
    assert!(sent(&outcome.journal).is_empty());
    assert!(outcome.at < secs(10), "the node waited for its deadline: {:?}", outcome.at);
    assert_eq!(outcome.value.unwrap(), (None, Vec::new()));
}

#[test]
fn a_request_sent_twice_comes_again_after_its_answer() {
    let twice = |pause| {
        dishonest(move |way, message: &HttpMessage| {
            let aside = Aside { request: message.clone(), after_answer: true, pause };
            let asides = if way == Way::RequestOut { vec![aside] } else { Vec::new() };
            Dealing { fate: Fate::Pass, asides }
        })
    };
    for pause in [None, Some(ms(2))] {
        let outcome = put_to_b(&twice(pause), &honest());
        let kinds = outcome.journal.entries().iter().filter_map(|entry| match entry.event {
            Event::RequestSent(_) => Some("request"),
            Event::AnswerArrived { .. } => Some("answer"),
            _ => None,
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["request", "answer", "request", "answer"]);
        assert_eq!(outcome.value.unwrap().1, ["mine", "mine"]);
    }
}

#[test]
fn a_trickled_request_takes_a_pause_for_every_byte() {
    let trickle = |way, message: &HttpMessage| {
        let request = message.clone();
        let aside = Aside { request, after_answer: false, pause: Some(secs(1)) };
        let asides = if way == Way::RequestOut { vec![aside] } else { Vec::new() };
        Dealing { fate: Fate::Withhold, asides }
    };
    let outcome = put_to_b(&dishonest(trickle), &honest());
    // Its 40 bytes and more are not all there when the run ends, after 11 seconds.
    assert!(sent(&outcome.journal).is_empty());
    assert_eq!(outcome.value.unwrap(), (None, Vec::new()));
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nupgrade: echo\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

#[test]
fn after_an_upgrade_nothing_is_seen_any_more() {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let outcome = sim::run(config(), |world| async move {
        world.add_machine("b", Arc::new(Run(switching)));
        world.boot("b");
        let plain = world.add_seat("a");
        let counting = move |_, _: &HttpMessage| {
            *count.lock().unwrap() += 1;
            Fate::Pass.into()
        };
        let host = dishonest(counting)(plain.clone());
        on_seat(plain, async move {
            let mut stream = host.net.connect("b", PORT).await.unwrap();
            stream.write_all(UPGRADE.as_bytes()).await.unwrap();
            receive(&mut stream, SWITCHED.len()).await.unwrap();
            // It looks like a request, and is none here.
            exchange(&mut stream, "GET / HTTP/1.1\r\n\r\n").await.unwrap()
        })
        .await
    });
    assert_eq!(outcome.value.as_deref(), Some("GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(*seen.lock().unwrap(), 1);
}

/// Answers the first request with an upgrade, and sends back what comes then.
async fn switching(host: Host) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut listener = host.listen(PORT).await.map_err(text)?;
    let (mut stream, _) = listener.accept().await.map_err(text)?;
    receive(&mut stream, UPGRADE.len()).await.map_err(text)?;
    stream.write_all(SWITCHED.as_bytes()).await.map_err(text)?;
    let mut buffer = vec![0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..length]).await.map_err(text)?;
    }
    Ok(())
}

#[test]
fn bytes_that_are_not_http_pass_as_they_are() {
    let outcome = with_echo(|_, host| async move {
        let host = dishonest(|_, _| Fate::Withhold.into())(host);
        let mut stream = host.net.connect("b", PORT).await.unwrap();
        exchange(&mut stream, "\u{1}\u{2} no http\r\n\r\n").await.unwrap()
    });
    assert_eq!(outcome.value.as_deref(), Some("\u{1}\u{2} no http\r\n\r\n"));
}
