//! A server whose media plane has ended says so.

use super::*;
use crate::config::{AuthConfig, DataConfig, HttpConfig, IceConfig, MediaConfig};

#[tokio::test]
async fn a_server_without_a_shard_has_failed() {
    let directory = tempfile::tempdir().unwrap();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = ServeConfig {
        data: DataConfig {
            data_dir: directory.path().join("data"),
        },
        http: HttpConfig {
            listen: loopback,
            authority: None,
            cert: None,
            key: None,
            hosts: vec![],
            origins: vec![],
        },
        media: MediaConfig {
            bind: vec![loopback],
            announce: vec![],
            no_segments: false,
            shards: Some(3),
        },
        ice: IceConfig::default(),
        auth: AuthConfig::default(),
    };
    let server = Server::start(config).await.unwrap();
    assert_eq!(server.media.len(), 3);
    let distinct: std::collections::BTreeSet<SocketAddr> = server.media.iter().copied().collect();
    assert_eq!(distinct.len(), 3);
    for (_, shard) in &server.shards[..2] {
        shard.break_down();
        shard.ended().await;
    }
    let patience = Duration::from_millis(50);
    assert!(
        tokio::time::timeout(patience, server.failed()).await.is_err(),
        "one still works"
    );
    server.shards[2].1.break_down();
    tokio::time::timeout(Duration::from_secs(10), server.failed())
        .await
        .unwrap();
    server.stop().await;
}
