"""Throttle failed authentication, and only that: a call that proves itself is never asked how others have failed."""

import ipaddress
import math
from collections import OrderedDict
from threading import Lock
from typing import Final

from server.domain.bucket import Bucket, take
from server.ports import Clock

_KEYS_PER_ADDRESS: Final = 3
"""An address may fail with so many keys' worth: behind one address there may be several clients."""

_MOST_BUCKETS: Final = 10_000
_MAX_TEXT: Final = 64
_IPV6_SITE: Final = 64


class FailureThrottle:
    """Counts failures by address, and by address and key, in this process alone. Any thread may call.

    `per_minute` failures with one key are answered as failures, three times as many with any; 0 throttles nothing.
    """

    def __init__(self, clock: Clock, per_minute: int, most: int = _MOST_BUCKETS) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._most = most
        self._lock = Lock()
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def fail(self, address: str, key_hash: str) -> int:
        """Count a failure; return 0, or for how many seconds the address had better stay away."""
        if not self._per_minute:
            return 0
        site = site_of(address)
        with self._lock:
            now = self._clock.monotonic()
            waits = (
                self._take((site, key_hash), now, self._per_minute),
                self._take((site, ""), now, self._per_minute * _KEYS_PER_ADDRESS),
            )
        return math.ceil(max(waits))

    def __len__(self) -> int:
        """Return how many failures' buckets are held."""
        return len(self._buckets)

    def _take(self, name: tuple[str, str], now: float, per_minute: float) -> float:
        bucket, wait = take(self._buckets.get(name), now, per_minute)
        self._buckets[name] = bucket
        self._buckets.move_to_end(name)
        # Who has not failed for the longest time is forgotten first: his bucket is the fullest.
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return wait


def site_of(address: str) -> str:
    """Return what one client can't easily change of its address: IPv4 as it is, of IPv6 the first 64 bits."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_MAX_TEXT]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
