"""Buckets as a setting names them: s3://bucket/prefix?endpoint=https://host:port&region=…&names=host."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from server.domain.files import is_key

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KNOWN: Final = frozenset({"endpoint", "region", "names"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketUrl:
    """A place in an S3-compatible store.

    `prefix` ends with a slash unless it is empty; `endpoint` is empty for AWS itself; `names` says whether the bucket's
    name stands in the address's path or before its host.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    names: str = "path"

    def __str__(self) -> str:
        """Return what a person calls it."""
        return f"s3://{self.name}/{self.prefix}" + (f" at {self.endpoint}" if self.endpoint else "")


def parse_bucket_url(text: str) -> BucketUrl:
    """Read such a URL. Raises ValueError with what is wrong, as the end of a sentence."""
    parts = urlsplit(text)
    if parts.scheme.lower() != "s3" or not _NAME.fullmatch(parts.netloc):
        raise ValueError("has no bucket; give s3://bucket/prefix?endpoint=https://host:port")
    prefix = parts.path.strip("/")
    if prefix and not is_key(prefix):
        raise ValueError(f"has the prefix {prefix!r}; use letters, digits, . _ - and slashes")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = sorted(options.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"has ?{unknown[0]}=; only endpoint, region and names are known")
    endpoint, names = options.get("endpoint", "").rstrip("/"), options.get("names", "path")
    if endpoint and (urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname):
        raise ValueError(f"has the endpoint {endpoint!r}; give one such as https://minio.example.org:9000")
    if names not in {"path", "host"}:
        raise ValueError(f"has names={names}; the bucket's name stands in the path or before the host")
    return BucketUrl(
        name=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=endpoint,
        region=options.get("region", ""),
        names=names if endpoint else "host",
    )
