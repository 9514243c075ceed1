"""Frozen encoders of frames and optical flow."""
