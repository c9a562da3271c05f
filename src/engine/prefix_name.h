// prefix_name.h: what a block of the prefix cache is called: a hash of all that its content depends on.
//
// A chain: the root names model, cache layout and account; a block's name is the SHA-256 of the name before it and its
// own 64 tokens. So equal names mean equal content after an equal beginning, and nobody who asks with another account's
// root meets a name of this one's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/weights.h"
#include "ops/kv_cache.h"

namespace r1 {

using PrefixName = std::string;  // 64 hexadecimal digits

PrefixName prefix_root(std::string_view model, std::uint64_t account);
PrefixName prefix_name(const PrefixName& previous, std::span<const int> tokens);

// What decides the numbers of a cached block besides its tokens: the configuration, the cache's layout, the kernels of
// this CPU, and the weights: of each file its size and 64 samples of 4 KiB, spread evenly (all of R1 would take minutes
// to read). Two models that differ in none of these are taken for one.
std::string cache_fingerprint(const Model& model, const KvLayout& layout);

}  // namespace r1
