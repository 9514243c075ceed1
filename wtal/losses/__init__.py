"""Losses, one function each, on tensors alone."""
