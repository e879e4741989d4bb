"""`--registry`: which URLs it takes, and what it says of all others."""

import sys
from pathlib import Path

import pytest
from ratchet_server.peering.registry.known import finders
from ratchet_server.settings import SettingError
from ratchet_server.settings.registries import registry_urls

from testing.nodes import HOST, Node, free_port

LOCAL = "http://127.0.0.1:1234"


class TestARegistryUrl:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("etcd://h1:2379,h2/ratchet", "etcd://h1:2379,h2:2379/ratchet"),
            ("etcd+tls://h1/ratchet", "etcd+tls://h1:2379/ratchet"),
            ("consul+tls://h/ratchet", "consul+tls://h:8501/ratchet"),
            ("etcd://[::1]/some/prefix", "etcd://[::1]:2379/some/prefix"),
            ("consul://h/ratchet-2", "consul://h:8500/ratchet-2"),
            ("zookeeper://h1:2181,h2:2182/a/b", "zookeeper://h1:2181,h2:2182/a/b"),
            ("dns://ratchet:1234", "dns://ratchet:1234"),
            ("dns://tasks.ratchet.:1234?server=127.0.0.1:8600", "dns://tasks.ratchet.:1234"),
            ("dns+srv://_peer._tcp.x", "dns+srv://_peer._tcp.x"),
            ("kubernetes://nodes.video", "dns+srv://_peer._tcp.nodes.video.svc.cluster.local"),
        ],
    )
    def test_is_shown_as_it_is_understood(self, text: str, shown: str) -> None:
        (url,) = registry_urls([text])
        assert str(url) == shown

    def test_may_stand_beside_others_with_commas_between_and_in_them(self) -> None:
        texts = ["etcd://h1:2379, h2:2379/a, dns://b:1", "consul://c/d", "dns://b:1"]
        assert [*map(str, registry_urls(texts))] == [
            "etcd://h1:2379,h2:2379/a",
            "dns://b:1",
            "consul://c:8500/d",
        ]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("eureka://h/x", "a registry is etcd://"),
            ("h:2379", "a registry is etcd://"),
            ("", "a registry is etcd://"),
            ("ETCD://h/x", "a registry is etcd://"),
            ("etcd://h:2379", "it is etcd://host:2379,host:2379/prefix"),
            ("etcd://h:2379/", "it is etcd://"),
            ("etcd:///x", "it is etcd://"),
            ("etcd://h:0/x", "it is etcd://"),
            ("etcd://h:65536/x", "it is etcd://"),
            ("etcd://h:2379/x y", "it is etcd://"),
            ("etcd://h/" + "x" * 300, "it is etcd://"),
            ("etcd://" + ",".join(["h"] * 17) + "/x", "it is etcd://"),
            ("etcd://ähm/x", "it is etcd://"),
            ("consul://h1,h2/x", "it is consul://host:8500/service"),
            ("consul://h/Service_1", "it is consul://"),
            ("zookeeper://h//x", "it is zookeeper://"),
            ("dns://name", "it is dns://name:port"),
            ("dns://:1", "it is dns://"),
            ("dns+srv://", "it is dns+srv://"),
            ("kubernetes://only-one", "it is kubernetes://service.namespace"),
            ("dns://n:1?server=example.com", "a DNS server's IP address"),
            ("dns://n:1?ttl=5", "takes each of the parameters server once, and no other"),
            ("dns://n:1?server=::1&server=::1", "once, and no other"),
            ("consul://h/x?dc=1", "parameters token-file and token-variable once, and no other"),
            ("consul://h/x?token-file=/nowhere", "/nowhere can't be read"),
            ("consul://h/x?token-variable=NOWHERE", "should hold one line"),
            ("etcd://h/x?token-variable=NO_COLON", "should hold user:password"),
            ("etcd://h/x?token-variable=NO_COLON&token-file=x", "not both"),
        ],
    )
    def test_that_is_wrong_gets_a_word_that_says_what_is_right(
        self, text: str, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_COLON", "hunter2")
        with pytest.raises(SettingError) as error:
            registry_urls([text])
        assert words in str(error.value)
        assert "hunter2" not in str(error.value)

    @pytest.mark.parametrize(
        "text",
        [
            "etcd://root:hunter2@h/x",
            "etcd://root:hun,ter2@h/x",
            "zookeeper://root:hun/ter2@h/x",
            "dns://root:hunter2@h:1",
            "foo://root:hunter2@h/x",
            "root:hunter2@h/x",
            "etcd://h/x?password=hunter2",
            "etcd://h?password=hunter2",
            "foo://h?password=hunter2",
        ],
    )
    def test_with_a_password_is_refused_and_not_shown(self, text: str) -> None:
        with pytest.raises(SettingError) as error:
            registry_urls([text])
        assert "ter2" not in str(error.value)

    def test_does_not_show_its_token(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("root:hunter2\n")
        (url,) = registry_urls([f"etcd://h/x?token-file={tmp_path}/token"])
        assert url.token == "root:hunter2"
        assert "hunter2" not in f"{url} {url!r}"


class TestARegistry:
    @pytest.mark.parametrize(
        ("url", "client"),
        [
            ("dns://h:1", "needs dnspython: pip install 'ratchet-views[dns]'"),
            ("zookeeper://h:2181/x", "needs kazoo: pip install 'ratchet-views[zookeeper]'"),
        ],
    )
    def test_whose_client_is_missing_says_how_to_install_it(
        self, url: str, client: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for adapter in ("dns", "zookeeper"):
            module = f"ratchet_server.peering.registry.{adapter}"
            monkeypatch.delitem(sys.modules, module, raising=False)
        for library in ("dns", "kazoo"):
            for name in [*sys.modules]:
                if name.startswith(f"{library}."):
                    monkeypatch.delitem(sys.modules, name)
            monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(SettingError) as error:
            finders(registry_urls([url]), LOCAL)
        assert str(error.value) == f"--registry {url} {client}"
        # The others need only what every node has.
        assert finders(registry_urls(["etcd://h/x", "consul://h/x"]), LOCAL)

    @pytest.mark.parametrize("own", ["http://0.0.0.0:1234", "http://[::]:1234", "http://a:0"])
    def test_is_not_told_an_address_that_nobody_can_dial(self, own: str) -> None:
        for url in ("etcd://h/x", "consul://h/x", "zookeeper://h/x"):
            with pytest.raises(SettingError, match="give it with --advertise"):
                finders(registry_urls([url]), own)
        # Here others write the addresses.
        assert finders(registry_urls(["dns://h:1"]), own)

    def test_elsewhere_that_is_told_a_local_address_is_worth_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        finders(registry_urls(["etcd://127.0.0.1/x"]), LOCAL)
        finders(registry_urls(["etcd://10.0.0.7/x"]), "http://10.0.0.1:1234")
        assert not caplog.records
        finders(registry_urls(["etcd://10.0.0.7/x"]), LOCAL)
        assert "other machines can't reach it there" in caplog.text

    def test_that_is_wrong_stops_a_node_before_it_writes_anything(self, tmp_path: Path) -> None:
        flags = ["--open", "--host", "0.0.0.0", "--registry", f"etcd://{HOST}:{free_port()}/x"]
        with Node("a", tmp_path, flags=flags) as a:
            assert a.spawn().wait() != 0
            assert "give it with --advertise" in a.log
            assert not Path(a.data).exists()
