"""Sentiment: one label for a whole text."""
