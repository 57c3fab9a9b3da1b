"""The protos as the stubs hold them: with the rules of protovalidate as plain option bytes.

A stub made the usual way imports buf.validate, so that who installs the client would need that package, in
our version of it. Without the import the rules stay in the descriptors, as bytes that protovalidate reads.
"""

import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from deploy.protos.descriptors import build_image
from deploy.protos.rule_declarations import PATH as RULE_DECLARATIONS


def main() -> None:
    """Writes the descriptors, a FileDescriptorSet, to standard output."""
    image = build_image()
    kept = FileDescriptorSet(file=[file for file in image.file if file.name != str(RULE_DECLARATIONS)])
    for file in kept.file:
        imports = [name for name in file.dependency if name != str(RULE_DECLARATIONS)]
        del file.dependency[:]
        file.dependency.extend(imports)
    sys.stdout.buffer.write(kept.SerializeToString())


if __name__ == "__main__":
    main()
