"""`python -m estctl`."""

from estctl.app import main

main()
