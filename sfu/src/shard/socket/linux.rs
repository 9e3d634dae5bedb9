//! The batch calls of Linux.

use super::{BUFFER, MAX_DATAGRAM, RECEIVE_BATCH, Sent};
use crate::core::io::Run;
use libc::{c_int, c_void, iovec, mmsghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};
use std::io;
use std::mem::{size_of, zeroed};
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
    buffers: Vec<[u8; MAX_DATAGRAM]>,
}

/// The ancillary data that names a run's segment size.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct SegmentControl {
    header: libc::cmsghdr,
    size: u16,
    padding: [u8; 6],
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
            segments: true,
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

    /// Reads what waits, at most [`RECEIVE_BATCH`] datagrams; returns how many.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, &mut [u8])) -> io::Result<usize> {
        // SAFETY: all-zero is a valid address, vector and header: plain integers and null pointers.
        let (mut addresses, mut vectors, mut headers): (
            [sockaddr_storage; RECEIVE_BATCH],
            [iovec; RECEIVE_BATCH],
            [mmsghdr; RECEIVE_BATCH],
        ) = unsafe { (zeroed(), zeroed(), zeroed()) };
        for (at, buffer) in self.buffers.iter_mut().enumerate() {
            vectors[at] = iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: MAX_DATAGRAM,
            };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut addresses[at]).cast();
            header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
            header.msg_iov = &raw mut vectors[at];
            header.msg_iovlen = 1;
        }
        // SAFETY: every header points to an address, a vector and a buffer of its own, all of which outlive the call, and
        // there are RECEIVE_BATCH of them.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                RECEIVE_BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
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
        for at in 0..count {
            let length = (headers[at].msg_len as usize).min(MAX_DATAGRAM);
            if let Some(from) = from_native(&addresses[at]) {
                each(from, &mut self.buffers[at][..length]);
            }
        }
        Ok(count)
    }

    /// Sends runs in order. What the kernel refuses is dropped, as any network would.
    pub fn send<'a>(&mut self, runs: &mut dyn Iterator<Item = (&'a [u8], &'a Run)>) -> Sent {
        let mut result = Sent::default();
        let mut waiting: Vec<Message<'a>> = Vec::with_capacity(SEND_BATCH);
        for (bytes, run) in runs {
            let Some(data) = bytes.get(run.offset..run.offset + run.length) else {
                continue;
            };
            let segment = run.segment.max(1);
            if self.segments {
                waiting.push(Message {
                    data,
                    segment,
                    to: run.destination,
                });
            } else {
                waiting.extend(data.chunks(segment).map(|data| Message {
                    data,
                    segment,
                    to: run.destination,
                }));
            }
            if waiting.len() >= SEND_BATCH {
                self.flush(&mut waiting, &mut result);
            }
        }
        self.flush(&mut waiting, &mut result);
        result
    }

    fn flush(&mut self, waiting: &mut Vec<Message<'_>>, result: &mut Sent) {
        let mut rest: &[Message<'_>] = waiting;
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(SEND_BATCH)];
            result.calls += 1;
            match self.send_messages(batch) {
                Ok(count) => {
                    result.datagrams += batch[..count].iter().map(Message::count).sum::<u64>();
                    rest = &rest[count..];
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::ENOBUFS) => {
                        let ready = wait_for(&[(self.socket.as_raw_fd(), libc::POLLOUT)], Some(FULL_PATIENCE));
                        if !ready.unwrap_or(false) {
                            result.dropped += rest.iter().map(Message::count).sum::<u64>();
                            break;
                        }
                    }
                    // Refused by the kernel (EINVAL) or the device (EIO): the first run goes datagram by datagram.
                    Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT) if rest[0].count() > 1 => {
                        self.segments = false;
                        let mut single: Vec<Message<'_>> = rest.iter().flat_map(Message::split).collect();
                        self.flush(&mut single, result);
                        break;
                    }
                    _ => {
                        result.dropped += rest[0].count();
                        rest = &rest[1..];
                    }
                },
            }
        }
        waiting.clear();
    }

    fn send_messages(&self, messages: &[Message<'_>]) -> io::Result<usize> {
        // SAFETY: as in `receive`.
        let (mut addresses, mut vectors, mut headers, mut controls): (
            [sockaddr_storage; SEND_BATCH],
            [iovec; SEND_BATCH],
            [mmsghdr; SEND_BATCH],
            [SegmentControl; SEND_BATCH],
        ) = unsafe { (zeroed(), zeroed(), zeroed(), zeroed()) };
        let count = messages.len().min(SEND_BATCH);
        for (at, message) in messages.iter().take(count).enumerate() {
            let (address, length) = to_native(message.to);
            addresses[at] = address;
            // The kernel only reads what it sends.
            vectors[at] = iovec {
                iov_base: message.data.as_ptr().cast_mut().cast::<c_void>(),
                iov_len: message.data.len(),
            };
            let header = &mut headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut addresses[at]).cast();
            header.msg_namelen = length;
            header.msg_iov = &raw mut vectors[at];
            header.msg_iovlen = 1;
            if message.count() > 1 {
                let control = &mut controls[at];
                // SAFETY: CMSG_LEN is arithmetic on its argument.
                control.header.cmsg_len = unsafe { libc::CMSG_LEN(size_of::<u16>() as u32) } as _;
                control.header.cmsg_level = libc::SOL_UDP;
                control.header.cmsg_type = libc::UDP_SEGMENT;
                control.size = message.segment as u16;
                header.msg_control = ptr::from_mut(control).cast();
                header.msg_controllen = size_of::<SegmentControl>() as _;
            }
        }
        // SAFETY: the first `count` headers point to addresses, vectors and controls of their own and to the caller's data,
        // all of which outlive the call.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
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

/// Waits until a socket or the waker can be read, or `timeout` has passed.
pub(crate) fn wait(sockets: &[BatchSocket], waker: &impl AsRawFd, timeout: Option<Duration>) -> io::Result<()> {
    let mut watched: Vec<(RawFd, i16)> = sockets
        .iter()
        .map(|socket| (socket.socket.as_raw_fd(), libc::POLLIN))
        .collect();
    watched.push((waker.as_raw_fd(), libc::POLLIN));
    wait_for(&watched, timeout).map(|_| ())
}

fn wait_for(watched: &[(RawFd, i16)], timeout: Option<Duration>) -> io::Result<bool> {
    let mut entries: Vec<libc::pollfd> = watched
        .iter()
        .map(|&(fd, events)| libc::pollfd { fd, events, revents: 0 })
        .collect();
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

fn to_native(address: SocketAddr) -> (sockaddr_storage, socklen_t) {
    // SAFETY: all-zero is a valid sockaddr_storage, and it is larger than and aligned for both kinds of address.
    unsafe {
        let mut storage: sockaddr_storage = zeroed();
        match address {
            SocketAddr::V4(v4) => {
                let native = ptr::from_mut(&mut storage).cast::<sockaddr_in>();
                (*native).sin_family = libc::AF_INET as _;
                (*native).sin_port = v4.port().to_be();
                (*native).sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                (storage, size_of::<sockaddr_in>() as socklen_t)
            }
            SocketAddr::V6(v6) => {
                let native = ptr::from_mut(&mut storage).cast::<sockaddr_in6>();
                (*native).sin6_family = libc::AF_INET6 as _;
                (*native).sin6_port = v6.port().to_be();
                (*native).sin6_addr.s6_addr = v6.ip().octets();
                (*native).sin6_scope_id = v6.scope_id();
                (storage, size_of::<sockaddr_in6>() as socklen_t)
            }
        }
    }
}

fn from_native(storage: &sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says what lies there, and sockaddr_storage is large and aligned enough for it.
            let native = unsafe { *ptr::from_ref(storage).cast::<sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(native.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(native.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let native = unsafe { *ptr::from_ref(storage).cast::<sockaddr_in6>() };
            let ip = Ipv6Addr::from(native.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(native.sin6_port), 0, native.sin6_scope_id).into())
        }
        _ => None,
    }
}
