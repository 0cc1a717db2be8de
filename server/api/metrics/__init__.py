"""What an operator measures, for Prometheus."""
