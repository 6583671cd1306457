"""The command line: check, list, simulate, replay, show, export, drive, conform."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from checkers.commands.checking import check_command
from checkers.commands.choosing import Session
from checkers.commands.conforming import conform_command
from checkers.commands.driving import drive_command
from checkers.commands.exporting import export_command
from checkers.commands.listed import list_command
from checkers.commands.tracing import replay_command, show_command, simulate_command
from checkers.report.row import Status
from checkers.userfiles import InputError
from checkers.watch import LimitMetError


class _Commands(click.Group):
    """Says what is wrong in one line, and ends with the documented statuses.

    A command ends by itself or with `click.exceptions.Exit`; a `SystemExit` is of a user's file.
    """

    def main(self, args: Sequence[str] | None = None, *more: Any, **given: Any) -> NoReturn:
        """Run a command and exit."""
        given["standalone_mode"] = False
        given["obj"] = Session(tuple(sys.argv[1:] if args is None else args))
        try:
            ended = super().main(args, *more, **given)
            sys.stdout.flush()
            own = ended or Status.HOLDS
        except SystemExit:
            _fail("no verdict: a file that was read ended the program")
        except click.exceptions.NoArgsIsHelpError:
            _fail("which command? see viommu-spec --help")
        except click.ClickException as error:
            _fail(error.format_message())
        except InputError as error:
            _fail(str(error))
        except LimitMetError as error:
            _inconclusive(str(error))
        except (click.Abort, KeyboardInterrupt):
            _inconclusive("interrupted")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(Status.INCONCLUSIVE)
        except Exception:
            traceback.print_exc()
            _inconclusive("this is a defect of the program, no verdict")
        sys.exit(own)


def _fail(message: str) -> NoReturn:
    click.echo(f"viommu-spec: {' '.join(message.split())}", err=True)
    sys.exit(Status.WRONG_INPUT)


def _inconclusive(why: str) -> NoReturn:
    click.echo(f"viommu-spec: {why}", err=True)
    sys.exit(Status.INCONCLUSIVE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="viommu-spec")
def main() -> None:
    """An executable specification of nested IOMMU translation.

    Exit status: 0 all hold; 1 a violation, or a replay that diverges; 2 the input was wrong;
    3 inconclusive: a limit was met, or nobody but random runs looked.
    """


for command in (
    check_command, list_command, simulate_command, replay_command, show_command, export_command,
    drive_command, conform_command,
):  # fmt: skip
    main.add_command(command)
