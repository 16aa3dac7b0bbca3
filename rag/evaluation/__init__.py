"""Metrics, significance, the gate."""
