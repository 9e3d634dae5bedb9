//! The batch calls of Linux.

use super::{BUFFER, MAX_DATAGRAM, MAX_SOCKETS, RECEIVE_BATCH, Sent};
use crate::core::io::Run;
use crate::shard::waker::Waker;
use libc::{c_int, c_void, iovec, mmsghdr, sockaddr_in, sockaddr_in6, socklen_t};
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// Messages of one send call.
const SEND_BATCH: usize = 64;
/// How long a full send queue is waited for before the datagrams are given up.
const FULL_PATIENCE: Duration = Duration::from_millis(5);

/// A socket that reads and writes in batches.
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    local: SocketAddr,
    segments: bool,
    ready: bool,
    buffers: Vec<[u8; MAX_DATAGRAM]>,
}

/// An address of either family. Its size says which.
union Address {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// The ancillary data that names a run's segment size.
#[repr(C, align(8))]
struct SegmentControl {
    header: libc::cmsghdr,
    size: u16,
    padding: [u8; 6],
}

impl SegmentControl {
    fn new(size: u16) -> Self {
        // SAFETY: all-zero is a valid header of ancillary data, and CMSG_LEN is arithmetic on its argument.
        let (mut header, length) = unsafe { (zeroed::<libc::cmsghdr>(), libc::CMSG_LEN(size_of::<u16>() as u32)) };
        header.cmsg_len = length as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self {
            header,
            size,
            padding: [0; 6],
        }
    }
}

fn empty_header() -> mmsghdr {
    // SAFETY: all-zero is a valid header: integers and null pointers.
    unsafe { zeroed() }
}

impl BatchSocket {
    /// Binds to `address`. An IPv6 socket takes IPv6 only, so that both families can share a port.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: takes no pointers; a negative answer is an error.
        let fd = unsafe { libc::socket(family, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else has it.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        if address.is_ipv6() {
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        for (force, plain) in [
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
        ] {
            // Forcing needs a privilege; without it the kernel caps what it grants.
            if set_option(fd, libc::SOL_SOCKET, force, BUFFER).is_err() {
                set_option(fd, libc::SOL_SOCKET, plain, BUFFER)?;
            }
        }
        let (storage, length) = to_native(address);
        // SAFETY: `storage` holds an address of `length` bytes and lives through the call.
        if unsafe { libc::bind(fd, ptr::from_ref(&storage).cast(), length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = UdpSocket::from(owned);
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            segments: set_option(fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok(),
            ready: false,
            buffers: vec![[0; MAX_DATAGRAM]; RECEIVE_BATCH],
        })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends single datagrams from now on.
    pub fn forbid_segments(&mut self) {
        self.segments = false;
    }

    /// Whether [`wait`] has seen a datagram that was not read since.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Reads what waits, at most [`RECEIVE_BATCH`] datagrams; returns how many.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        let mut addresses = [const { MaybeUninit::<Address>::uninit() }; RECEIVE_BATCH];
        let mut vectors = [const { MaybeUninit::<iovec>::uninit() }; RECEIVE_BATCH];
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; RECEIVE_BATCH];
        for (at, buffer) in self.buffers.iter_mut().enumerate() {
            let vector = vectors[at].write(iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            });
            let mut header = empty_header();
            header.msg_hdr.msg_name = addresses[at].as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = size_of::<Address>() as socklen_t;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            headers[at].write(header);
        }
        // SAFETY: all RECEIVE_BATCH headers were written above. Each points to an address, a vector and a buffer of its own,
        // all of which outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                RECEIVE_BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.ready = count == RECEIVE_BATCH as c_int;
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                // An ICMP error about something that was sent.
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => Ok(0),
                _ => Err(error),
            };
        }
        let count = count as usize;
        for ((address, header), buffer) in addresses.iter().zip(&headers).zip(&mut self.buffers).take(count) {
            // SAFETY: headers were all written. The kernel has filled in the first `count` and their addresses, whose family
            // is read only where the length says that one is there.
            let (from, length) = unsafe {
                let header = header.assume_init_ref();
                let named = header.msg_hdr.msg_namelen as usize >= size_of::<libc::sa_family_t>();
                let from = named.then(|| from_native(address.assume_init_ref())).flatten();
                (from, (header.msg_len as usize).min(MAX_DATAGRAM))
            };
            if let Some(from) = from {
                each(from, &mut buffer[..length]);
            }
        }
        Ok(count)
    }

    /// Sends runs in order. What the kernel refuses is dropped, as any network would.
    pub fn send<'a>(&mut self, runs: &mut dyn Iterator<Item = (&'a [u8], &'a Run)>) -> Sent {
        let mut result = Sent::default();
        let mut outbox = Outbox::default();
        for (bytes, run) in runs {
            let Some(data) = bytes.get(run.offset..run.offset + run.length) else {
                continue;
            };
            let whole = Message {
                data,
                segment: run.segment.max(1),
                to: run.destination,
            };
            if self.segments {
                self.post(&mut outbox, whole, &mut result);
            } else {
                whole
                    .split()
                    .for_each(|single| self.post(&mut outbox, single, &mut result));
            }
        }
        self.flush(&mut outbox, &mut result);
        result
    }

    /// Puts a message into the outbox, which is sent when it is full.
    fn post<'a>(&mut self, outbox: &mut Outbox<'a>, message: Message<'a>, result: &mut Sent) {
        outbox.messages[outbox.count] = message;
        outbox.count += 1;
        if outbox.count == SEND_BATCH {
            self.flush(outbox, result);
        }
    }

    fn flush(&mut self, outbox: &mut Outbox<'_>, result: &mut Sent) {
        let mut rest = &outbox.messages[..outbox.count];
        while let Some(first) = rest.first() {
            result.calls += 1;
            match self.send_messages(rest) {
                Ok(count) => {
                    result.datagrams += rest[..count].iter().map(Message::count).sum::<u64>();
                    rest = &rest[count..];
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::ENOBUFS) => {
                        let mut socket = [watch(&self.socket, libc::POLLOUT)];
                        if !poll(&mut socket, Some(FULL_PATIENCE)).unwrap_or(false) {
                            result.dropped += rest.iter().map(Message::count).sum::<u64>();
                            break;
                        }
                    }
                    // Refused by the kernel (EINVAL: the path's MTU is smaller than a segment) or by the device: this run
                    // goes datagram by datagram, and after a device's refusal so do all that follow.
                    Some(code @ (libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT))
                        if first.count() > 1 =>
                    {
                        self.segments &= code == libc::EINVAL;
                        let mut singles = Outbox::default();
                        first.split().for_each(|single| self.post(&mut singles, single, result));
                        self.flush(&mut singles, result);
                        rest = &rest[1..];
                    }
                    _ => {
                        result.dropped += first.count();
                        rest = &rest[1..];
                    }
                },
            }
        }
        outbox.count = 0;
    }

    fn send_messages(&self, messages: &[Message<'_>]) -> io::Result<usize> {
        let mut addresses = [const { MaybeUninit::<Address>::uninit() }; SEND_BATCH];
        let mut vectors = [const { MaybeUninit::<iovec>::uninit() }; SEND_BATCH];
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; SEND_BATCH];
        let mut controls = [const { MaybeUninit::<SegmentControl>::uninit() }; SEND_BATCH];
        let count = messages.len().min(SEND_BATCH);
        for (at, message) in messages.iter().take(count).enumerate() {
            let (address, length) = to_native(message.to);
            let mut header = empty_header();
            header.msg_hdr.msg_name = ptr::from_mut(addresses[at].write(address)).cast();
            header.msg_hdr.msg_namelen = length;
            // The kernel only reads what it sends.
            header.msg_hdr.msg_iov = vectors[at].write(iovec {
                iov_base: message.data.as_ptr().cast_mut().cast::<c_void>(),
                iov_len: message.data.len(),
            });
            header.msg_hdr.msg_iovlen = 1;
            if message.count() > 1 {
                let control = controls[at].write(SegmentControl::new(message.segment as u16));
                header.msg_hdr.msg_control = ptr::from_mut(control).cast();
                header.msg_hdr.msg_controllen = size_of::<SegmentControl>() as _;
            }
            headers[at].write(header);
        }
        // SAFETY: the first `count` headers were written and point to addresses, vectors and controls of their own and to the
        // caller's data, all of which outlive the call.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count as u32,
                libc::MSG_DONTWAIT,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(sent as usize)
        }
    }
}

/// Datagrams to one destination.
#[derive(Clone, Copy)]
struct Message<'a> {
    data: &'a [u8],
    segment: usize,
    to: SocketAddr,
}

impl<'a> Message<'a> {
    fn count(&self) -> u64 {
        self.data.len().div_ceil(self.segment) as u64
    }

    fn split(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let (segment, to) = (self.segment, self.to);
        self.data.chunks(segment).map(move |data| Message { data, segment, to })
    }
}

/// Messages of the next call.
struct Outbox<'a> {
    messages: [Message<'a>; SEND_BATCH],
    count: usize,
}

impl Default for Outbox<'_> {
    fn default() -> Self {
        let nobody = Message {
            data: &[],
            segment: 1,
            to: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        };
        Self {
            messages: [nobody; SEND_BATCH],
            count: 0,
        }
    }
}

/// Waits until a socket can be read, somebody wakes us, or `timeout` has passed, and marks the sockets that can. True when somebody
/// woke us.
pub(crate) fn wait(sockets: &mut [BatchSocket], waker: &Waker, timeout: Option<Duration>) -> io::Result<bool> {
    let mut watched = [watch(waker.source(), libc::POLLIN); MAX_SOCKETS + 1];
    for (entry, socket) in watched[1..].iter_mut().zip(&*sockets) {
        *entry = watch(&socket.socket, libc::POLLIN);
    }
    let count = 1 + sockets.len().min(MAX_SOCKETS);
    poll(&mut watched[..count], timeout)?;
    for (entry, socket) in watched[1..].iter().zip(sockets) {
        // An error is something to read as well.
        socket.ready |= entry.revents != 0;
    }
    let woken = watched[0].revents != 0;
    if woken {
        waker.drain();
    }
    Ok(woken)
}

/// Lets datagrams gather: waits until somebody wakes us or `time` has passed, and marks all sockets to be read. True when somebody
/// woke us.
pub(crate) fn linger(sockets: &mut [BatchSocket], waker: &Waker, time: Duration) -> io::Result<bool> {
    let mut watched = [watch(waker.source(), libc::POLLIN)];
    let time = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: one valid entry, a time that lives through the call, and no signal mask.
    let ready = unsafe { libc::ppoll(watched.as_mut_ptr(), 1, &raw const time, ptr::null()) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    sockets.iter_mut().for_each(|socket| socket.ready = true);
    let woken = ready > 0 && watched[0].revents != 0;
    if woken {
        waker.drain();
    }
    Ok(woken)
}

fn watch(what: &impl AsRawFd, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd: what.as_raw_fd(),
        events,
        revents: 0,
    }
}

/// True when something is ready.
fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<bool> {
    // Rounded up: waking a little late is cheaper than waking for nothing.
    let milliseconds = timeout.map_or(-1, |timeout| timeout.as_micros().div_ceil(1_000).min(60_000) as c_int);
    // SAFETY: the entries are valid and as many as said.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
    if ready >= 0 {
        return Ok(ready > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        Ok(false)
    } else {
        Err(error)
    }
}

fn set_option(fd: RawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as socklen_t;
    // SAFETY: the value is an int that lives through the call, and its length is told.
    let result = unsafe { libc::setsockopt(fd, level, name, ptr::from_ref(&value).cast(), length) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn to_native(address: SocketAddr) -> (Address, socklen_t) {
    match address {
        SocketAddr::V4(v4) => {
            let native = sockaddr_in {
                sin_family: libc::AF_INET as _,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*v4.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            (Address { v4: native }, size_of::<sockaddr_in>() as socklen_t)
        }
        SocketAddr::V6(v6) => {
            let native = sockaddr_in6 {
                sin6_family: libc::AF_INET6 as _,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            (Address { v6: native }, size_of::<sockaddr_in6>() as socklen_t)
        }
    }
}

fn from_native(address: &Address) -> Option<SocketAddr> {
    // SAFETY: both kinds begin with the family, which says what lies there.
    unsafe {
        match c_int::from(address.v4.sin_family) {
            libc::AF_INET => {
                let native = address.v4;
                let ip = Ipv4Addr::from(u32::from_be(native.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(native.sin_port)).into())
            }
            libc::AF_INET6 => {
                let native = address.v6;
                let ip = Ipv6Addr::from(native.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(native.sin6_port), 0, native.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}
