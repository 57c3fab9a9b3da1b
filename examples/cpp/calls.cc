#include "calls.h"

#include <cstdlib>
#include <iostream>

#include "errors.h"

std::unique_ptr<grpc::ClientContext> MakeContext(std::chrono::milliseconds time) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("headrace-tenant", "cpp-example");
  context->set_deadline(std::chrono::system_clock::now() + time);
  return context;
}

void PrintFailure(const std::string& title, const grpc::Status& status) {
  const Failure failure = Describe(status);
  std::cout << title << ": " << failure.code;
  if (!failure.reason.empty()) std::cout << " " << failure.reason;
  for (const auto& field : failure.fields) std::cout << " " << field;
  std::cout << std::endl;
}

void Require(const grpc::Status& status) {
  if (status.ok()) return;
  PrintFailure("failed", status);
  std::exit(1);
}
