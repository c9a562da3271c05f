// set_amx.cpp: AVX-512 with Intel's tile registers for products with many tokens: Sapphire Rapids and later.
#include "kernels/sets.h"

#if R1_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hwy/detect_targets.h"
#undef HWY_TARGET
#define HWY_TARGET HWY_AVX3
#define R1_SET amx
#define R1_HAVE_TILES 1
#include "kernels/multiply_amx.h"

namespace r1 {
namespace {

// Below, tiles are mostly empty, and AVX-512 is faster (bench/kernels_bench.cpp, case few).
constexpr int kFewTokens = 12;

template <typename Format>
void multiply(const MatmulArgs& args) {
  if (args.n_tokens < kFewTokens) return kAvx512.matmul[static_cast<int>(Format::kDtype)](args);
  amx::multiply_with_tiles<Format>(args);
}

template <typename... Formats>
InstructionSet make_set(FormatList<Formats...>) {
  InstructionSet set = kAvx512;
  set.name = "AMX";
  set.isa = "amx";
  set.probe_int8 = amx::tile_probe;
  ((set.matmul[static_cast<int>(Formats::kDtype)] = multiply<Formats>), ...);
  return set;
}

bool cpu_has_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kTiles = 1u << 24, kInt8 = 1u << 25;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kTiles) != 0 && (edx & kInt8) != 0;
}

// The registers are 8 KB a thread: Linux gives them to processes that ask (Documentation/arch/x86/xstate.rst).
bool system_gives_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

const InstructionSet* amx_set() {
  static const InstructionSet set = make_set(BlockFormats{});
  return cpu_has_amx() && system_gives_tiles() ? &set : nullptr;
}

}  // namespace r1
#endif
