"""The video task: what happens in a clip, or in each of its frames."""
