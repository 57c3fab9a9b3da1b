"""Descriptors for the stubs: ``python -m deploy.protos.stub_descriptors``.

A stub generated in the usual way imports buf.validate, and the client would depend on one version of that
package. Without the import, the rules stay in the descriptors as bytes, which protovalidate still reads.
"""

import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from deploy.protos.descriptors import build_image
from deploy.protos.rule_declarations import PATH as RULE_DECLARATIONS


def main() -> None:
    """Writes a FileDescriptorSet to standard output."""
    image = build_image()
    kept = FileDescriptorSet(file=[file for file in image.file if file.name != str(RULE_DECLARATIONS)])
    for file in kept.file:
        imports = [name for name in file.dependency if name != str(RULE_DECLARATIONS)]
        del file.dependency[:]
        file.dependency.extend(imports)
    sys.stdout.buffer.write(kept.SerializeToString())


if __name__ == "__main__":
    main()
