//! A server whose media plane has ended says so.

use super::*;
use crate::config::{DataConfig, HttpConfig, MediaConfig};

#[tokio::test]
async fn a_server_without_a_shard_has_failed() {
    let directory = tempfile::tempdir().unwrap();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = ServeConfig {
        development: true,
        data: DataConfig {
            data_dir: directory.path().join("data"),
            database: None,
        },
        http: HttpConfig {
            listen: loopback,
            ..HttpConfig::default()
        },
        media: MediaConfig {
            bind: vec![loopback],
            shards: Some(3),
            ..MediaConfig::default()
        },
        ..ServeConfig::default()
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
