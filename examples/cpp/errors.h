// Error details of a failed call.
#pragma once

#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

struct Failure {
  std::string code;                 // name of the gRPC code
  std::string reason;               // stable, for programs; empty if no Headrace server answered
  std::vector<std::string> fields;  // paths of the wrong fields
};

// Returns the parts of the status of a failed call, from grpc-status-details-bin.
Failure Describe(const grpc::Status& status);
