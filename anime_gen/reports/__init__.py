"""Comparisons of runs. Reads run folders only: knows no family, no callback and no data."""
