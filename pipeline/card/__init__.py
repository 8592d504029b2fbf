"""The model card: what a pushed model was made of and how good it is, for people who did not train it."""
