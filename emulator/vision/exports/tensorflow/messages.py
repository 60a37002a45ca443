"""The protobuf messages of TensorFlow's graphs and saved models, declared without TensorFlow.

Field numbers and types are those of TensorFlow's published `.proto` files. The messages have a pool of their
own, separate from TensorFlow's, which may also be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# Message -> field -> (number, type). "*" marks repeated fields, ">" separates key and value of maps.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "GraphDef": {"node": (1, "*NodeDef"), "versions": (4, "VersionDef")},
    "VersionDef": {"producer": (1, "int32"), "min_consumer": (2, "int32")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "*string"),
        "device": (4, "string"),
        "attr": (5, "string>AttrValue"),
    },
    "IntegerList": {"i": (3, "*int64")},
    "AttrValue": {
        "list": (1, "IntegerList"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "f": (4, "float"),
        "b": (5, "bool"),
        "type": (6, "DataType"),
        "shape": (7, "TensorShapeProto"),
        "tensor": (8, "TensorProto"),
    },
    "Dimension": {"size": (1, "int64"), "name": (2, "string")},
    "TensorShapeProto": {"dim": (2, "*Dimension"), "unknown_rank": (3, "bool")},
    "TensorProto": {
        "dtype": (1, "DataType"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
    },
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "DataType"), "tensor_shape": (3, "TensorShapeProto")},
    "SignatureDef": {
        "inputs": (1, "string>TensorInfo"),
        "outputs": (2, "string>TensorInfo"),
        "method_name": (3, "string"),
    },
    "MetaInfoDef": {"tags": (4, "*string"), "tensorflow_version": (5, "string")},
    "MetaGraphDef": {
        "meta_info_def": (1, "MetaInfoDef"),
        "graph_def": (2, "GraphDef"),
        "signature_def": (5, "string>SignatureDef"),
    },
    "SavedModel": {"saved_model_schema_version": (1, "int64"), "meta_graphs": (2, "*MetaGraphDef")},
}
# Messages with a oneof of all fields.
_CHOICES = {"AttrValue"}
_DATA_TYPES = {"DT_INVALID": 0, "DT_FLOAT": 1, "DT_INT32": 3, "DT_INT64": 9, "DT_BOOL": 10}


@lru_cache(maxsize=1)
def messages() -> Mapping[str, Any]:
    """The classes of the messages, by name.

    Raises:
        ImportError: protobuf is not installed; it comes with onnx.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="custom_vision_emulator/graphs.proto", package="tensorflow", syntax="proto3"
    )
    enum = file.enum_type.add(name="DataType")
    for name, number in _DATA_TYPES.items():
        enum.value.add(name=name, number=number)
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        if message_name in _CHOICES:
            message.oneof_decl.add(name="value")
        for name, (number, kind) in fields.items():
            key, is_map, value = kind.partition(">")
            if is_map:
                entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
                entry.options.map_entry = True
                _declare(entry, "key", 1, key)
                _declare(entry, "value", 2, value)
                kind = f"*{message_name}.{entry.name}"
            _declare(message, name, number, kind, choice=message_name in _CHOICES)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.{name}"))
        for name in _MESSAGES
    }


def _declare(message: Any, name: str, number: int, kind: str, *, choice: bool = False) -> None:
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
    kind = kind.removeprefix("*")
    if kind == "DataType":
        field.type, field.type_name = field.TYPE_ENUM, ".tensorflow.DataType"
    elif kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".tensorflow.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
    if choice:
        field.oneof_index = 0
