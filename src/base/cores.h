// cores.h: the cores this process may use, and the nodes of memory (NUMA) they sit at, as Linux tells both.
//
// A core reads its own node's memory fastest, and a node's memory gives only its own bandwidth. A model is read whole
// for every token, so on a machine of several nodes its pages should lie on all of them, and its threads beside all of
// them.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

// Respects affinity masks and containers that set them: at least one, a node's cores after another's. What the system
// does not tell is one node.
std::vector<int> usable_cores();
inline int n_usable_cores() { return static_cast<int>(usable_cores().size()); }

// The same cores, but in turn one of each node, for threads that are to use the memory of all.
std::vector<int> usable_cores_in_turn();

// Linux's lists of numbers, "0-3,8,10-11"; empty for what is none.
std::vector<int> ids_in_list(std::string_view list);

// From here on this thread, and those it starts, take each next page from the next node that has memory: their own, and
// pages of files they are the first to read. What is in memory already stays where it is. One node is no
// error; a system that refuses (a container may) is.
Status interleave_memory();

}  // namespace r1
