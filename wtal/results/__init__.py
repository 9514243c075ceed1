"""What a run leaves on disk, and what is computed from it: records, predictions, scores, evaluation, tables."""
