// prefix_name.cpp: SHA-256 over names and tokens.
#include "engine/prefix_name.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/sha256.h"
#include "kernels/kernels.h"

namespace r1 {
namespace {

constexpr std::size_t kSampleBytes = 4096;
constexpr std::size_t kSamples = 64;

void add_text(Hasher& hasher, std::string_view text) { hasher.update(std::as_bytes(std::span(text))); }

void add_samples(Hasher& hasher, std::span<const std::byte> bytes) {
  add_text(hasher, fmt::format("file {};", bytes.size()));
  const std::size_t step = std::max(kSampleBytes, bytes.size() / kSamples);
  for (std::size_t start = 0; start < bytes.size(); start += step)
    hasher.update(bytes.subspan(start, std::min(kSampleBytes, bytes.size() - start)));
}

std::string described(const ModelConfig& c, const KvLayout& layout) {
  const RopeConfig& rope = c.rope;
  std::string text = fmt::format("r1 prefix cache 1;{};{} layers of {} + {} {};", instruction_set(), layout.n_layers,
                                 layout.k_width, layout.v_width, traits(layout.dtype).name);
  text += fmt::format("architecture {} dim {} heads {} {} {} eps {} scale {};", static_cast<int>(c.architecture), c.dim,
                      c.n_heads, c.n_kv_heads, c.head_dim, c.rms_eps, c.attention_scale);
  text += fmt::format("rope {} {} {} theta {} factor {} over {} {} {} {} {} x {};", static_cast<int>(rope.scaling),
                      static_cast<int>(rope.pairing), rope.n_dims, rope.theta, rope.factor, rope.original_context,
                      rope.beta_fast, rope.beta_slow, rope.low_freq_factor, rope.high_freq_factor, rope.magnitude);
  return text;
}

}  // namespace

PrefixName prefix_root(std::string_view model, std::uint64_t account) {
  return sha256_hex(fmt::format("{};account {}", model, account));
}

PrefixName prefix_name(const PrefixName& previous, std::span<const int> tokens) {
  Hasher hasher(HashKind::kSha256, 0);
  add_text(hasher, previous);
  hasher.update(std::as_bytes(tokens));
  return hasher.finish().hex;
}

std::string cache_fingerprint(const Model& model, const KvLayout& layout) {
  Hasher hasher(HashKind::kSha256, 0);
  add_text(hasher, described(model.config, layout));
  for (const MappedFile& file : model.mapped_files()) add_samples(hasher, file.bytes());
  return hasher.finish().hex;
}

}  // namespace r1
