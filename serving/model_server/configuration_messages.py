"""Configuration messages that the installed packages do not contain.

`tensorflow-serving-api` ships `ModelServerConfig` and no class for the other files
that the original reads; their fields are declared here, for protobuf to make the
classes and to parse the text.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_FILE = "serving/model_server/configuration.proto"
_PACKAGE = "tensorflow.serving"

_WRAPPED_INT = (_Field.TYPE_MESSAGE, ".google.protobuf.Int64Value")
_WRAPPED_BOOL = (_Field.TYPE_MESSAGE, ".google.protobuf.BoolValue")
_WRAPPED_TEXT = (_Field.TYPE_MESSAGE, ".google.protobuf.StringValue")
_TEXT = (_Field.TYPE_STRING, "")
_BOOL = (_Field.TYPE_BOOL, "")
_REPEATED = "repeated"
_NUMBERS = (_Field.TYPE_INT64, _REPEATED)

_MESSAGES: dict[str, dict[str, tuple[Any, str]]] = {
    "BatchingParameters": {
        "max_batch_size": _WRAPPED_INT,
        "batch_timeout_micros": _WRAPPED_INT,
        "max_enqueued_batches": _WRAPPED_INT,
        "num_batch_threads": _WRAPPED_INT,
        "thread_pool_name": _WRAPPED_TEXT,
        "allowed_batch_sizes": _NUMBERS,
        "pad_variable_length_inputs": _BOOL,
        "enable_large_batch_splitting": _WRAPPED_BOOL,
        "max_execution_batch_size": _WRAPPED_INT,
    },
    "PrometheusConfig": {"enable": _BOOL, "path": _TEXT},
    "MonitoringConfig": {
        "prometheus_config": (_Field.TYPE_MESSAGE, f".{_PACKAGE}.PrometheusConfig")
    },
    "SSLConfig": {
        "server_key": _TEXT,
        "server_cert": _TEXT,
        "custom_ca": _TEXT,
        "client_verify": _BOOL,
    },
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name=_FILE, package=_PACKAGE, syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field_name, (kind, detail)) in enumerate(fields.items(), start=1):
            declared = message.field.add(name=field_name, number=number, type=kind)
            declared.label = _Field.LABEL_OPTIONAL
            if kind == _Field.TYPE_MESSAGE:
                declared.type_name = detail
            elif detail == _REPEATED:
                declared.label = _Field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()
BatchingParameters = _CLASSES["BatchingParameters"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
SSLConfig = _CLASSES["SSLConfig"]
