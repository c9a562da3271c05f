// postgres_cluster_for_tests.h: a real PostgreSQL server of a test program's own: in a temporary folder, on a socket in
// it and no port, as a user who is not root, and gone with the program. Nothing else on the machine is touched.
#pragma once

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder_for_tests.h"

namespace r1 {

class PostgresCluster {
 public:
  // Of this program, running.
  static PostgresCluster& instance() {
    static PostgresCluster cluster;
    return cluster;
  }

  // The URL of a new, empty database. The one before is gone: after a crash, the server flushes each file of each.
  std::string new_database() {
    start();
    if (n_databases_ > 0) run({binary("dropdb"), "-f", "-h", folder_.path(), "-U", "r1", name_of(n_databases_)});
    const std::string name = name_of(++n_databases_);
    EXPECT_EQ(run({binary("createdb"), "-h", folder_.path(), "-U", "r1", name}), 0);
    return url_of(name);
  }
  std::string url_of(const std::string& name) const { return "postgresql://r1@/" + name + "?host=" + folder_.path(); }

  // Ends it and all its backends at once, as a crash of the machine would but for what the system has in memory.
  void kill_server() {
    ASSERT_GT(server_, 0);
    // The backends are children that end when they notice; the next server waits for that.
    ::kill(server_, SIGKILL);
    int status = 0;
    ::waitpid(server_, &status, 0);
    server_ = 0;
  }

  void start() {
    if (server_ > 0 || !is_made_) return;
    server_ = spawn({binary("postgres"), "-D", data_, "-k", folder_.path(), "-h", "", "-c", "max_connections=50", "-c",
                     "dynamic_shared_memory_type=mmap"});
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (run({binary("pg_isready"), "-q", "-h", folder_.path(), "-U", "r1"}) != 0) {
      if (::waitpid(server_, nullptr, WNOHANG) == server_) {  // backends of the one before were still there
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        server_ = 0;
        return start();
      }
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the server of the tests does not start";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

 private:
  PostgresCluster() {
    if (binaries_.empty()) {
      ADD_FAILURE() << "no /usr/lib/postgresql/*/bin/initdb: tools/setup.sh installs PostgreSQL";
      return;
    }
    if (::geteuid() == 0) {
      const passwd* user = ::getpwnam("postgres");
      if (user == nullptr) user = ::getpwnam("nobody");
      uid_ = user->pw_uid, gid_ = user->pw_gid;
      EXPECT_EQ(::chown(folder_.path().c_str(), uid_, gid_), 0);
    }
    is_made_ = run({binary("initdb"), "-D", data_, "-U", "r1", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"}) == 0;
    EXPECT_TRUE(is_made_);
    start();
  }
  ~PostgresCluster() {
    if (server_ <= 0) return;
    ::kill(server_, SIGINT);  // a fast shutdown
    ::waitpid(server_, nullptr, 0);
  }

  static std::string name_of(int database) { return "test_" + std::to_string(database); }

  // In memory, where there is such a folder: what is tested is what processes do.
  static std::filesystem::path parent() {
    std::error_code none;
    const std::filesystem::path memory = "/dev/shm";
    const bool has_room = std::filesystem::space(memory, none).available >= std::uintmax_t{1} << 30 && !none;
    return has_room ? memory : std::filesystem::temp_directory_path();
  }

  static std::string find_binaries() {
    std::vector<std::string> found;
    std::error_code none;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
      if (std::filesystem::exists(version.path() / "bin/initdb")) found.push_back(version.path() / "bin/");
    }
    return found.empty() ? "" : *std::max_element(found.begin(), found.end());
  }
  std::string binary(const std::string& name) const { return binaries_ + name; }

  pid_t spawn(const std::vector<std::string>& command) const {
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const std::string log = folder_.path_of("log");
    const pid_t child = ::fork();
    if (child != 0) return child;
    if (uid_ != 0 && (::setgid(gid_) != 0 || ::setuid(uid_) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGINT);
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (output < 0 || ::dup2(output, STDOUT_FILENO) < 0 || ::dup2(output, STDERR_FILENO) < 0) ::_exit(125);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  int run(const std::vector<std::string>& command) const {
    int status = 0;
    ::waitpid(spawn(command), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  TempFolder folder_{parent()};
  const std::string data_ = folder_.path_of("data"), binaries_ = find_binaries();
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  bool is_made_ = false;
  pid_t server_ = 0;
  int n_databases_ = 0;
};

}  // namespace r1
