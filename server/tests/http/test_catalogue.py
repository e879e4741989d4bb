"""A node reads its folder of clips again and again, and keeps a good catalogue if a read fails."""

import logging
import os
import shutil
from pathlib import Path

import pytest
from ratchet.names import Invalid
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.shared_catalogue import Encoded, decoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the clip `tide`."""
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "tide.webm").write_bytes(b"clip")
    return folder


@pytest.fixture
def catalogue(folder: Path) -> Catalogue:
    return Catalogue(folder)


def seen(catalogue: Catalogue, *, ordered: bool = False) -> list[str]:
    """The ids after one look."""
    catalogue.look(ordered=ordered)
    return [*catalogue.videos]


class TestANewClip:
    def test_is_there_once_two_looks_have_seen_it_unchanged(
        self, catalogue: Catalogue, folder: Path
    ) -> None:
        with (folder / "new.webm").open("wb", buffering=0) as copy:
            for _ in range(3):
                copy.write(b"part")
                assert seen(catalogue) == ["tide"]
        assert seen(catalogue) == ["new", "tide"]
        assert catalogue.path("new.webm") == folder / "new.webm"

    def test_is_there_at_once_if_an_operator_says_so(
        self, catalogue: Catalogue, folder: Path
    ) -> None:
        (folder / "new.webm").write_bytes(b"clip")
        assert seen(catalogue, ordered=True) == ["new", "tide"]

    def test_gets_its_poster_and_its_title_later(self, catalogue: Catalogue, folder: Path) -> None:
        (folder / "new.webm").write_bytes(b"clip")
        seen(catalogue, ordered=True)
        assert catalogue.path("new.webp") is None
        (folder / "new.webp").write_bytes(b"poster")
        (folder / "catalogue.toml").write_text('[new]\ntitle = "The new one"')
        seen(catalogue)
        assert catalogue.path("new.webp") == folder / "new.webp"
        assert catalogue.videos["new"].title == "The new one"
        # Its time alone tells of a change in place.
        (folder / "catalogue.toml").write_text('[new]\ntitle = "Another one"')
        os.utime(folder / "catalogue.toml", (1, 1))
        seen(catalogue)
        assert catalogue.videos["new"].title == "Another one"

    @pytest.mark.parametrize(
        "name", [".new.webm.a1b2c3", "new.webm.part", "no id.webm", "new.webm/x"]
    )
    def test_has_a_name_that_is_an_id(self, catalogue: Catalogue, folder: Path, name: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"clip")
        for _ in range(2):
            assert seen(catalogue) == ["tide"]


class TestAClipThatIsGone:
    def test_leaves_the_catalogue(self, catalogue: Catalogue, folder: Path) -> None:
        (folder / "other.webm").write_bytes(b"clip")
        seen(catalogue, ordered=True)
        (folder / "tide.webm").unlink()
        assert seen(catalogue) == ["other"]
        assert catalogue.path("tide.webm") is None

    def test_stays_if_it_was_the_last_until_an_operator_says_so(
        self, catalogue: Catalogue, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A folder without clips is rather a disk that is not mounted than anybody's wish."""
        (folder / "tide.webm").unlink()
        for _ in range(3):
            assert seen(catalogue) == ["tide"]
        assert caplog.text.count("Is its disk mounted?") == 1
        assert seen(catalogue, ordered=True) == []


class TestAFailedRead:
    @pytest.mark.parametrize("fault", ["the folder is away", "the titles are no TOML"])
    def test_changes_nothing_and_is_logged_once(
        self, catalogue: Catalogue, folder: Path, fault: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        if fault == "the folder is away":
            folder.rename(folder.with_name("away"))
        else:
            (folder / "catalogue.toml").write_text("[tide")
        for ordered in (False, False, True):
            assert seen(catalogue, ordered=ordered) == ["tide"]
        warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "the catalogue stays as it is" in warnings[0].message

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "new.webm").write_bytes(b"clip")
        assert seen(catalogue, ordered=True) == ["new"]


def test_a_look_at_an_unchanged_folder_reads_no_files(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise AssertionError("the folder is read")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert seen(catalogue) == ["tide"]


class TestACatalogueFromAnotherNode:
    def test_arrives_as_it_was_sent(self, catalogue: Catalogue, folder: Path) -> None:
        (folder / "tide.webp").write_bytes(b"poster")
        (folder / "catalogue.toml").write_text('[tide]\ntitle = "Tidé \\u2026"\n', encoding="utf-8")
        seen(catalogue)
        sent = Encoded(catalogue.videos)
        assert decoded(sent.text) == catalogue.videos
        assert Encoded(decoded(sent.text)).etag == sent.etag

    def test_may_have_fields_of_a_later_version(self) -> None:
        text = (
            '{"version": 2, "videos": [{"video": "x", "title": "X", "description": "", "poster": '
            'null, "seconds": 9}]}'
        )
        assert [*decoded(text)] == ["x"]

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", "null", '{"videos": {}}', '{"videos": [1]}', '{"videos": [{}]}',
         '{"videos": [{"video": "x"}]}', "[" * 100_000,
         '{"videos": [{"video": "../x", "title": "", "description": "", "poster": null}]}',
         '{"videos": [{"video": "x", "title": 1, "description": "", "poster": null}]}',
         '{"videos": [{"video": "x", "title": "\\ud800", "description": "", "poster": null}]}',
         '{"videos": [{"video": "x", "title": "", "description": "", "poster": "/../../x"}]}',
         '{"videos": [{"video": "x", "title": "", "description": "", "poster": ["x"]}]}'],
    )  # fmt: skip
    def test_is_refused_if_it_has_another_form(self, text: str) -> None:
        with pytest.raises(Invalid):
            decoded(text)


def test_files_that_people_may_take_for_clips_are_named_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("moss.mp4", "fern.M3U8", "tide.webp"):
        (folder / name).write_bytes(b"other")
    catalogue = Catalogue(folder)
    assert seen(catalogue, ordered=True) == ["tide"]
    (warning,) = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert "not in the catalogue: fern.M3U8, moss.mp4." in warning
    assert "--videos" in warning
