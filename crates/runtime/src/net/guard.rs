//! Which addresses may be fetched when strangers choose the URL (SSRF guard).
//!
//! Check every address that a name resolves to, and connect to exactly the address that was
//! checked: a name may resolve differently the second time. Check again after each redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns whether `address` is one host on the public internet.
///
/// Everything special is refused: this host, private, shared, link-local, documentation,
/// benchmarking, reserved, multicast. IPv6 addresses that carry an IPv4 address (mapped, 6to4,
/// NAT64) are judged by the address they carry.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let address = address.to_bits();
    !SPECIAL_V4
        .iter()
        .any(|(network, length)| address >> (32 - length) == network.to_bits() >> (32 - length))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carried = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        // Mapped: the socket speaks IPv4. NAT64 by its well-known prefix: a gateway does.
        // 6to4: a relay sends it to the IPv4 address in it.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => is_public_v4(carried(high, low)),
        // ISATAP: the interface id is an IPv4 address.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] if !is_public_v4(carried(high, low)) => false,
        _ => {
            let bits = address.to_bits();
            let within = |network: &Ipv6Addr, length: u32| {
                bits >> (128 - length) == network.to_bits() >> (128 - length)
            };
            within(&GLOBAL_UNICAST.0, GLOBAL_UNICAST.1)
                && !SPECIAL_V6
                    .iter()
                    .any(|(network, length)| within(network, *length))
        }
    }
}

/// The IANA registry of special IPv4 addresses, multicast and class E, as network and length.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by carriers; metadata servers of some clouds
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local; metadata servers of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// All that IANA has handed out for single hosts of the internet. What lies outside is loopback,
/// link-local, unique local, site-local, multicast, discard or unassigned.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is special within [`GLOBAL_UNICAST`], as network and length.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16), // returned from 6bone
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: bool, rows: &[(&str, &str)]) {
        for (address, why) in rows {
            let parsed: IpAddr = address.parse().expect(address);
            assert_eq!(is_public(parsed), expected, "{address} ({why})");
        }
    }

    #[test]
    fn special_ipv4_ranges_are_refused_to_their_last_address() {
        check(
            false,
            &[
                ("0.0.0.0", "this host"),
                ("0.255.255.255", "this network"),
                ("10.0.0.0", "private"),
                ("10.255.255.255", "private"),
                ("100.64.0.0", "shared"),
                ("100.100.100.200", "metadata server"),
                ("100.127.255.255", "shared"),
                ("127.0.0.1", "loopback"),
                ("127.255.255.255", "loopback"),
                ("169.254.0.0", "link-local"),
                ("169.254.169.254", "metadata server"),
                ("169.254.255.255", "link-local"),
                ("172.16.0.0", "private"),
                ("172.31.255.255", "private"),
                ("192.0.0.0", "protocol assignments"),
                ("192.0.0.255", "protocol assignments"),
                ("192.0.2.1", "documentation"),
                ("192.88.99.1", "relay"),
                ("192.168.0.0", "private"),
                ("192.168.255.255", "private"),
                ("198.18.0.0", "benchmarking"),
                ("198.19.255.255", "benchmarking"),
                ("198.51.100.7", "documentation"),
                ("203.0.113.7", "documentation"),
                ("224.0.0.0", "multicast"),
                ("239.255.255.255", "multicast"),
                ("240.0.0.0", "reserved"),
                ("255.255.255.255", "broadcast"),
            ],
        );
    }

    #[test]
    fn neighbours_of_special_ipv4_ranges_are_public() {
        check(
            true,
            &[
                ("1.0.0.0", "after this network"),
                ("9.255.255.255", "before 10/8"),
                ("11.0.0.0", "after 10/8"),
                ("100.63.255.255", "before shared"),
                ("100.128.0.0", "after shared"),
                ("126.255.255.255", "before loopback"),
                ("128.0.0.0", "after loopback"),
                ("169.253.255.255", "before link-local"),
                ("169.255.0.0", "after link-local"),
                ("172.15.255.255", "before 172.16/12"),
                ("172.32.0.0", "after 172.16/12"),
                ("191.255.255.255", "before 192.0.0/24"),
                ("192.0.1.0", "between assignments and documentation"),
                ("192.0.3.0", "after documentation"),
                ("192.88.98.255", "before relays"),
                ("192.88.100.0", "after relays"),
                ("192.167.255.255", "before 192.168/16"),
                ("192.169.0.0", "after 192.168/16"),
                ("198.17.255.255", "before benchmarking"),
                ("198.20.0.0", "after benchmarking"),
                ("198.51.99.255", "before documentation"),
                ("198.51.101.0", "after documentation"),
                ("203.0.112.255", "before documentation"),
                ("203.0.114.0", "after documentation"),
                ("223.255.255.255", "before multicast"),
                ("8.8.8.8", "a resolver"),
            ],
        );
    }

    #[test]
    fn special_ipv6_ranges_are_refused() {
        check(
            false,
            &[
                ("::", "this host"),
                ("::1", "loopback"),
                ("::7f00:1", "compatible with IPv4, deprecated"),
                ("::8.8.8.8", "compatible with IPv4, deprecated"),
                ("64:ff9b:1::1", "NAT64 of a private network"),
                ("100::1", "discard"),
                ("2001::1", "Teredo"),
                ("2001:2::1", "benchmarking"),
                ("2001:10::1", "ORCHID"),
                ("2001:20::1", "ORCHIDv2"),
                (
                    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                    "last of the protocol assignments",
                ),
                ("2001:db8::1", "documentation"),
                (
                    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                    "last of documentation",
                ),
                ("3ffe::1", "6bone"),
                ("3fff::1", "documentation"),
                ("3fff:fff:ffff::1", "documentation"),
                ("4000::1", "unassigned"),
                ("5f00::1", "segment routing"),
                ("fc00::1", "unique local"),
                ("fd00:ec2::254", "metadata server"),
                ("fdff::1", "unique local"),
                ("fe80::1", "link-local"),
                ("febf::1", "link-local"),
                ("fec0::1", "site-local"),
                ("ff02::1", "multicast"),
                ("ffff::1", "multicast"),
            ],
        );
    }

    #[test]
    fn ipv6_addresses_that_carry_special_ipv4_ones_are_refused() {
        check(
            false,
            &[
                ("::ffff:127.0.0.1", "mapped loopback"),
                ("::ffff:10.0.0.1", "mapped private"),
                ("::ffff:169.254.169.254", "mapped metadata server"),
                ("::ffff:0.0.0.0", "mapped this host"),
                ("64:ff9b::127.0.0.1", "NAT64 loopback"),
                ("64:ff9b::192.168.1.1", "NAT64 private"),
                ("2002:7f00:1::", "6to4 loopback"),
                ("2002:c0a8:101::1", "6to4 private"),
                ("2002:a9fe:a9fe::", "6to4 metadata server"),
                ("2a00:1450::5efe:10.0.0.1", "ISATAP private"),
                ("2a00:1450::200:5efe:127.0.0.1", "ISATAP loopback"),
            ],
        );
    }

    #[test]
    fn public_ipv6_addresses_pass() {
        check(
            true,
            &[
                ("2606:4700:4700::1111", "a resolver"),
                ("2a00:1450:4001:80b::200e", "a web server"),
                ("2001:200::1", "after the protocol assignments"),
                ("2001:db7:ffff::1", "before documentation"),
                ("2001:db9::1", "after documentation"),
                ("2003::1", "after 6to4"),
                ("3ffd::1", "before 6bone"),
                ("3fff:1000::1", "after documentation"),
                ("::ffff:8.8.8.8", "mapped public"),
                ("64:ff9b::8.8.8.8", "NAT64 public"),
                ("2002:808:808::1", "6to4 public"),
                ("2a00:1450::5efe:8.8.8.8", "ISATAP public"),
            ],
        );
    }
}
