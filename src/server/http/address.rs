//! Where metrics are served.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::net::TcpListener;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpAddress {
    /// This one.
    One(SocketAddr),
    /// Every address of this machine, of IPv6 and of IPv4.
    Every(u16),
}

/// A text that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not an address to serve metrics on: write IP:PORT, [IPv6]:PORT, or :PORT for every address of this machine"
)]
pub(crate) struct InvalidHttpAddress {
    value: String,
}

impl FromStr for HttpAddress {
    type Err = InvalidHttpAddress;

    /// `IP:PORT`, or `:PORT`. Host names other than `localhost` are not looked up.
    fn from_str(text: &str) -> Result<Self, InvalidHttpAddress> {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let parsed = match (host, port.parse()) {
            ("", Ok(port)) => Some(Self::Every(port)),
            ("localhost", Ok(port)) => {
                let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
                Some(Self::One(SocketAddr::new(address, port)))
            }
            _ => text.parse().ok().map(Self::One),
        };
        parsed.ok_or_else(|| InvalidHttpAddress {
            value: text.to_owned(),
        })
    }
}

impl HttpAddress {
    /// A socket that listens.
    pub(super) async fn bind(self) -> io::Result<TcpListener> {
        match self {
            Self::One(address) => TcpListener::bind(address).await,
            // A socket of IPv6 takes IPv4 as well, unless this kernel has no IPv6.
            Self::Every(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                }
                bound => bound,
            },
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::Every(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:3301", "[::1]:3302", ":3301", "0.0.0.0:1"] {
            assert_eq!(text.parse::<HttpAddress>().unwrap().to_string(), text);
        }
        let local: HttpAddress = "localhost:9".parse().unwrap();
        assert_eq!(local.to_string(), "127.0.0.1:9");
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        for bad in [
            "",
            "3301",
            ":",
            "127.0.0.1",
            "host:1",
            ":99999",
            "::1:x",
            "http://127.0.0.1:1",
        ] {
            let error = bad.parse::<HttpAddress>().unwrap_err().to_string();
            assert!(error.contains("IP:PORT"), "{bad}: {error}");
        }
    }
}
