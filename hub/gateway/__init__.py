"""The gateway: HTTP, WebSocket and server-sent events in front of the services."""
