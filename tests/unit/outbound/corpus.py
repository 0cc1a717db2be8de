"""Addresses that clients try when they want a server to call where it should not. All end in a private network."""

from ipaddress import IPv4Address

INSIDE = (
    "127.0.0.1",
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "100.100.100.200",
)
"""Loopback, private networks, a cloud's metadata, carrier NAT, "this host"."""


def _spellings(text: str) -> list[str]:
    """The ways to write an IPv4 address that getaddrinfo takes for the same."""
    number = int(IPv4Address(text))
    a, b, c, d = (int(part) for part in text.split("."))
    return [
        text,
        str(number),
        hex(number),
        f"0{number:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:X}.{b}.0{c:o}.{d}",
        f"{a}.{(b << 16) + (c << 8) + d}",
        f"{a}.{b}.{(c << 8) + d}",
        f"000{a:o}.{b}.{c}.{d}",
    ]


def _wrapped(text: str) -> list[str]:
    """The IPv6 addresses that lead to an IPv4 one."""
    number = int(IPv4Address(text))
    high, low = number >> 16, number & 0xFFFF
    return [
        f"[::ffff:{text}]",
        f"[::ffff:{high:x}:{low:x}]",
        f"[0:0:0:0:0:ffff:{high:x}:{low:x}]",
        f"[::{high:x}:{low:x}]",
        f"[64:ff9b::{high:x}:{low:x}]",
        f"[64:ff9b:1::{high:x}:{low:x}]",
        f"[2002:{high:x}:{low:x}::1]",
        f"[2002:{high:x}:{low:x}:1:2:3:4:5]",
        f"[2001:0:{high:x}:{low:x}::1]",
        f"[::ffff:0:{high:x}:{low:x}]",
        f"[2a00:1450:4001:800::5efe:{high:x}:{low:x}]",
    ]


_IPV6 = (
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd12:3456:789a::1]"),
    *(
        "[fec0::1]",
        "[ff02::1]",
        "[fd00:ec2::254]",
        "[2001:db8::1]",
        "[2001:10::1]",
        "[100::1]",
        "[3fff::1]",
        "[5f00::1]",
    ),
)
_IPV4 = (
    *("127.1", "127.0.1", "0", "0x7f.1", "017700000001", "2130706433", "0177.1", "127.255.255.254", "10.255.255.255"),
    *("172.31.255.255", "192.168.255.255", "198.18.0.1", "192.0.0.8", "192.0.2.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1", "0.0.0.1"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "127.0.0.1."),
)
_NAMES = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "intranet.test",
    "mixed.test",
    "metadata.test",
    "six.test",
    "nat64.test",
)

NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "intranet.test": ["10.1.2.3"],
    "mixed.test": ["93.184.215.14", "10.1.2.3"],
    "metadata.test": ["169.254.169.254"],
    "six.test": ["fd00::17"],
    "nat64.test": ["64:ff9b::a00:1"],
    "zone.test": ["fe80::1%eth0"],
    "public.test": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "other.test": ["93.184.215.15"],
}
"""What names resolve to in these tests."""

_HOSTS = [
    *(host for text in INSIDE for host in (*_spellings(text), *_wrapped(text))),
    *_IPV6,
    *_IPV4,
    *_NAMES,
    "zone.test",
]

_BROKEN = (
    *(
        "",
        "callback",
        "//public.test/",
        "ftp://public.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "HTTP:/x",
    ),
    *("http://", "http:///path", "https://?x", "javascript:alert(1)", "data:text/plain,x", "unix:///run/x.sock"),
    *(
        "http://user@public.test/",
        "http://user:pass@public.test/",
        "http://public.test@127.0.0.1/",
        "http://@public.test/",
    ),
    *(
        "http://127.0.0.1\\@public.test/",
        "http://public.test\\.127.0.0.1/",
        "http://public.test\t/",
        "http://a b.test/",
    ),
    *(
        "http://public.test/\r\nHost: 127.0.0.1",
        "http://public.test/\x00",
        " http://public.test/",
        "http://public.test/ x",
    ),
    *(
        "http://[::1",
        "http://::1/",
        "http://[::1%25lo]/",
        "http://[127.0.0.1]/",
        "http://[v1.x]/",
        "http://pub%6cic.test/",
    ),
    *("http://public.test:0/", "http://public.test:22/", "http://public.test:25/", "http://public.test:99999/"),
    *(
        "http://public.test:x/",
        "http://127.0.0.1%2f@public.test/",
        "http://" + "a" * 3000 + ".test/",
        "http://public.test,127.0.0.1/",
    ),
    *("http://public.test:80:80/", "http://127.0.0.1:80\u00a0/", "http://ⓔ\u0000x.test/", "http://-\u2024.\ud800/"),
)

LEADING_INSIDE = [f"http://{host}/hook" for host in _HOSTS] + [f"https://{host}:8443/" for host in _IPV6 + _NAMES]
URLS = [*LEADING_INSIDE, *_BROKEN]
