"""The local engines: pinned downloads, configuration, start and stop; see ``python -m stack --help``."""
