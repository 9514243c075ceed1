"""Sweeps: many trainings from one file in wandb's format, with or without its server."""
