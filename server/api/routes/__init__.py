"""The routes under /v1, a file per resource."""
