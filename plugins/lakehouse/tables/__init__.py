"""The tables of the protocol: their definitions, and the one place that runs DDL on them."""
