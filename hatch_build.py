"""The build hook of wheel and sdist: both carry the built portal, see `tools/build_portal.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PortalBuildHook(BuildHookInterface[Any]):
    """Builds the portal where it is not built. Editable installations stay without: `make` builds theirs."""

    def dependencies(self) -> list[str]:
        """Node, where the portal is yet to be built."""
        tool = self._tool()
        return [] if tool.is_built(Path(self.root)) else [tool.NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the portal. Raises BuildFailed when there is none afterwards."""
        if version != "editable":
            self._tool().build(Path(self.root))

    def _tool(self) -> ModuleType:
        path = Path(self.root, "tools", "build_portal.py")
        specification = importlib.util.spec_from_file_location("build_portal", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module
