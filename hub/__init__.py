"""roomhub: rooms, their log, and the gateway that serves them."""
