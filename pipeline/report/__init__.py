"""The data report: one HTML file a run that needs no network, from the examples and what was found wrong with them."""
