"""Composition roots: the only places that read settings and name concrete classes."""
