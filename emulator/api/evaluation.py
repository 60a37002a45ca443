"""Evaluates the ``Annotated`` dependencies of endpoints.

FastAPI's own evaluation also validates parameters and closes resources, which no endpoint needs here, and
takes as long as everything else that it does for a small request.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

from fastapi import Request
from fastapi.params import Depends

Function = Callable[..., Any]
# Stands for the request in place of the number of a step.
_REQUEST = -1


class Dependencies:
    """The parameters of an endpoint: the request, or dependencies, whose parameters are of the same kinds.

    They are evaluated in the order of the parameters, those of a dependency before it, and each function once
    in a request. first: dependencies without a parameter, which precede all others.

    Raises TypeError for a parameter of another kind, and for a dependency that is not a coroutine function.
    """

    def __init__(self, endpoint: Function, *first: Function) -> None:
        # Functions, each with its arguments by name: numbers of earlier steps.
        self._steps: list[tuple[Callable[..., Awaitable[Any]], dict[str, int]]] = []
        self._numbers: dict[Function, int] = {}
        for function in first:
            self._add(function)
        self._arguments = self._sources(endpoint)

    async def evaluate(self, request: Request) -> dict[str, Any]:
        """The arguments of the endpoint by name. Raises the errors of the dependencies."""
        results: list[Any] = []
        for function, arguments in self._steps:
            results.append(await function(**_values(arguments, results, request)))
        return _values(self._arguments, results, request)

    def _add(self, function: Function) -> int:
        """The number of the step that calls a function."""
        if function not in self._numbers:
            if not inspect.iscoroutinefunction(function):
                raise TypeError(f"the dependency {function.__qualname__} is not a coroutine function")
            arguments = self._sources(function)
            self._steps.append((function, arguments))
            self._numbers[function] = len(self._steps) - 1
        return self._numbers[function]

    def _sources(self, function: Function) -> dict[str, int]:
        parameters = inspect.signature(function, eval_str=True).parameters
        return {name: self._source(function, parameter) for name, parameter in parameters.items()}

    def _source(self, function: Function, parameter: inspect.Parameter) -> int:
        if parameter.annotation is Request:
            return _REQUEST
        for metadata in get_args(parameter.annotation)[1:]:
            if isinstance(metadata, Depends) and metadata.dependency is not None:
                return self._add(metadata.dependency)
        what = f"the parameter {parameter.name} of {function.__qualname__}"
        raise TypeError(f"{what} is neither the request nor a dependency")


def _values(arguments: Mapping[str, int], results: list[Any], request: Request) -> dict[str, Any]:
    return {name: request if number == _REQUEST else results[number] for name, number in arguments.items()}
