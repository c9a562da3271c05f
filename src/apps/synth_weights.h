// synth_weights.h: random weights of any format, a pure function of the seed and the tensor.
//
// Small matrices are drawn value by value, so that the same shape and seed give the same numbers in every file format,
// only rounded differently. Large ones are put together from a pool of ready-made pieces of rows: a 15 GB file is then
// limited by the disk, not by random numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "formats/stored_tensor.h"

namespace r1 {

// Nearly normally distributed values, drawn in row-major order from the stream of its own.
struct RandomMatrix {
  std::uint64_t stream = 0;
  std::int64_t n_rows = 0, n_cols = 0;
  float mean = 0.0f, stddev = 1.0f;

  std::int64_t n_values() const { return n_rows * n_cols; }
};

// What a file holds of a matrix.
struct MatrixView {
  enum class Kind {
    kWhole,
    kRotaryPairs,  // rows of each head in the order that puts rotated pairs side by side: q and k of llama in GGUF
    kKeys,         // of attn_kv_b: each head's first n_first rows, transposed
    kValues,       // of attn_kv_b: each head's rows from n_first on
    kFp8Scales,    // one f32 for every 128 x 128 block of an F8E4M3 matrix
  };
  Kind kind = Kind::kWhole;
  std::int64_t n_heads = 1, n_first = 0;
};

struct SynthTensor {
  AnnouncedTensor announced;
  std::vector<RandomMatrix> matrices;  // one after the other: an expert each
  MatrixView view;
  std::vector<float> values;  // instead of matrices: these
};

class SynthWeights {
 public:
  explicit SynthWeights(std::uint64_t seed) : seed_(seed) {}

  Status write(const SynthTensor& tensor, const TensorSink& sink);

 private:
  using Pool = std::vector<std::byte>;  // kPoolPieces pieces of rows

  Status write_drawn(const RandomMatrix& matrix, const SynthTensor& tensor, const TensorSink& sink);
  Status write_from_pool(const RandomMatrix& matrix, const SynthTensor& tensor, const TensorSink& sink);
  Status write_scales_of_pool(const RandomMatrix& matrix, const TensorSink& sink) const;
  std::vector<float> draw(const RandomMatrix& matrix) const;
  const Pool& pool(Dtype dtype, float mean, float stddev, std::int64_t piece_values);

  std::uint64_t seed_;
  std::vector<float> normals_;  // of the pools, before scaling
  std::map<std::tuple<Dtype, float, float, std::int64_t>, Pool> pools_;
};

}  // namespace r1
