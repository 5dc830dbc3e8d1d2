"""Pure values and rules: no asyncio, clock, randomness or I/O below this line."""
