"""The command `ratchet`: its parser, and what each command starts.

Each command imports its part only when it runs. Importing a node takes a third of a second, and
`ratchet status` need not wait for that. Nor need a node import the HTTP client of `ratchet status`.
"""

import argparse
import importlib.metadata
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

from ratchet_server import DISTRIBUTION, logs
from ratchet_server.output import OutputError, say
from ratchet_server.settings import LogFormat, SettingError, environment, sources, values

OK: Final = 0
FAILED: Final = 1
USAGE_ERROR: Final = 2

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code: 0 success, 1 failure, 2 a usage error, 3 a newer
    process has superseded this node."""
    arguments = _parser().parse_args(argv)
    if arguments.run is not _node:  # It has settings for its log.
        logs.to_stderr()
    try:
        return cast(int, arguments.run(arguments))
    except SettingError as error:
        return _failed(error, USAGE_ERROR)


def _failed(error: Exception, code: int = FAILED, form: LogFormat = "text") -> int:
    say(logs.as_line(f"ratchet: {error}", form, logging.ERROR), to=sys.stderr)
    return code


def _demo(arguments: argparse.Namespace) -> int:
    from ratchet_server.demo import program, wires
    from ratchet_server.demo.machine import DemoError

    try:
        wire = wires.over(arguments.bus) if arguments.bus else wires.mesh
        program.run(arguments.nodes, wire)
    except DemoError as error:
        return _failed(error)
    return 0


def _node(arguments: argparse.Namespace) -> int:
    environ = environment.effective(os.environ)
    form: LogFormat = sources.read_one("log_format", arguments, environ)
    logs.to_stderr(form, sources.read_one("log_level", arguments, environ))
    for line in environment.of_services(os.environ) + environment.unknown(environ):
        _log.warning("%s", line)
    try:
        settings = sources.read(arguments, environ)
    except SettingError as error:
        return _failed(error, USAGE_ERROR, form)
    from ratchet_server import node

    try:
        return node.run(settings)
    except node.NodeError as error:
        return _failed(error, FAILED, form)


def _repair(arguments: argparse.Namespace) -> int:
    from ratchet_server import repair

    try:
        plan = repair.plan(arguments.drop, arguments.rename, arguments.set)
        repair.run(arguments.folder, plan, do=arguments.yes)
    except (repair.RepairError, OutputError) as error:
        return _failed(error)
    return OK


def _secret(arguments: argparse.Namespace) -> str | None:
    """The secret for calls. Raises `SettingError`."""
    secrets = sources.read_one("secrets", arguments, environment.effective(os.environ))
    return next(iter(secrets), None)


def _backup(arguments: argparse.Namespace) -> int:
    from ratchet_server import backup
    from ratchet_server.client import CallError, Client

    try:
        with Client(arguments.url, _secret(arguments)) as node:
            backup.backup(node, arguments.file)
    except (CallError, backup.BackupError) as error:
        return _failed(error)
    return OK


def _check(arguments: argparse.Namespace) -> int:
    from ratchet_server import backup

    try:
        backup.check(arguments.file)
    except (backup.BackupError, OutputError) as error:
        return _failed(error)
    return OK


def _import(arguments: argparse.Namespace) -> int:
    from ratchet_server.client import CallError, Client
    from ratchet_server.operator import importing
    from ratchet_server.operator.counts_file import FileError

    name = values.import_name(arguments.name or importing.name_of(arguments.file))
    try:
        with Client(arguments.url, _secret(arguments)) as node:
            importing.run(node, arguments.file, name)
    except (CallError, FileError) as error:
        return _failed(error)
    return OK


def _export(arguments: argparse.Namespace) -> int:
    from ratchet_server.client import CallError, Client
    from ratchet_server.operator import exporting

    after = values.video_id(arguments.after) if arguments.after else ""
    try:
        with Client(arguments.url, None) as node:
            exporting.run(node, "json" if arguments.json else "csv", after)
    except (CallError, OutputError) as error:
        return _failed(error)
    return OK


def _torture(arguments: argparse.Namespace) -> int:
    from ratchet_server.client import CallError
    from ratchet_server.operator.torture import command

    options = command.Options(
        urls=arguments.urls,
        seconds=arguments.seconds,
        rate=arguments.rate,
        viewers=arguments.viewers,
        videos=[values.video_id(video) for video in arguments.video],
        same_node=arguments.retry_same_node,
        history=arguments.history,
    )
    try:
        return OK if command.run(options) else FAILED
    except (CallError, OutputError) as error:
        return _failed(error)


def _operate(arguments: argparse.Namespace) -> int:
    from ratchet_server.client import CallError, Client
    from ratchet_server.operator import commands

    try:
        with Client(arguments.url, _secret(arguments)) as node:
            match arguments.command:
                case "status":
                    well = commands.status(node, as_json=arguments.json)
                    return FAILED if arguments.check and not well else OK
                case "retire":
                    commands.retire(
                        node, arguments.name, check=arguments.check, as_json=arguments.json
                    )
                case "join":
                    with Client(arguments.other, None) as other:
                        commands.join(node, other)
                case way:
                    commands.stop(node, way)
    except (CallError, OutputError) as error:
        return _failed(error)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ratchet",
        description="A view counter that many nodes count on and that never goes down.",
    )
    version = f"%(prog)s {importlib.metadata.version(DISTRIBUTION)}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="run a local cluster, a balancer and the page; Ctrl-C stops it",
        description="Runs nodes on ports 1234, 1235, ..., a balancer with the page on "
        "http://127.0.0.1:8080, and on 8081 the control with which pages cut nodes off and kill "
        "them. All of it is on this machine and ends with Ctrl-C. The counts stay in data/demo "
        "below this folder for the next run.",
    )
    demo.add_argument("--nodes", type=int, default=3, choices=range(1, 17), metavar="N",
                      help="how many nodes, 1 to 16 (default 3)")  # fmt: skip
    demo.add_argument("--bus", metavar="URL",
                      help="join the nodes by this message bus instead of websockets")  # fmt: skip
    demo.set_defaults(run=_demo)

    node = commands.add_parser(
        "node",
        help="run one node",
        description="Runs one node until a signal or an operator stops it. A flag wins over its "
        "variable. A list in a variable has commas; an empty variable counts as not set. Exit "
        "codes: 0 stopped on request, 1 failed, 2 usage error, 3 a newer process has its name.",
    )
    sources.add_all_flags(node)
    node.set_defaults(run=_node)

    status = _operators(
        commands, "status", "show the state of the cluster, as one node sees it",
        "Shows which nodes are there, missing or behind, which slots are open, closed and folded, "
        "what is in the way of a fold, and what to do about it.",
    )  # fmt: skip
    status.add_argument("--check", action="store_true",
                        help="for monitors: exit with 1 unless all is well")  # fmt: skip
    drain = _operators(
        commands, "drain", "stop a node that will be back",
        "The node first fails the balancer's checks. Then it refuses views, hands over what it has "
        "counted to another node, and stops. The command returns when the node is gone.",
    )  # fmt: skip
    leave = _operators(
        commands, "leave", "stop a node for good",
        "The node stops as with drain, and closes its slot, so that the other nodes fold the slot "
        "and forget the node. The command returns when the node is gone.",
    )  # fmt: skip
    for command in (status, drain, leave):
        command.add_argument("url", metavar="URL", help="http://host:port of the node")

    retire = _operators(
        commands, "retire", "forget a node that won't come back",
        "For a node that is gone and could not leave. The other nodes close its slots, and fold "
        "them after the grace (RATCHET_FOLD_GRACE). The node may still come back, but after the "
        "fold, its views that no other node has are lost.",
    )  # fmt: skip
    retire.add_argument("name", metavar="NAME", help="the node's name")
    retire.add_argument("--via", dest="url", required=True, metavar="URL",
                        help="http://host:port of any other node")  # fmt: skip
    retire.add_argument("--check", action="store_true",
                        help="change nothing; show what each node has of it, and what would be "
                        "lost")  # fmt: skip
    join = _operators(
        commands, "join", "make two clusters one",
        "Nodes of two clusters don't talk, although they have the same secret. After this command "
        "they do, and their counts are added up. That can't be undone. A node of the one cluster "
        "must have an address of the other in its --peer list.",
    )  # fmt: skip
    join.add_argument("other", metavar="URL", help="http://host:port of a node of one cluster")
    join.add_argument("--via", dest="url", required=True, metavar="URL",
                      help="http://host:port of a node of the other")  # fmt: skip
    back_up = _operators(
        commands, "backup", "copy a node's data into a file",
        "Gets all that the node has on disk, while it goes on counting, and checks the copy. To "
        "restore it, put it as ratchet.sqlite into the empty --data folder of a node.",
    )  # fmt: skip
    back_up.add_argument("url", metavar="URL", help="http://host:port of the node")
    back_up.add_argument("file", metavar="FILE", type=Path, help="the new file")
    back_up.set_defaults(run=_backup)
    check = commands.add_parser(
        "check",
        help="read a backup, and say what it has",
        description="Reads a backup, or the ratchet.sqlite of a node, which may be running. Exits "
        "with 1 if anything in it is damaged. It changes nothing.",
    )
    check.add_argument("file", metavar="FILE", type=Path, help="the file")
    check.set_defaults(run=_check)
    _add_imports(commands)
    _add_repair(commands)
    _add_torture(commands)
    for command in (status, retire):
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def _add_imports(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bring = _operators(
        commands, "import", "bring the counts of another program",
        "FILE is CSV: its first line is video,views, and each other line has a video and its "
        "views. They are added to what the nodes have counted. Importing a file again counts "
        "nothing twice: so if an import breaks off, run it again, with any node. When it begins, "
        "all nodes must be connected.",
    )  # fmt: skip
    bring.add_argument("file", metavar="FILE", type=Path, help="the counts")
    bring.add_argument("--via", dest="url", required=True, metavar="URL",
                       help="http://host:port of any node")  # fmt: skip
    bring.add_argument("--name", metavar="NAME",
                       help="what this import is called, 1 to 56 of a-z 0-9 - (default: like the "
                       "file). Imports of two names are added up, and one counts once")  # fmt: skip
    bring.set_defaults(run=_import)
    export = commands.add_parser(
        "export",
        help="print the views of all videos",
        description="Prints all videos with views, as one node has them now: CSV that `ratchet "
        "import` reads, or with --json one JSON object a line.",
    )
    export.add_argument("url", metavar="URL", help="http://host:port of the node")
    form = export.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV (the default)")
    form.add_argument("--json", action="store_true", help="print JSON, one object a line")
    export.add_argument("--after", default="", metavar="VIDEO",
                        help="leave out all videos up to this id, and the first line: go on where "
                        "an export broke off")  # fmt: skip
    export.set_defaults(run=_export)


def _add_repair(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    repair = commands.add_parser(
        "repair",
        help="take wrong numbers out of the data of a node that doesn't run",
        description="Counts never fall, so a wrong number stays until it is out of the data of all "
        "nodes. Stop all nodes, give the same command at each, and start them again: OPERATING.md "
        "has the steps. Without --yes it only shows what the data has, what in it can't be true, "
        "and what would change. It keeps the old file beside the new one.",
    )
    repair.add_argument("folder", metavar="DIR", type=Path, help="the node's --data")
    repair.add_argument("--drop", metavar="SLOT|NAME", action="append", default=[],
                        help="take out a slot (b@17), or a node with all its slots; may be "
                        "repeated, like --rename and --set")  # fmt: skip
    repair.add_argument("--rename", metavar="SLOT=SLOT", action="append", default=[],
                        help="keep the views of a slot of the future, in a slot of the "
                        "past")  # fmt: skip
    repair.add_argument("--set", metavar="PLACE/VIDEO=VIEWS", action="append", default=[],
                        help="set a number; PLACE is a slot, or the word base")  # fmt: skip
    repair.add_argument("--yes", action="store_true", help="do it")
    repair.set_defaults(run=_repair)


def _add_torture(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    torture = commands.add_parser(
        "torture",
        help="put load on a cluster, and judge whether it counts right",
        description="Viewers count views at the URLs, send unanswered ones again with their keys, "
        "and read all the time. In the end a judge compares what was answered with what each URL "
        "shows. It causes no faults: kill and cut nodes yourself meanwhile. The views stay "
        "counted. By default they are of new videos, which only nodes with --open count. Exit "
        "codes: 0 right, 1 wrong or not finished, 2 usage error.",
    )
    torture.add_argument("urls", metavar="URL", nargs="+",
                         help="http://host:port of a node, or of the balancer")  # fmt: skip
    torture.add_argument("--seconds", type=_between(1, 86_400), default=30, metavar="N",
                         help="for how long viewers begin views (default 30)")  # fmt: skip
    torture.add_argument("--rate", type=_between(1, 1000), default=20, metavar="N",
                         help="how many views they begin in a second, at most (default 20). The "
                         "balancer refuses more than 50 from one address")  # fmt: skip
    torture.add_argument("--viewers", type=_between(1, 64), default=8, metavar="N",
                         help="how many viewers there are (default 8)")  # fmt: skip
    torture.add_argument("--video", action="append", default=[], metavar="ID",
                         help="a video that the nodes know and nobody else views meanwhile; may be "
                         "repeated")  # fmt: skip
    torture.add_argument("--retry-same-node", action="store_true",
                         help="send a view again only to the URL that had it first (default: to "
                         "any other one)")  # fmt: skip
    torture.add_argument("--history", type=Path, metavar="FILE",
                         help="write all requests and responses there, one JSON object a "
                         "line")  # fmt: skip
    torture.set_defaults(run=_torture)


def _between(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers in these bounds."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number, {least} to {most}")
        return int(text)

    return number


def _operators(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, more: str
) -> argparse.ArgumentParser:
    """A command for operators, which sends requests to a node."""
    command = commands.add_parser(name, help=what, description=more)
    sources.add_flags(command, "secrets")
    command.set_defaults(run=_operate)
    return command
