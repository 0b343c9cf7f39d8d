// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_KVDB_HPP
#define KVDB_KVDB_HPP

#include <kvdb/database.hpp>
#include <kvdb/error.hpp>
#include <kvdb/inspect.hpp>
#include <kvdb/options.hpp>
#include <kvdb/stats.hpp>
#include <kvdb/version.hpp>

#endif
