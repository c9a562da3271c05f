// rope.h: rotary position embedding, with YaRN and Llama 3 frequency scaling.
//
// Sources: Su et al. 2021 (RoFormer); Peng et al. 2023 (YaRN) as DeepSeek-V3's inference/model.py computes it;
// Llama 3.1's "llama3" rope_type as Hugging Face transformers computes it. Angles are f32 products of position and
// frequency, as there.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/pass.h"

namespace r1 {

// Which two numbers of a head turn together.
enum class RopePairing : std::uint8_t {
  kInterleaved,  // (0,1), (2,3), …: DeepSeek; Llama in GGUF files, whose converter permutes the rows of q and k
  kHalves,       // (0, n/2), (1, n/2 + 1), …: Qwen2; Llama in Hugging Face folders
};

struct RopeConfig {
  enum class Scaling : std::uint8_t { kNone, kLinear, kYarn, kLlama3, kFactors };
  Scaling scaling = Scaling::kNone;
  RopePairing pairing = RopePairing::kHalves;
  int n_dims = 0;  // rotated numbers per head
  float theta = 10000.0f;
  float factor = 1.0f;
  int original_context = 0;
  float beta_fast = 32.0f, beta_slow = 1.0f;  // kYarn: rotations within the original context that mark the ramp's ends
  float low_freq_factor = 1.0f, high_freq_factor = 4.0f;  // kLlama3
  std::vector<float> freq_factors;  // kFactors: frequency j is divided by freq_factors[j] (GGUF's rope_freqs)
  float magnitude = 1.0f;           // cos and sin are multiplied by it
};

// Frequencies of the n_dims / 2 pairs.
std::vector<float> rope_frequencies(const RopeConfig& config);

// cos and sin of every row's position: two tensors [tokens, n_dims / 2]. Made once per pass, used by every layer.
struct RopeAngles {
  Tensor cos, sin;
};
RopeAngles rope_angles(Pass& pass, std::span<const float> frequencies, float magnitude);

// Turns n_heads heads of n_dims numbers in place; heads lie head_stride apart, from x on.
void rotate_heads(float* x, int n_heads, std::int64_t head_stride, const float* cos, const float* sin, int n_dims,
                  RopePairing pairing);
// The transpose of that: what it does to gradients.
void rotate_heads_back(float* x, int n_heads, std::int64_t head_stride, const float* cos, const float* sin, int n_dims,
                       RopePairing pairing);

}  // namespace r1
