// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_EXPORT_HPP
#define KVDB_EXPORT_HPP

#if defined(__GNUC__)
#define KVDB_EXPORT __attribute__((visibility("default")))
#else
#define KVDB_EXPORT
#endif

#endif
