"""What is served, before it is served: a candidate in a server process of its own, asked real rows."""
