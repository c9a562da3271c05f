// ggml_types.cpp: every tensor type GGML has named (enum ggml_type in ggml.h), so that an Error can name it too.
#include "formats/ggml_types.h"

#include "base/dtype.h"

namespace r1 {
namespace {

struct NamedType {
  std::uint32_t ggml_type;
  std::string_view name;
};
// Those in base/dtype.h are not repeated here.
constexpr NamedType kUnreadable[] = {
    {9, "Q8_1"},        {15, "Q8_K"},       {16, "IQ2_XXS"},  {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"},      {22, "IQ2_S"},      {24, "I8"},       {25, "I16"},    {28, "F64"},     {29, "IQ1_M"},
    {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"}, {34, "TQ1_0"},  {35, "TQ2_0"},   {36, "IQ4_NL_4_4"},
    {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},    {40, "NVFP4"},  {41, "Q1_0"},    {42, "Q2_0"},
};

}  // namespace

std::string_view ggml_type_name(std::uint32_t ggml_type) {
  if (const auto dtype = dtype_from_ggml(ggml_type)) return traits(*dtype).name;
  for (const NamedType& type : kUnreadable) {
    if (type.ggml_type == ggml_type) return type.name;
  }
  return "unknown";
}

std::string readable_ggml_types() {
  std::string names;
  for (const DtypeTraits& type : all_dtypes()) {
    if (type.ggml_type < 0) continue;
    if (!names.empty()) names += ", ";
    names += type.name;
  }
  return names;
}

}  // namespace r1
