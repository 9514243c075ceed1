"""Predictions in and out, tables, plots and pages; never a network."""
