//! Which connections may be open, over all shards of a process. A connection has proved nothing until its first frame was an
//! authenticated request of a transport: until then it holds one of few places, fewer still for one address.

use invigil_shared::limits::MAX_TRANSPORTS;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Connections in all: each transport by TCP, and those that a restart leaves behind until they fall silent.
const MAX_OPEN: usize = MAX_TRANSPORTS + MAX_TRANSPORTS / 4;
/// Connections that have proved nothing. A proof takes a round trip, so a hall of 600 that joins at once passes through within
/// seconds; what waits here holds a socket and a buffer each.
const MAX_UNPROVED: usize = 512;
/// The same for one address (IPv6: one /64): a hall behind one NAT that joins at once, two transports each. Four such addresses
/// have to work together to keep others out, and then only those who are not in yet.
const MAX_UNPROVED_PER_ADDRESS: usize = 128;

/// The places. Cheap to clone.
#[derive(Clone, Default)]
pub struct Admission(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    open: usize,
    unproved: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped.
pub(super) struct Place {
    admission: Admission,
    /// While nothing is proved.
    unproved: Option<IpAddr>,
}

impl Admission {
    /// A place for a connection from `address`; none when there is none left for it.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = counted(address);
        let mut places = self.0.lock();
        if places.open >= MAX_OPEN || places.unproved >= MAX_UNPROVED {
            return None;
        }
        let of_address = places.by_address.entry(address).or_default();
        if *of_address >= MAX_UNPROVED_PER_ADDRESS {
            return None;
        }
        *of_address += 1;
        places.open += 1;
        places.unproved += 1;
        drop(places);
        Some(Place {
            admission: self.clone(),
            unproved: Some(address),
        })
    }
}

impl Place {
    /// The connection belongs to a transport.
    pub fn prove(&mut self) {
        if let Some(address) = self.unproved.take() {
            self.admission.0.lock().proved(address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.admission.0.lock();
        places.open -= 1;
        if let Some(address) = self.unproved.take() {
            places.proved(address);
        }
    }
}

impl Places {
    fn proved(&mut self, address: IpAddr) {
        self.unproved -= 1;
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// Whoever has an IPv6 address usually has its /64.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn one_address_can_not_take_the_places_of_others() {
        let admission = Admission::default();
        let mut held: Vec<Place> = (0..MAX_UNPROVED_PER_ADDRESS)
            .map(|_| admission.enter(address(1)).unwrap())
            .collect();
        assert!(admission.enter(address(1)).is_none());
        let other = admission.enter(address(2));
        assert!(other.is_some());
        held[0].prove();
        held[0].prove();
        let again = admission.enter(address(1));
        assert!(again.is_some(), "a proof frees a place");
        assert!(admission.enter(address(1)).is_none(), "and one only");
        drop((held, other, again));
        let places = admission.0.lock();
        assert_eq!((places.open, places.unproved, places.by_address.len()), (0, 0, 0));
    }

    #[test]
    fn all_places_together_are_bounded() {
        let admission = Admission::default();
        let mut held = Vec::new();
        while let Some(place) = admission.enter(address(held.len() as u32)) {
            held.push(place);
        }
        assert_eq!(held.len(), MAX_UNPROVED);
        held.iter_mut().for_each(Place::prove);
        while let Some(mut place) = admission.enter(address(0)) {
            place.prove();
            held.push(place);
        }
        assert_eq!(held.len(), MAX_OPEN);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
