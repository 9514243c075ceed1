"""Figures and pages, drawn from tables and arrays; no network is needed here."""
