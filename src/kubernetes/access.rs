//! Where the API server is, and what proves to it who asks.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::KubernetesError;

/// How a process reaches the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    server: String,
    /// The directory of token and certificate; `None` where a proxy of this machine knows them.
    credentials: Option<PathBuf>,
}

/// A text that cannot be the URL of an API server.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not a URL of the Kubernetes API: write https://HOST or https://HOST:PORT, or http://127.0.0.1:PORT for a \
     `kubectl proxy` of this machine (the token is not sent unencrypted)"
)]
pub(crate) struct InvalidApi {
    value: String,
}

impl Access {
    /// The server at this URL, with the files `token` and `ca.crt` of a directory; or a proxy of this machine, which is sent no
    /// token: whoever runs it has let this machine in.
    pub(crate) fn new(server: &str, credentials: PathBuf) -> Result<Self, InvalidApi> {
        let server = server.trim_end_matches('/');
        let invalid = || InvalidApi {
            value: server.to_owned(),
        };
        let url: Uri = server.parse().map_err(|_| invalid())?;
        let host = url.host().unwrap_or_default();
        let credentials = match url.scheme_str() {
            Some("https") if !host.is_empty() && url.path() == "/" => Some(credentials),
            Some("http") if is_this_machine(host) && url.path() == "/" => None,
            _ => return Err(invalid()),
        };
        Ok(Self {
            server: server.to_owned(),
            credentials,
        })
    }

    /// The cluster whose pod this is, by what the kubelet tells it: host and port of the API server.
    pub(crate) fn of_pod(host: &str, port: u16, credentials: PathBuf) -> Result<Self, InvalidApi> {
        match host.contains(':') {
            true => Self::new(&format!("https://[{host}]:{port}"), credentials),
            false => Self::new(&format!("https://{host}:{port}"), credentials),
        }
    }

    /// The URL, without a slash at its end.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Whether it is reached through a proxy of this machine, without TLS.
    pub(super) fn is_proxy(&self) -> bool {
        self.credentials.is_none()
    }

    /// Who asks, as a header says it; `None` for a proxy, which says it itself.
    pub(super) fn bearer(&self) -> Result<Option<HeaderValue>, KubernetesError> {
        let Some(credentials) = &self.credentials else {
            return Ok(None);
        };
        let file = credentials.join("token");
        let token = std::fs::read_to_string(&file).map_err(|error| unusable(&file, &error))?;
        let value = format!("Bearer {}", token.trim_ascii());
        let mut bearer = HeaderValue::try_from(value).map_err(|error| unusable(&file, &error))?;
        bearer.set_sensitive(true);
        Ok(Some(bearer))
    }

    /// The namespace of the pod, which the kubelet writes beside the token.
    pub(super) fn namespace(&self) -> Option<String> {
        let file = self.credentials.as_ref()?.join("namespace");
        let name = std::fs::read_to_string(file).ok()?;
        let name = name.trim_ascii();
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (!name.is_empty() && name.bytes().all(fits)).then(|| name.to_owned())
    }

    /// TLS that trusts the cluster's own certificate authority, and no other.
    pub(super) fn tls(&self) -> Result<ClientConfig, KubernetesError> {
        let directory = self.credentials.as_deref();
        let file = directory.unwrap_or(Path::new("")).join("ca.crt");
        let roots = match directory {
            Some(_) => authorities(&file)?,
            // Nobody: what is spoken to a proxy is not TLS.
            None => RootCertStore::empty(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&file, &error))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Whether a URL's host can be no other machine.
fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn authorities(file: &Path) -> Result<RootCertStore, KubernetesError> {
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, &error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(file, &error))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(file, &error))?;
    }
    Ok(roots)
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> KubernetesError {
    KubernetesError::Credentials {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_finds_its_server() {
        let at = |host, port| Access::of_pod(host, port, PathBuf::new()).unwrap().server;
        assert_eq!(at("10.96.0.1", 443), "https://10.96.0.1:443");
        assert_eq!(at("fd00::1", 6443), "https://[fd00::1]:6443");
        assert_eq!(at("api.example.com", 443), "https://api.example.com:443");
    }

    #[test]
    fn other_urls_are_refused() {
        assert!(Access::new("https://10.96.0.1:443/", PathBuf::new()).is_ok());
        for bad in [
            "",
            "10.96.0.1",
            "http://10.96.0.1",
            "https://",
            "https://a/b",
        ] {
            assert!(Access::new(bad, PathBuf::new()).is_err(), "{bad}");
        }
        assert!(Access::of_pod("a/b", 1, PathBuf::new()).is_err());
    }

    #[test]
    fn a_proxy_of_this_machine_is_told_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "secret\n").unwrap();
        for proxy in [
            "http://127.0.0.1:8001",
            "http://localhost:8001/",
            "http://[::1]:8001",
        ] {
            let access = Access::new(proxy, dir.path().to_owned()).unwrap();
            assert!(access.is_proxy(), "{proxy}");
            assert_eq!(access.bearer().unwrap(), None);
            assert!(access.tls().is_ok());
        }
        for other in ["http://localhost.example.com", "http://127.0.0.1:1/api"] {
            assert!(Access::new(other, PathBuf::new()).is_err(), "{other}");
        }
    }

    #[test]
    fn credentials_are_read_or_missed_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let access = Access::new("https://10.96.0.1", dir.path().to_owned()).unwrap();
        let words = access.bearer().unwrap_err().to_string();
        assert!(words.contains("/token"), "{words}");
        let words = access.tls().unwrap_err().to_string();
        assert!(words.contains("/ca.crt"), "{words}");

        std::fs::write(dir.path().join("token"), "secret\n").unwrap();
        let bearer = access.bearer().unwrap().unwrap();
        assert_eq!(bearer, "Bearer secret");
        assert!(bearer.is_sensitive());
        std::fs::write(dir.path().join("token"), "two\nlines").unwrap();
        let words = access.bearer().unwrap_err().to_string();
        assert!(
            words.contains("/token") && !words.contains("two"),
            "{words}"
        );
    }
}
