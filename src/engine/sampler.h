// sampler.h: logits to a token. A pure function of the logits, the tokens so far, the parameters and the place in the
// answer.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/token_filter.h"
#include "engine/token_stream.h"

namespace r1 {

// What a token is sampled from: the order of the filters is penalties, bias, the answer's TokenFilter, temperature,
// top-k, top-p, min-p.
class Sampler {
 public:
  // logits: [vocab_size], left as they are. tokens: prompt and completion so far; the draw is the (seed, completion
  // index) number of the counter RNG, so nothing that happens elsewhere can change it. filter: null for none; if it
  // leaves nothing, id is -1 and verdict() says why.
  SampledToken sample(std::span<const float> logits, const SamplingParams& params, std::span<const int> tokens,
                      int n_prompt_tokens, TokenFilter* filter = nullptr);
  TokenFilter::Verdict verdict() const { return verdict_; }  // of the last sample()

  // A token that was not drawn but given, with the same report.
  SampledToken given(int id, std::span<const float> logits, const SamplingParams& params);

 private:
  struct Candidate {
    float p;
    int id;
  };

  void penalize(const SamplingParams& params, std::span<const int> tokens, int n_prompt_tokens);
  int draw(const SamplingParams& params, double uniform);
  int draw_from_all(double uniform, float sum) const;
  void keep_likeliest(const SamplingParams& params, float sum);
  void collect_above(float threshold);
  void fill_logprobs(std::span<const float> logits, int n_top, SampledToken& token);

  TokenFilter::Verdict verdict_ = TokenFilter::Verdict::kOpen;
  std::vector<float> scores_;  // [vocab_size] logits as changed by the parameters, then probabilities times their sum
  std::vector<Candidate> candidates_;  // what the filters leave, likeliest first
  std::vector<int> counts_;            // [vocab_size] scratch of the penalties, all zero between calls
};

}  // namespace r1
