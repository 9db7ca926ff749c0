"""`python -m desktop` is the `servery` command."""

from desktop.cli import main

if __name__ == "__main__":
    main(prog_name="servery")
