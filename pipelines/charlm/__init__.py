"""The character language model: a text in, its next character out, again and again."""
