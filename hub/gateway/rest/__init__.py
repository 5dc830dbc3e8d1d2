"""The HTTP API, one file per noun; `hub.gateway.rest.table` is the whole of it."""
