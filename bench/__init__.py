"""Measured runs: each prints a table and writes ``bench/results/<name>.json`` (:mod:`bench.report`)."""
