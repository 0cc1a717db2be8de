"""The porch: HTTP and websocket in Wiro's shapes. Wiro's quirks end here."""
