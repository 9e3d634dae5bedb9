//! Ports and names: whether the server can listen, and whether clients find it.

use super::Look;
use super::tls::host_of;
use crate::config::{ServeConfig, ServerFile};
use invigil_shared::chain::hex;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn ports(config: &ServeConfig, look: &mut Look<'_>) {
    let running = is_ours(config).await;
    let mut wanted = vec![("HTTPS", config.http.listen, Type::STREAM)];
    wanted.extend(config.metrics.listen.map(|address| ("metrics", address, Type::STREAM)));
    for address in config.media.addresses().unwrap_or_default().into_iter().flatten() {
        wanted.push(("media over UDP", address, Type::DGRAM));
        wanted.push(("media over TCP", address, Type::STREAM));
    }
    let count = wanted.len();
    let mut taken = 0;
    for (what, address, kind) in wanted {
        let Err(error) = bind(address, kind, what == "HTTPS") else {
            continue;
        };
        taken += 1;
        match error.kind() {
            ErrorKind::AddrInUse if running => {}
            ErrorKind::AddrInUse => look.error(
                format!("{what}: another program has {address}"),
                format!(
                    "Find it with: ss -lntup 'sport = :{}'; end it, or choose another port",
                    address.port()
                ),
            ),
            ErrorKind::PermissionDenied => look.error(
                format!("{what}: this user may not listen on {address}"),
                "Ports below 1024 need CAP_NET_BIND_SERVICE (the systemd unit gives it), or choose another port",
            ),
            ErrorKind::AddrNotAvailable => look.error(
                format!("{what}: {} is no address of this machine", address.ip()),
                "Listen on one that it has, and announce the one that clients reach",
            ),
            _ => look.error(format!("{what}: {address} can't be used: {error}"), "See the error"),
        }
    }
    if running {
        look.ok(format!("this server runs and has its {taken} ports"));
    } else if taken == 0 {
        look.ok(format!("all {count} ports are free"));
    }
}

/// Tries to listen as the server would.
fn bind(address: SocketAddr, kind: Type, both_versions: bool) -> std::io::Result<()> {
    let protocol = if kind == Type::STREAM {
        Protocol::TCP
    } else {
        Protocol::UDP
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() && !both_versions {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // What was closed a moment ago is free.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    if kind == Type::STREAM {
        socket.listen(1)?;
    }
    Ok(())
}

/// Whether the server of this data directory answers on the HTTPS port: it shows the certificate that it should.
async fn is_ours(config: &ServeConfig) -> bool {
    let mut address = config.http.listen;
    if address.ip().is_unspecified() {
        let here: IpAddr = if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(here);
    }
    // Only a server that has started once has written this down.
    if !matches!(ServerFile::read(&config.data.data_dir), Ok(Some(_))) {
        return false;
    }
    let Ok(own) = config.http.certificate(&config.data.data_dir) else {
        return false;
    };
    let shown = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let connector = TlsConnector::from(Arc::new(super::relay::trusting()?));
        let stream = connector
            .connect(ServerName::IpAddress(address.ip().into()), stream)
            .await
            .ok()?;
        let leaf = stream.get_ref().1.peer_certificates()?.first()?.clone();
        Some(hex(&Sha256::digest(&leaf)))
    };
    timeout(DEADLINE, shown).await.ok().flatten() == Some(own.sha256)
}

pub(super) async fn names(config: &ServeConfig, look: &mut Look<'_>) {
    let Some(host) = host_of(config) else {
        return look.warning(
            "http.authority is not set: join links carry the address that the server listens on",
            "Set it to the name and port that clients reach",
        );
    };
    let found = timeout(DEADLINE, tokio::net::lookup_host((host.as_str(), 0))).await;
    let addresses: Vec<IpAddr> = match found {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(error)) => {
            return look.error(
                format!("{host} is not found: {error}"),
                "Add it to the DNS, or correct http.authority",
            );
        }
        Err(_) => return look.error(format!("the DNS does not answer for {host}"), "See /etc/resolv.conf"),
    };
    let loopback = addresses.iter().find(|ip| ip.is_loopback());
    if let Some(ip) = loopback.filter(|_| !config.development) {
        return look.error(
            format!("{host} is {ip} here, which on each client means itself"),
            "Correct the DNS or /etc/hosts",
        );
    }
    let here =
        |ip: &&IpAddr| config.media.announce.contains(ip) || bind(SocketAddr::new(**ip, 0), Type::DGRAM, false).is_ok();
    match addresses.iter().find(here) {
        Some(ip) => look.ok(format!("{host} is {ip}, which is this machine")),
        None => look.warning(
            format!("{host} is {addresses:?}, which is neither an address of this machine nor announced"),
            "Right behind a port forwarding; then media.announce has to name it",
        ),
    }
}
