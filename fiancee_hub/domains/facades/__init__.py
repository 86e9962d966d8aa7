"""Fronts of houses: the CMP Facade Database as one's own data."""
