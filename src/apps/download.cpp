// download.cpp: what each answer of a server means for a file that may be half here, and when to try again.
#include "apps/download.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "apps/http_get.h"
#include "apps/units.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxReplyBytes = 16 << 20;
constexpr std::int64_t kNewBytesThatCount = 1 << 20;  // an attempt that brought less hasn't helped
constexpr int kMaxWaitMs = 30'000, kMaxRetryAfterS = 120;

// What a status other than 200 and 206 means. Whether it may pass is in the code: kIo may be tried again.
std::optional<Error> status_error(const HttpHead& head, const std::string& url) {
  const auto error = [&](ErrorCode code, std::string_view what) {
    return Error{code, fmt::format("{}: {} (HTTP {})", shown_url(url), what, head.status)};
  };
  switch (head.status) {
    case 200:
    case 206:
      return std::nullopt;
    case 401:
    case 403:
      return error(ErrorCode::kUnsupported, "the server wants a permission that r1 doesn't have");
    case 404:
    case 410:
      return error(ErrorCode::kNotFound, "not there");
    case 408:
    case 425:
    case 429:
      return error(ErrorCode::kIo, "the server asks to come back later");
    case 416:
      return error(ErrorCode::kIo, "the server has no such range");
    default:
      return error(head.status >= 500 ? ErrorCode::kIo : ErrorCode::kUnsupported, "the server fails");
  }
}

// Counts failures and waits between attempts.
class Retries {
 public:
  Retries(const DownloadOptions& options, PullProgress& progress) : options_(options), progress_(progress) {}

  // OK when another attempt is due, after having waited for it; else the error with the number of attempts.
  Status next(Error error, int retry_after_s) {
    if (error.code != ErrorCode::kIo) return error;
    if (failures_ >= options_.retries) {
      if (failures_ > 0) error.message += fmt::format("; gave up after {} attempts", failures_ + 1);
      return error;
    }
    std::int64_t wait_ms =
        std::min<std::int64_t>(std::int64_t{options_.retry_wait_ms} << std::min(failures_, 20), kMaxWaitMs);
    if (retry_after_s > 0) wait_ms = std::max<std::int64_t>(wait_ms, 1000 * std::min(retry_after_s, kMaxRetryAfterS));
    ++failures_;
    progress_.note(
        fmt::format("{}; trying again in {} ms ({} of {})", error.message, wait_ms, failures_, options_.retries));
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    return {};
  }

  void forget() { failures_ = 0; }

 private:
  const DownloadOptions& options_;
  PullProgress& progress_;
  int failures_ = 0;
};

// One attempt at the rest of a file.
class Transfer : public HttpSink {
 public:
  Transfer(PartialFile& partial, const std::string& url, PullProgress& progress)
      : partial_(partial), url_(url), progress_(progress), asked_from_(partial.bytes()) {}

  Status run(const DownloadOptions& options) {
    HttpGetRequest request{.url = url_, .headers = {}, .stall_timeout_s = options.stall_timeout_s};
    if (asked_from_ > 0) request.headers = range_headers();
    if (Status status = http_get(request, *this); !status.ok()) return status;
    if (partial_.bytes() == partial_.target().bytes) return {};
    return Error{ErrorCode::kIo, fmt::format("{}: ends after {} of {} bytes", shown_url(url_), partial_.bytes(),
                                             partial_.target().bytes)};
  }

  int retry_after_s() const { return retry_after_s_; }

 private:
  std::vector<std::string> range_headers() const {
    std::vector<std::string> headers{fmt::format("Range: bytes={}-", asked_from_)};
    const std::string etag = partial_.etag_from(url_);
    // Only a strong ETag may stand in If-Range (RFC 9110, 13.1.5). Without one the hash at the end decides.
    if (etag.starts_with('"')) headers.push_back("If-Range: " + etag);
    return headers;
  }

  Status on_head(const HttpHead& head) override {
    retry_after_s_ = head.retry_after_s;
    if (head.status == 416) R1_TRY_STATUS(partial_.restart());  // what we have is longer than what there is
    if (auto error = status_error(head, url_)) return *error;
    R1_TRY_STATUS(head.status == 206 ? take_up_range(head) : take_up_whole(head));
    partial_.set_origin(url_, head.etag);
    return {};
  }

  Status take_up_whole(const HttpHead& head) {
    const std::int64_t bytes = partial_.target().bytes;
    if (head.content_length >= 0 && head.content_length != bytes) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}: the server offers {} bytes, but the file has {}",
                                                         shown_url(url_), head.content_length, bytes)};
    }
    if (asked_from_ == 0) return {};
    progress_.note(fmt::format("{}: the server sends the file from its first byte again", shown_url(url_)));
    asked_from_ = 0;
    return partial_.restart();
  }

  Status take_up_range(const HttpHead& head) {
    const auto range = parse_content_range(head.content_range);
    const bool fits =
        range.ok() && range->first == asked_from_ && (range->total == -1 || range->total == partial_.target().bytes);
    if (fits) return {};
    R1_TRY_STATUS(partial_.restart());
    return Error{ErrorCode::kIo, fmt::format("{}: asked for the bytes from {}, the server sends '{}'", shown_url(url_),
                                             asked_from_, head.content_range)};
  }

  Status on_body(std::span<const std::byte> bytes) override {
    if (std::ssize(bytes) > partial_.target().bytes - partial_.bytes()) return too_much();
    R1_TRY_STATUS(partial_.append(bytes));
    progress_.at(partial_.bytes());
    return {};
  }

  // The kept part and the rest may not belong together: worth another attempt, but only when there was a kept part.
  Status too_much() {
    R1_TRY_STATUS(partial_.restart());
    return Error{asked_from_ > 0 ? ErrorCode::kIo : ErrorCode::kInvalidInput,
                 fmt::format("{}: the server sends more than the {} bytes the file has", shown_url(url_),
                             partial_.target().bytes)};
  }

  void on_tick() override {
    // A failing disk is reported by the next write.
    (void)partial_.sync_if_due().ok();
    progress_.at(partial_.bytes());
  }

  PartialFile& partial_;
  const std::string& url_;
  PullProgress& progress_;
  std::int64_t asked_from_;
  int retry_after_s_ = -1;
};

class TextSink : public HttpSink {
 public:
  explicit TextSink(const std::string& url) : url_(url) {}

  Status on_head(const HttpHead& head) override {
    retry_after_s_ = head.retry_after_s;
    if (auto error = status_error(head, url_)) return *error;
    return {};
  }

  Status on_body(std::span<const std::byte> bytes) override {
    if (std::ssize(text_) + std::ssize(bytes) > kMaxReplyBytes) {
      return Error{ErrorCode::kInvalidInput, fmt::format("{}: longer than the {} a list of files may have",
                                                         shown_url(url_), format_bytes(kMaxReplyBytes))};
    }
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }

  std::string take_text() { return std::move(text_); }
  int retry_after_s() const { return retry_after_s_; }

 private:
  const std::string& url_;
  std::string text_;
  int retry_after_s_ = -1;
};

}  // namespace

Status download(const std::string& url, PartialFile::Target target, const DownloadOptions& options,
                PullProgress& progress) {
  R1_TRY(PartialFile partial,
         PartialFile::open(std::move(target), [&](std::int64_t bytes) { progress.checking(bytes); }));
  Retries retries(options, progress);
  std::int64_t most_bytes =
      partial.bytes();  // not "before this attempt": a server that cuts here, then there, would go on for ever
  while (partial.bytes() < partial.target().bytes) {
    Transfer transfer(partial, url, progress);
    const Status status = transfer.run(options);
    if (status.ok()) break;
    (void)partial.sync().ok();  // keep what came; if that fails, an earlier promise stands
    if (partial.bytes() - most_bytes >= kNewBytesThatCount) {
      most_bytes = partial.bytes();
      retries.forget();
    }
    R1_TRY_STATUS(retries.next(status.error(), transfer.retry_after_s()));
  }
  return partial.commit();
}

Result<std::string> fetch_text(const std::string& url, std::vector<std::string> headers, const DownloadOptions& options,
                               PullProgress& progress) {
  Retries retries(options, progress);
  const HttpGetRequest request{.url = url, .headers = std::move(headers), .stall_timeout_s = options.stall_timeout_s};
  while (true) {
    TextSink sink(url);
    const Status status = http_get(request, sink);
    if (status.ok()) return sink.take_text();
    R1_TRY_STATUS(retries.next(status.error(), sink.retry_after_s()));
  }
}

Result<ContentRange> parse_content_range(const std::string& text) {
  const Error wrong{ErrorCode::kInvalidInput, fmt::format("'{}' is no range of bytes", text)};
  const std::string_view unit = "bytes ";
  if (!text.starts_with(unit)) return wrong;
  const char *at = text.data() + unit.size(), *const end = text.data() + text.size();
  const auto number = [&](std::int64_t& value, char after) {
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 0 || (after != '\0' && (next == end || *next != after))) return false;
    at = after == '\0' ? next : next + 1;
    return true;
  };
  ContentRange range;
  if (!number(range.first, '-') || !number(range.last, '/') || range.last < range.first) return wrong;
  if (std::string_view(at, static_cast<std::size_t>(end - at)) == "*") return range;
  if (!number(range.total, '\0') || at != end || range.last >= range.total) return wrong;
  return range;
}

}  // namespace r1
