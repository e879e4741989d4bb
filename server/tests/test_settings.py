"""Settings: where they come from, how a wrong one is refused, and that all documents agree."""

import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
from ratchet_server.cli import main
from ratchet_server.settings import SettingError, environment, sources
from ratchet_server.settings.__main__ import table

from testing.nodes import Node

PROJECT = Path(__file__).parents[2]
DECLARED = list(sources.declared())
VARIABLES = {setting.variable for setting, _ in DECLARED}

# Variables that Kubernetes sets in each container, if there are Services ratchet and ratchet-peer.
OF_SERVICES = {
    "RATCHET_SERVICE_HOST": "10.0.0.1",
    "RATCHET_SERVICE_PORT": "1234",
    "RATCHET_SERVICE_PORT_HTTP": "1234",
    "RATCHET_PORT": "tcp://10.0.0.1:1234",
    "RATCHET_PORT_1234_TCP": "tcp://10.0.0.1:1234",
    "RATCHET_PORT_1234_TCP_PROTO": "tcp",
    "RATCHET_PORT_1234_TCP_PORT": "1234",
    "RATCHET_PORT_1234_TCP_ADDR": "10.0.0.1",
    "RATCHET_PEER_SERVICE_HOST": "10.0.0.2",
    "RATCHET_PEER_PORT": "udp://10.0.0.2:53",
    "RATCHET_PEER_PORT_53_UDP_ADDR": "10.0.0.2",
}


def read(environ: dict[str, str], **line: object) -> object:
    return sources.read(Namespace(**{"name": "a"} | line), environment.effective(environ))


class TestADeclaration:
    def test_has_a_variable_with_the_name_of_its_flag(self) -> None:
        for setting, _ in DECLARED:
            if setting.flag:
                flag = setting.flag.split()[0]
                assert setting.variable == "RATCHET_" + flag[2:].replace("-", "_").upper()
        assert len(VARIABLES) == len(DECLARED)

    def test_has_a_default_that_may_be_set_explicitly(self) -> None:
        """If the value that the help shows is set, nothing changes."""
        unset = sources.read(Namespace(name="a"), {})
        shown = {setting.variable: default.split()[0] for setting, default in DECLARED
                 if default not in {"required", setting.unset}}  # fmt: skip
        assert len(shown) > len(DECLARED) / 3
        assert sources.read(Namespace(name="a"), shown) == unset

    def test_is_in_the_readme(self) -> None:
        readme = (PROJECT / "README.md").read_text(encoding="utf-8")
        assert table() in readme, (
            "README.md: put in the output of python -m ratchet_server.settings"
        )

    def test_is_in_the_help_of_ratchet_node(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["node", "--help"])
        assert end.value.code == 0
        text = " ".join(capsys.readouterr().out.split())
        for setting, default in DECLARED:
            shown = default if default == "required" else f"default: {default}"
            if setting.flag:
                assert f"{setting.flag.split()[0]}" in text
                assert f"{setting.help} ({shown}; {setting.variable})" in text
            else:
                assert f"{setting.variable} {setting.help} ({shown})" in text

    def test_exists_for_each_variable_that_any_file_names(self) -> None:
        named = {
            name: file
            for file in files_that_name_variables()
            for name in re.findall(r"RATCHET_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))
        }
        assert {"RATCHET_SECRET", "RATCHET_NODES", "RATCHET_DIE_AT"} <= named.keys()
        known = VARIABLES | environment.ELSEWHERE.keys()
        assert {name: file for name, file in named.items() if name not in known} == {}


def files_that_name_variables() -> Iterator[Path]:
    """The files that operators read and run, and our own programs.

    Without CHANGELOG.md, which has names of earlier versions, and this file, which misspells some.
    """
    for name in (
        "README.md",
        "OPERATING.md",
        "ARCHITECTURE.md",
        "PROTOCOL.md",
        "Dockerfile",
        *(file.name for file in PROJECT.glob("compose*.yaml")),
    ):
        yield PROJECT / name
    for folder in ("balancer", "bench", "browser/src", "core", "e2e", "server", "testing"):
        for file in (PROJECT / folder).rglob("*"):
            written = file.suffix in {".py", ".js", ".sh", ".in"} or file.name == "Dockerfile"
            if written and file != Path(__file__) and "page" not in file.parts:
                yield file


class TestWhereASettingComesFrom:
    def test_a_flag_wins_over_its_variable(self) -> None:
        environ = {"RATCHET_PORT": "1", "RATCHET_OPEN": "yes", "RATCHET_PEER": "http://b:1"}
        settings = sources.read(
            Namespace(name="a", port="2", open=False, peer=["http://c:1"]), environ
        )
        assert (settings.port, settings.open, settings.peers) == (2, False, ("http://c:1",))

    def test_a_variable_wins_over_the_default(self) -> None:
        environ = {"RATCHET_PORT": " 1\n", "RATCHET_OPEN": "On", "RATCHET_RETIRE_AFTER": "60"}
        settings = sources.read(Namespace(name="a"), environ)
        assert (settings.port, settings.open, settings.retire_after_s) == (1, True, 60)

    def test_an_empty_variable_counts_as_not_set(self) -> None:
        assert read(dict.fromkeys(VARIABLES, "")) == read({})

    def test_a_list_has_commas_in_its_variable(self) -> None:
        environ = {"RATCHET_PEER": "http://b:1, http://c:1,"}
        assert sources.read(Namespace(name="a"), environ).peers == ("http://b:1", "http://c:1")

    def test_a_secret_in_a_file_wins_over_one_in_the_environment(self, tmp_path: Path) -> None:
        line, variable = tmp_path / "line", tmp_path / "variable"
        line.write_text("l\n")
        variable.write_text("v\n")
        environ = {"RATCHET_SECRET": "s"}
        assert sources.read_one("secrets", Namespace(), environ) == ("s",)
        environ["RATCHET_SECRET_FILE"] = str(variable)
        assert sources.read_one("secrets", Namespace(), environ) == ("v",)
        assert sources.read_one("secrets", Namespace(secret_file=str(line)), environ) == ("l",)

    def test_0_seconds_until_a_retirement_mean_never(self) -> None:
        assert read({"RATCHET_RETIRE_AFTER": "0"}) == read({})


class TestAWrongSetting:
    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"RATCHET_PORT": "65536"},
             "RATCHET_PORT (--port): a port is a whole number from 0 to 65535, not '65536'"),
            ({"RATCHET_NAME": "A"},
             "RATCHET_NAME (--name): a node name is 1 to 63 of a-z 0-9 -, not 'A'"),
            ({"RATCHET_PEER": "b:1"},
             "RATCHET_PEER (--peer): an address is http://host:port, not 'b:1'"),
            ({"RATCHET_OPEN": "perhaps"},
             "RATCHET_OPEN (--open): it is yes or no, not 'perhaps'"),
            ({"RATCHET_ACK": "all"},
             "RATCHET_ACK: it is memory, disk or peers, not 'all'"),
            ({"RATCHET_FOLD_GRACE": "1h"},
             "RATCHET_FOLD_GRACE: it is a whole number of seconds from 0 to 31536000, not '1h'"),
            ({"RATCHET_ON_TERM": "Leave"},
             "RATCHET_ON_TERM: it is stop or leave, not 'Leave'"),
        ],
    )  # fmt: skip
    def test_in_a_variable_is_named_with_the_allowed_values_and_its_own(
        self, environ: dict[str, str], message: str
    ) -> None:
        line = Namespace() if "RATCHET_NAME" in environ else Namespace(name="a")
        with pytest.raises(SettingError) as refused:
            sources.read(line, environ)
        assert str(refused.value) == message

    def test_on_the_command_line_is_named_by_its_flag(self) -> None:
        with pytest.raises(SettingError, match=r"^--port: .* not 'x'$"):
            sources.read(Namespace(name="a", port="x"), {"RATCHET_PORT": "1"})

    def test_that_is_missing_is_named_with_how_to_give_it(self) -> None:
        with pytest.raises(SettingError, match=r"^--name NAME or RATCHET_NAME is missing: "):
            sources.read(Namespace(), {})

    def test_never_shows_a_secret(self, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("sword fish")
        for environ in ({"RATCHET_SECRET": "sword fish"}, {"RATCHET_SECRET_FILE": str(file)}):
            with pytest.raises(SettingError) as refused:
                sources.read_one("secrets", Namespace(), environ)
            assert "fish" not in str(refused.value)


class TestAnUnknownVariable:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [("RATCHET_PEERS", "RATCHET_PEER"), ("RATCHET_FOLD_GRASE", "RATCHET_FOLD_GRACE"),
         ("RATCHET_RETIRE", "RATCHET_RETIRE_AFTER"), ("RATCHET_SECERT", "RATCHET_SECRET"),
         ("RATCHET_ORIGINS", "RATCHET_EMBED_ORIGINS"), ("RATCHET_NODE_NAME", "RATCHET_NAME")],
    )  # fmt: skip
    def test_is_named_with_the_variable_that_is_probably_meant(self, name: str, meant: str) -> None:
        [line] = environment.unknown({name: "x"})
        assert line == f"{name} is not a setting and changes nothing; did you mean {meant}?"

    def test_is_named_without_a_guess_if_no_variable_is_like_it(self) -> None:
        [line] = environment.unknown({"RATCHET_ZZZ": "1", "HOME": "/"})
        assert line.startswith("RATCHET_ZZZ ")
        assert line.endswith("`ratchet node --help` lists all")

    def test_is_a_warning_and_the_node_starts(self, tmp_path: Path) -> None:
        environ = {"RATCHET_FOLD_GRASE": "5"}
        with Node("a", tmp_path, data=":memory:", environ=environ) as node:
            node.start()
            [line] = [line for line in node.log.splitlines() if "RATCHET_" in line]
        assert "WARNING RATCHET_FOLD_GRASE" in line

    def test_is_not_one_that_other_programs_of_ours_read(self) -> None:
        assert environment.unknown(environment.ELSEWHERE) == []

    def test_is_not_one_that_kubernetes_sets(self) -> None:
        environ = environment.effective(OF_SERVICES)
        assert environ == {}
        assert read(OF_SERVICES) == read({})

    def test_is_named_where_it_has_the_name_of_a_setting(self, tmp_path: Path) -> None:
        """Somebody who means to set the port would look for it for long."""
        with Node("a", tmp_path, data=":memory:", environ=OF_SERVICES) as node:
            node.start()
            [line] = [line for line in node.log.splitlines() if "WARNING" in line]
        assert "RATCHET_PORT=tcp://10.0.0.1:1234 is what Kubernetes sets for a Service" in line

    def test_may_look_like_those_of_kubernetes(self) -> None:
        environ = {"RATCHET_NODE_PORT": "1234", "RATCHET_PORTS": "tcp://10.0.0.1:1234"}
        assert environment.effective(environ) == environ
        assert len(environment.unknown(environ)) == 2
