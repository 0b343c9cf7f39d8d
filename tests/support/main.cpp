// SPDX-License-Identifier: BSL-1.0
// The main of every test program that does not define BOOST_TEST_MODULE itself.
#define BOOST_TEST_MODULE kvdb
#include <boost/test/unit_test.hpp>
