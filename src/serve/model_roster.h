// model_roster.h: the models a server offers, and which of them are in memory.
//
// A model is loaded when it is first asked for. It is unloaded when nobody has used it for idle_ms, or when another
// needs its place in the memory they share: of several, the one used longest ago goes first. One that is in use stays.
// A thread of the roster's own loads and unloads, one after the other, so that what goes is gone before what comes
// takes its place; requests for models that are there don't notice. All functions are for the io thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "serve/http_message.h"
#include "serve/served_model.h"

namespace r1 {

struct OfferedModel {
  std::string name;
  int context_length = 0;
  std::int64_t bytes = 0;                     // in memory, once loaded
  std::function<Result<ServedModel>()> load;  // on the roster's thread; null: it is loaded, and stays
  std::optional<ServedModel> loaded = {};     // from the start
};

struct RosterOptions {
  std::int64_t bytes_max = 0;                         // of all loaded models together; 0: no limit
  std::int64_t idle_ms = 0;                           // 0: a model stays until another needs its place
  std::int64_t room_wait_ms = 30'000;                 // for models in use to make room, before a request is refused
  std::function<void(const ServedModel&)> on_unload;  // before it goes; null: nobody needs to know
  std::function<std::int64_t()> now_ms;               // null: the monotonic clock
};

enum class ModelState { kUnloaded, kLoading, kLoaded };
std::string_view name_of(ModelState state);  // "unloaded", "loading", "loaded"

class ModelRoster {
 public:
  // What a request waits for: the model, held until the word is dropped, or why it doesn't come. kInvalidInput: it is
  // larger than the memory of all; kOutOfResource: not now; else it could not be loaded, and the log says why.
  struct Waiting {
    explicit Waiting(HttpWaker to_wake) : waker(std::move(to_wake)) {}
    std::optional<Result<ServedModel>> word;  // once it is there, the waker has been woken
    const HttpWaker waker;
    std::int64_t since_ms = 0;
  };

  struct Entry {
    OfferedModel offer;
    ModelState state = ModelState::kUnloaded;
    std::int64_t n_loads = 0, used_at_ms = 0;
    std::vector<std::weak_ptr<Waiting>> waiting = {};
    bool is_in_use() const { return offer.loaded && offer.loaded->keeps.use_count() > 1; }
  };

  // Not empty; names differ.
  ModelRoster(std::vector<OfferedModel> models, RosterOptions options);
  ModelRoster(const ModelRoster&) = delete;
  ModelRoster& operator=(const ModelRoster&) = delete;
  // Ends the loaded models. A load can't be called off: its thread goes on without us, and the process should end.
  ~ModelRoster();

  const std::vector<Entry>& entries() const { return entries_; }
  std::optional<std::size_t> find(std::string_view name) const;  // "": the first
  bool is_loading() const;
  std::int64_t bytes_max() const { return options_.bytes_max; }

  // The model, if it is loaded; in use as long as the copy's `keeps` lives.
  std::optional<ServedModel> take(std::size_t index);
  // Asks for one that isn't. Dropping the result is ceasing to wait.
  std::shared_ptr<Waiting> wait_for(std::size_t index, const HttpWaker& waker);
  // Takes what has been loaded, begins what can be, unloads what is idle. To be called now and then, and when woken.
  void advance();

 private:
  struct Loader;

  std::int64_t now_ms() const;
  std::int64_t bytes_taken() const;
  void take_loaded();
  void load_wanted();
  bool make_room(std::size_t index);
  void load(std::size_t index);
  void unload(Entry& entry);
  void unload_idle();
  void unload_broken();
  static void tell(Entry& entry, const std::function<Result<ServedModel>()>& word);

  const RosterOptions options_;
  std::vector<Entry> entries_;
  std::deque<std::size_t> wanted_;  // unloaded models that are waited for, none twice, in the order they were asked for
  std::shared_ptr<Loader> loader_;  // shared with its thread
  std::thread thread_;
};

}  // namespace r1
