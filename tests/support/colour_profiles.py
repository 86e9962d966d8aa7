"""ICC profiles (ICC.1:2001, version 2) made by hand, as cameras and paint programs embed them."""

import struct

import numpy as np
from numpy.typing import NDArray

D50 = (0.9642, 1.0, 0.8249)
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
"""Red, green and blue as XYZ, adapted to D50."""

SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
GAMMA = 2.2


def rgb_profile(primaries: tuple[tuple[float, float, float], ...], name: str = "Test") -> bytes:
    """A profile for RGB by its primaries and sRGB's curve."""
    curve = _curve(_srgb_curve())
    tags = {f"{channel}TRC": curve for channel in "rgb"}
    tags |= {f"{c}XYZ": _xyz(p) for c, p in zip("rgb", primaries, strict=True)}
    return _profile("RGB ", "XYZ ", tags, name)


def grey_profile(gamma: float) -> bytes:
    """A profile for grey pictures of another gamma than sRGB's."""
    levels = np.rint(65535 * np.linspace(0, 1, 256) ** gamma)
    return _profile("GRAY", "XYZ ", {"kTRC": _curve(levels)}, "Test grey")


def cmyk_profile() -> bytes:
    """A profile for CMYK by which inks are lightness alone: all ink is black, none white."""
    corners = np.indices((2, 2, 2, 2)).reshape(4, -1).T
    lightness = 255 * (1 - np.minimum(1, corners[:, :3].mean(1) + corners[:, 3]))
    lab = np.stack([lightness, np.full(16, 128.0), np.full(16, 128.0)], 1)
    identity = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
    table += struct.pack(">9i", *(65536 if i in (0, 4, 8) else 0 for i in range(9)))
    table += identity * 4 + np.rint(lab).astype(np.uint8).tobytes() + identity * 3
    return _profile("CMYK", "Lab ", {"A2B0": table}, "Test inks", "prtr")


def _srgb_curve() -> NDArray[np.float64]:
    value = np.linspace(0, 1, 1024)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.rint(65535 * linear)


def _curve(levels: NDArray[np.float64]) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">I", len(levels)) + levels.astype(">u2").tobytes()


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in values))


def _text(name: str) -> bytes:
    words = name.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78)


def _profile(
    space: str, connection: str, tags: dict[str, bytes], name: str, device: str = "mntr"
) -> bytes:
    tags = {"desc": _text(name), "wtpt": _xyz(D50), "cprt": b"text" + bytes(4) + b"none\0"} | tags
    place, index, content = 128 + 4 + 12 * len(tags), b"", b""
    for key, value in tags.items():
        index += struct.pack(">4sII", key.encode(), place + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + index + content
    date = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI", 128 + len(body), b"test", 0x02400000)
    header += device.encode() + space.encode() + connection.encode() + date + b"acsp"
    header += bytes(28) + struct.pack(">3i", *(round(65536 * value) for value in D50))
    return header.ljust(128, b"\0") + body
