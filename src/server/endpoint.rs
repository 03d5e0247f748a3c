//! A CSI endpoint: where a plug-in listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A unix socket at this absolute path.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

/// A text that is no endpoint.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not an endpoint: {problem}; write unix:///path/to/csi.sock or tcp://127.0.0.1:PORT"
)]
pub(crate) struct InvalidEndpoint {
    value: String,
    problem: &'static str,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    /// `unix:///path`, its short form `unix:/path`, `tcp://ADDRESS:PORT`. Host names other than `localhost` are not looked up:
    /// which interfaces are served must not depend on a resolver.
    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let parsed = match text.split_once(':') {
            Some(("unix", rest)) => unix(rest),
            Some(("tcp", rest)) => tcp(rest),
            _ => Err("it starts with neither unix: nor tcp:"),
        };
        parsed.map_err(|problem| InvalidEndpoint {
            value: text.to_owned(),
            problem,
        })
    }
}

fn unix(rest: &str) -> Result<Endpoint, &'static str> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a socket's path must be absolute, so that three slashes follow unix:");
    }
    if path.ends_with('/') {
        return Err("a socket's path must name a file");
    }
    Ok(Endpoint::Unix(PathBuf::from(path)))
}

fn tcp(rest: &str) -> Result<Endpoint, &'static str> {
    let address = rest
        .strip_prefix("//")
        .ok_or("two slashes must follow tcp:")?;
    if let Some(port) = address.strip_prefix("localhost:") {
        let port = port
            .parse()
            .map_err(|_| "the port is not a number up to 65535")?;
        return Ok(Endpoint::Tcp(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            port,
        )));
    }
    address
        .parse()
        .map(Endpoint::Tcp)
        .map_err(|_| "what follows tcp:// must be an IP address and a port")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("unix:///csi/csi.sock", "unix:///csi/csi.sock")]
    #[case("unix:/csi/csi.sock", "unix:///csi/csi.sock")]
    #[case("tcp://127.0.0.1:10000", "tcp://127.0.0.1:10000")]
    #[case("tcp://localhost:10000", "tcp://127.0.0.1:10000")]
    #[case("tcp://[::1]:10000", "tcp://[::1]:10000")]
    #[case("tcp://0.0.0.0:1", "tcp://0.0.0.0:1")]
    fn endpoints_are_read(#[case] text: &str, #[case] meaning: &str) {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), meaning);
    }

    #[rstest]
    #[case("")]
    #[case("/csi/csi.sock")]
    #[case("unix://csi.sock")]
    #[case("unix://tmp/csi.sock")]
    #[case("unix:csi.sock")]
    #[case("unix:///csi/")]
    #[case("tcp:127.0.0.1:1")]
    #[case("tcp://example.com:1")]
    #[case("tcp://127.0.0.1")]
    #[case("tcp://localhost:70000")]
    #[case("http://127.0.0.1:1")]
    fn other_texts_are_refused_with_an_example(#[case] text: &str) {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains("unix:///path/to/csi.sock"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_so_that_it_reads_the_same(text in "(unix:|tcp:)/{0,3}[a-z0-9./:]{0,20}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
            }
        }
    }
}
