"""Example inputs, drawn by our own commands."""
