"""URLs that must not be called (A08 to A11), and must open no connection: every way of writing an address that is not
everybody's, and of misleading a reader of URLs.
"""

from ipaddress import IPv4Address, IPv6Address

INSIDE_4 = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254"),
    *("127.0.0.1", "127.1.2.3", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
]
INSIDE_6 = [
    *("::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fdff::1", "ff02::1"),
    *("ff0e::1", "2001:db8::1", "3fff::1", "2001::1", "2001:10::1", "2001:20::1", "100::1", "64:ff9b:1::1"),
    *("5f00::1", "4000::1"),
]


def _disguised(address: str) -> list[str]:
    """One IPv4 address in the notations of inet_aton, and inside of IPv6 ones."""
    number = int(IPv4Address(address))
    a, b, c, d = address.split(".")
    high, low = number >> 16, number & 0xFFFF
    return [
        address,
        f"{address}.",
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        f"{int(a):#x}.{int(b):#x}.{int(c):#x}.{int(d):#x}",
        f"0{int(a):o}.0{int(b):o}.0{int(c):o}.0{int(d):o}",
        f"{a}.{int(b) << 16 | int(c) << 8 | int(d)}",
        f"{a}.{b}.{int(c) << 8 | int(d)}",
        f"[::ffff:{address}]",
        f"[::ffff:{high:x}:{low:x}]",
        f"[::{address}]",
        f"[64:ff9b::{high:x}:{low:x}]",
        f"[64:ff9b:1::{high:x}:{low:x}]",
        f"[2002:{high:x}:{low:x}::1]",
        f"[2001:0:{high:x}:{low:x}::]",
    ]


WRITTEN = [f"http://{host}/" for address in INSIDE_4 for host in _disguised(address)] + [
    f"https://[{IPv6Address(address).compressed}]/" for address in INSIDE_6
]

MISLEADING = [
    *(
        "http://localhost/",
        "http://LOCALHOST/",
        "http://localhost./",
        "http://a.localhost/",
        "http://localhost.localdomain/",
    ),
    *(
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://db/",
        "http://db:80/",
        "http://router.home.arpa/",
    ),
    *(
        "http://1.0.0.127.in-addr.arpa/",
        "http://x.onion/",
        "http://x.invalid/",
        "http://intranet.corp/",
        "http://nas.lan/",
    ),
    *(
        "http://127。0。0。1/",
        "http://127．0．0．1/",
        "http://127｡0｡0｡1/",
        "http://１２７.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
    ),
    "http://ⓛocalhost/",
    "http://locaⅼhost/",
    "http://bücher.example/",
    "http://public.example。com/",
    *(
        "http://user@public.example.com/",
        "http://user:word@public.example.com/",
        "http://@public.example.com/",
    ),
    "http://public.example.com@127.0.0.1/",
    "http://127.0.0.1@public.example.com/",
    "http://a#@127.0.0.1/",
    *(
        "http://public.example.com#@127.0.0.1/",
        "http://public.example.com/#x",
        "http://public.example.com\\@127.0.0.1/",
    ),
    *(
        "http://public.example.com\\.127.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http:/127.0.0.1/",
        "http:127.0.0.1/",
    ),
    "http:///127.0.0.1/",
    "http://",
    "http:",
    "//127.0.0.1/",
    "127.0.0.1",
    "public.example.com",
    "",
    *(
        "http://public%2eexample%2ecom/",
        "http://127%2e0%2e0%2e1/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.1%00.example.com/",
    ),
    *(
        "http://127.0.0.1%23.example.com/",
        "http://public.example.com%40127.0.0.1/",
        "http://[::1%25eth0]/",
        "http://[fe80::1%25lo]/",
    ),
    *(
        "http://[::1",
        "http://::1/",
        "http://[::1].example.com/",
        "http://[127.0.0.1]/",
        "http://[::ffff:127.0.0.1%25x]/",
    ),
    *(
        "http://127.0.0.1:80@public.example.com/",
        "http://127.0.0.1\t.example.com/",
        "http://127.0.0.1\n/",
        "http://public.example.com\r\nHost: x/",
    ),
    *(
        " http://127.0.0.1/",
        "http://127.0.0.1 /",
        "\x00http://127.0.0.1/",
        "http://public.example.com /",
        "http://public.example.com/a b",
    ),
    *(
        "http://public.example.com:25/",
        "http://public.example.com:22/",
        "http://public.example.com:5432/",
        "http://public.example.com:5672/",
    ),
    *(
        "http://public.example.com:6379/",
        "http://public.example.com:0/",
        "http://public.example.com:65536/",
        "http://public.example.com:x/",
    ),
    *(
        "http://public.example.com:-80/",
        "http://public.example.com:８０/",
        "http://public.example.com:80:80/",
        "http://127.0.0.1:443/",
    ),
    *(
        "file:///etc/passwd",
        "ftp://public.example.com/",
        "gopher://127.0.0.1:25/_HELO",
        "dict://127.0.0.1:11211/",
        "ldap://127.0.0.1/",
    ),
    *(
        "javascript:alert(1)",
        "data:text/plain,hi",
        "jar:http://127.0.0.1!/",
        "unix:/var/run/docker.sock",
        "HTTPX://public.example.com/",
    ),
    *(
        "http://.example.com/",
        "http://a..b.example.com/",
        "http://-a.example.com/",
        "http://a-.example.com/",
        "http://a_b.example.com/",
    ),
    *(
        "http://..",
        "http://./",
        f"http://{'a' * 64}.example.com/",
        f"http://{'a.' * 126}com/",
        f"http://public.example.com/{'x' * 2048}",
    ),
    *(
        "http://0/",
        "http://0x0/",
        "http://00/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://8.8.8.08/",
    ),
    *(
        "http://1.1.1.1.1/",
        "http://256.256.256.256/",
        "http://999999999999/",
        "http://0x7f000001.example.0x7f/",
        "http://a.1/",
    ),
]

# Names that are written well and lead inside, alone or beside a public address.
RESOLVED = {
    **{f"a{place}.example.com": [address] for place, address in enumerate([*INSIDE_4, *INSIDE_6])},
    **{f"mixed{place}.example.com": ["1.1.1.1", address] for place, address in enumerate(INSIDE_4)},
    **{f"both{place}.example.com": [address, "2606:4700::1111"] for place, address in enumerate(INSIDE_6)},
    "mapped.example.com": ["::ffff:169.254.169.254"],
    "mapped-public.example.com": ["::ffff:1.1.1.1"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "sixtofour.example.com": ["2002:a9fe:a9fe::1"],
}
LEADING_INSIDE = [f"https://{name}/" for name in RESOLVED]

URLS = list(dict.fromkeys([*WRITTEN, *MISLEADING, *LEADING_INSIDE]))
