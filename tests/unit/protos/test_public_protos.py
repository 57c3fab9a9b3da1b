"""The public protos for other languages: the same API, without the rules."""

import subprocess

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from deploy.local.paths import REPOSITORY
from deploy.protos.descriptors import Comments, build_image
from deploy.protos.public_protos import FOLDER, PACKAGES, strip_rules
from deploy.protos.rule_declarations import PATH as RULE_DECLARATIONS


@pytest.fixture(scope="module")
def public():
    """Files of clients/protos, by name."""
    return {file.name: file for file in build_image(REPOSITORY / FOLDER).file}


def without_rules(file):
    """A file as it would be if nobody had written rules."""
    bare = FileDescriptorProto.FromString(file.SerializeToString())
    bare.ClearField("source_code_info")
    bare.dependency[:] = [name for name in bare.dependency if name != str(RULE_DECLARATIONS)]
    for message in bare.message_type:
        message.ClearField("options")
        for field in message.field:
            field.ClearField("options")
    return bare


def test_they_hold_the_same_messages_calls_and_options_of_files(files, public):
    assert {file.name for file in files} == {name for name in public if name.startswith(PACKAGES)}
    for file in files:
        copied = FileDescriptorProto.FromString(public[file.name].SerializeToString())
        copied.ClearField("source_code_info")
        assert copied == without_rules(file)


def test_they_hold_the_same_comments(files, public):
    for file in files:
        paths = {tuple(location.path) for location in public[file.name].source_code_info.location}
        expected, copied = Comments(file), Comments(public[file.name])
        commented = [path for path in paths if expected.paragraphs(path)]
        assert len(commented) > 50
        for path in commented:
            assert copied.paragraphs(path) == expected.paragraphs(path)


def test_they_import_nothing_but_themselves_and_well_known_types(public):
    for file in public.values():
        for name in file.dependency:
            assert name.startswith(("headrace/", "google/protobuf/")), file.name


def test_they_need_no_rules_to_compile(tmp_path):
    folder = REPOSITORY / FOLDER
    names = [str(path.relative_to(folder)) for path in folder.rglob("*.proto")]
    compiler = [str(REPOSITORY / ".venv/bin/python"), "-W", "ignore", "-m", "grpc_tools.protoc"]
    subprocess.run([*compiler, f"-I{folder}", f"--pyi_out={tmp_path}", *names], check=True)
    assert len(list(tmp_path.rglob("*.pyi"))) == len(names)


def test_rules_of_nested_brackets_go_as_a_whole():
    proto = """\
import "buf/validate/validate.proto";
message Cart {
  option (buf.validate.message).oneof = {
    fields: ["a"]
  };

  // Names.
  repeated string names = 1 [(buf.validate.field).repeated = {
    items: {
      string: {not_in: ["x"]}
    }
  }];
  string id = 2 [
    (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE,
    (buf.validate.field).string.uuid = true
  ];
  bool old = 3 [deprecated = true];
}
"""
    assert strip_rules(proto) == (
        "message Cart {\n  // Names.\n  repeated string names = 1;\n  string id = 2;\n"
        "  bool old = 3 [deprecated = true];\n}\n"
    )


def test_stubs_of_other_packages_stay_private():
    assert {path.name for path in (REPOSITORY / FOLDER / "headrace").iterdir()} == {"jobs", "gateway"}
