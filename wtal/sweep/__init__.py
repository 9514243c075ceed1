"""Sweeps: many trainings from one file in wandb's form, with or without its server."""
