"""Where the frozen application begins: the `servery` command, and `python -m` in one.

A frozen application is its own interpreter and knows no `-m`, so one program that
starts another (`serving.programs.module_command`) calls it with `--run-module MODULE`.
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
