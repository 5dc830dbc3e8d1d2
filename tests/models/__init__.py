"""Tests of hub/models, and a model server in a process of its own for any test that needs one."""
