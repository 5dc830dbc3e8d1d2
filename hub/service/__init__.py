"""The use cases: what a caller may ask of a hub, on nothing but the ports."""
