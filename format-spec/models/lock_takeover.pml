// SPDX-License-Identifier: BSL-1.0
/* The lock word of protocol.md 3 (LOCK-1 to LOCK-7, UNLOCK-1), attachment slots of section 4 (ATT-2, ATT-3, ATT-J,
   DET-2), redo programs of section 9 (REDO-1 to 4, REDO-R) and the repair of 11.5 (FIX, SEAL of 11.4).

   Three handles share two attachment slots, so slots are claimed again with a higher generation; or there are two
   handles, of which one has two threads. Each thread locks, repairs and makes a change. Any handle may be killed at any
   step, DEATHS of them in all; the kernel then drops the lock on its slot's byte. The first replay of a program may
   meet an error and unlock, as REDO-R2 allows.

   Left out: futexes (a nap always ends; here it ends when looking again would have a result), deadlines, the order in
   which ATT-2 tries slots (any free one may be had), the reuse of a generation after 2^32 claims. Stores take effect
   in the order in which they are made: a dead process's stores are all there (protocol.md 2).

   Asserted: two living handles never hold the word; who has locked and repaired finds what the lock guards whole (the
   two words of a program equal, nothing armed) and no half-born record behind the tail. A thread that waits for ever
   is an invalid end state.

   Checked with: -DDEATHS=2
                 -DDEATHS=1 -DTWO_THREADS

   Faults: FAULT_INTENT_NEVER_TESTED      REDO-R is skipped
           FAULT_ONLY_TAKERS_REPLAY       REDO-R is skipped by fresh holders
           FAULT_RELATIVE_VALUES          a program adds where it should store (REDO-1)
           FAULT_TAKEOVER_WITHOUT_SEAL    FIX-2 is skipped
           FAULT_TAKEOVER_OF_THE_SLOT     LOCK-7 compares the slot number alone
           FAULT_GENERATION_NOT_RAISED    ATT-3 is skipped
           FAULT_GENERATION_NOT_COMPARED  ATT-J asks for the byte alone
           FAULT_OWN_BYTE_ASKED [2]       ATT-J asks for the handle's own byte, which the kernel never calls locked */
#ifndef DEATHS
#define DEATHS 2
#endif
#define HANDLES 3
#define SLOTS 2

#define WAITERS 128
#define SLOT_OF(w) (((w) & 3) - 1)
#define GENERATION_OF(w) (((w) & 127) >> 2)
#define OWN_WORD (slot[h] + 1 + (claimed[h] << 2))

// Shared, in the file.
byte word;              // slot + 1, generation, waiters bit
byte generation[SLOTS];
bool armed;
byte payload;
byte low, high;         // what the lock guards: equal unless a program is under way
bool half_born;         // a record behind the tail

// Of the kernel and of each handle.
byte byte_of[SLOTS];    // handle + 1 that has locked the slot's byte
byte slot[HANDLES];
byte claimed[HANDLES];  // generation
bool attached[HANDLES];
bool killed[HANDLES];
byte holding[HANDLES];  // threads that believe that they hold the word
byte busy[HANDLES];     // threads that are not done
byte deaths;
bool erred;
byte gate;              // handle + 1 that is in it

#if defined(FAULT_GENERATION_NOT_COMPARED)
#define OTHER_GENERATION(w) false
#else
#define OTHER_GENERATION(w) (generation[SLOT_OF(w)] != GENERATION_OF(w))
#endif
#if defined(FAULT_OWN_BYTE_ASKED)
#define BYTE_FREE(w) (byte_of[SLOT_OF(w)] == 0 || byte_of[SLOT_OF(w)] == h + 1)
#else
#define BYTE_FREE(w) (byte_of[SLOT_OF(w)] == 0)
#endif
#define DEAD(w) (OTHER_GENERATION(w) || BYTE_FREE(w))

#if defined(FAULT_TAKEOVER_OF_THE_SLOT)
#define UNCHANGED (word != 0 && SLOT_OF(word) == SLOT_OF(seen))
#else
#define UNCHANGED (word == seen)
#endif

inline have(fresh)
{
    assert(holding[0] + holding[1] + holding[2] == 0);
    holding[h]++;
    taken_over = !(fresh);
    seen = 0
}

inline carry_out()
{
#if defined(FAULT_RELATIVE_VALUES)
    atomic { half_born = false; low = 1 - low };
    high = 1 - high;
#else
    atomic { half_born = false; low = payload };  // the tail, and a word
    high = payload;
#endif
    armed = false                                 // REDO-4, REDO-R4
}

inline unlock()
{
    atomic {
        assert(SLOT_OF(word) == slot[h] && GENERATION_OF(word) == claimed[h]);
        word = 0;  // UNLOCK-1
        holding[h]--;
        taken_over = false;
        was_armed = false
    }
}

// A load and the compare-and-swap behind it are one step where a failure leads back to the load.
inline operate()
{
    atomic {  // LOCK-1, LOCK-2
        if
        :: word == 0 -> word = OWN_WORD; have(true); goto fix
        :: else
        fi
    };
look_again:
    atomic {
        if
        :: word == 0 -> word = OWN_WORD | WAITERS; have(true); goto fix  // LOCK-3
        :: else -> word = word | WAITERS; seen = word                    // LOCK-4
        fi
    };
    atomic {
        (word != seen || DEAD(seen));  // LOCK-5, a nap
        seen = word;                   // LOCK-6
        if
        :: seen == 0 -> goto look_again
        :: else
        fi
    };
    if
    :: OTHER_GENERATION(seen)      // ATT-J, first question
    :: else ->
        if
        :: BYTE_FREE(seen)         // second question
        :: else -> goto look_again
        fi
    fi;
    atomic {  // LOCK-7
        if
        :: UNCHANGED -> word = OWN_WORD | WAITERS; have(false)
        :: else -> goto look_again
        fi
    };
fix:
#if !defined(FAULT_INTENT_NEVER_TESTED)
    if
#if defined(FAULT_ONLY_TAKERS_REPLAY)
    :: armed && taken_over ->
#else
    :: armed ->                    // REDO-R1
#endif
        was_armed = true;
        if
        :: !erred -> erred = true; unlock(); goto look_again  // REDO-R2: an error, and the caller tries once more
        :: true
        fi;
        carry_out()                // REDO-R3
    :: else
    fi;
#endif
#if !defined(FAULT_TAKEOVER_WITHOUT_SEAL)
    if
    :: taken_over && !was_armed -> half_born = false  // FIX-2: an end mark where the record began
    :: else
    fi;
#endif
    atomic {
        assert(!armed);
        assert(low == high);
        assert(!half_born);
        half_born = true;          // SET-6
        payload = 1 - low          // REDO-1
    };
    armed = true;                  // REDO-2
    carry_out();                   // REDO-3
    unlock()
}

inline detach_if_last()
{
    atomic {
        busy[h]--;
        if
        :: busy[h] == 0 -> byte_of[slot[h]] = 0; attached[h] = false  // DET-2
        :: else
        fi
    }
}

proctype handle(byte h)
{
    byte seen;
    bool taken_over, was_armed;
    {
        atomic {  // ATT-2, in the gate
            gate == 0 -> gate = h + 1;
            if
            :: byte_of[0] == 0 -> slot[h] = 0
            :: byte_of[1] == 0 -> slot[h] = 1
            fi;
            byte_of[slot[h]] = h + 1
        };
        atomic {  // ATT-3: stores of the slot's owner alone; then out of the gate
#if !defined(FAULT_GENERATION_NOT_RAISED)
            generation[slot[h]]++;
#endif
            claimed[h] = generation[slot[h]];
            attached[h] = true;
            gate = 0
        };
        operate();
        detach_if_last()
    } unless { killed[h] }
}

proctype second_thread(byte h)
{
    byte seen;
    bool taken_over, was_armed;
    {
        attached[h];
        operate();
        detach_if_last()
    } unless { killed[h] }
}

// Kills a handle that has a byte locked. A thread stops between two steps; the kernel drops the lock on the byte when
// all of them have stopped.
proctype killer()
{
    byte h;
end:
    do
    :: atomic {
        deaths < DEATHS && byte_of[0] + byte_of[1] != 0 ->
            if
            :: byte_of[0] != 0 -> h = byte_of[0] - 1
            :: byte_of[1] != 0 -> h = byte_of[1] - 1
            fi;
            deaths++;
            killed[h] = true;
            if
            :: gate == h + 1 -> gate = 0
            :: else
            fi;
            byte_of[slot[h]] = 0;
            attached[h] = false;
            holding[h] = 0;
            h = 0
       }
    od
}

init
{
    atomic {
        run killer();
        busy[0] = 1; busy[1] = 1;
        run handle(0); run handle(1);
#if defined(TWO_THREADS)
        busy[0] = 2;
        run second_thread(0)
#else
        busy[2] = 1;
        run handle(2)
#endif
    }
}
