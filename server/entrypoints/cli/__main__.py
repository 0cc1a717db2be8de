"""`python -m server.entrypoints.cli`."""

from server.entrypoints.cli import main

main()
