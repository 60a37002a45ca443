"""The flatbuffer of a TensorFlow Lite file: tensors, operators and buffers. Independent of networks.

The tables are those of TensorFlow Lite's schema, version 3; the package `tflite` has their generated code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatbuffers import Builder
    from numpy.typing import NDArray

_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"
# Alignment in bytes that the schema requires for constants.
_ALIGNMENT = 16
# The schema's first field for operator codes has 7 bits; this value refers to the newer field.
_LAST_OLD_OPERATOR = 127


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    kind: str
    buffer: int


@dataclass(frozen=True)
class _Operator:
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_table: str | None
    options: Mapping[str, int | float | bool]


@dataclass
class TfliteFile:
    """Builds a file. Operators run in the order in which they are added.

    Attributes:
        description: one line about the model.
    """

    description: str
    _tensors: list[_Tensor] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _operators: list[_Operator] = field(default_factory=list)
    _codes: dict[tuple[str, int], int] = field(default_factory=dict)
    # The first buffer is empty by convention; computed tensors refer to it.
    _buffers: list[bytes] = field(default_factory=lambda: [b""])

    def tensor(self, name: str, shape: Sequence[int], kind: str = "float32") -> str:
        """Declare an input or a computed tensor. `kind` is the name of its NumPy type."""
        return self._add_tensor(_Tensor(name, tuple(shape), kind, 0))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Declare a tensor whose content is stored in the file."""
        content = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        self._buffers.append(content)
        return self._add_tensor(_Tensor(name, value.shape, value.dtype.name, len(self._buffers) - 1))

    def rename(self, name: str, other: str) -> str:
        """Rename a tensor in the file. Its old name stays valid for later calls."""
        number = self._numbers[name]
        self._tensors[number] = replace(self._tensors[number], name=other)
        self._numbers[other] = number
        return other

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[self._numbers[name]].shape

    def kind(self, name: str) -> str:
        return self._tensors[self._numbers[name]].kind

    def has(self, name: str) -> bool:
        return name in self._numbers

    def operator(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        table: str | None = None,
        *,
        version: int = 1,
        **options: float,
    ) -> None:
        """Add an operator.

        Args:
            kind: its name in the schema's `BuiltinOperator`.
            table: the schema's table of its options, with the fields `options`.
            version: of the operator; later versions have more features.
        """
        code = self._codes.setdefault((kind, version), len(self._codes))
        numbers = [tuple(self._numbers[name] for name in names) for names in (inputs, outputs)]
        self._operators.append(_Operator(code, numbers[0], numbers[1], table, options))

    def content(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        """The file, with a signature "serving_default" for these input and output tensors."""
        import flatbuffers

        builder = flatbuffers.Builder(sum(map(len, self._buffers)) + 65536)
        buffers = [self._write_buffer(builder, content) for content in self._buffers]
        model = self._table(
            builder,
            "Model",
            Version=_SCHEMA_VERSION,
            OperatorCodes=self._vector(builder, self._write_codes(builder)),
            Subgraphs=self._vector(builder, [self._write_graph(builder, inputs, outputs)]),
            Description=builder.CreateString(self.description),
            Buffers=self._vector(builder, buffers),
            SignatureDefs=self._vector(builder, [self._write_signature(builder, inputs, outputs)]),
        )
        builder.Finish(model, file_identifier=_IDENTIFIER)
        return bytes(builder.Output())

    def _add_tensor(self, tensor: _Tensor) -> str:
        if tensor.name in self._numbers:
            raise ValueError(f"there are two tensors {tensor.name}")
        self._numbers[tensor.name] = len(self._tensors)
        self._tensors.append(tensor)
        return tensor.name

    @staticmethod
    def _table(builder: Builder, name: str, **fields: Any) -> int:
        """Write a table of the schema. Everything that its fields refer to must already be written."""
        import tflite

        getattr(tflite, f"{name}Start")(builder)
        for key, value in fields.items():
            getattr(tflite, f"{name}Add{key}")(builder, value)
        end: int = getattr(tflite, f"{name}End")(builder)
        return end

    @staticmethod
    def _vector(builder: Builder, offsets: Sequence[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        end: int = builder.EndVector()
        return end

    @staticmethod
    def _numbers_vector(builder: Builder, numbers: Sequence[int]) -> int:
        import numpy

        offset: int = builder.CreateNumpyVector(numpy.array(numbers, numpy.int32))
        return offset

    def _write_buffer(self, builder: Builder, content: bytes) -> int:
        if not content:
            return self._table(builder, "Buffer")
        builder.StartVector(1, len(content), _ALIGNMENT)
        # As `Builder.CreateByteVector`, which does not support alignment.
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        return self._table(builder, "Buffer", Data=builder.EndVector())

    def _write_codes(self, builder: Builder) -> list[int]:
        import tflite

        codes = []
        for kind, version in self._codes:
            number: int = getattr(tflite.BuiltinOperator, kind)
            old_number = min(number, _LAST_OLD_OPERATOR)
            codes.append(
                self._table(
                    builder,
                    "OperatorCode",
                    DeprecatedBuiltinCode=old_number,
                    BuiltinCode=number,
                    Version=version,
                )
            )
        return codes

    def _write_graph(self, builder: Builder, inputs: Sequence[str], outputs: Sequence[str]) -> int:
        return self._table(
            builder,
            "SubGraph",
            Tensors=self._vector(builder, [self._write_tensor(builder, tensor) for tensor in self._tensors]),
            Inputs=self._numbers_vector(builder, [self._numbers[name] for name in inputs]),
            Outputs=self._numbers_vector(builder, [self._numbers[name] for name in outputs]),
            Operators=self._vector(
                builder, [self._write_operator(builder, each) for each in self._operators]
            ),
            Name=builder.CreateString("main"),
        )

    def _write_tensor(self, builder: Builder, tensor: _Tensor) -> int:
        import tflite

        fields = {
            "Shape": self._numbers_vector(builder, tensor.shape),
            "Type": getattr(tflite.TensorType, tensor.kind.upper()),
            "Buffer": tensor.buffer,
            "Name": builder.CreateString(tensor.name),
            "HasRank": True,
        }
        return self._table(builder, "Tensor", **fields)

    def _write_operator(self, builder: Builder, operator: _Operator) -> int:
        import tflite

        fields: dict[str, Any] = {
            "OpcodeIndex": operator.code,
            "Inputs": self._numbers_vector(builder, operator.inputs),
            "Outputs": self._numbers_vector(builder, operator.outputs),
        }
        if operator.options_table is not None:
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.options_table)
            fields["BuiltinOptions"] = self._table(builder, operator.options_table, **operator.options)
        return self._table(builder, "Operator", **fields)

    def _write_signature(self, builder: Builder, inputs: Sequence[str], outputs: Sequence[str]) -> int:
        maps = []
        for names in (inputs, outputs):
            entries = [
                self._table(
                    builder,
                    "TensorMap",
                    Name=builder.CreateString(name),
                    TensorIndex=self._numbers[name],
                )
                for name in names
            ]
            maps.append(self._vector(builder, entries))
        return self._table(
            builder,
            "SignatureDef",
            Inputs=maps[0],
            Outputs=maps[1],
            SignatureKey=builder.CreateString("serving_default"),
            SubgraphIndex=0,
        )
