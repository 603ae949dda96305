//! Where an accelerator is.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// The base URL of an accelerator: `http` or `https`, a host, and where they are needed a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Its name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What goes before `/v2`, without a slash at its end.
    pub path: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |detail: &str| format!("{detail}; http://HOST:PORT or https://HOST:PORT is expected");
        let uri: Uri = text.parse().map_err(|_| fault("it is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(fault("it begins with neither http:// nor https://")),
        };
        let authority = uri.authority().ok_or_else(|| fault("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(fault("it holds a user's name; a token goes into the credentials"));
        }
        if uri.query().is_some() {
            return Err(fault("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(fault("it names no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl Endpoint {
    /// Host and port, as the header `Host` has them.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (text, whole) in [
            ("http://gpu", "http://gpu:80"),
            ("https://gpu.office.example/", "https://gpu.office.example:443"),
            ("http://[::1]:8000/serving/", "http://[::1]:8000/serving"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), whole);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_what_is_expected() {
        for text in ["gpu:8000", "ftp://gpu", "/v2", "http://a@gpu", "http://gpu?x=1", "", "http://"] {
            let said = text.parse::<Endpoint>().unwrap_err();
            assert!(said.ends_with("is expected"), "{text}: {said}");
        }
    }
}
