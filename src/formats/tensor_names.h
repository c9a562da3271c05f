// tensor_names.h: what readers and writers ask of the names and sizes in a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/stored_tensor.h"

namespace r1 {

// An Error that names the first tensor that comes twice.
Status check_unique_names(const std::vector<StoredTensor>& tensors);
Status check_unique_names(const std::vector<AnnouncedTensor>& tensors);

inline bool contains(std::string_view name, std::string_view part) { return name.find(part) != name.npos; }

// Names end up in messages and in tables on terminals.
bool has_control_characters(std::string_view name);

// A name out of a file, for an error message: in quotes, shortened, nothing but printable characters.
std::string in_quotes(std::string_view name);

}  // namespace r1
