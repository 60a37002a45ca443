"""The domains of the service and their recipes, from the data file `models/domains.toml`.

The file is read at the first call of `domains`, not when this module is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

DomainType = Literal["Classification", "ObjectDetection"]

# The name of the tag of anomalies where a user has given it none.
ANOMALY = "anomaly"
_FILE = "domains.toml"


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe that domains share.

    Attributes:
        name: as in the file.
        type: of its domains.
        platforms: export formats of its models; () if they cannot be exported.
        quick, advanced, anomaly: fields of the dataclasses in `recipes` that differ from their defaults.
        detects_anomalies: models are trained on good images alone, see `vision.anomaly`.
    """

    name: str
    type: DomainType
    platforms: tuple[str, ...]
    quick: Mapping[str, Any] = field(default_factory=dict)
    advanced: Mapping[str, Any] = field(default_factory=dict)
    anomaly: Mapping[str, Any] = field(default_factory=dict)
    detects_anomalies: bool = False


@dataclass(frozen=True)
class Domain:
    """A domain of the service, and its recipe.

    Attributes:
        megabytes, description: of exported models, where the service lists them.
        retired: no longer documented by the service.
        listed: in the recorded list of domains of the service.
        own: the service does not have it.
    """

    id: str
    name: str
    type: DomainType
    recipe: NamedRecipe
    megabytes: int | None = None
    description: str | None = None
    retired: bool = False
    listed: bool = True
    own: bool = False

    @property
    def detects_anomalies(self) -> bool:
        return self.recipe.detects_anomalies

    @property
    def platforms(self) -> tuple[str, ...]:
        return self.recipe.platforms

    @property
    def exportable(self) -> bool:
        return bool(self.platforms)


@dataclass(frozen=True)
class Domains:
    """All domains, in the order of the service's list; those that are not listed come last."""

    all: tuple[Domain, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Domain]:
        return {domain.id: domain for domain in self.all}

    def named(self, name: str, type: DomainType) -> Domain:
        """The domain with this id or name, in any case.

        Raises:
            ValueError: no domain of this type matches; the message lists all.
        """
        for domain in self.all:
            if domain.type == type and name.strip().lower() in (domain.id, domain.name.lower()):
                return domain
        known = ", ".join(domain.name for domain in self.all if domain.type == type)
        kind = "classification" if type == "Classification" else "object detection"
        raise ValueError(f"there is no {kind} domain '{name[:100]}'; there are {known}")


@lru_cache(maxsize=1)
def domains() -> Domains:
    """The domains of the file."""
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
    """In the installed package the file is beside this module, in a checkout in `models`."""
    installed = Path(__file__).with_name(_FILE)
    return installed if installed.exists() else Path(__file__).parents[3] / "models" / _FILE
