"""Load against a running hub, measured from outside, with a check before any figure is told."""
