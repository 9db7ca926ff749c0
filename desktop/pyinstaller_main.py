"""The entry point of the application that PyInstaller freezes: the `servery` command.

A frozen application is its own interpreter and has no `-m`, so a program that starts
another (`serving.programs.module_command`) calls it with `--run-module MODULE`.
"""

from __future__ import annotations

import runpy
import sys

RUN_MODULE = "--run-module"


def main() -> None:
    if sys.argv[1:2] == [RUN_MODULE] and len(sys.argv) > 2:
        module = sys.argv[2]
        del sys.argv[1:3]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        from desktop.cli import main as command_line

        command_line(prog_name="servery")


if __name__ == "__main__":
    main()
