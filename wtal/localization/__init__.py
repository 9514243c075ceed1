"""From snippet scores to detections."""
