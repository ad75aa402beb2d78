//! Entries that are renewed: ahead of their end, after it, and in front of an answer.

use super::*;
use crate::query::Transport;

const NEW: &[&str] = &["a.example.org. 300 IN A 5.6.7.8"];

/// What the upstream does from now on.
#[derive(Clone)]
struct Script {
    say: Say,
    /// How long it takes; zero is an answer that is known at once.
    wait: Duration,
}

#[derive(Clone)]
enum Say {
    Records(ResponseCode, [&'static [&'static str]; 3]),
    Truncated,
    Failure,
    Panic,
}

/// A scripted upstream behind a cache, and who asked it how.
struct Scene {
    kit: Kit,
    script: Arc<Mutex<Script>>,
    transports: Arc<Mutex<Vec<Transport>>>,
    ask: Ask,
}

impl Scene {
    fn new(cache: &str) -> Self {
        let script = Script {
            say: Say::Records(ResponseCode::NoError, [A, &[], &[]]),
            wait: Duration::ZERO,
        };
        let (script, transports) = (Arc::new(Mutex::new(script)), Arc::default());
        let stub = stub(script.clone(), Arc::clone(&transports));
        Self {
            kit: Kit::new(cache, stub).start(),
            script,
            transports,
            ask: Ask::new("a.example.org. A"),
        }
    }

    fn says(&self, say: Say) -> &Self {
        self.script.lock().unwrap().say = say;
        self
    }

    fn within(&self, seconds: u64) -> &Self {
        self.script.lock().unwrap().wait = Duration::from_secs(seconds);
        self
    }

    /// Asks now, and gives the first record and its TTL, or the code.
    async fn ask(&self) -> String {
        let told = self
            .ask
            .clone()
            .at(Instant::now())
            .ask(&self.kit.chain)
            .await;
        told.answer.first().map_or(told.rcode, |record| {
            let fields: Vec<&str> = record.split(' ').collect();
            format!("{} {}", fields[4], fields[1])
        })
    }

    /// Asks now for what needs no waiting.
    fn ask_now(&self) -> String {
        use futures_util::FutureExt as _;
        self.ask().now_or_never().expect("the reply waits")
    }

    fn asked(&self) -> usize {
        self.kit.asked()
    }
}

fn stub(script: Arc<Mutex<Script>>, transports: Arc<Mutex<Vec<Transport>>>) -> Stub {
    Stub::new(move |query| {
        assert!(query.request.flags.has(Flags::AD), "AD goes upstream");
        assert!(query.work.take(), "there is a budget");
        transports.lock().unwrap().push(query.request.transport);
        let Script { say, wait } = script.lock().unwrap().clone();
        let mut answer = Answer::new(query, "forward", Origin::Upstream);
        let outcome = match say {
            Say::Records(rcode, lines) => {
                answer.rcode = rcode;
                answer.body = Body::Records(Arc::new(records(lines)));
                Outcome::Answer(answer)
            }
            Say::Truncated => {
                answer.flags = answer.flags.with(Flags::TC);
                Outcome::Answer(answer)
            }
            Say::Failure => Failure::new("forward", ResponseCode::ServFail, "timeout").into(),
            Say::Panic => panic!("the upstream's plugin has a defect"),
        };
        if wait.is_zero() {
            return outcome.into();
        }
        after(wait, move || outcome)
    })
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Lets the task beside the queries do all that it can do now.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn new() -> Say {
    Say::Records(ResponseCode::NoError, [NEW, &[], &[]])
}

fn name_error() -> Say {
    Say::Records(ResponseCode::NXDomain, [&[], &[SOA], &[]])
}

#[tokio::test(start_paused = true)]
async fn a_popular_entry_is_renewed_before_it_ends() {
    let scene = Scene::new("cache {\nprefetch 3 1m 10%\n}");
    assert_eq!(scene.ask_now(), "1.2.3.4 300");
    scene.says(new());
    pass(240).await;
    for _ in 0..2 {
        assert_eq!(scene.ask_now(), "1.2.3.4 60");
    }
    settle().await;
    assert_eq!(scene.asked(), 1, "popular, but far from its end");
    pass(30).await;
    assert_eq!(scene.ask_now(), "1.2.3.4 30");
    settle().await;
    assert_eq!(scene.asked(), 2);
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
    assert_eq!(
        *scene.transports.lock().unwrap(),
        [Transport::Udp, Transport::Tcp]
    );
    assert_eq!(scene.kit.metric("prefetch_total"), 1.0);
    // The count of hits goes on: the next one is enough near the next end.
    pass(45).await;
    scene.ask_now();
    pass(45).await;
    for _ in 0..4 {
        pass(45).await;
        scene.ask_now();
    }
    settle().await;
    assert_eq!(scene.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_few_ask_for_is_not_renewed() {
    let scene = Scene::new("cache {\nprefetch 2 1m 90%\n}");
    scene.ask_now();
    // More than a minute lies between any two.
    for _ in 0..4 {
        pass(61).await;
        scene.ask_now();
        settle().await;
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_renewal_at_a_time() {
    let scene = Scene::new("cache {\nprefetch 1 1m 90%\n}");
    scene.ask_now();
    pass(200).await;
    scene.within(3).says(new());
    for _ in 0..5 {
        assert_eq!(scene.ask_now(), "1.2.3.4 100");
        settle().await;
    }
    assert_eq!(scene.asked(), 2);
    pass(4).await;
    settle().await;
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_entry_and_may_be_tried_again() {
    for say in [
        Say::Failure,
        Say::Truncated,
        Say::Panic,
        Say::Records(ResponseCode::Refused, [&[], &[], &[]]),
    ] {
        let scene = Scene::new("cache {\nprefetch 1 1m 10%\n}");
        scene.ask_now();
        pass(280).await;
        scene.says(say);
        scene.ask_now();
        settle().await;
        assert_eq!(scene.asked(), 2);
        assert_eq!(scene.says(new()).ask_now(), "1.2.3.4 20");
        settle().await;
        assert_eq!(scene.asked(), 3);
        assert_eq!(scene.ask_now(), "5.6.7.8 300");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_past_its_end_goes_out_at_once_and_is_renewed() {
    let scene = Scene::new("cache {\nserve_stale\n}");
    scene.ask_now();
    pass(300).await;
    scene.says(new());
    assert_eq!(scene.ask_now(), "1.2.3.4 0");
    settle().await;
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
    assert_eq!(scene.asked(), 2);
    assert_eq!(scene.kit.metric("served_stale_total"), 1.0);
    assert_eq!(scene.kit.metric("prefetch_total"), 1.0);
    assert_eq!(scene.kit.metric(r#"hits_total{type="success"}"#), 2.0);
    assert_eq!(
        *scene.transports.lock().unwrap(),
        [Transport::Udp, Transport::Tcp]
    );
}

#[tokio::test(start_paused = true)]
async fn without_serve_stale_the_end_is_the_end() {
    let scene = Scene::new("cache");
    scene.ask_now();
    pass(299).await;
    assert_eq!(scene.ask_now(), "1.2.3.4 1");
    pass(1).await;
    assert_eq!(scene.says(new()).ask_now(), "5.6.7.8 300");
}

#[tokio::test(start_paused = true)]
async fn an_old_entry_has_the_ttl_that_the_options_say() {
    for (name, cache, told) in [
        ("zero", "cache {\nserve_stale 1h\n}", "1.2.3.4 0"),
        (
            "the response TTL",
            "cache {\nserve_stale 1h immediate 30s\n}",
            "1.2.3.4 30",
        ),
        (
            "keepttl",
            "cache {\nserve_stale 1h\nkeepttl\n}",
            "1.2.3.4 300",
        ),
        (
            "the response TTL before keepttl",
            "cache {\nserve_stale 1h immediate 7s\nkeepttl\n}",
            "1.2.3.4 7",
        ),
    ] {
        let scene = Scene::new(cache);
        scene.ask_now();
        pass(1000).await;
        assert_eq!(scene.ask_now(), told, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_told_for_as_long_after_its_end_as_the_option_says() {
    for (after_end, told) in [(0, "1.2.3.4 0"), (59, "1.2.3.4 0"), (60, "5.6.7.8 300")] {
        let scene = Scene::new("cache {\nserve_stale 1m\n}");
        scene.ask_now();
        pass(300 + after_end).await;
        assert_eq!(scene.says(new()).ask_now(), told, "{after_end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_speaks_edns_learns_that_an_answer_is_old() {
    let scene = Scene::new("cache {\nserve_stale\n}");
    let ask = scene.ask.clone();
    let _ = ask.now(&scene.kit.chain);
    pass(301).await;
    let told = ask
        .clone()
        .at(Instant::now())
        .edns(1232)
        .now(&scene.kit.chain);
    // Option 15 of two bytes: code 3, no text.
    assert_eq!(told.bytes[told.bytes.len() - 6..], [0, 15, 0, 2, 0, 3]);
    let plain = ask.at(Instant::now()).now(&scene.kit.chain);
    assert_eq!(plain.opt, None);
}

#[tokio::test(start_paused = true)]
async fn an_old_failure_is_not_told() {
    let scene = Scene::new("cache {\nserve_stale\n}");
    scene.says(Say::Records(ResponseCode::ServFail, [&[], &[], &[]]));
    assert_eq!(scene.ask_now(), "SERVFAIL");
    assert_eq!(
        scene.says(new()).ask_now(),
        "SERVFAIL",
        "for five seconds it is"
    );
    pass(5).await;
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_or_a_name_error_takes_the_place_of_an_old_entry() {
    let refused = Say::Records(ResponseCode::Refused, [&[], &[], &[]]);
    let servfail = Say::Records(ResponseCode::ServFail, [&[], &[], &[]]);
    for (name, say, told) in [
        ("an answer", new(), "5.6.7.8 300"),
        ("a name error", name_error(), "NXDOMAIN"),
        ("SERVFAIL", servfail, "1.2.3.4 0"),
        ("REFUSED", refused, "1.2.3.4 0"),
        ("a truncated answer", Say::Truncated, "1.2.3.4 0"),
        ("no answer", Say::Failure, "1.2.3.4 0"),
    ] {
        for cache in [
            "cache {\nserve_stale\n}",
            "cache {\nserve_stale 1h verify\n}",
        ] {
            let scene = Scene::new(cache);
            scene.ask_now();
            pass(301).await;
            scene.says(say.clone()).ask_now();
            settle().await;
            assert_eq!(scene.ask_now(), told, "{name}, {cache}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_positive_answer_takes_the_place_of_an_old_denial() {
    for cache in [
        "cache {\nserve_stale\n}",
        "cache {\nserve_stale 1h verify\n}",
    ] {
        let scene = Scene::new(cache);
        assert_eq!(scene.says(name_error()).ask_now(), "NXDOMAIN");
        pass(901).await;
        scene.says(new()).ask_now();
        settle().await;
        let asked = scene.asked();
        assert_eq!(scene.ask_now(), "5.6.7.8 300", "{cache}");
        assert_eq!(scene.asked(), asked, "{cache}: from the store");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_failed_is_tried_again_after_the_recheck_time() {
    for (cache, waits) in [
        ("cache {\nserve_stale 1h immediate 0 30s\n}", true),
        ("cache {\nserve_stale 1h immediate\n}", false),
        ("cache {\nserve_stale 1h verify 0 0 30s\n}", true),
        ("cache {\nserve_stale 1h verify 0 0\n}", false),
        ("cache {\nserve_stale 1h verify 100ms 0 30s\n}", true),
        ("cache {\nserve_stale 1h verify 100ms 0\n}", false),
    ] {
        let scene = Scene::new(cache);
        scene.ask_now();
        pass(301).await;
        scene.says(Say::Failure);
        for _ in 0..3 {
            assert_eq!(scene.ask().await, "1.2.3.4 0", "{cache}");
            settle().await;
        }
        assert_eq!(scene.asked(), if waits { 2 } else { 4 }, "{cache}");
        if waits {
            pass(29).await;
            scene.ask().await;
            settle().await;
            assert_eq!(scene.asked(), 2, "{cache}");
            pass(2).await;
            scene.ask().await;
            settle().await;
            assert_eq!(scene.asked(), 3, "{cache}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn verify_asks_first() {
    let scene = Scene::new("cache {\nserve_stale 1h verify\n}");
    scene.ask_now();
    pass(301).await;
    scene.within(4).says(new());
    let began = Instant::now();
    assert_eq!(scene.ask().await, "5.6.7.8 300");
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    assert_eq!(
        *scene.transports.lock().unwrap(),
        [Transport::Udp, Transport::Udp]
    );
    assert_eq!(scene.kit.metric("served_stale_total"), 0.0);
    assert_eq!(scene.kit.metric("prefetch_total"), 0.0);
    pass(301).await;
    scene.says(Say::Failure);
    assert_eq!(scene.ask().await, "5.6.7.8 0");
    assert_eq!(scene.kit.metric("served_stale_total"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn verify_waits_no_longer_than_its_time() {
    let scene = Scene::new("cache {\nserve_stale 1h verify 2s\n}");
    scene.ask_now();
    pass(301).await;
    scene.within(4).says(new());
    let began = Instant::now();
    assert_eq!(scene.ask().await, "1.2.3.4 0");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    // While the renewal goes on nobody else waits.
    assert_eq!(scene.ask_now(), "1.2.3.4 0");
    assert_eq!(scene.asked(), 2);
    pass(2).await;
    settle().await;
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
    // In time, it is the new answer.
    pass(301).await;
    scene.within(1).says(name_error());
    assert_eq!(scene.ask().await, "NXDOMAIN");
    assert_eq!(scene.kit.metric("served_stale_total"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn prefer_positive_tells_an_old_answer_before_a_new_denial() {
    let empty = Say::Records(ResponseCode::NoError, [&[], &[], &[]]);
    let servfail = Say::Records(ResponseCode::ServFail, [&[], &[], &[]]);
    let policy = "serve_stale_policy prefer_positive";
    for (name, say) in [
        ("a name error", name_error()),
        ("SERVFAIL", servfail),
        ("an empty answer", empty),
        (
            "a referral",
            Say::Records(
                ResponseCode::NoError,
                [&[], &["example.org. 300 IN NS ns.example.org."], &[]],
            ),
        ),
    ] {
        for mode in ["immediate", "verify", "verify 1s"] {
            let scene = Scene::new(&format!("cache {{\nserve_stale 1h {mode}\n{policy}\n}}"));
            scene.ask_now();
            pass(301).await;
            scene.says(say.clone());
            for _ in 0..3 {
                assert_eq!(scene.ask().await, "1.2.3.4 0", "{name}, {mode}");
                settle().await;
            }
            scene.says(new()).ask().await;
            settle().await;
            assert_eq!(scene.ask().await, "5.6.7.8 300", "{name}, {mode}");
        }
    }
    let scene = Scene::new("cache {\nserve_stale 1h\n}");
    scene.ask_now();
    pass(301).await;
    scene.says(name_error()).ask_now();
    settle().await;
    assert_eq!(scene.ask_now(), "NXDOMAIN", "without the policy");
}

#[tokio::test(start_paused = true)]
async fn more_renewals_than_there_is_room_for_are_let_go() {
    let stub = Stub::upstream(ResponseCode::NoError, [&[], &[], &[]]);
    // Nobody works the queue off.
    let kit = Kit::new("cache {\nserve_stale\n}", stub);
    let ask = |number: usize| Ask::new(&format!("n{number}.example.org. A"));
    for number in 0..600 {
        let _ = ask(number).now(&kit.chain);
    }
    pass(6).await;
    for number in 0..600 {
        assert_eq!(ask(number).now(&kit.chain).rcode, "NOERROR");
    }
    assert_eq!(kit.asked(), 600);
    let kit = kit.start();
    settle().await;
    assert_eq!(kit.asked(), 856, "as many as the queue holds");
    for number in 0..600 {
        let _ = ask(number).now(&kit.chain);
        settle().await;
    }
    assert_eq!(
        kit.asked(),
        1200,
        "and the others when they are asked for again"
    );
}

#[tokio::test(start_paused = true)]
async fn the_clients_budget_is_not_spent_on_a_renewal() {
    let scene = Scene::new("cache {\nserve_stale\n}");
    scene.ask_now();
    pass(301).await;
    let server = server(&scene.kit.chain);
    let work = crate::query::Work::default();
    while work.take() {}
    let (name, now) = (n("a.example.org"), Instant::now());
    let request = Request {
        id: 1,
        flags: Flags::RD,
        client: scene.ask.client,
        local: scene.ask.client,
        opcode: Opcode::QUERY,
        transport: Transport::Udp,
        size: 0,
        now,
        serial: None,
    };
    let query = Query {
        request: &request,
        name: name.view(),
        lower: name.view(),
        qtype: RecordType::A,
        qclass: hickory_proto::rr::DNSClass::IN,
        opt: None,
        server: &server,
        work: &work,
        metadata: None,
    };
    scene.says(new());
    drop(server.serve(&query));
    settle().await;
    assert_eq!(scene.ask_now(), "5.6.7.8 300");
}
