"""Makes the helpers in this folder importable for every test below it."""
