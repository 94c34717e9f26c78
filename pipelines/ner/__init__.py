"""The task of named entities, or of any label per token."""
