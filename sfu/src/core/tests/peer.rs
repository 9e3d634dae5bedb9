//! A peer of the core that does real ICE, DTLS and SRTP.

use super::{FRAME_INFO_ID, H264, THEIRS, credentials_of};
use crate::core::rtcp::{Item, parse};
use crate::core::rtp::{ExtensionList, RtpHeader, write_header};
use crate::core::transport::credentials::{Fingerprint, IceCredentials};
use crate::core::transport::dtls::Dtls;
use crate::core::transport::srtp::{Inbound, MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD, Outbound};
use crate::core::transport::{DatagramKind, DtlsRole, classify};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::TransportId;
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

struct Raw(AttrType);
impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &[]);
        Ok(())
    }
}

/// An opened packet that a peer received.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub header: RtpHeader,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn payload(&self) -> &[u8] {
        self.header.payload_of(&self.bytes)
    }
    pub fn frame(&self) -> Option<FrameInfo> {
        FrameInfo::read(self.header.extension(&self.bytes, FRAME_INFO_ID)?)
    }
}

/// A peer of the core.
pub(crate) struct Peer {
    pub transport: TransportId,
    pub address: SocketAddr,
    pub local: IceCredentials,
    pub(super) remote: IceCredentials,
    dtls: Dtls,
    srtp: Option<(Inbound, Outbound)>,
    pub rtp: Vec<Got>,
    pub rtcp: Vec<Vec<u8>>,
    pub answer: String,
    pub silent: bool,
    pub(super) transport_sequence: u16,
}

impl Peer {
    /// The far side of an answer.
    pub fn new(
        now: Instant,
        transport: TransportId,
        address: SocketAddr,
        local: IceCredentials,
        answer: String,
    ) -> Self {
        assert!(answer.contains("a=setup:active"));
        let fingerprint = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=fingerprint:"))
            .and_then(Fingerprint::parse);
        let mut dtls = Dtls::new(THEIRS.clone(), DtlsRole::Server, fingerprint.unwrap());
        dtls.start(now).unwrap();
        Self {
            transport,
            address,
            local,
            remote: credentials_of(&answer),
            dtls,
            srtp: None,
            rtp: vec![],
            rtcp: vec![],
            answer,
            silent: false,
            transport_sequence: 0,
        }
    }

    /// Takes a datagram.
    pub fn read(&mut self, now: Instant, datagram: &mut Vec<u8>) {
        match classify(datagram) {
            Some(DatagramKind::Dtls) => {
                if let Ok(Some(keys)) = self.dtls.read(now, datagram) {
                    let inbound = Inbound::new(keys.profile, &keys.inbound, 128).unwrap();
                    self.srtp = Some((inbound, Outbound::new(keys.profile, &keys.outbound).unwrap()));
                }
            }
            Some(DatagramKind::Rtp) => {
                let length = self.srtp.as_mut().unwrap().0.open_rtp(datagram).unwrap();
                datagram.truncate(length);
                let header = RtpHeader::parse(datagram).unwrap();
                self.rtp.push(Got {
                    header,
                    bytes: datagram.clone(),
                });
            }
            Some(DatagramKind::Rtcp) => {
                let length = self.srtp.as_mut().unwrap().0.open_rtcp(datagram).unwrap();
                datagram.truncate(length);
                self.rtcp.push(datagram.clone());
            }
            _ => {}
        }
    }

    /// The next DTLS datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.dtls.poll_transmit().map(|data| data.to_vec())
    }

    /// A sealed packet of video that is a whole frame.
    pub fn video(&mut self, ssrc: u32, sequence: u16, frame: FrameInfo, payload: &[u8]) -> Vec<u8> {
        let (mut list, mut bytes) = (ExtensionList::default(), [0; 9]);
        let length = frame.write(&mut bytes);
        list.push(FRAME_INFO_ID, &bytes[..length]);
        let mut packet = Vec::new();
        write_header(
            &mut packet,
            (true, H264),
            (sequence, u32::from(sequence) * 9_000, ssrc),
            &list,
        );
        packet.extend_from_slice(payload);
        self.seal(packet, false)
    }

    /// An authenticated binding request.
    pub fn request(&self) -> Vec<u8> {
        let provider = rtc::crypto::providers::AwsLcRsProvider::new();
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let pwd = self.remote.pwd.clone();
        let setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, username)),
            Box::new(Raw(ATTR_USE_CANDIDATE)),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                pwd,
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw.to_vec()
    }

    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// The SSRCs that a key frame was asked for, as often as the encoder would hear of it: a full intra request that is repeated
    /// keeps its number.
    pub fn key_frames_asked(&self) -> Vec<u32> {
        let (mut commands, mut asked) = (BTreeMap::new(), vec![]);
        for compound in &self.rtcp {
            parse(compound, |item| {
                if let Item::KeyFrame { media, command } = item
                    && (command.is_none() || commands.insert(media, command) != Some(command))
                {
                    asked.push(media);
                }
            });
        }
        asked
    }

    /// The SSRCs that the answer announced, m-line by m-line: media and repair.
    pub fn announced(&self) -> Vec<(u32, Option<u32>)> {
        let mut found = Vec::new();
        for section in self.answer.split("\r\nm=").skip(1) {
            let mut ssrcs: Vec<u32> = Vec::new();
            for line in section.lines().filter_map(|line| line.strip_prefix("a=ssrc:")) {
                let ssrc = line.split(' ').next().unwrap().parse().unwrap();
                if !ssrcs.contains(&ssrc) {
                    ssrcs.push(ssrc);
                }
            }
            found.push((ssrcs[0], ssrcs.get(1).copied()));
        }
        found
    }

    pub(super) fn seal(&mut self, mut packet: Vec<u8>, rtcp: bool) -> Vec<u8> {
        let (_, outbound) = self.srtp.as_mut().unwrap();
        let plain = packet.len();
        packet.resize(plain + MAX_RTCP_OVERHEAD.max(MAX_RTP_OVERHEAD), 0);
        let sealed = if rtcp {
            outbound.seal_rtcp(&mut packet, plain)
        } else {
            let header = RtpHeader::parse(&packet[..plain]).unwrap().payload.0;
            outbound.seal_rtp(&mut packet, header, plain)
        };
        packet.truncate(sealed.unwrap());
        packet
    }
}
