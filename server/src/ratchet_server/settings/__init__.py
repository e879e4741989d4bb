"""The settings of a node, each declared once: type, default, flag, variable and help.

`sources` reads the command line and the environment by this declaration, and makes the help from
it. `python -m ratchet_server.settings` prints the README's table from it.

Why no library: ConfigArgParse and click are light, but neither has variables without a flag, nor
lists with commas. When a variable is wrong, their message blames the flag. Other libraries make
each start 50 to 120 ms longer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from ratchet_server.settings import values
from ratchet_server.settings.buses import BusUrl
from ratchet_server.settings.buses import buses as read_buses
from ratchet_server.settings.registries import RegistryUrl, registry_urls
from ratchet_server.settings.values import ANY, MEMORY, SettingError, check_url

__all__ = [
    "ACKS",
    "ANY",
    "MEMORY",
    "Ack",
    "LogFormat",
    "LogLevel",
    "OnTerm",
    "Robots",
    "SettingError",
    "Settings",
    "check_url",
]

Ack = Literal["memory", "disk", "peers"]
ACKS: Final[tuple[Ack, ...]] = get_args(Ack)

OnTerm = Literal["stop", "leave"]
LogFormat = Literal["text", "json"]
Robots = Literal["refuse", "count"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True)
class Setting:
    """One way to set a field of `Settings`. If a field has several ways, the first that is used
    counts."""

    variable: str
    # As the help shows it: "--name NAME", or "--open" for a switch. Empty if there is only the
    # variable.
    flag: str
    # Makes the field's value from a text. Raises `SettingError`.
    parse: Callable[[Any], object]
    help: str
    # Whether `parse` takes a list: the flag may be repeated, and the variable has commas.
    many: bool = False
    unit: str = ""
    # What documents show for a default that is None or empty.
    unset: str = "none"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One node's settings."""

    # fmt: off
    name: Annotated[str, Setting("RATCHET_NAME", "--name NAME", values.node_name,
        "the node's unique name: 1 to 63 of a-z 0-9 -")]
    host: Annotated[str, Setting("RATCHET_HOST", "--host ADDRESS", str,
        "the address to listen on")] = "127.0.0.1"
    port: Annotated[int, Setting("RATCHET_PORT", "--port PORT", values.port,
        "the port to listen on; 0 takes any that is free")] = 1234
    data: Annotated[Path | Literal[":memory:"], Setting("RATCHET_DATA", "--data DIR", values.data,
        "the folder of the database, or :memory: for none")] = Path("data")
    peers: Annotated[tuple[str, ...], Setting("RATCHET_PEER", "--peer URL", values.urls, many=True,
        help="http://host:port of another node; may be repeated")] = ()
    buses: Annotated[tuple[BusUrl, ...], Setting("RATCHET_BUS", "--bus URL", read_buses, many=True,
        help="a message bus or multicast group that joins the nodes, for instance "
            "nats://host:4222; may be repeated")] = ()
    registries: Annotated[tuple[RegistryUrl, ...],
        Setting("RATCHET_REGISTRY", "--registry URL", registry_urls, many=True,
            help="where nodes find each other: etcd://, consul://, zookeeper://, dns://, "
            "dns+srv:// or kubernetes://; may be repeated")] = ()
    advertise: Annotated[str | None, Setting("RATCHET_ADVERTISE", "--advertise URL",
        values.check_url, unset="where it listens",
        help="http://host:port at which peers reach this node")] = None
    media: Annotated[Path | None, Setting("RATCHET_MEDIA", "--media DIR", values.path,
        "the folder of clips; they are the catalogue")] = None
    videos: Annotated[Path | None, Setting("RATCHET_VIDEOS", "--videos FILE", values.path,
        "a list of the videos to count that have no clip here: one id a line, or JSON")] = None
    open: Annotated[bool, Setting("RATCHET_OPEN", "--open", values.yes_or_no,
        "count any valid video id, not only those of the catalogue and the list")] = False
    max_videos: Annotated[int, Setting("RATCHET_MAX_VIDEOS", "", values.videos,
        "how many videos a node with --open counts; a view of one more is refused")] = 1_000_000
    secrets: Annotated[tuple[str, ...],
        Setting("RATCHET_SECRET_FILE", "--secret-file FILE", values.secrets_in,
            "a file with the secret that nodes and operators share"),
        Setting("RATCHET_SECRET", "", values.secrets,
            "the secret itself, if no file has it")] = ()
    ack: Annotated[Ack, Setting("RATCHET_ACK", "", values.one_of(*ACKS),
        "what a view without ?ack= waits for: memory, disk or peers")] = "disk"
    key_lifetime_s: Annotated[int, Setting("RATCHET_KEY_LIFETIME", "", values.seconds, unit="s",
        help="how long an Idempotency-Key is remembered")] = 900
    join_timeout_s: Annotated[int, Setting("RATCHET_JOIN_TIMEOUT", "", values.seconds, unit="s",
        help="the longest that a starting node catches up before it serves reads")] = 10
    peers_timeout_s: Annotated[int, Setting("RATCHET_PEERS_TIMEOUT", "", values.seconds, unit="s",
        help="how long ack=peers waits for a peer")] = 5
    fold_grace_s: Annotated[int, Setting("RATCHET_FOLD_GRACE", "", values.seconds, unit="s",
        help="the grace: how long a closed slot waits, at least, before it is folded")] = 3600
    retire_after_s: Annotated[int | None, Setting("RATCHET_RETIRE_AFTER", "",
        values.seconds_or_never, unit="s", unset="never",
        help="how long a node may be missing until a majority of nodes retires it")] = None
    forget_after_s: Annotated[int, Setting("RATCHET_FORGET_AFTER", "", values.seconds, unit="s",
        help="how long after a node's start its name may be forgotten, once it has gone")] = 604_800
    days: Annotated[int, Setting("RATCHET_DAYS", "", values.days, unit="days",
        help="for how long views are kept by day, today included; 0: not at all")] = 30
    on_term: Annotated[OnTerm, Setting("RATCHET_ON_TERM", "", values.one_of(*get_args(OnTerm)),
        "what SIGTERM means: stop (it will be back) or leave (for good)")] = "stop"
    discover: Annotated[bool | None, Setting("RATCHET_DISCOVER", "", values.yes_or_no,
        "dial the nodes that peers report, too: yes or no", unset="yes, but no with a bus")] = None
    embed_origins: Annotated[tuple[str, ...], Setting("RATCHET_EMBED_ORIGINS", "",
        values.listed_origins, many=True,
        help="sites that may show counts: https://blog.example, or * for all")] = ()
    count_origins: Annotated[tuple[str, ...], Setting("RATCHET_COUNT_ORIGINS", "", values.origins,
        many=True, help="other sites whose pages may count views")] = ()
    robots: Annotated[Robots, Setting("RATCHET_ROBOTS", "", values.one_of(*get_args(Robots)),
        "what to do with views of robots that say so in User-Agent: refuse or count")] = "refuse"
    allowed_hosts: Annotated[tuple[str, ...], Setting("RATCHET_ALLOWED_HOSTS", "", values.hosts,
        many=True, unset="any; on loopback its own",
        help="host names to which the node answers, or * for any")] = ()
    log_format: Annotated[LogFormat, Setting("RATCHET_LOG_FORMAT", "--log-format FORMAT",
        values.one_of(*get_args(LogFormat)),
        "the form of the log: text, or json with one object in each line")] = "text"
    log_level: Annotated[LogLevel, Setting("RATCHET_LOG_LEVEL", "",
        values.one_of(*get_args(LogLevel)),
        "the least level that is logged: debug, info, warning or error")] = "info"
    panel: Annotated[bool, Setting("RATCHET_PANEL", "", values.yes_or_no,
        "the debug panel on the watch page: yes or no")] = False
    page: Annotated[Path | None, Setting("RATCHET_PAGE", "", values.built_page, unset="packaged",
        help="the folder of a page built elsewhere")] = None
    playground: Annotated[str | None, Setting("RATCHET_PLAYGROUND", "", values.origin,
        "the address of the demo's control; pages may call it")] = None
