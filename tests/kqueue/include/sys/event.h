// A stand-in for FreeBSD's <sys/event.h>: as much of it as net/poller_kqueue.cc uses, so that it is
// compiled and tested on Linux, over kevent_over_epoll.cc. Values are those of FreeBSD 14.
#pragma once
#pragma GCC system_header  // as the original: a struct and a function of one name are a warning

#include <sys/types.h>
#include <time.h>

#include <cstdint>

inline constexpr short EVFILT_READ = -1;
inline constexpr short EVFILT_WRITE = -2;

inline constexpr unsigned short EV_ADD = 0x0001;
inline constexpr unsigned short EV_DELETE = 0x0002;
inline constexpr unsigned short EV_CLEAR = 0x0020;
inline constexpr unsigned short EV_EOF = 0x8000;

struct kevent {
  uintptr_t ident;       // the descriptor
  short filter;          // EVFILT_
  unsigned short flags;  // EV_
  unsigned int fflags;   // with EV_EOF: the socket's error
  int64_t data;          // bytes to read, or room to write
  void* udata;           // the cookie, given back as it came
  uint64_t ext[4];
};

#define EV_SET(kevp, a, b, c, d, e, f)   \
  do {                                   \
    struct kevent* const event = (kevp); \
    event->ident = (a);                  \
    event->filter = (b);                 \
    event->flags = (c);                  \
    event->fflags = (d);                 \
    event->data = (e);                   \
    event->udata = (f);                  \
  } while (false)

// As kqueue(2) has them: -1 and errno where they fail.
int kqueue();
int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const timespec* timeout);
