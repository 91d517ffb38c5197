"""Compares families of generative models on anime faces, on equal terms."""
