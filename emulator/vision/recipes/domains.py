"""The domains of the service, and the recipe that each stands for: the data file `models/domains.toml`.

The file is read when it is first asked for, not when this module is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

DomainType = Literal["Classification", "ObjectDetection"]

_FILE = "domains.toml"


@dataclass(frozen=True)
class NamedRecipe:
    """What domains of one kind have in common.

    Attributes:
        name: as the file has it.
        type: of the domains that may have it.
        platforms: what models can be exported to; () for models of the cloud alone.
        quick, advanced: fields of the dataclasses in `recipes` that differ from their defaults.
    """

    name: str
    type: DomainType
    platforms: tuple[str, ...]
    quick: Mapping[str, Any] = field(default_factory=dict)
    advanced: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """A domain as the service has it, and its recipe.

    Attributes:
        megabytes, description: what the service tells about exported models, if it does.
        retired: the service documents it no more.
        listed: the service's list of domains, as it was recorded, has it.
    """

    id: str
    name: str
    type: DomainType
    recipe: NamedRecipe
    megabytes: int | None = None
    description: str | None = None
    retired: bool = False
    listed: bool = True

    @property
    def platforms(self) -> tuple[str, ...]:
        return self.recipe.platforms

    @property
    def exportable(self) -> bool:
        return bool(self.platforms)


@dataclass(frozen=True)
class Domains:
    """All domains, in the order of the service's list; those that it does not have come last."""

    all: tuple[Domain, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Domain]:
        return {domain.id: domain for domain in self.all}

    def named(self, name: str, type: DomainType) -> Domain:
        """The domain with this id, in any case, or this name.

        Raises:
            ValueError: there is none of this type; the message lists what there is.
        """
        for domain in self.all:
            if domain.type == type and name.strip().lower() in (domain.id, domain.name.lower()):
                return domain
        known = ", ".join(domain.name for domain in self.all if domain.type == type)
        kind = "classification" if type == "Classification" else "object detection"
        raise ValueError(f"there is no {kind} domain '{name[:100]}'; there are {known}")


@lru_cache(maxsize=1)
def domains() -> Domains:
    """What the file says."""
    import tomllib

    content = tomllib.loads(_path().read_text(encoding="utf-8"))
    recipes = {
        name: NamedRecipe(name, **{**entry, "platforms": tuple(entry["platforms"])})
        for name, entry in content["recipe"].items()
    }
    return Domains(
        tuple(Domain(**{**entry, "recipe": recipes[entry["recipe"]]}) for entry in content["domain"])
    )


def _path() -> Path:
    """Installed, the file lies beside this module; in a checkout with the cards of the networks."""
    installed = Path(__file__).with_name(_FILE)
    return installed if installed.exists() else Path(__file__).parents[3] / "models" / _FILE
