"""How good detections are, and how they fail."""
