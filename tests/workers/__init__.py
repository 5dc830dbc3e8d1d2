"""Tests of the pool and its attempts."""
