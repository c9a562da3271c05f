// model_roster.cpp: who may come in, who must leave, and the thread that does it.
#include "serve/model_roster.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/log.h"

namespace r1 {
namespace {

constexpr std::size_t kWaitingMax = 1024;  // requests for one model

std::string gib(std::int64_t bytes) { return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / 0x1p30); }

}  // namespace

std::string_view name_of(ModelState state) {
  switch (state) {
    case ModelState::kUnloaded:
      return "unloaded";
    case ModelState::kLoading:
      return "loading";
    case ModelState::kLoaded:
      break;
  }
  return "loaded";
}

// What passes between the io thread and the loading one.
struct ModelRoster::Loader {
  struct Order {
    std::size_t index = 0;
    std::function<Result<ServedModel>()> load;  // null: end this one
    std::optional<ServedModel> ended;
    HttpWaker waker;  // of one who waits
  };
  struct Done {
    std::size_t index;
    Result<ServedModel> model;
  };

  explicit Loader(std::size_t n_models) : orders(4 * n_models), done(4 * n_models) {}

  void run() {
    while (std::optional<Order> order = orders.pop()) {
      if (!order->load) continue;  // it ends with the order
      if (is_closing) continue;
      done.push({order->index, order->load()});
      order->waker.wake();
    }
  }

  // A model is loaded once and unloaded once before it is loaded again: neither queue is ever full.
  BoundedQueue<Order> orders;
  BoundedQueue<Done> done;
  std::atomic<bool> is_closing = false;
};

ModelRoster::ModelRoster(std::vector<OfferedModel> models, RosterOptions options)
    : options_(std::move(options)), loader_(std::make_shared<Loader>(models.size())) {
  R1_ASSERT(!models.empty(), "a server offers a model");
  for (OfferedModel& model : models) {
    const bool is_loaded = model.loaded.has_value();
    R1_ASSERT(is_loaded || model.load, "a model is there or can be loaded");
    entries_.push_back({.offer = std::move(model),
                        .state = is_loaded ? ModelState::kLoaded : ModelState::kUnloaded,
                        .n_loads = is_loaded ? 1 : 0,
                        .used_at_ms = now_ms()});
  }
  thread_ = std::thread([loader = loader_] { loader->run(); });
}

ModelRoster::~ModelRoster() {
  loader_->is_closing = true;
  loader_->orders.close();
  if (is_loading())
    thread_.detach();
  else
    thread_.join();
}

std::optional<std::size_t> ModelRoster::find(std::string_view name) const {
  if (name.empty()) return 0;
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.offer.name == name; });
  if (found == entries_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - entries_.begin());
}

bool ModelRoster::is_loading() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.state == ModelState::kLoading; });
}

std::int64_t ModelRoster::now_ms() const { return options_.now_ms ? options_.now_ms() : monotonic_ns() / 1'000'000; }

std::optional<ServedModel> ModelRoster::take(std::size_t index) {
  Entry& entry = entries_[index];
  if (entry.offer.loaded) entry.used_at_ms = now_ms();
  return entry.offer.loaded;
}

std::shared_ptr<ModelRoster::Waiting> ModelRoster::wait_for(std::size_t index, const HttpWaker& waker) {
  Entry& entry = entries_[index];
  auto waiting = std::make_shared<Waiting>(waker);
  waiting->since_ms = now_ms();
  std::erase_if(entry.waiting, [](const auto& other) { return other.expired(); });
  if (entry.offer.loaded) {
    waiting->word = *take(index);
  } else if (options_.bytes_max > 0 && entry.offer.bytes > options_.bytes_max) {
    waiting->word =
        Error{ErrorCode::kInvalidInput,
              fmt::format("the model '{}' needs {} of memory, and this server's models may take {} together",
                          entry.offer.name, gib(entry.offer.bytes), gib(options_.bytes_max))};
  } else if (entry.waiting.size() >= kWaitingMax) {
    waiting->word = Error{ErrorCode::kOutOfResource,
                          fmt::format("{} requests wait for the model '{}' already", kWaitingMax, entry.offer.name)};
  } else {
    if (entry.waiting.empty() && entry.state == ModelState::kUnloaded) {
      std::erase(wanted_, index);  // whoever asked before has left, and with it the place in the row
      wanted_.push_back(index);
    }
    entry.waiting.push_back(waiting);
    advance();
  }
  return waiting;
}

void ModelRoster::advance() {
  take_loaded();
  for (Entry& entry : entries_)
    if (entry.is_in_use()) entry.used_at_ms = now_ms();
  load_wanted();
  unload_idle();
  unload_broken();
}

void ModelRoster::take_loaded() {
  while (std::optional<Loader::Done> done = loader_->done.try_pop()) {
    Entry& entry = entries_[done->index];
    if (!done->model.ok()) {
      log_error(fmt::format("loading {}: {}", entry.offer.name, done->model.error().message));
      entry.state = ModelState::kUnloaded;
      tell(entry, [&] {
        return Error{ErrorCode::kInternal,
                     fmt::format("the model '{}' could not be loaded; the server's log says why", entry.offer.name)};
      });
      continue;
    }
    entry.offer.loaded = *std::move(done->model);
    entry.state = ModelState::kLoaded;
    entry.used_at_ms = now_ms();
    ++entry.n_loads;
    log_info("loaded", {{"model", std::string_view(entry.offer.name)}, {"bytes", entry.offer.bytes}});
    tell(entry, [&] { return *entry.offer.loaded; });
  }
}

void ModelRoster::tell(Entry& entry, const std::function<Result<ServedModel>()>& word) {
  for (const std::weak_ptr<Waiting>& each : std::exchange(entry.waiting, {})) {
    const auto waiting = each.lock();
    if (!waiting) continue;
    waiting->word = word();
    waiting->waker.wake();
  }
}

// Strictly in turn: a large model would wait for ever if small ones took each place that becomes free.
void ModelRoster::load_wanted() {
  while (!wanted_.empty()) {
    Entry& entry = entries_[wanted_.front()];
    std::erase_if(entry.waiting, [](const auto& waiting) { return waiting.expired(); });
    if (!entry.waiting.empty() && make_room(wanted_.front())) {
      load(wanted_.front());
    } else if (!entry.waiting.empty()) {
      const auto first = entry.waiting.front().lock();
      if (now_ms() - first->since_ms < options_.room_wait_ms) return;
      tell(entry, [&] {
        return Error{ErrorCode::kOutOfResource,
                     fmt::format("there is no room for the model '{}' while others are in use", entry.offer.name)};
      });
    }
    wanted_.pop_front();
  }
}

std::int64_t ModelRoster::bytes_taken() const {
  std::int64_t bytes = 0;
  for (const Entry& entry : entries_)
    if (entry.state != ModelState::kUnloaded) bytes += entry.offer.bytes;
  return bytes;
}

// Nothing is unloaded in vain: either enough can be, or nobody has to leave.
bool ModelRoster::make_room(std::size_t index) {
  std::int64_t missing = bytes_taken() + entries_[index].offer.bytes - options_.bytes_max;
  if (options_.bytes_max == 0 || missing <= 0) return true;
  std::vector<Entry*> idle;
  for (Entry& entry : entries_)
    if (entry.offer.loaded && entry.offer.load && !entry.is_in_use()) idle.push_back(&entry);
  std::sort(idle.begin(), idle.end(), [](const Entry* a, const Entry* b) { return a->used_at_ms < b->used_at_ms; });
  std::size_t n_leaving = 0;
  for (; n_leaving < idle.size() && missing > 0; ++n_leaving) missing -= idle[n_leaving]->offer.bytes;
  if (missing > 0) return false;
  for (std::size_t i = 0; i < n_leaving; ++i) unload(*idle[i]);
  return true;
}

void ModelRoster::load(std::size_t index) {
  Entry& entry = entries_[index];
  const auto first = entry.waiting.front().lock();
  log_info("loading", {{"model", std::string_view(entry.offer.name)}});
  entry.state = ModelState::kLoading;
  loader_->orders.push({index, entry.offer.load, std::nullopt, first->waker});
}

void ModelRoster::unload(Entry& entry) {
  log_info("unloading", {{"model", std::string_view(entry.offer.name)}});
  if (options_.on_unload) options_.on_unload(*entry.offer.loaded);
  entry.state = ModelState::kUnloaded;
  loader_->orders.push({0, nullptr, *std::exchange(entry.offer.loaded, std::nullopt), HttpWaker(nullptr)});
}

void ModelRoster::unload_idle() {
  if (options_.idle_ms == 0) return;
  for (Entry& entry : entries_) {
    const bool can_leave = entry.offer.loaded && entry.offer.load && !entry.is_in_use();
    if (can_leave && now_ms() - entry.used_at_ms >= options_.idle_ms) unload(entry);
  }
}

// Whose files were cut short under it: it is read anew for the next who asks.
void ModelRoster::unload_broken() {
  for (Entry& entry : entries_) {
    const bool can_leave = entry.offer.loaded && entry.offer.load && !entry.is_in_use();
    if (can_leave && entry.offer.loaded->engine != nullptr && entry.offer.loaded->engine->is_broken()) unload(entry);
  }
}

}  // namespace r1
