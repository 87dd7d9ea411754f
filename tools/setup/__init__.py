"""Set-up of the project, before there is a venv; `__main__` tells what it does."""
