"""The generative families. Each is a folder; none imports another."""
