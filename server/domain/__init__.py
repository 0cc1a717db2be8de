"""The pure core: task, lifecycle, events, errors. Standard library only, no I/O, no clock."""
