"""A run: its folder on disk, the family in it, and both opened once, ready to draw."""
