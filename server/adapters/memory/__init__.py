"""The storage room in memory, without a database: for tests, and for reading what the SQL stores promise."""

from server.adapters.memory.stores import MemoryStores

__all__ = ["MemoryStores"]
