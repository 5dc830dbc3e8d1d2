"""The hub beside its peers, under one load generator; `python -m tests.bench`."""
