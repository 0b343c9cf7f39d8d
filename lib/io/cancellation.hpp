// SPDX-License-Identifier: BSL-1.0
// Thread cancellation is off while an operation can sleep or call the system: what it holds must be given back.
#ifndef KVDB_IO_CANCELLATION_HPP
#define KVDB_IO_CANCELLATION_HPP

#include <pthread.h>

namespace kvdb::io {

class no_cancellation {
public:
    no_cancellation() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    no_cancellation(const no_cancellation&) = delete;
    no_cancellation& operator=(const no_cancellation&) = delete;
    ~no_cancellation() { pthread_setcancelstate(before_, nullptr); }

private:
    int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace kvdb::io

#endif
