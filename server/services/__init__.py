"""Use cases, one verb per file, written against the ports."""
