//! Limits wrong guesses: per (name, address), and per name over all addresses.

use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::limits::{MAX_SECRET_TRIES, SECRET_WINDOW_S};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong guesses for one name from all addresses together: an account that a botnet guesses at rests until the window is over.
const MAX_TRIES_PER_NAME: u32 = 500;
/// Names and addresses that are remembered at once; the oldest are forgotten first.
const MAX_TRACKED: usize = 20_000;
const WINDOW: Duration = Duration::from_secs(SECRET_WINDOW_S);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Pair(String, IpAddr),
}

#[derive(Clone, Copy)]
struct Window {
    since: Instant,
    tries: u32,
}

/// Counts guesses in fixed windows of [`SECRET_WINDOW_S`].
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<Key, Window>>);

/// A guess that was counted; [`Attempt::succeeded`] takes it back.
#[must_use = "a right guess has to be taken back"]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    pair: Key,
    name: Key,
    /// Guesses that remain for this name and address after this one.
    pub tries_left: u32,
}

/// An IPv6 host owns a whole /64: it is one address here.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !0u128 << 64).into()),
        v4 => v4,
    }
}

impl Throttle {
    /// Whether a name rests for this address; counts nothing.
    ///
    /// # Errors
    /// `secret_throttled` with `retry_after_s`, as [`Self::begin`].
    pub fn look(&self, name: &str, address: IpAddr, now: Instant) -> Result<(), ErrorBody> {
        let (name, pair) = (Key::Name(name.to_owned()), Key::Pair(name.to_owned(), network(address)));
        left(&self.0.lock(), &pair, &name, now).map(drop)
    }

    /// Counts a guess before it is checked, so that many at once can't slip through together. `secret_throttled` with
    /// `retry_after_s` when there were too many.
    pub fn begin(&self, name: &str, address: IpAddr, now: Instant) -> Result<Attempt<'_>, ErrorBody> {
        let (name, pair) = (Key::Name(name.to_owned()), Key::Pair(name.to_owned(), network(address)));
        let mut windows = self.0.lock();
        if windows.len() + 2 > MAX_TRACKED {
            make_room(&mut windows, now);
        }
        let left = left(&windows, &pair, &name, now)?;
        for key in [&pair, &name] {
            let window = windows.entry(key.clone()).or_insert(Window { since: now, tries: 0 });
            if now.duration_since(window.since) >= WINDOW {
                *window = Window { since: now, tries: 0 };
            }
            window.tries += 1;
        }
        drop(windows);
        Ok(Attempt {
            throttle: self,
            pair,
            name,
            tries_left: left,
        })
    }
}

/// Guesses that would remain after one more.
fn left(windows: &HashMap<Key, Window>, pair: &Key, name: &Key, now: Instant) -> Result<u32, ErrorBody> {
    let mut left = u32::MAX;
    for (key, limit) in [(pair, MAX_SECRET_TRIES), (name, MAX_TRIES_PER_NAME)] {
        let window = windows
            .get(key)
            .copied()
            .filter(|w| now.duration_since(w.since) < WINDOW);
        let window = window.unwrap_or(Window { since: now, tries: 0 });
        if window.tries >= limit {
            let rest = WINDOW.saturating_sub(now.duration_since(window.since));
            let error = ErrorBody::from(ErrorCode::SecretThrottled).with("retry_after_s", rest.as_secs() + 1);
            return Err(error);
        }
        left = left.min(limit - window.tries - 1);
    }
    Ok(left)
}

fn make_room(windows: &mut HashMap<Key, Window>, now: Instant) {
    windows.retain(|_, w| now.duration_since(w.since) < WINDOW);
    while windows.len() + 2 > MAX_TRACKED {
        let Some(oldest) = windows.iter().min_by_key(|(_, w)| w.since).map(|(k, _)| k.clone()) else {
            return;
        };
        windows.remove(&oldest);
    }
}

impl Attempt<'_> {
    /// The guess was right: this address starts anew, and the name's count drops by one.
    pub fn succeeded(self) {
        let mut windows = self.throttle.0.lock();
        windows.remove(&self.pair);
        if let Some(window) = windows.get_mut(&self.name) {
            window.tries = window.tries.saturating_sub(1);
        }
    }

    /// The error that a wrong guess is answered with.
    pub fn failed(self, code: ErrorCode) -> ErrorBody {
        ErrorBody::from(code).with("tries_left", self.tries_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn wrong_guesses_run_out_and_come_back_after_the_window() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for left in (0..MAX_SECRET_TRIES).rev() {
            let error = throttle
                .begin("E", HOME, start)
                .ok()
                .unwrap()
                .failed(ErrorCode::SecretWrong);
            assert_eq!(error.params["tries_left"], left.to_string());
        }
        let error = throttle.begin("E", HOME, start).err().unwrap();
        assert_eq!(error.code, ErrorCode::SecretThrottled);
        assert!(error.params["retry_after_s"].parse::<u64>().unwrap() <= SECRET_WINDOW_S + 1);
        assert!(throttle.begin("F", HOME, start).is_ok());
        assert!(throttle.begin("E", HOME, start + WINDOW).is_ok());
    }

    #[test]
    fn a_right_guess_clears_its_address_and_one_network_is_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..MAX_SECRET_TRIES * 3 {
            throttle.begin("E", HOME, now).ok().unwrap().succeeded();
        }
        let hosts: Vec<IpAddr> = (1..=6).map(|n| format!("2001:db8::{n}").parse().unwrap()).collect();
        for host in &hosts[..5] {
            let _ = throttle
                .begin("E", *host, now)
                .ok()
                .unwrap()
                .failed(ErrorCode::SecretWrong);
        }
        assert!(throttle.begin("E", hosts[5], now).is_err());
    }

    #[test]
    fn looking_counts_nothing() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..MAX_SECRET_TRIES {
            for _ in 0..10 {
                assert!(throttle.look("E", HOME, now).is_ok());
            }
            let _ = throttle.begin("E", HOME, now).ok().unwrap();
        }
        assert_eq!(
            throttle.look("E", HOME, now).unwrap_err().code,
            ErrorCode::SecretThrottled
        );
        assert!(throttle.look("F", HOME, now).is_ok());
        assert!(throttle.look("E", HOME, now + WINDOW).is_ok());
    }

    #[test]
    fn all_addresses_together_are_bounded_too() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let addresses = (0..).map(|n: u32| IpAddr::V4(n.into()));
        let refused = addresses
            .take(1_000)
            .filter(|&a| throttle.begin("E", a, now).is_err())
            .count();
        assert_eq!(refused, 1_000 - MAX_TRIES_PER_NAME as usize);
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..MAX_TRACKED as u32 {
            let _ = throttle.begin(&n.to_string(), HOME, now);
        }
        assert!(throttle.0.lock().len() <= MAX_TRACKED);
    }
}
