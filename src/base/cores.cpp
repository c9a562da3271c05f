// cores.cpp: what /sys/devices/system says about cores and nodes, and the policy of set_mempolicy(2).
#include "base/cores.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr int kMaxIds = 4096;  // more than Linux has cores or nodes: a list is not taken at its word
constexpr int kMaxNodes = 1024;

// The memory node a core belongs to: its folder there has a link named after it.
int node_of(int core) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/sys/devices/system/cpu/cpu{}", core), error)) {
    int node = 0;
    if (std::sscanf(entry.path().filename().c_str(), "node%d", &node) == 1) return node;
  }
  return 0;
}

std::vector<int> nodes_with_memory() {
  std::ifstream file("/sys/devices/system/node/has_memory");
  std::string list;
  std::getline(file, list);
  std::vector<int> nodes = ids_in_list(list);
  return nodes.empty() || nodes.back() >= kMaxNodes ? std::vector<int>{0} : nodes;
}

bool read_number(std::string_view& text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0 || number >= kMaxIds) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::vector<int> ids_in_list(std::string_view list) {
  std::vector<int> ids;
  do {
    int first = 0;
    if (!read_number(list, first)) return {};
    int last = first;
    if (take(list, '-') && (!read_number(list, last) || last < first)) return {};
    for (int id = first; id <= last; ++id) ids.push_back(id);
  } while (take(list, ','));
  return list.empty() ? ids : std::vector<int>{};
}

std::vector<int> usable_cores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {0};
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &mask)) cores.push_back(core);
  }
  std::stable_sort(cores.begin(), cores.end(), [](int a, int b) { return node_of(a) < node_of(b); });
  return cores.empty() ? std::vector<int>{0} : cores;
}

std::vector<int> usable_cores_in_turn() {
  std::map<int, std::vector<int>> cores_of;
  const std::vector<int> cores = usable_cores();
  for (const int core : cores) cores_of[node_of(core)].push_back(core);
  std::vector<int> in_turn;
  for (std::size_t place = 0; in_turn.size() < cores.size(); ++place) {
    for (const auto& [node, of_node] : cores_of) {
      if (place < of_node.size()) in_turn.push_back(of_node[place]);
    }
  }
  return in_turn;
}

Status interleave_memory() {
  const std::vector<int> nodes = nodes_with_memory();
  constexpr std::size_t kBits = 8 * sizeof(unsigned long);
  std::array<unsigned long, kMaxNodes / kBits> mask{};
  for (const int node : nodes)
    mask[static_cast<std::size_t>(node) / kBits] |= 1UL << static_cast<std::size_t>(node) % kBits;
  // The system reads one bit less than it is told.
  if (::syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask.data(), kMaxNodes + 1UL) != 0) {
    return Error{ErrorCode::kIo, fmt::format("spreading memory over {} nodes: {}", nodes.size(), std::strerror(errno))};
  }
  return {};
}

}  // namespace r1
