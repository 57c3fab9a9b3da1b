// Loads the protos of Headrace at run time, without generated code.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

// Any copy of googleapis has google/rpc/*.proto. `make setup` installs one in .venv.
function googleProtos() {
  const lib = path.join(REPOSITORY, ".venv", "lib");
  const versions = existsSync(lib) ? readdirSync(lib) : [];
  const folders = versions.map((version) => path.join(lib, version, "site-packages"));
  return folders.find((folder) => existsSync(path.join(folder, "google/rpc/status.proto"))) ?? REPOSITORY;
}

const definition = protoLoader.loadSync(
  ["headrace/gateway/v1/gateway.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"],
  {
    includeDirs: [
      process.env.HEADRACE_PROTOS ?? path.join(REPOSITORY, "clients", "protos"),
      process.env.GOOGLE_PROTOS ?? googleProtos(),
    ],
    keepCase: true, // field names as in the protos
    longs: Number, // counts and seq stay far below 2^53
    enums: String,
    defaults: true,
  },
);

export const { GatewayService } = grpc.loadPackageDefinition(definition).headrace.gateway.v1;

/** Decodes `bytes` as the named message, such as google.rpc.ErrorInfo. */
export function decode(name, bytes) {
  return definition[name].deserialize(bytes);
}
