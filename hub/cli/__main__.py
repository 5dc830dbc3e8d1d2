"""`python -m hub.cli` is `roomhub`."""

from hub.cli.main import run

run()
