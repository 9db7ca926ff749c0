"""How every program shows text that came from outside: without control characters, in one line."""
