#pragma once

#include <cstddef>

namespace serin::bench {

/// One-sided 95 % upper bound of a proportion, exact (Clopper and Pearson 1934). `runs` > 0.
double upper_bound_95(size_t hits, size_t runs);

}  // namespace serin::bench
