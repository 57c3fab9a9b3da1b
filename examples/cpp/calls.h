// How this example calls, and what it does about calls that fail.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "headrace/gateway/v1/gateway.grpc.pb.h"

using Stub = headrace::gateway::v1::GatewayService::Stub;

constexpr std::chrono::milliseconds kUnaryTime{10'000};
constexpr std::chrono::milliseconds kStreamTime{60'000};

// One call's settings: its tenant, and how long it may take.
std::unique_ptr<grpc::ClientContext> MakeContext(std::chrono::milliseconds time);

// Prints code, reason and wrong fields of a failed call.
void PrintFailure(const std::string& title, const grpc::Status& status);

// Ends the program where a call that must succeed does not.
void Require(const grpc::Status& status);
