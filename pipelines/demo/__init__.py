"""The page of `rnnkit serve --demo`: each model to be tried by hand, built on Gradio."""
