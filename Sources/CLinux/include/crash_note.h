// What the process was at when it crashed, left in a file for its next life. Signal handlers are C's: what they may call is
// no more than a few system calls.
#ifndef TIERD_CRASH_NOTE_H
#define TIERD_CRASH_NOTE_H

#include <stdint.h>

// From now on a crash (SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT) of a thread that is at an item appends the item
// to `file` in `directory`, 8 bytes little-endian, and then goes its way. A process that is killed leaves nothing. The
// name is copied; -1 where it is longer than 63 bytes. A later call takes the place of an earlier one.
int tierd_crash_note_arm(int directory, const char *file);

// What the calling thread is at; 0 for nothing.
void tierd_crash_note_item(uint64_t item);

#endif
