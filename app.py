"""Signalbox: multi-task GRPO. `python app.py` serves the app; `python app.py --help` lists the other commands."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from core.commands import add_commands
from core.errors import UserError


def main() -> int:
    """Run a command; an error meant for the user is printed as words, anything else keeps its traceback."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        for problem in error.problems:
            print(f"{problem.severity}: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # such as `runs | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def serve(arguments: Namespace) -> int:
    """Serve the app until Ctrl-C."""
    from ui.app import serve

    return serve(arguments.host, arguments.port)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="app.py", description=__doc__)
    # A Space says through these variables where to listen.
    host, port = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--host", default=host, help=f"address to serve on (default: {host})")
    parser.add_argument("--port", type=int, default=port, help=f"port to serve on (default: {port})")
    parser.set_defaults(run=serve)
    add_commands(parser.add_subparsers(title="commands", metavar="COMMAND"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
