"""The SQL adapter: one code path for SQLite and PostgreSQL."""
