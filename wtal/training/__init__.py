"""What every training has, whatever the model: seeds by position, progress, the saved configuration."""
