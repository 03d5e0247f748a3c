//! What goes wrong with the driver itself, with EC2 or with Kubernetes: nothing runs beside these scenarios.

mod api_server;
mod drain;
mod driver;
mod fifty;
mod killed;
mod mounts;
mod outage;
mod throttled;
