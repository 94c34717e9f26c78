"""DNA, RNA and protein: what a sequence is, or what each of its letters is."""
