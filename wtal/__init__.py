"""Weakly-supervised temporal action localization."""
