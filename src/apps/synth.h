// synth.h: random-weight models of a named shape, as a GGUF file or a Hugging Face folder: `r1 synth`, and what tests
// and benchmarks run on. A tiny one takes milliseconds:
//
//   ASSERT_TRUE(synthesize({.shape = "tiny-deepseek", .type = "q4_k"}, folder.path_of("m.gguf")).ok());
//
// Weights are scaled so that logits stay finite and differ. The same shape, seed and layers give the same model in
// every format, rounded to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/model_metadata.h"
#include "apps/synth_shapes.h"
#include "apps/synth_weights.h"
#include "base/function_ref.h"
#include "base/result.h"

namespace r1 {

struct SynthOptions {
  std::string shape{};  // synth_shapes.h
  std::string type{};   // GGUF: type_mix.h; folder: f32, bf16, f16, fp8; "": q4_k_m or bf16
  std::uint64_t seed = 1;
  int n_layers = 0;                                      // 0: the shape's own number
  MlaTensors mla = MlaTensors::kSplit;                   // of deepseek shapes in GGUF
  std::int64_t max_shard_bytes = std::int64_t{5} << 30;  // of folders
};

// Called now and then with the bytes of tensors written so far, and of all.
using SynthProgress = FunctionRef<void(std::int64_t done_bytes, std::int64_t total_bytes)>;

// `destination` ends in .gguf: a file; otherwise a folder, made if need be. Room on the disk is checked first.
Status synthesize(const SynthOptions& options, const std::string& destination);
Status synthesize(const SynthOptions& options, const std::string& destination, SynthProgress progress);

// The tensors of either kind of file, in its order.
Result<std::vector<SynthTensor>> synth_gguf_tensors(const ModelConfig& config, std::string_view type, MlaTensors mla);
Result<std::vector<SynthTensor>> synth_hf_tensors(const ModelConfig& config, std::string_view type);

}  // namespace r1
