"""The two memory tests every lecture needs: the adding problem and the copy problem."""
