"""Formats in which clips are written, by a name's ending; light, for the command line."""

from collections.abc import Mapping
from types import MappingProxyType

VIDEOS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        ".mp4": ("mp4", "libx264", "aac"),
        ".m4v": ("mp4", "libx264", "aac"),
        ".mov": ("mov", "libx264", "aac"),
        ".mkv": ("matroska", "libx264", "aac"),
        ".webm": ("webm", "libvpx-vp9", "libopus"),
    }
)
"""Container, codec of the pictures and codec of the sound."""

ANIMATIONS: Mapping[str, str] = MappingProxyType(
    {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
)
"""Pillow's names of formats for animations, which have no sound."""
