"""A hub from outside: what its users type, send and see, the wrong things included."""
