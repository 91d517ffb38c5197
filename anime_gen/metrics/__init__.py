"""Scores of samples: extractors, distances, control, torchmetrics states, and the suite's own judge."""
