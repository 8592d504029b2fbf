"""Plug-ins are files: the file's name is the tag that the YAML uses. There is no list to edit."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, Field


@cache
def discover(package: str) -> dict[str, ModuleType]:
    """Return every module of `package` by its file name, sorted: `discover("models.families")["mlp"]`."""
    folder = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__))
    return {name: importlib.import_module(f"{package}.{name}") for name in names}


def union(package: str, tag: str) -> Any:
    """Return the pydantic type "the Params of any plug-in of `package`, told apart by the field `tag`"."""
    params: list[type[BaseModel]] = [module.Params for module in discover(package).values()]
    alternatives: Any = params[0]
    for other in params[1:]:
        alternatives = alternatives | other
    return Annotated[alternatives, Field(discriminator=tag)] if len(params) > 1 else alternatives
