"""Searching for better settings of a training: what is tried, by what it is judged, and who chooses next."""
