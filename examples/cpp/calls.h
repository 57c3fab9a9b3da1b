// Helpers for calls and for failed calls.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "headrace/gateway/v1/gateway.grpc.pb.h"

using Stub = headrace::gateway::v1::GatewayService::Stub;

constexpr std::chrono::milliseconds kUnaryTime{10'000};
constexpr std::chrono::milliseconds kStreamTime{60'000};

// Returns the settings of one call: tenant and deadline.
std::unique_ptr<grpc::ClientContext> MakeContext(std::chrono::milliseconds time);

// Prints code, reason and wrong fields of a failed call.
void PrintFailure(const std::string& title, const grpc::Status& status);

// Exits the program if a call that must succeed failed.
void Require(const grpc::Status& status);
