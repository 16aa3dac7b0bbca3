"""Conversations -> a model that answers without retrieval; generate."""
