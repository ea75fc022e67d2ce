//! Names of targets to addresses (H6), through the system's resolver.
//!
//! In: a host name. Out: its addresses, or whether not having any is the name's fault or ours. At most one look-up of
//! a name is under way at any time: `getaddrinfo` cannot be called off, so that a dead resolver would otherwise
//! fill the pool of blocking threads.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long another name may take to show that the resolver works.
const WITNESS_WITHIN: Duration = Duration::from_secs(1);

/// How many other names are asked.
const WITNESSES: usize = 2;

/// Where names are looked up.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a host name, best first; never an empty list.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses: Vec<IpAddr> = tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
        if addresses.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "no addresses")) } else { Ok(addresses) }
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// Other names resolve: it is this one's fault.
    Name(String),
    /// No other name resolves, or there is none to compare with: it may be our resolver's (H13).
    Resolver(String),
}

type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

/// All names of all probes.
pub(super) struct Names {
    resolver: Arc<dyn Resolve>,
    runtime: Handle,
    names: Mutex<HashMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    under_way: Option<watch::Receiver<Option<Answer>>>,
    /// The number of the look-up that last succeeded, counted over all names.
    succeeded: u64,
}

impl Names {
    pub(super) fn new(resolver: Arc<dyn Resolve>, runtime: Handle) -> Self {
        Self { resolver, runtime, names: Mutex::default() }
    }

    /// Forgets names that no probe asks for any more.
    pub(super) fn retain(&self, wanted: impl Fn(&str) -> bool) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|name, known| known.under_way.is_some() || wanted(name));
    }

    /// Looks a name up, for at most `within`. When that fails, other names that resolved before are asked at once:
    /// what was true of them some seconds ago would blame each name once for a resolver that has just died.
    pub(super) async fn look_up(self: &Arc<Self>, host: &str, within: Duration) -> Result<Arc<[IpAddr]>, Unresolved> {
        let reason = match self.ask(host, within).await {
            Ok(addresses) => return Ok(addresses),
            Err(reason) => reason,
        };
        for witness in self.witnesses(host) {
            if self.ask(&witness, WITNESS_WITHIN).await.is_ok() {
                return Err(Unresolved::Name(format!("{host} does not resolve: {reason}")));
            }
        }
        Err(Unresolved::Resolver(format!(
            "{host} does not resolve, and no other name shows that the resolver works: {reason}"
        )))
    }

    async fn ask(self: &Arc<Self>, host: &str, within: Duration) -> Result<Arc<[IpAddr]>, Arc<str>> {
        let mut under_way = self.begin(host);
        match tokio::time::timeout(within, under_way.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(|| Err("no answer".into())),
            Ok(Err(_)) => Err("the look-up died".into()),
            Err(_) => Err(format!("no answer within {within:?}").into()),
        }
    }

    /// Joins the look-up that is under way, or starts one.
    fn begin(self: &Arc<Self>, host: &str) -> watch::Receiver<Option<Answer>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(host.to_owned()).or_default();
        // A closed channel without an answer is a look-up that died.
        if let Some(under_way) = &known.under_way
            && under_way.has_changed().is_ok()
        {
            return under_way.clone();
        }
        let (sender, receiver) = watch::channel(None);
        known.under_way = Some(receiver.clone());
        let (names, host) = (Arc::clone(self), host.to_owned());
        self.runtime.spawn(async move {
            let answer: Answer = match names.resolver.resolve(&host).await {
                Ok(addresses) => Ok(addresses.into()),
                Err(error) => Err(error.to_string().into()),
            };
            names.end(&host, answer.is_ok());
            sender.send_replace(Some(answer));
        });
        receiver
    }

    fn end(&self, host: &str, succeeded: bool) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = names.values().map(|known| known.succeeded).max().unwrap_or(0);
        if let Some(known) = names.get_mut(host) {
            known.under_way = None;
            known.succeeded = if succeeded { latest + 1 } else { 0 };
        }
    }

    /// Other names that resolved when last asked, the latest first.
    fn witnesses(&self, host: &str) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others: Vec<(u64, &String)> = names
            .iter()
            .filter(|(name, known)| *name != host && known.succeeded > 0)
            .map(|(n, k)| (k.succeeded, n))
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        others.into_iter().take(WITNESSES).map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
pub(super) mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers from a list that the test changes; names it does not hold fail, `hang.example` never answers.
    #[derive(Default)]
    pub(in super::super) struct Listed {
        pub(in super::super) names: Mutex<HashMap<String, Vec<IpAddr>>>,
        pub(in super::super) asked: AtomicUsize,
    }

    impl Listed {
        pub(in super::super) fn set(&self, name: &str, addresses: &[IpAddr]) {
            self.names.lock().unwrap().insert(name.into(), addresses.into());
        }
    }

    #[async_trait]
    impl Resolve for Listed {
        async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if host == "hang.example" {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            self.names.lock().unwrap().get(host).cloned().ok_or_else(|| io::Error::other("no such host"))
        }
    }

    const WITHIN: Duration = Duration::from_secs(2);
    const SOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn names(listed: &Arc<Listed>) -> Arc<Names> {
        Arc::new(Names::new(Arc::<Listed>::clone(listed), Handle::current()))
    }

    #[tokio::test]
    async fn h6_a_name_that_fails_alone_is_at_fault() {
        let listed = Arc::new(Listed::default());
        listed.set("good.example", &[SOME]);
        let names = names(&listed);
        assert_eq!(*names.look_up("good.example", WITHIN).await.unwrap(), [SOME]);
        assert!(matches!(names.look_up("bad.example", WITHIN).await, Err(Unresolved::Name(_))));
    }

    #[tokio::test]
    async fn h6_when_no_other_name_resolves_it_is_the_resolvers_fault() {
        let listed = Arc::new(Listed::default());
        let names = names(&listed);
        assert!(matches!(names.look_up("only.example", WITHIN).await, Err(Unresolved::Resolver(_))));
        listed.set("good.example", &[SOME]);
        assert!(names.look_up("good.example", WITHIN).await.is_ok());
        listed.names.lock().unwrap().clear();
        assert!(matches!(names.look_up("only.example", WITHIN).await, Err(Unresolved::Resolver(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn h6_a_hanging_look_up_is_shared_and_ends_in_time() {
        let listed = Arc::new(Listed::default());
        let names = names(&listed);
        let began = tokio::time::Instant::now();
        let (one, two) = tokio::join!(names.look_up("hang.example", WITHIN), names.look_up("hang.example", WITHIN));
        assert!(matches!((one, two), (Err(Unresolved::Resolver(_)), Err(Unresolved::Resolver(_)))));
        assert_eq!(began.elapsed(), WITHIN);
        assert_eq!(listed.asked.load(Ordering::SeqCst), 1);
    }
}
