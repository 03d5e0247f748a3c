//! The way to AWS through a proxy, where there is no other.
//!
//! Answers for: that calls over TLS take it, by a tunnel of which the proxy sees the host's name alone; and that a password in its
//! URL is shown nowhere. Doesn't answer for: where the settings come from.
//!
//! What goes over plain HTTP never takes it: instance metadata, the agent of EKS Pod Identity and the like are this machine's own,
//! and would tell a proxy the credentials, or give it those of its own machine.

use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// A proxy, and whom it is not for.
#[derive(Clone)]
pub struct Proxy {
    config: ProxyConfig,
}

/// A text that cannot be a proxy's URL. It is not shown, as it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no URL of a proxy: expected http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them"
)]
pub struct InvalidProxy;

impl Proxy {
    /// A proxy at this URL, which is not asked for hosts in `except`: names (with all that end in them), addresses and ranges of
    /// addresses, with commas between them; `*` is all.
    ///
    /// # Errors
    /// [`InvalidProxy`].
    pub fn new(url: &str, except: &str) -> Result<Self, InvalidProxy> {
        let config = ProxyConfig::https(url).map_err(|_| InvalidProxy)?;
        Ok(Self {
            config: config.no_proxy(except),
        })
    }

    /// A client that goes through it.
    pub(super) fn client(&self) -> SharedHttpClient {
        let config = self.config.clone();
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut builder = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .proxy_config(config.clone());
            builder.set_connector_settings(settings.cloned());
            builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            builder.build()
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_proxys_or_is_not_shown() {
        for good in [
            "http://10.0.0.1:3128",
            "https://user:secret@proxy.example.com",
        ] {
            let proxy = Proxy::new(good, "").unwrap();
            assert_eq!(format!("{proxy:?}"), "Proxy { .. }");
        }
        for bad in [
            "",
            "proxy:3128",
            "socks5://proxy",
            "http://",
            "http://user:secret@",
        ] {
            let words = Proxy::new(bad, "").unwrap_err().to_string();
            assert!(!words.contains("secret"), "{words}");
        }
    }
}
