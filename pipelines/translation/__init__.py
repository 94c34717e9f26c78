"""Translation: a sequence in, another sequence of another length out."""
