// number_between.h: the check of an option that takes a number with a fraction.
#pragma once

namespace CLI {
class Validator;
}

namespace r1 {

// As CLI::Range, which lets "nan" pass.
CLI::Validator number_between(double low, double high);

}  // namespace r1
