// mapping_guard.cpp: the handler of SIGBUS, and the mappings it knows. It may run on any thread at any moment: it looks
// at atomics and makes system calls, nothing else.
#include "base/mapping_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace r1 {
namespace {

struct Slot {
  std::atomic<std::uintptr_t> begin = 0, end = 0;  // begin 0: free
  std::atomic<bool> is_broken = false;
};

constexpr std::uintptr_t kTaken = 1;  // a slot that is being filled in
std::array<Slot, 4096> slots;
std::uintptr_t page_bytes = 0;
struct sigaction action_before {};

Slot* find_slot(std::uintptr_t address) {
  for (Slot& slot : slots) {
    const std::uintptr_t begin = slot.begin.load();
    if (begin > kTaken && address >= begin && address < slot.end.load()) return &slot;
  }
  return nullptr;
}

// What is not ours, or can't be helped, goes to whoever handled it before: back at the instruction, it comes again.
void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Slot* slot = find_slot(address);
  if (slot != nullptr) {
    slot->is_broken.store(true);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the page of an address is an address
    void* page = reinterpret_cast<void*>(address / page_bytes * page_bytes);
    if (::mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) return;
  }
  ::sigaction(signal, &action_before, nullptr);
}

void install_handler() {
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, &action_before);
}

}  // namespace

MappingGuard::MappingGuard(std::span<const std::byte> mapping) {
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  for (std::size_t i = 0; i < slots.size() && !mapping.empty(); ++i) {
    std::uintptr_t free = 0;
    if (!slots[i].begin.compare_exchange_strong(free, kTaken)) continue;
    const auto begin = reinterpret_cast<std::uintptr_t>(mapping.data());
    slots[i].is_broken.store(false);
    slots[i].end.store((begin + mapping.size() + page_bytes - 1) / page_bytes * page_bytes);
    slots[i].begin.store(begin);
    slot_ = static_cast<int>(i);
    return;
  }
}

MappingGuard::~MappingGuard() {
  if (slot_ >= 0) slots[static_cast<std::size_t>(slot_)].begin.store(0);
}

bool MappingGuard::is_broken() const { return slot_ >= 0 && slots[static_cast<std::size_t>(slot_)].is_broken.load(); }

}  // namespace r1
