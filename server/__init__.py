"""The server: who asks, and when."""
