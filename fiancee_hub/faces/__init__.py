"""Faces: finding them, their landmarks, pose and expression; reading photographs and clips."""
