"""Addresses, as URLs."""

from ipaddress import ip_address


def http_url(host: str, port: int) -> str:
    """Return the URL of a server, without a slash at its end; an IPv6 address needs brackets there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_url(host: str, port: int) -> str:
    """Return the URL under which this machine reaches a server: its own name where it listens on every address.

    Browsers sign calls on localhost, but not on 0.0.0.0.
    """
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    return http_url("127.0.0.1" if everywhere else host, port)
