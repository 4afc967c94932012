use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where to serve: an address and a port, `:port`, or a port alone. Without an address it is the loopback, 127.0.0.1:
/// others see the endpoint only where somebody has said so. Port 0 takes any that is free.
///
/// # Errors
/// What to use instead, for a person.
pub fn http_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse();
    let loopback = port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let advice = "use a port (on 127.0.0.1), or for example 0.0.0.0:8080 or [::]:8080";
    loopback.or_else(|_| text.parse()).map_err(|_| advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_one_of_the_loopback() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(http_address(text).unwrap().to_string(), address);
        }
    }

    #[test]
    fn anything_else_is_refused_with_advice() {
        for text in ["", ":", "65536", "localhost:80", "1.2.3.4", "::1:80:90x"] {
            assert!(http_address(text).unwrap_err().contains("0.0.0.0:8080"));
        }
    }
}
