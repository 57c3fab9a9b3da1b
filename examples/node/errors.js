// Error details of a failed call, which travel in its trailing metadata.
import grpc from "@grpc/grpc-js";

import { decode } from "./protos.js";

/**
 * Returns the parts of a failed call.
 *
 * @param {grpc.ServiceError} error Error raised by @grpc/grpc-js.
 * @returns {{code: string, reason: string, violations: {field: string, description: string}[]}} The name of
 *   the gRPC code, the stable reason for programs ("" if no Headrace server answered), and each wrong field.
 */
export function describe(error) {
  const described = { code: grpc.status[error.code], reason: "", violations: [] };
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (bytes === undefined) return described;
  for (const detail of decode("google.rpc.Status", bytes).details) {
    const name = detail.type_url.split("/").pop();
    if (name === "google.rpc.ErrorInfo") described.reason = decode(name, detail.value).reason;
    if (name === "google.rpc.BadRequest") described.violations = decode(name, detail.value).field_violations;
  }
  return described;
}
