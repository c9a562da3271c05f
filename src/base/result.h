// result.h: Result<T> and Status, how r1.cpp reports failures it expects (files, networks, users, full disks).
//
// A bug is not an expected failure: see base/assert.h. Nothing here throws. The message of an Error says what was
// tried, on what, and the two things that disagree, in one line, ready for a person to read.
//
//   Result<GgufHeader> read_header(ByteReader& bytes) {
//     R1_TRY(std::uint32_t version, bytes.u32());      // declares version, or returns the reader's Error
//     if (version != 3) return Error{ErrorCode::kUnsupported, "gguf: version ..., this reader knows 3"};
//     return GgufHeader{version};
//   }
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace r1 {

enum class ErrorCode {
  kInvalidInput,   // the bytes, the request or the arguments are wrong
  kNotFound,       // a file, a model, a tensor is not there
  kUnsupported,    // well formed, but not something this build can do
  kIo,             // the system refused: disk, network, permission
  kOutOfResource,  // a stated limit is reached: memory, queue, disk space
  kCancelled,      // the caller asked for it
  kInternal,       // a part failed without the input being at fault
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

inline Error invalid_input(std::string message) { return {ErrorCode::kInvalidInput, std::move(message)}; }
inline Error invalid_input(std::string_view what, std::string_view problem) {  // "config.json: no object"
  return invalid_input(std::string(what).append(": ").append(problem));
}

// Prefixes the message with where it happened: "loading model.gguf: " + message.
inline Error with_context(Error error, std::string_view where) {
  error.message = std::string(where) + ": " + error.message;
  return error;
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return checked(), std::get<0>(state_); }
  const T& value() const& { return checked(), std::get<0>(state_); }
  T&& value() && { return checked(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  void checked() const {
    if (!ok()) assertion_failed("Result::value() on an error", std::get<1>(state_).message.c_str(), __FILE__, __LINE__);
  }
  std::variant<T, Error> state_;
};

// Result without a value.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace r1

#define R1_CONCAT_(a, b) a##b
#define R1_CONCAT(a, b) R1_CONCAT_(a, b)

// R1_TRY(auto x, f()): x becomes the value of f(), or the function returns f()'s Error.
#define R1_TRY(declaration, expression) R1_TRY_(declaration, expression, R1_CONCAT(r1_try_, __LINE__))
#define R1_TRY_(declaration, expression, result)      \
  auto result = (expression);                         \
  if (!result.ok()) return std::move(result).error(); \
  declaration = std::move(result).value()

// R1_TRY_STATUS(f()): the function returns f()'s Error, if it has one.
#define R1_TRY_STATUS(expression) R1_TRY_STATUS_(expression, R1_CONCAT(r1_try_, __LINE__))
#define R1_TRY_STATUS_(expression, status) \
  if (auto status = (expression); !status.ok()) return std::move(status).error()
