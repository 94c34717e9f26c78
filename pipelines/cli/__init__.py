"""The command line `rnnkit`: a thin layer over what `pipelines` offers from Python.

Importing it imports neither Keras nor TensorFlow, so that every `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from pipelines.cli import quiet
from pipelines.cli.compare import compare_app
from pipelines.cli.data import check_app, train_app
from pipelines.cli.diagnose import diagnose
from pipelines.cli.failures import UNEXPECTED, explain
from pipelines.cli.flags import with_options
from pipelines.cli.names import Commands
from pipelines.cli.predict import Predict, predict
from pipelines.cli.runs import evaluate, export, generate, inspect
from pipelines.cli.serve import serve
from pipelines.cli.tables import cells, tasks
from pipelines.cli.tune import tune_app
from pipelines.errors import UserError

app = typer.Typer(
    name="rnnkit",
    cls=Commands,
    help="Recurrent networks for Keras 3, from the equation to a served model.",
    add_completion=False,
    no_args_is_help=True,
)
app.command()(tasks)
app.command()(cells)
app.add_typer(check_app, name="check")
app.add_typer(train_app, name="train")
app.command()(evaluate)
app.command(cls=Predict)(with_options(predict))
app.command()(generate)
app.command()(export)
app.command()(inspect)
app.command()(serve)
app.command()(diagnose)
app.add_typer(compare_app, name="compare")
app.add_typer(tune_app, name="tune")


@app.callback()
def _options(
    debug: bool = typer.Option(
        False, "--debug", help="show tracebacks and TensorFlow's notes; goes with any command"
    ),
) -> None:
    pass  # `main` has taken --debug out already, because it may stand anywhere


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the words after `rnnkit`; those of the process by default.

    Returns:
        The exit status: 0 done, 2 the user's input was wrong, 1 anything else.
    """
    words, quiet.debug = _take_debug(list(sys.argv[1:] if arguments is None else arguments))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        _check_encoding(words)
        status = app(words, prog_name="rnnkit", standalone_mode=False) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `rnnkit cells | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNEXPECTED
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return UNEXPECTED
    except Exception as error:
        if quiet.debug:
            traceback.print_exc()
        line, status = explain(error)
        if line:
            print(f"error: {' '.join(line.split())}", file=sys.stderr)
        return status


def _check_encoding(words: Sequence[str]) -> None:
    """Of bytes that are no UTF-8 Python makes surrogates, which no model, file or table takes."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"expected words in UTF-8. Received: {os.fsencode(word)!r}. Set the terminal to "
                "UTF-8, or give the words in a file that is."
            ) from None


def _take_debug(words: list[str]) -> tuple[list[str], bool]:
    end = words.index("--") if "--" in words else len(words)
    options = [word for word in words[:end] if word != "--debug"]
    return options + words[end:], len(options) < end
