// SPDX-License-Identifier: BSL-1.0
// What nearly every test includes, read once by the compiler. Each source still includes what it uses.
#ifndef KVDB_TESTS_SUPPORT_PRECOMPILED_HPP
#define KVDB_TESTS_SUPPORT_PRECOMPILED_HPP

#include "support/child.hpp"
#include "support/fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#endif
