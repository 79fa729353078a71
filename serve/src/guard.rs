//! What every request and answer passes: who may ask, and what a page may do.
//!
//! A page of somebody else's, open in the same browser, can make its own name lead to this machine
//! and then ask here in that name (DNS rebinding). Such a request names that host, and is refused:
//! a host is answered if it is `localhost` or a bare address, which no name server can lead
//! elsewhere. Other sites can send a request, but are told nothing: no answer has a header that lets
//! them read it.

use std::net::{IpAddr, Ipv6Addr};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{self, HeaderName},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// What a page may do: load this program's script and style, and ask this program.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets a request pass, or refuses it; and puts the headers onto the answer.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_for_us(request.headers()) {
        next.run(request).await
    } else {
        let why = "this is for `localhost` or for an address, not for a name\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_for_us(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(is_local_name_or_address)
}

/// Returns whether a `Host` header names `localhost` or an address, with or without a port.
fn is_local_name_or_address(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => {
            name
        }
        _ => host,
    };
    if let Some(address) = without_port.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    without_port.eq_ignore_ascii_case("localhost") || without_port.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_local_name_or_address;

    #[test]
    fn localhost_and_addresses_are_answered_and_names_are_not() {
        for host in ["localhost", "LOCALHOST:4747", "127.0.0.1:80", "[::1]:4747", "192.168.1.5"] {
            assert!(is_local_name_or_address(host), "{host}");
        }
        let foreign = ["evil.example:4747", "localhost.evil.example", "127.0.0.1.evil", "", "[x]"];
        for host in foreign {
            assert!(!is_local_name_or_address(host), "{host}");
        }
    }
}
