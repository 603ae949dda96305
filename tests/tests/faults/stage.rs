//! A service, the proxy that it takes for an accelerator, and callers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use tests::{Caller, Service, model_dir};

use super::accelerator::Accelerator;
use super::catalogue::demo;
use super::credentials::Credentials;
use super::proxy::Proxy;
use super::silence::Silence;
use super::wishes::{Outcome, Scene, Store, Wish, tell, wishes};

/// Callers at the same time.
pub(crate) const CALLERS: usize = 16;
/// Between the requests of a caller who waits for a change.
const PAUSE: Duration = Duration::from_millis(40);
/// In which a failure is counted.
const COUNTED: Duration = Duration::from_millis(10);
/// An accelerator that is back is used again within 45 s; a third more is for a machine that is busy.
const BACK: Duration = Duration::from_secs(60);

/// A scene that is set.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) credentials: Credentials,
    base: String,
    service: Mutex<Service>,
    scene: Scene,
    wishes: &'static [Wish],
    /// Held for their ends.
    _running: (Accelerator, Option<Silence>),
}

/// How it is to be set.
pub(crate) struct Setting {
    pub(crate) scene: Scene,
    /// What is in the file of credentials; without it there is no file.
    pub(crate) credentials: Option<Value>,
    /// Where the service finds its accelerator, if not behind the proxy.
    pub(crate) url: Option<String>,
}

/// How many answers had which outcome.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Outcome, usize>);

impl Setting {
    /// Nothing special, with or without a store.
    pub(crate) fn of(store: Store) -> Self {
        Self { scene: Scene { store, is_backwards: true }, credentials: None, url: None }
    }
}

impl Stage {
    /// Starts everything; `prepare` has the proxy before the service has.
    pub(crate) fn set(setting: Setting, prepare: impl FnOnce(&Proxy)) -> Result<Self> {
        let Setting { scene, credentials: content, url } = setting;
        let accelerator = Accelerator::of(demo());
        let proxy = Proxy::before(accelerator.address());
        prepare(&proxy);
        let credentials = Credentials::new()?;
        let url = url.unwrap_or_else(|| proxy.url());
        let mut options = vec!["--accelerator", &url];
        if let Some(content) = content {
            credentials.replace(&content)?;
            options.extend(["--accelerator-credentials", credentials.path()]);
        }
        let silence = (scene.store == Store::Down).then(Silence::begin);
        if silence.is_some() {
            options.extend(["--store", "dynamodb:people"]);
        }
        let variables = silence.iter().flat_map(Silence::variables).collect();
        let service = Service::start_in(variables, model_dir(), options)?;
        if scene.store == Store::Up {
            tell(&service, demo())?;
        }
        let wishes = wishes(scene.store);
        let (base, service) = (service.base().to_owned(), Mutex::new(service));
        Ok(Self { proxy, credentials, base, service, scene, wishes, _running: (accelerator, silence) })
    }

    /// Has one caller make this many requests, one after the other, that an accelerator can be asked about.
    pub(crate) fn ask_in_turn(&self, count: usize) -> Result<Vec<Outcome>> {
        let caller = Caller::of(&self.base);
        let asking = self.wishes.iter().filter(|wish| wish.has_history).cycle().take(count);
        let ask = |wish: &Wish| {
            let reply = caller.send(&wish.request)?;
            // At the cut-off an answer goes out while what kept the better one is counted: in the same moment, not before.
            thread::sleep(COUNTED);
            Ok(wish.outcome(&reply, self.scene))
        };
        asking.map(ask).collect()
    }

    /// Has many callers make this many requests.
    pub(crate) fn ask(&self, count: usize) -> Result<Tally> {
        self.ask_around(count, count, || ())
    }

    /// The same, and before one of them something happens.
    pub(crate) fn ask_around(&self, count: usize, at: usize, happens: impl Fn() + Sync) -> Result<Tally> {
        let next = AtomicUsize::new(0);
        let number = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number == at {
                happens();
            }
            (number < count).then_some(number)
        };
        self.call(number, |_| ())
    }

    /// Has many callers ask until one of them is answered by the accelerator, who is awaited for as long as is documented.
    pub(crate) fn ask_until_top(&self) -> Result<Tally> {
        let (next, is_back, since) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
        let number = || {
            thread::sleep(PAUSE);
            let goes_on = !is_back.load(Ordering::Relaxed) && since.elapsed() < BACK;
            goes_on.then(|| next.fetch_add(1, Ordering::Relaxed))
        };
        let tally = self.call(number, |outcome| {
            is_back.fetch_or(*outcome == Outcome::Accelerator, Ordering::Relaxed);
        })?;
        ensure!(is_back.into_inner(), "the accelerator is not used again: {tally}\n{}", self.log());
        Ok(tally)
    }

    /// Fails if anything in the service panicked.
    pub(crate) fn is_calm(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at"), "{log}");
    }

    fn log(&self) -> String {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).log()
    }

    /// Has many callers ask what `next` says, until it says nothing; `hear` is told what comes.
    fn call(&self, next: impl Fn() -> Option<usize> + Sync, hear: impl Fn(&Outcome) + Sync) -> Result<Tally> {
        let tally = Mutex::<Tally>::default();
        let call = || -> Result<()> {
            let caller = Caller::of(&self.base);
            while let Some(number) = next() {
                let wish = &self.wishes[number % self.wishes.len()];
                let outcome = wish.outcome(&caller.send(&wish.request)?, self.scene);
                hear(&outcome);
                *tally.lock().unwrap_or_else(PoisonError::into_inner).0.entry(outcome).or_default() += 1;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
            callers.into_iter().try_for_each(|caller| caller.join().expect("every answer holds"))
        })?;
        Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    /// How many had this outcome.
    pub(crate) fn of(&self, outcome: &Outcome) -> usize {
        self.0.get(outcome).copied().unwrap_or_default()
    }

    /// Fails where an outcome came that is none of these; the popular rung is always right for who has no history.
    pub(crate) fn only(self, expected: &[&Outcome]) -> Result<Self> {
        let mut others = self.0.keys().filter(|outcome| !expected.contains(outcome));
        if others.any(|outcome| *outcome != Outcome::Popular) {
            bail!("only {expected:?} may come: {self}");
        }
        Ok(self)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}
