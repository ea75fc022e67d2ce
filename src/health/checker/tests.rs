#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
//! The checker as a whole: scripted probes in simulated time, and real ones on loopback.

mod keeping;

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use rustls::RootCertStore;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::probe::{Ask, Outcome, Stage};
use super::super::resolve::tests::Listed;
use super::super::runner::{Cell, Spec, keep_running};
use super::super::sample;
use super::*;
use crate::config;
use crate::config::model::{Check, CheckKind, ProbeId};
use crate::health::Verdict;

/// What a scripted probe does.
#[derive(Clone, Copy)]
enum Act {
    Pass,
    Fail,
    Local,
    CutOff,
    Hang,
    Die,
}

type Script = Arc<dyn Fn(SocketAddr, usize) -> Act + Send + Sync>;
type Log = Arc<Mutex<Vec<(Instant, SocketAddr)>>>;

/// Asks nobody: notes when and whom, and does what the script says of that subject's n-th run.
#[derive(Clone)]
struct Scripted {
    script: Script,
    log: Log,
    counts: Arc<Mutex<HashMap<SocketAddr, usize>>>,
}

#[async_trait]
impl Ask for Scripted {
    async fn ask(&self, to: SocketAddr, _stage: &Stage) -> Outcome {
        self.log.lock().unwrap().push((Instant::now(), to));
        let number = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(to).or_default();
            *count += 1;
            *count
        };
        match (self.script)(to, number) {
            Act::Pass => Outcome::pass("well", Some(30)),
            Act::Fail => Outcome::fail("ill", None),
            Act::Local => Outcome::NoResult("no route".into()),
            Act::CutOff => Outcome::cut_off("a router says no"),
            Act::Hang => std::future::pending().await,
            Act::Die => panic!("scripted"),
        }
    }
}

impl Build for Scripted {
    fn build(&self, _check: &Arc<Check>, _subject: &Subject) -> Result<Box<dyn Ask>, String> {
        Ok(Box::new(self.clone()))
    }
}

struct Stand {
    checker: Checker,
    log: Log,
    began: Instant,
}

impl Stand {
    fn new(model: Model, store: Option<Store>, act: impl Fn(SocketAddr, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::with_names(model, store, Arc::new(Listed::default()), act)
    }

    fn with_names(
        model: Model,
        store: Option<Store>,
        resolver: Arc<Listed>,
        act: impl Fn(SocketAddr, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let log = Log::default();
        let kinds = Arc::new(Scripted { script: Arc::new(act), log: Arc::clone(&log), counts: Arc::default() });
        let options = Options { store, resolver, kinds, seed: 11, under_way: 100_000 };
        let began = Instant::now();
        let checker = Checker::start(&Handle::current(), options, Arc::new(model));
        Self { checker, log, began }
    }

    /// When a subject was asked, in milliseconds since the start.
    fn runs_of(&self, number: u16) -> Vec<u64> {
        let log = self.log.lock().unwrap();
        let of = log.iter().filter(|(_, to)| *to == subject(number));
        of.map(|(at, _)| (*at - self.began).as_millis() as u64).collect()
    }

    fn verdict(&self, index: u32) -> Verdict {
        self.checker.verdicts().get(ProbeId(index))
    }
}

/// Scripted subjects differ by their port.
fn subject(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1000 + number))
}

fn model(numbers: impl IntoIterator<Item = u16>) -> Model {
    let mut model = Model::default();
    for number in numbers {
        sample::add_address(&mut model, sample::tcp_check("tcp"), subject(number));
    }
    model
}

async fn pass_time(time: Duration) {
    tokio::time::sleep(time).await;
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn g5_unchecked_probes_run_at_once_and_each_second_until_the_first_verdict() {
    let stand = Stand::new(model([0]), None, |_, run| if run < 3 { Act::Fail } else { Act::Pass });
    assert_eq!(stand.verdict(0), Verdict::Unchecked);
    pass_time(SECOND * 30).await;
    let runs = stand.runs_of(0);
    assert!(runs[0] < 2 && (1000..1003).contains(&runs[1]) && (2000..2003).contains(&runs[2]), "{runs:?}");
    let gaps: Vec<u64> = runs[3..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (4500..=5500).contains(gap)), "{runs:?}");
    assert!(runs[3] - runs[2] <= 5500, "{runs:?}");
    assert_eq!(stand.verdict(0), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn h1_down_after_fall_and_up_after_rise_and_each_change_is_told() {
    let stand = Stand::new(model([0]), None, |_, run| if (4..9).contains(&run) { Act::Fail } else { Act::Pass });
    let mut changes = stand.checker.subscribe();
    let mut seen = Vec::new();
    for _ in 0..3 {
        changes.changed().await.unwrap();
        seen.push((stand.verdict(0), stand.runs_of(0).len()));
    }
    assert_eq!(seen, [(Verdict::Up, 1), (Verdict::Down, 6), (Verdict::Up, 10)]);
    let counts = stand.checker.counts();
    assert_eq!((counts.runs, counts.passed, counts.failed), (10, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn h8_a_slow_target_delays_no_other_and_fails_in_time() {
    let stand = Stand::new(model(0..50), None, |to, _| if to == subject(0) { Act::Hang } else { Act::Pass });
    pass_time(SECOND * 60).await;
    assert_eq!(stand.verdict(0), Verdict::Down);
    for number in 1..50 {
        assert_eq!(stand.verdict(u32::from(number)), Verdict::Up);
        assert!((12..=14).contains(&stand.runs_of(number).len()), "{:?}", stand.runs_of(number));
    }
    let report = &stand.checker.report()[0];
    assert_eq!(report.last.as_deref(), Some("not done within 2s: starting"));
    // From start to start: the two seconds that a run hangs do not stretch the interval.
    assert!((12..=15).contains(&stand.runs_of(0).len()), "{:?}", stand.runs_of(0));
}

#[tokio::test(start_paused = true)]
async fn h8_a_probe_that_dies_is_started_again_and_counted() {
    let stand = Stand::new(model([0]), None, |_, run| if run <= 2 || run == 4 { Act::Die } else { Act::Pass });
    pass_time(SECOND * 30).await;
    assert_eq!(stand.verdict(0), Verdict::Up);
    let report = &stand.checker.report()[0];
    assert_eq!(report.counts.restarted, 3);
    assert_eq!(report.counts.no_result, 3);
    assert!(report.counts.passed >= 4, "{report:?}");
    assert_eq!(stand.checker.counts(), report.counts);
}

#[tokio::test(start_paused = true)]
async fn h8_ten_thousand_probes_keep_their_pace() {
    let mut big = model([]);
    let mut check = sample::tcp_check("tcp");
    check.interval = SECOND * 10;
    for number in 0..10_000 {
        sample::add_address(&mut big, check.clone(), subject(number));
    }
    let stand = Stand::new(big, None, |_, _| Act::Pass);
    pass_time(SECOND * 31).await;
    let runs = stand.checker.counts().runs;
    // One at once, then 30 seconds of one run each ten.
    assert!((39_000..=41_000).contains(&runs), "{runs}");
    let busiest = {
        let mut by_second = [0; 32];
        stand.log.lock().unwrap().iter().for_each(|(at, _)| by_second[(*at - stand.began).as_secs() as usize] += 1);
        by_second[2..].iter().copied().max().unwrap()
    };
    assert!(busiest < 1300, "{busiest}");
}

#[tokio::test]
async fn a_probe_that_waits_for_its_time_takes_less_than_a_kilobyte_of_task() {
    let runtime = Handle::current();
    let names = Arc::new(Names::new(Arc::<Listed>::default(), runtime));
    let kinds = Arc::new(Kinds::new(Secure::with_roots(RootCertStore::empty())));
    let shared = Arc::new(Shared::new(kinds, names, Gate::new(1), 1));
    let check = Arc::new(sample::tcp_check("tcp"));
    let spec = Spec { key: "key".into(), definition: 1, check, subject: Subject::Address(subject(0).ip()) };
    let task = keep_running(shared, Arc::new(spec), Arc::new(Cell::new(None)), 1);
    assert!(size_of_val(&task) < 1000, "{}", size_of_val(&task));
}

#[tokio::test(start_paused = true)]
async fn h13_no_result_leaves_the_verdict_and_is_counted() {
    let stand = Stand::new(model([0]), None, |_, run| if run > 4 { Act::Local } else { Act::Fail });
    pass_time(SECOND * 60).await;
    assert_eq!(stand.verdict(0), Verdict::Down);
    let report = &stand.checker.report()[0];
    assert!(report.counts.no_result > 5 && report.counts.failed == 4, "{report:?}");
    assert_eq!(report.last.as_deref(), Some("no route"));
}

#[tokio::test(start_paused = true)]
async fn h13_a_local_fault_after_passes_is_the_last_word_and_no_pass() {
    let stand = Stand::new(model([0]), None, |_, run| if run > 2 { Act::Local } else { Act::Pass });
    pass_time(SECOND * 7).await;
    assert!(stand.checker.report()[0].last_passed);
    pass_time(SECOND * 20).await;
    let report = &stand.checker.report()[0];
    assert_eq!((report.verdict, report.consecutive_passes), (Verdict::Up, 2));
    assert_eq!((report.last_passed, report.last.as_deref()), (false, Some("no route")));
}

#[tokio::test(start_paused = true)]
async fn h7_verdicts_that_follow_the_changes_are_those_that_are_worked_out_anew() {
    let mut model = model(0..20);
    for at in 0..20 {
        model.checks[at].inverted = at % 3 == 0;
    }
    for at in 0..20 {
        sample::add_calculated(&mut model, 2, (at..at + 4).map(|operand| vec![ProbeId(operand)]).collect());
    }
    let model = Arc::new(model);
    let stand = Stand::new(Model::clone(&model), None, |to, run| {
        if (run / 4 + usize::from(to.port())) % 3 == 0 { Act::Fail } else { Act::Pass }
    });
    stand.checker.apply(Arc::clone(&model));
    let (mut changes, mut seen) = (stand.checker.subscribe(), 0);
    while seen < 100 {
        changes.changed().await.unwrap();
        seen = *changes.borrow_and_update();
        // Another model with the same content is worked out from the beginning.
        let anew = stand.checker.verdicts_for(&Model::clone(&model));
        assert_eq!((stand.checker.verdicts_for(&model), stand.checker.verdicts()), (anew.clone(), anew));
    }
}

#[tokio::test(start_paused = true)]
async fn h8_among_thousands_that_hang_each_of_the_others_has_its_verdict_soon() {
    let stand = Stand::new(model(0..10_000), None, |to, _| if to.port() % 10 == 0 { Act::Pass } else { Act::Hang });
    pass_time(SECOND * 4).await;
    let verdicts = stand.checker.verdicts();
    assert_eq!(verdicts.iter().filter(|&verdict| verdict == Verdict::Up).count(), 1000);
    assert_eq!(verdicts.iter().filter(|&verdict| verdict == Verdict::Down).count(), 0, "a verdict takes three runs");
    pass_time(SECOND * 20).await;
    assert_eq!(stand.checker.verdicts().iter().filter(|&verdict| verdict == Verdict::Down).count(), 9000);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_unchanged_begins_what_is_new_and_ends_what_is_gone() {
    let stand = Stand::new(model([0, 1]), None, |to, _| if to == subject(0) { Act::Fail } else { Act::Pass });
    pass_time(SECOND * 20).await;
    assert_eq!((stand.verdict(0), stand.verdict(1)), (Verdict::Down, Verdict::Up));
    let next = stand.checker.report()[0].next_run_ms;

    let after = model([2, 0]);
    assert_eq!(stand.checker.verdicts_for(&after).to_vec(), [Verdict::Unchecked, Verdict::Down]);
    stand.checker.apply(Arc::new(after));
    assert_eq!((stand.verdict(0), stand.verdict(1)), (Verdict::Unchecked, Verdict::Down));
    assert!(stand.checker.report()[1].next_run_ms.unwrap().abs_diff(next.unwrap()) < 1000, "the rhythm goes on");
    let (gone, at) = (stand.runs_of(1).len(), stand.runs_of(2).len());
    assert_eq!(at, 0);
    pass_time(Duration::from_millis(10)).await;
    assert_eq!(stand.verdict(0), Verdict::Up);
    pass_time(SECOND * 20).await;
    assert_eq!(stand.runs_of(1).len(), gone);

    // What comes back within the hour is what it was.
    stand.checker.apply(Arc::new(model([1])));
    assert_eq!(stand.verdict(0), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn reloads_that_change_nothing_cut_no_run_short() {
    let stand = Stand::new(model([0]), None, |_, _| Act::Hang);
    for _ in 0..20 {
        pass_time(SECOND).await;
        stand.checker.apply(Arc::new(model([0])));
    }
    assert_eq!(stand.verdict(0), Verdict::Down);
}

#[tokio::test(start_paused = true)]
async fn g5_a_changed_definition_is_unchecked_and_changed_times_are_not() {
    let stand = Stand::new(model([0]), None, |_, _| Act::Fail);
    pass_time(SECOND * 5).await;
    let mut faster = model([0]);
    faster.checks[0].interval = SECOND * 3;
    stand.checker.apply(Arc::new(faster.clone()));
    assert_eq!(stand.verdict(0), Verdict::Down);
    let before = stand.runs_of(0).len();
    pass_time(SECOND * 30).await;
    assert!((9..=11).contains(&(stand.runs_of(0).len() - before)), "{:?}", stand.runs_of(0));
    faster.probes[0].definition = 2;
    assert_eq!(stand.checker.verdicts_for(&faster).to_vec(), [Verdict::Unchecked]);
    stand.checker.apply(Arc::new(faster));
    assert_eq!(stand.verdict(0), Verdict::Unchecked);
}

/// One endpoint at subject 0, and a calculated check over its check, as files say it.
fn loaded(settings: &str) -> Model {
    let directory = tempfile::tempdir().unwrap();
    let zone = format!(
        r#"
zone = "example.com"
[records]
"@" = {{ NS = "ns.example.net." }}
www = {{ route = "web" }}
[endpoints.a]
A = "{}"
check = "both"
[checks.tcp]
type = "tcp"
port = {}
{settings}
[checks.both]
type = "calculated"
of = ["tcp"]
at_least = 1
[routes.web]
policy = "simple"
to = "a"
"#,
        subject(0).ip(),
        subject(0).port()
    );
    fs::create_dir(directory.path().join("zones")).unwrap();
    fs::write(directory.path().join("zones/example.com.toml"), zone).unwrap();
    let server = directory.path().join("rhumb.toml");
    fs::write(&server, "zones = \"zones\"\n").unwrap();
    let loaded = config::load(Some(&server), &config::Overrides::default());
    loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

#[tokio::test(start_paused = true)]
async fn g5_an_edit_of_times_or_thresholds_leaves_a_down_endpoint_down_over_reloads_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let store = || Some(Store::new(directory.path()));
    let edits = [
        "interval = \"7s\"",
        "timeout = \"1s\"",
        "fall = 30",
        "rise = 5",
        "interval = \"60s\"\ntimeout = \"3s\"\nfall = 1\nrise = 9",
        "",
    ];
    let stand = Stand::new(loaded(""), store(), act(true));
    pass_time(SECOND * 5).await;
    let down = [Verdict::Down; 2];
    assert_eq!(stand.checker.verdicts().to_vec(), down, "the probe and what is calculated of it");
    for edit in edits {
        let edited = loaded(edit);
        assert_eq!(stand.checker.verdicts_for(&edited).to_vec(), down, "{edit}");
        stand.checker.apply(Arc::new(edited));
        assert_eq!(stand.checker.verdicts().to_vec(), down, "{edit}");
    }
    stand.checker.shutdown().await;
    for edit in edits {
        let stand = Stand::new(loaded(edit), store(), |_, _| Act::Hang);
        assert_eq!(stand.checker.verdicts().to_vec(), down, "{edit}");
    }
    let other = loaded("expect = \"ok\"");
    assert_eq!(stand.checker.verdicts_for(&other).to_vec(), [Verdict::Unchecked; 2], "another question");
}

#[tokio::test(start_paused = true)]
async fn g5_a_check_edited_and_edited_back_within_the_hour_has_its_verdict_again() {
    // The edited checks come to no verdict of their own.
    let stand = Stand::new(model([0]), None, |_, run| if run > 3 { Act::Hang } else { Act::Fail });
    pass_time(SECOND * 5).await;
    assert_eq!(stand.verdict(0), Verdict::Down);
    let since = stand.checker.report()[0].since_ms;
    let edited = |definition| {
        let mut model = model([0]);
        model.probes[0].definition = definition;
        model
    };
    for definition in [2, 3] {
        stand.checker.apply(Arc::new(edited(definition)));
        assert_eq!(stand.verdict(0), Verdict::Unchecked);
    }
    assert_eq!(stand.checker.verdicts_for(&edited(1)).to_vec(), [Verdict::Down]);
    stand.checker.apply(Arc::new(edited(1)));
    assert_eq!((stand.verdict(0), stand.checker.report()[0].since_ms), (Verdict::Down, since));
}

#[tokio::test(start_paused = true)]
async fn g5_each_of_two_definitions_that_take_turns_has_its_own_verdict() {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let says = Arc::clone(&fails);
    let act = move |_, _| if says.load(std::sync::atomic::Ordering::Relaxed) { Act::Fail } else { Act::Pass };
    let stand = Stand::new(model([0]), None, act);
    pass_time(SECOND * 5).await;
    let mut other = model([0]);
    other.probes[0].definition = 2;
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    stand.checker.apply(Arc::new(other.clone()));
    pass_time(SECOND).await;
    assert_eq!(stand.verdict(0), Verdict::Up);
    stand.checker.apply(Arc::new(model([0])));
    assert_eq!(stand.verdict(0), Verdict::Down);
    stand.checker.apply(Arc::new(other));
    assert_eq!(stand.verdict(0), Verdict::Up);
}

#[tokio::test(start_paused = true)]
async fn h7_disabled_and_calculated_probes_ask_nothing() {
    let mut model = model([0, 1]);
    model.checks[1].disabled = true;
    sample::add_calculated(&mut model, 2, vec![vec![ProbeId(0)], vec![ProbeId(1)]]);
    let stand = Stand::new(model, None, |_, _| Act::Fail);
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Unchecked, Verdict::Up, Verdict::Unchecked]);
    pass_time(SECOND * 10).await;
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Down, Verdict::Up, Verdict::Down]);
    assert!(stand.runs_of(1).is_empty());
    let report = stand.checker.report();
    assert_eq!((report[2].address.as_str(), report[2].verdict), ("calculated", Verdict::Down));
    assert_eq!(report[0].address, "192.0.2.1:1000");
}

#[tokio::test(start_paused = true)]
async fn h12_private_addresses_are_not_asked_unless_the_check_allows_it() {
    let metadata: IpAddr = "::ffff:169.254.169.254".parse().unwrap();
    let mut model = Model::default();
    let subjects = [
        ("a", false, "127.0.0.1"),
        ("b", false, "rebound.example"),
        ("c", true, "127.0.0.1"),
        ("d", false, "mixed.example"),
    ];
    for (name, allow, host) in subjects {
        let mut check = sample::tcp_check(name);
        check.allow_private = allow;
        sample::add_target(&mut model, check, host);
    }
    let names = Arc::new(Listed::default());
    names.set("rebound.example", &[metadata]);
    names.set("mixed.example", &[metadata, subject(0).ip()]);
    let stand = Stand::with_names(model, None, names, |_, _| Act::Pass);
    pass_time(SECOND * 10).await;
    let asked: std::collections::BTreeSet<SocketAddr> = stand.log.lock().unwrap().iter().map(|(_, to)| *to).collect();
    let allowed = [IpAddr::from([127, 0, 0, 1]), subject(0).ip()].map(|address| SocketAddr::new(address, 80));
    assert_eq!(asked, allowed.into());
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Unchecked, Verdict::Unchecked, Verdict::Up, Verdict::Up]);
    let report = stand.checker.report();
    assert_eq!((report[2].counts.refused, report[3].counts.refused), (0, 0));
    for (report, kind) in report[..2].iter().zip(["127.0.0.1 is a loopback", "169.254.169.254 is a metadata"]) {
        assert!(report.counts.refused > 0 && report.last.as_ref().unwrap().starts_with(kind), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h6_a_targets_name_is_resolved_each_interval() {
    let mut model = Model::default();
    sample::add_target(&mut model, sample::tcp_check("a"), "cdn.example");
    sample::add_target(&mut model, sample::tcp_check("b"), "other.example");
    let names = Arc::new(Listed::default());
    let (old, new): (IpAddr, IpAddr) = ("192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap());
    names.set("cdn.example", &[old]);
    names.set("other.example", &[old]);
    let stand = Stand::with_names(model, None, Arc::clone(&names), |_, _| Act::Pass);
    pass_time(SECOND * 10).await;
    names.set("cdn.example", &[new]);
    pass_time(SECOND * 6).await;
    assert!(stand.log.lock().unwrap().iter().any(|(_, to)| to.ip() == new));
    names.names.lock().unwrap().remove("cdn.example");
    pass_time(SECOND * 17).await;
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Down, Verdict::Up], "other names resolve");
    names.set("cdn.example", &[new]);
    pass_time(SECOND * 12).await;
    names.names.lock().unwrap().clear();
    pass_time(SECOND * 60).await;
    assert_eq!(stand.checker.verdicts().to_vec(), [Verdict::Up, Verdict::Up], "nothing resolves: it is our resolver");
    assert!(stand.checker.counts().no_result > 10);
}

#[tokio::test(start_paused = true)]
async fn h13_a_name_is_asked_at_its_next_address_where_the_network_ends_before_the_first() {
    let address = |last| IpAddr::from([192, 0, 2, last]);
    let (cut, local, well, ill) = (address(1), address(2), address(3), address(4));
    let hosts = [
        ("a.example", vec![cut, well], Verdict::Up),
        ("b.example", vec![cut, ill, well], Verdict::Down),
        ("c.example", vec![cut, local], Verdict::Down),
        ("d.example", vec![local, cut], Verdict::Down),
        ("e.example", vec![local, local], Verdict::Unchecked),
        ("f.example", vec![local, cut, well], Verdict::Up),
    ];
    let (names, mut model) = (Listed::default(), Model::default());
    for (host, addresses, _) in &hosts {
        names.set(host, addresses);
        sample::add_target(&mut model, sample::tcp_check(host), host);
    }
    let stand = Stand::with_names(model, None, Arc::new(names), move |to, _| match to.ip() {
        ip if ip == cut => Act::CutOff,
        ip if ip == local => Act::Local,
        ip if ip == well => Act::Pass,
        _ => Act::Fail,
    });
    pass_time(SECOND * 30).await;
    assert_eq!(stand.checker.verdicts().to_vec(), hosts.map(|(_, _, verdict)| verdict));
}

fn act(down: bool) -> impl Fn(SocketAddr, usize) -> Act + Send + Sync + 'static {
    move |to, _| if down && to == subject(0) { Act::Fail } else { Act::Pass }
}

/// Real sockets: a listener that never answers, one that is closed, one that accepts.
#[tokio::test]
async fn h1_real_endpoints_that_hang_or_refuse_go_down_and_a_good_one_is_up() {
    let good = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let mut model = Model::default();
    let quick = |kind| Check {
        interval: Duration::from_millis(300),
        timeout: Duration::from_millis(150),
        fall: 2,
        ..sample::check("quick", kind)
    };
    let plain = || CheckKind::Tcp { send: None, expect: None };
    sample::add_address(&mut model, quick(plain()), good.local_addr().unwrap());
    sample::add_address(&mut model, quick(plain()), closed);
    let silent = CheckKind::Tcp { send: None, expect: Some("hello".into()) };
    let mut check = quick(silent);
    check.name = "silent".into();
    sample::add_address(&mut model, check, good.local_addr().unwrap());
    let kinds = Arc::new(Kinds::new(Secure::with_roots(RootCertStore::empty())));
    let options = Options { store: None, resolver: Arc::new(SystemResolver), kinds, seed: 1, under_way: 100 };
    let checker = Checker::start(&Handle::current(), options, Arc::new(model));
    let mut changes = checker.subscribe();
    let wanted = [Verdict::Up, Verdict::Down, Verdict::Down];
    tokio::time::timeout(SECOND * 20, async {
        while checker.verdicts().to_vec() != wanted {
            changes.changed().await.unwrap();
        }
    })
    .await
    .expect("all three have their verdict");
    let report = checker.report();
    assert!(report[1].last.as_ref().unwrap().contains("refused"), "{report:?}");
    assert_eq!(report[2].last.as_deref(), Some("not done within 150ms: reading"));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json[1]["verdict"], &json[0]["raw"]), (&"down".into(), &"up".into()));
}
