// SPDX-License-Identifier: BSL-1.0
// Constants that fit files of any size but the small ones of tests. The test build can change them while it runs.
#ifndef KVDB_BASE_POLICY_HPP
#define KVDB_BASE_POLICY_HPP

namespace kvdb {

#ifdef KVDB_TEST_HOOKS
template <class Policy>
inline Policy test_policy;

template <class Policy>
inline const Policy& current_policy() noexcept
{
    return test_policy<Policy>;
}
#else
template <class Policy>
constexpr Policy current_policy() noexcept
{
    return {};
}
#endif

}  // namespace kvdb

#endif
