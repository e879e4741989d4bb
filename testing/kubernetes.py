"""Objects of Kubernetes, read as strictly as its server does: by types, and without unknown fields.

The types are lightkube's, one module for each group of the API. They take their base class from
`lightkube.core.schema`. The client that this belongs to is not installed, so a module of that name
stands here, with a base class that refuses unknown fields.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
import yaml

Object = dict[str, Any]


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    """What all objects and their parts are."""


def _field(metadata: Mapping[str, str], default: object) -> Any:
    """A field whose name in an object is a keyword of Python."""
    return msgspec.field(name=metadata["json"], default=default)


_schema: Final = ModuleType("lightkube.core.schema")
_schema.__dict__.update(DictMixin=_Model, field=_field, dataclass=lambda model: model)
sys.modules |= {"lightkube.core": ModuleType("lightkube.core"), _schema.__name__: _schema}


def read(text: str) -> list[Object]:
    """The objects in a YAML text. Raises `msgspec.ValidationError` for one that does not fit."""
    objects: list[Object] = [*yaml.safe_load_all(text)]
    for each in objects:
        _check(each)
    return objects


def read_file(file: Path) -> list[Object]:
    """The objects in a file, as `read` reads them."""
    return read(file.read_text(encoding="utf-8"))


def _check(given: Object) -> None:
    group, _, version = given["apiVersion"].rpartition("/")
    module = f"lightkube.models.{group.partition('.')[0] or 'core'}_{version}"
    model = msgspec.convert(given, getattr(import_module(module), given["kind"]))
    # The models overwrite it.
    if model.apiVersion != given["apiVersion"]:
        raise msgspec.ValidationError(f"{given['kind']} is of {model.apiVersion}")
