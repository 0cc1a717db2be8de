"""Connections to addresses that clients name: every one goes through the guard, and to the address it checked."""
