"""Addresses, as URLs."""


def http_url(host: str, port: int) -> str:
    """Return the URL of a server, without a slash at its end; an IPv6 address needs brackets there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
