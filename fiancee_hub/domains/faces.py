"""Faces as `train prepare --family faces` brings them together."""

from fiancee_hub.hub.domains import shipped

DOMAIN = shipped("faces").domain
