"""The wire: JSON bodies, WebSocket frames made once, packets on the bus, commands and events."""
