"""Noticing that objects came, and deciding when to say so. Hints only: the plan finds the work."""
