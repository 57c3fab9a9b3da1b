"""The generated stubs hold the rules, and do not need protovalidate."""

import importlib
import subprocess
import sys

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from deploy.protos.rule_declarations import PATH as RULE_DECLARATIONS

IMPORTS_WITHOUT_PROTOVALIDATE = """
import sys
for name in ("buf", "protovalidate"):
    sys.modules[name] = None  # an import of it fails
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from services.stubs.results.v1 import results_pb2, results_pb2_grpc
from services.stubs.worker.v1 import worker_pb2, worker_pb2_grpc
print(gateway_pb2.SubmitJobRequest(kind="noop").kind)
"""


@pytest.fixture(scope="module")
def stubs(own_files):
    """The descriptor that the stubs of each file hold, by its name."""
    found = {}
    for file in own_files:
        path = file.name.removesuffix(".proto").replace("headrace_internal/", "services/stubs/")
        module = importlib.import_module(path.replace("/", ".") + "_pb2")
        found[file.name] = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(found[file.name])
    return found


def test_stubs_hold_everything_in_the_protos_except_the_import_of_the_rules(own_files, stubs):
    assert len(own_files) >= 5
    for file in own_files:
        expected = FileDescriptorProto.FromString(file.SerializeToString())
        expected.ClearField("source_code_info")
        kept = [name for name in expected.dependency if name != str(RULE_DECLARATIONS)]
        expected.dependency[:] = kept
        assert stubs[file.name].SerializeToString(deterministic=True) == expected.SerializeToString(
            deterministic=True
        )


def test_stubs_work_where_protovalidate_is_not_installed():
    run = [sys.executable, "-W", "error", "-c", IMPORTS_WITHOUT_PROTOVALIDATE]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "noop\n"
