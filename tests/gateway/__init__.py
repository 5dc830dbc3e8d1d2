"""Tests of fan-out and connections."""
