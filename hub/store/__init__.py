"""The database: the truth of every room, behind the ports of `hub.ports`."""
