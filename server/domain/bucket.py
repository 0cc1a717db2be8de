"""Token buckets: how many failures are put up with, and how long the next must wait. Pure: the time is told."""

from dataclasses import dataclass
from typing import Final

_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many tokens at that time (seconds of any steady clock)."""

    tokens: float
    at: float


def take(bucket: Bucket | None, now: float, per_minute: float) -> tuple[Bucket, float]:
    """Take one token from a bucket that holds `per_minute`, and is filled at that rate; None is a full one.

    Return what is left, and the seconds until there is a token: 0 if one was taken.
    """
    rate = per_minute / _MINUTE
    tokens = per_minute if bucket is None else min(per_minute, bucket.tokens + max(0.0, now - bucket.at) * rate)
    if tokens >= 1:
        return Bucket(tokens - 1, now), 0.0
    return Bucket(tokens, now), (1 - tokens) / rate
