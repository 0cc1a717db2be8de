"""Measurements of the API against references in the same run; see docs/performance.md."""
