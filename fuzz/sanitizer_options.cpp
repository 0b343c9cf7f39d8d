// SPDX-License-Identifier: BSL-1.0
// What AddressSanitizer is told in the fuzzers, unless ASAN_OPTIONS says otherwise.

extern "C" const char* __asan_default_options();

/// With the defaults each execution touches fresh pages, until 256 MiB are in quarantine, and half of what an
/// allocation costs is its stack. What one execution frees stays poisoned to its end either way.
extern "C" const char* __asan_default_options()
{
    return "quarantine_size_mb=4:thread_local_quarantine_size_kb=256:malloc_context_size=5:"
           "allocator_release_to_os_interval_ms=-1";
}
