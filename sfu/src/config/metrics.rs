//! Section: what monitoring reads.

use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;

/// Where Prometheus reads.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address of `GET /metrics`, plain HTTP without a password: loopback, or a network that only the monitoring reaches. Without it
    /// there are none.
    #[arg(
        id = "metrics.listen",
        long = "metrics-listen",
        env = "INVIGIL_METRICS_LISTEN",
        value_name = "ADDRESS"
    )]
    pub listen: Option<SocketAddr>,
}
