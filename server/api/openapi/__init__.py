"""The OpenAPI 3.1 document of the whole HTTP API: one module for each room of it, with examples that a test makes."""
