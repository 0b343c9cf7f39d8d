// SPDX-License-Identifier: BSL-1.0
// A thread that is made meanwhile inherits that it takes no signals but those that it causes itself.
#ifndef KVDB_IO_NO_SIGNALS_HPP
#define KVDB_IO_NO_SIGNALS_HPP

#include <csignal>

#include <pthread.h>

namespace kvdb::io {

class no_signals {
public:
    no_signals() noexcept
    {
        sigset_t others;
        sigfillset(&others);
        for (const int own : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS}) {
            sigdelset(&others, own);
        }
        pthread_sigmask(SIG_SETMASK, &others, &before_);
    }
    no_signals(const no_signals&) = delete;
    no_signals& operator=(const no_signals&) = delete;
    ~no_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace kvdb::io

#endif
