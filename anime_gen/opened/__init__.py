"""Runs opened once, then asked for pictures: what the commands draw with, and whatever page serves them."""

from anime_gen.opened.run import OpenRun, data_of

__all__ = ["OpenRun", "data_of"]
