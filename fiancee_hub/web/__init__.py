"""Exits in the reader's browser: a folder of static files, for any place that serves files."""
