"""How AI participants are invoked, one file per kind of driver."""
