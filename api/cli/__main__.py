"""`python -m api.cli` is `daftar`."""

from api.cli.main import main

main()
