//! One transport: ICE (controlling), DTLS and SRTP on a UDP socket of its own.

use crate::sdp::{self, Own, Remote};
use anyhow::{Context, Result, bail};
use invigil_sfu::core::transport::credentials::IceCredentials;
use invigil_sfu::core::transport::dtls::{Dtls, DtlsIdentity};
use invigil_sfu::core::transport::srtp::{Inbound, MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD, Outbound};
use invigil_sfu::core::transport::stun::{BindingRequest, StunKey};
use invigil_sfu::core::transport::{DatagramKind, classify};
use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, UdpSocketState};
use rtc_crypto::RTCCryptoProvider;
use rtc_shared::error::Result as RtcResult;
use rtc_stun::attributes::{ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between consent checks once there are keys, and before.
const CONSENT: Duration = Duration::from_secs(4);
const CHECK: Duration = Duration::from_millis(50);
const WINDOW: u16 = 512;

/// What came in, opened.
pub enum Incoming<'a> {
    Rtp(&'a [u8]),
    Rtcp(&'a [u8]),
}

pub struct Endpoint {
    pub socket: UdpSocket,
    local: SocketAddr,
    ice: IceCredentials,
    identity: Arc<DtlsIdentity>,
    peer: Option<Peer>,
    next_check: Instant,
    buffer: Vec<u8>,
    /// When it takes segmented messages whole.
    whole: Option<UdpSocketState>,
}

struct Peer {
    remote: Remote,
    /// Who offers controls (RFC 8445 section 6.1.1).
    controlling: bool,
    key: StunKey,
    dtls: Dtls,
    srtp: Option<(Inbound, Outbound)>,
}

struct Raw(AttrType, Vec<u8>);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> RtcResult<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

impl Endpoint {
    /// `address`: where the socket is bound, on a free port.
    pub fn new(identity: Arc<DtlsIdentity>, address: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            ice: IceCredentials::from_random(rand::random()),
            identity,
            peer: None,
            next_check: Instant::now(),
            buffer: vec![0; 4096],
            whole: None,
        })
    }

    /// From now on what was sent in one segmented message arrives in one piece as well (`UDP_GRO`), and nobody has to split it on its
    /// way through this machine.
    pub fn take_whole(&mut self) -> Result<()> {
        self.whole = Some(UdpSocketState::new((&self.socket).into())?);
        self.buffer.resize(usize::from(u16::MAX), 0);
        Ok(())
    }

    /// `frame_info`: as in [`Own`].
    pub fn own(&self, frame_info: bool) -> Own<'_> {
        Own {
            frame_info,
            ice: &self.ice,
            fingerprint: self.identity.fingerprint(),
            address: self.local,
        }
    }

    /// Takes the answer to our offer; connects with the next ticks.
    pub fn connect(&mut self, answer: &str) -> Result<&Remote> {
        let remote = sdp::parse(answer, self.local.ip())?;
        self.stand(remote, true)
    }

    /// Takes the other side's offer and returns our answer; connects with the next ticks.
    pub fn accept(&mut self, offer: &str) -> Result<String> {
        let remote = sdp::parse(offer, self.local.ip())?;
        let answer = sdp::answer(&self.own(false), &remote);
        self.stand(remote, false)?;
        Ok(answer)
    }

    fn stand(&mut self, remote: Remote, controlling: bool) -> Result<&Remote> {
        let mut dtls = Dtls::new(self.identity.clone(), remote.role, remote.fingerprint);
        dtls.start(Instant::now())?;
        let peer = self.peer.insert(Peer {
            key: StunKey::new(&self.ice.pwd),
            dtls,
            remote,
            controlling,
            srtp: None,
        });
        Ok(&peer.remote)
    }

    pub fn remote(&self) -> Option<&Remote> {
        self.peer.as_ref().map(|peer| &peer.remote)
    }

    pub fn is_connected(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.srtp.is_some())
    }

    /// Checks, retransmissions. Call a few times a second.
    pub fn tick(&mut self, now: Instant) -> Result<()> {
        let Some(peer) = self.peer.as_mut() else { return Ok(()) };
        if now >= self.next_check {
            let request = binding_request(&self.ice, &peer.remote.ice, peer.controlling)?;
            self.socket.send_to(&request, peer.remote.address)?;
            self.next_check = now + if peer.srtp.is_some() { CONSENT } else { CHECK };
        }
        if peer.dtls.poll_timeout().is_some_and(|at| at <= now) {
            peer.dtls.handle_timeout(now)?;
        }
        while let Some(datagram) = peer.dtls.poll_transmit() {
            self.socket.send_to(&datagram, peer.remote.address)?;
        }
        Ok(())
    }

    /// Reads all that has arrived.
    pub fn receive(&mut self, now: Instant, mut each: impl FnMut(Incoming<'_>)) -> Result<()> {
        let Some(peer) = self.peer.as_mut() else { return Ok(()) };
        loop {
            let received = match &self.whole {
                None => self
                    .socket
                    .recv_from(&mut self.buffer)
                    .map(|(length, _)| (length, length)),
                Some(state) => receive_whole(state, &self.socket, &mut self.buffer),
            };
            let (length, segment) = match received {
                Ok(received) => received,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a light peer's socket"),
            };
            for datagram in self.buffer[..length].chunks_mut(segment.max(1)) {
                peer.read(now, &self.socket, datagram, &mut each)?;
            }
        }
    }

    /// Seals and sends a packet; `header` bytes of it stay readable. `packet` is used up.
    pub fn send_rtp(&mut self, packet: &mut Vec<u8>, header: usize) -> Result<()> {
        let (to, outbound) = self.sealing()?;
        let length = packet.len();
        packet.resize(length + MAX_RTP_OVERHEAD, 0);
        let sealed = outbound.seal_rtp(packet, header, length)?;
        self.send(&packet[..sealed], to)
    }

    pub fn send_rtcp(&mut self, compound: &mut Vec<u8>) -> Result<()> {
        let (to, outbound) = self.sealing()?;
        let length = compound.len();
        compound.resize(length + MAX_RTCP_OVERHEAD, 0);
        let sealed = outbound.seal_rtcp(compound, length)?;
        self.send(&compound[..sealed], to)
    }

    fn sealing(&mut self) -> Result<(SocketAddr, &mut Outbound)> {
        match self.peer.as_mut() {
            Some(Peer {
                remote,
                srtp: Some((_, outbound)),
                ..
            }) => Ok((remote.address, outbound)),
            _ => bail!("not connected"),
        }
    }

    fn send(&self, datagram: &[u8], to: SocketAddr) -> Result<()> {
        match self.socket.send_to(datagram, to) {
            Ok(_) => Ok(()),
            // A full socket buffer is loss, as on any network; what was delivered tells.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error).context("a light peer's socket"),
        }
    }
}

impl Peer {
    fn read(
        &mut self,
        now: Instant,
        socket: &UdpSocket,
        datagram: &mut [u8],
        each: &mut impl FnMut(Incoming<'_>),
    ) -> Result<()> {
        match classify(datagram) {
            Some(DatagramKind::Rtp) => {
                let inbound = self.srtp.as_mut().map(|(inbound, _)| inbound);
                if let Some(length) = inbound.and_then(|inbound| inbound.open_rtp(datagram).ok()) {
                    each(Incoming::Rtp(&datagram[..length]));
                }
            }
            Some(DatagramKind::Rtcp) => {
                let inbound = self.srtp.as_mut().map(|(inbound, _)| inbound);
                if let Some(length) = inbound.and_then(|inbound| inbound.open_rtcp(datagram).ok()) {
                    each(Incoming::Rtcp(&datagram[..length]));
                }
            }
            Some(DatagramKind::Stun) => {
                if let Ok(request) = BindingRequest::parse(datagram)
                    && request.authenticate(&self.key).is_ok()
                {
                    let answer = request.success(self.remote.address, &self.key);
                    socket.send_to(answer.as_bytes(), self.remote.address)?;
                }
            }
            Some(DatagramKind::Dtls) => {
                if let Some(keys) = self.dtls.read(now, datagram)? {
                    let inbound = Inbound::new(keys.profile, &keys.inbound, WINDOW)?;
                    self.srtp = Some((inbound, Outbound::new(keys.profile, &keys.outbound)?));
                }
                while let Some(datagram) = self.dtls.poll_transmit() {
                    socket.send_to(&datagram, self.remote.address)?;
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// Reads a message; its length, and that of the datagrams in it.
fn receive_whole(state: &UdpSocketState, socket: &UdpSocket, buffer: &mut [u8]) -> std::io::Result<(usize, usize)> {
    let mut meta = [RecvMeta::default()];
    state.recv(socket.into(), &mut [IoSliceMut::new(buffer)], &mut meta)?;
    Ok((meta[0].len, meta[0].stride))
}

/// A Binding request; who controls nominates with each (RFC 8445 section 8.1.1).
fn binding_request(local: &IceCredentials, remote: &IceCredentials, controlling: bool) -> Result<Vec<u8>> {
    let provider = rtc::crypto::providers::AwsLcRsProvider::new();
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(remote.pwd.clone(), provider.crypto());
    let tie_breaker = rand::random::<u64>().to_be_bytes().to_vec();
    let mut setters: Vec<Box<dyn Setter + '_>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(TextAttribute::new(
            ATTR_USERNAME,
            format!("{}:{}", remote.ufrag, local.ufrag),
        )),
        Box::new(Raw(ATTR_PRIORITY, 1_853_824_767u32.to_be_bytes().to_vec())),
    ];
    if controlling {
        setters.push(Box::new(Raw(AttrType(0x802a), tie_breaker))); // ICE-CONTROLLING
        setters.push(Box::new(Raw(ATTR_USE_CANDIDATE, Vec::new())));
    } else {
        setters.push(Box::new(Raw(AttrType(0x8029), tie_breaker))); // ICE-CONTROLLED
    }
    setters.push(Box::new(integrity));
    setters.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    message.build(&setters)?;
    Ok(message.raw.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn_udp::Transmit;

    #[test]
    fn a_segmented_message_is_taken_whole() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (from, to) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
        let sending = UdpSocketState::new((&from).into()).unwrap();
        let taking = UdpSocketState::new((&to).into()).unwrap();
        let transmit = Transmit {
            destination: to.local_addr().unwrap(),
            ecn: None,
            contents: &[5; 250],
            segment_size: Some(100),
            src_ip: None,
        };
        sending.try_send((&from).into(), &transmit).unwrap();
        let mut buffer = [0; 1_000];
        assert_eq!(receive_whole(&taking, &to, &mut buffer).unwrap(), (250, 100));
        let nothing = receive_whole(&taking, &to, &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }
}
