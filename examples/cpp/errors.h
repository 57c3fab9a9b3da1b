// Details of a failed call.
#pragma once

#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

struct Failure {
  std::string code;                 // name of the gRPC code
  std::string reason;               // stable, for programs; empty where no server of Headrace answered
  std::vector<std::string> fields;  // paths of the fields that are wrong
};

// Takes the status of a failed call apart; reads grpc-status-details-bin.
Failure Describe(const grpc::Status& status);
