"""Faults on purpose: crash points around the ports, put in by a switch that only tests set."""
