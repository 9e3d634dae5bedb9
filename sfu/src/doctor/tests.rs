//! Each thing that goes wrong on real machines, made on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test's failure is a panic

use super::*;
use crate::config::{DataConfig, HttpConfig, LimitsConfig, MediaConfig};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// 2023-11-14 22:13:20 UTC.
const NOW: i64 = 1_700_000_000;

/// A deployment in which nothing is wrong.
fn config(folder: &Path) -> ServeConfig {
    let data_dir = folder.join("data");
    fs::create_dir_all(&data_dir).unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o700)).unwrap();
    let free = "127.0.0.1:0".parse().unwrap();
    ServeConfig {
        development: true,
        data: DataConfig {
            data_dir,
            ..DataConfig::default()
        },
        http: HttpConfig {
            listen: free,
            authority: Some("localhost:8443".into()),
            ..HttpConfig::default()
        },
        media: MediaConfig {
            bind: vec![free],
            shards: Some(2),
            ..MediaConfig::default()
        },
        limits: LimitsConfig {
            free_disk_mib: 0,
            ..LimitsConfig::default()
        },
        ..ServeConfig::default()
    }
}

fn certify(config: &mut ServeConfig, name: &str, begins: (i32, u8, u8), ends: (i32, u8, u8)) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let day = |(year, month, day)| rcgen::date_time_ymd(year, month, day);
    (params.not_before, params.not_after) = (day(begins), day(ends));
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    let (cert, key) = (
        config.data.data_dir.join("cert.pem"),
        config.data.data_dir.join("key.pem"),
    );
    fs::write(&cert, certificate.pem()).unwrap();
    fs::write(&key, pair.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    (config.http.cert, config.http.key) = (Some(cert), Some(key));
}

fn of<'f>(findings: &'f [Finding], check: &str) -> Vec<(Level, &'f str)> {
    let own = findings.iter().filter(|finding| finding.check == check);
    own.map(|finding| (finding.level, finding.words.as_str())).collect()
}

async fn found(config: &ServeConfig, check: &str, level: Level, words: &str) {
    let findings = examine(config, NOW).await;
    let own = of(&findings, check);
    assert!(
        own.iter().any(|(l, w)| *l == level && w.contains(words)),
        "{words}: {own:?}"
    );
    let told = findings.iter().all(|f| (f.level == Level::Ok) == f.fix.is_empty());
    assert!(told, "what is wrong comes with what to do: {findings:?}");
}

#[tokio::test]
async fn a_good_deployment_has_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    certify(&mut config, "localhost", (2023, 11, 1), (2024, 3, 1));
    let findings = examine(&config, NOW).await;
    let bad: Vec<_> = findings.iter().filter(|f| f.level == Level::Error).collect();
    assert!(bad.is_empty(), "{bad:?}");
    for check in ["files", "disk", "clock", "tls", "ports", "dns"] {
        let own = of(&findings, check);
        assert!(matches!(own[..], [(Level::Ok, _)]), "{check}: {own:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_held_against_time_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    found(&config, "tls", Level::Warning, "no certificate yet").await;
    certify(&mut config, "localhost", (2023, 8, 1), (2023, 11, 1));
    found(&config, "tls", Level::Error, "has expired").await;
    certify(&mut config, "localhost", (2023, 11, 20), (2024, 3, 1));
    found(&config, "tls", Level::Error, "only from").await;
    certify(&mut config, "localhost", (2023, 9, 1), (2023, 11, 25));
    found(&config, "tls", Level::Warning, "expires in 10 days").await;
    certify(&mut config, "exam.example.org", (2023, 11, 1), (2024, 3, 1));
    found(&config, "tls", Level::Error, "is not for localhost").await;
}

#[tokio::test]
async fn what_others_can_read_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let secret = config.data.data_dir.join("token-key.p8");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    found(&config, "files", Level::Error, "token-key.p8 can be read").await;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    found(&config, "files", Level::Ok, "one user alone").await;
    fs::set_permissions(&config.data.data_dir, fs::Permissions::from_mode(0o755)).unwrap();
    found(&config, "files", Level::Error, "mode 0755").await;
}

#[tokio::test]
async fn a_full_disk_and_a_clock_that_went_back_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.limits.free_disk_mib = 1 << 40;
    found(&config, "disk", Level::Error, "are free").await;
    // Written now, years after NOW.
    fs::write(config.data.data_dir.join("server.json"), "{}").unwrap();
    found(&config, "clock", Level::Error, "behind what was written").await;
}

#[tokio::test]
async fn ports_of_others_and_names_that_are_not_found_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let (tcp, udp) = (
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
    );
    config.http.listen = tcp.local_addr().unwrap();
    config.media.bind = vec![udp.local_addr().unwrap()];
    config.media.shards = Some(1);
    found(&config, "ports", Level::Error, "HTTPS: another program has").await;
    found(&config, "ports", Level::Error, "media over UDP: another program has").await;
    config.http.listen = "192.0.2.1:8443".parse().unwrap();
    found(&config, "ports", Level::Error, "no address of this machine").await;
    config.http.authority = Some("no..name:8443".into());
    found(&config, "dns", Level::Error, "no..name is not found").await;
    config.http.authority = Some("localhost:8443".into());
    config.development = false;
    found(&config, "dns", Level::Error, "means itself").await;
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let secret = folder.path().join("secret");
    fs::write(&secret, "0123456789abcdef").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    config.ice.turn_secret_file = Some(secret);
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.ice.turn = vec![format!("turn:{closed}?transport=tcp")];
    found(&config, "turn", Level::Error, "refused").await;
}
