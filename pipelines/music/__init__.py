"""Polyphonic music: the next chord from all chords before it."""
