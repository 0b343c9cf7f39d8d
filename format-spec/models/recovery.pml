// SPDX-License-Identifier: BSL-1.0
/* Recovery (protocol.md 16.1, REC-2, REC-7 to REC-12, and 16.2) of one key's log, between stops of the machine that
   come at any step of it, and of the work before and after. The writer's part is SET-5 and SET-6, ERASE-5, ACC-2 (a
   new extent), the checkpoint of section 14, and a durable set, whose commit writes back the present extent from its
   header to the tail, and no other (COM-4).

   Each place of an extent, and each extent's header, is in the page cache and on the medium. A stop of the machine
   leaves of each that differs the one or the other, and both then agree. A walk ends at the first place without a
   valid record (6.3 of format.md). Records of another key fill places, too.

   Version 1 reuses nothing that held a record, so guards have no work in it yet (section 22). The cleaner that gives
   them some is the one of the design: a live record is copied with its number; a dead one, or a tombstone, is carried
   on as a tombstone with its number and victim if that victim may still be on the medium; all else is dropped. The
   emptied extent's header is zeroed at the next checkpoint that began after the emptying, and the one behind that makes
   it free. A tombstone is dropped only while no emptied extent waits, which is a little stricter than the design.
   The cleaner takes only extents that are on the medium as they are. The design does not say so; but without that rule
   a tombstone that stands for a dead value may be on the medium when neither that value nor what replaced it is, and
   an acknowledged value before them is gone.

   Left out: several shards, kills without a stop of the machine (then the page cache is all there, and REC-2 flushes it
   before anything is decided), torn records (they are invalid), the sequence number's width, give-back of REC-11.

   Asserted, whenever a recovery has walked (invariant L): the key's state is the one last acknowledged or a later one,
   and none that an earlier recovery, once it was finished, had decided against. What a recovery found is acknowledged
   when it is done, and so is what a checkpoint covers and a durable set.

   Checked with: -DPLACES=2 -DEXTENTS=3 -DSETS=2 -DERASES=0 -DOTHERS=2 -DCLEANS=0 -DSYNCS=0 -DSTOPS=2
                 -DPLACES=1 -DEXTENTS=5 -DSETS=3 -DERASES=1 -DOTHERS=0 -DCLEANS=2 -DSYNCS=3 -DSTOPS=2
                 -DPLACES=1 -DEXTENTS=5 -DSETS=2 -DERASES=1 -DOTHERS=0 -DCLEANS=1 -DSYNCS=0 -DSTOPS=1

   Faults: FAULT_OLDEST_RECORD_WINS           REC-8 keeps the record that it met first
           FAULT_RECOVERY_SEALS_NOTHING       REC-8 writes no end marks, and the writer goes on where the walk ended
           FAULT_SEQUENCE_REUSED [2]          SET-5 does not raise the number
           FAULT_INCARNATION_NOT_RAISED [2]   REC-7 begins the same incarnation again
           FAULT_GUARD_FORGOTTEN [2]          REC-9 is skipped
           FAULT_GUARD_WITH_LOSERS_NUMBER [2] a guard has the number of the record that lost
           FAULT_FREED_BEFORE_CHECKPOINT [2]  the cleaner zeroes the header at once
           FAULT_CLEANED_BEFORE_DURABLE [3]   the cleaner takes extents that are not on the medium yet */
#define NUMBERS 6  // of an incarnation
#define ALL (EXTENTS * PLACES)
#define NONE 255

#define VALUE 1
#define TOMBSTONE 2
#define END_MARK 3
#define OTHER_KEY 4

#define FREE 0
#define USED 1
#define EMPTIED 2  // by the cleaner; the header stands
#define ZEROED 3   // the header is zero, but perhaps not on the medium

typedef log_record { byte kind; byte number; byte victim; byte victim_number };  // victim: its place + 1
log_record cached[ALL], stored[ALL];
bool header[EXTENTS], stored_header[EXTENTS];
byte state[EXTENTS];
byte incarnation = 1;   // durable before it is used (REC-7)

byte extent = NONE;     // that is appended to, and its tail
byte tail;
byte next_number = NUMBERS;
byte live;              // place + 1 of the record that the index leads to

// What the key is, what was acknowledged, and the first number that no finished recovery has seen.
byte number_now, acknowledged, first_new;
bool absent_now = true, acknowledged_absent = true;
bool erased_by[NUMBERS * 5];  // by number: the key's state is absent

byte sets, erases, others, cleans, syncs, stops;
byte i, j, e, winner, at, guarded_place;
bool named, waits;

#define ROOM ((extent != NONE && tail < PLACES) || FREE_EXTENT)
#if EXTENTS == 3
#define FREE_EXTENT (state[0] == FREE || state[1] == FREE || state[2] == FREE)
#else
#define FREE_EXTENT (state[0] == FREE || state[1] == FREE || state[2] == FREE || state[3] == FREE || state[4] == FREE)
#endif

inline forget(where)
{
    where.kind = 0; where.number = 0; where.victim = 0; where.victim_number = 0
}

inline copy(to, from)
{
    to.kind = from.kind; to.number = from.number; to.victim = from.victim; to.victim_number = from.victim_number
}

// ACC-2, HAND-5: a new nonce, so that nothing that stood in the run is valid.
inline new_extent()
{
    e = 0;
    do
    :: state[e] != FREE -> e++
    :: else -> break
    od;
    extent = e; tail = 0; state[e] = USED; header[e] = true;
    i = e * PLACES;
    do
    :: i < e * PLACES + PLACES -> forget(cached[i]); forget(stored[i]); i++
    :: else -> break
    od;
    i = 0
}

inline append(what, its_number, its_victim, its_victims_number)
{
    if
    :: extent == NONE || tail == PLACES -> new_extent()
    :: else
    fi;
    at = extent * PLACES + tail;
    cached[at].kind = what; cached[at].number = its_number;
    cached[at].victim = its_victim; cached[at].victim_number = its_victims_number;
    tail++
}

inline acknowledge()
{
    acknowledged = number_now;
    acknowledged_absent = absent_now
}

inline flush()
{
    i = 0;
    do
    :: i < ALL -> copy(stored[i], cached[i]); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < EXTENTS -> stored_header[i] = header[i]; i++
    :: else -> break
    od;
    i = 0
}

inline number_taken()
{
#if !defined(FAULT_SEQUENCE_REUSED)
    next_number++
#else
    skip
#endif
}

// Is place p one of those that a walk reaches?
inline walk_to(p)
{
    e = p / PLACES;
    named = header[e] && state[e] != FREE;
    j = e * PLACES;
    do
    :: j <= p -> named = named && cached[j].kind != 0 && cached[j].kind != END_MARK; j++
    :: else -> break
    od;
    j = 0
}

active proctype machine()
{
work:
    atomic { i = 0; j = 0; e = 0; at = 0; winner = 0; named = false; waits = false };
    if
    :: sets < SETS && ROOM ->                      // SET-5 to SET-7; relaxed, or durable
        atomic {
            d_step {
                sets++;
                append(VALUE, next_number, live, (live == 0 -> 0 : cached[live - 1].number));
                live = at + 1; number_now = next_number; absent_now = false; number_taken()
            };
            if
            :: true
            :: d_step {
                stored_header[extent] = true;
                i = extent * PLACES;
                do
                :: i < extent * PLACES + tail -> copy(stored[i], cached[i]); i++
                :: else -> break
                od;
                acknowledge()
               }
            fi
        };
        goto work
    :: erases < ERASES && live != 0 && ROOM ->     // ERASE-4 to ERASE-6
        d_step {
            erases++;
            append(TOMBSTONE, next_number, live, cached[live - 1].number);
            live = 0; number_now = next_number; absent_now = true; erased_by[next_number] = true; number_taken()
        };
        goto work
    :: others < OTHERS && ROOM ->
        d_step { others++; append(OTHER_KEY, next_number, 0, 0); number_taken() };
        goto work
    :: extent != NONE && tail < PLACES && FREE_EXTENT ->  // the extent is left early, for a large record
        d_step { cached[extent * PLACES + tail].kind = END_MARK; new_extent() };
        goto work
    :: syncs < SYNCS ->                            // SYNC-4 to SYNC-7
        d_step {
            syncs++;
            flush();
            acknowledge();
            e = 0;
            do
            :: e < EXTENTS ->
                if
                :: state[e] == ZEROED -> state[e] = FREE
                :: state[e] == EMPTIED -> state[e] = ZEROED; header[e] = false
                :: else
                fi;
                e++
            :: else -> break
            od;
            e = 0
        };
        goto work
    :: cleans < CLEANS && FREE_EXTENT ->
        atomic {
            cleans++;
            if
            :: winner = 0
            :: winner = 1
            :: winner = 2
#if EXTENTS > 3
            :: winner = 3
            :: winner = 4
#endif
            fi;
            if
#if defined(FAULT_CLEANED_BEFORE_DURABLE)
            :: state[winner] == USED && winner != extent
#else
            :: state[winner] == USED && winner != extent && stored_header[winner] && stored[winner].kind != 0
#endif
            :: else -> goto work
            fi
        };
        d_step {                                   // of one place: CLEANS is used with extents of one alone
            at = winner;
            waits = false;
            i = 0;
            do
            :: i < EXTENTS -> waits = waits || state[i] == EMPTIED || state[i] == ZEROED; i++
            :: else -> break
            od;
            i = winner;
            if
            :: cached[i].kind == VALUE && live == i + 1 ->
                winner = i;
                append(VALUE, cached[winner].number, cached[winner].victim, cached[winner].victim_number);
                live = at + 1
            :: else ->
                named = false;
                if
                :: (cached[i].kind == VALUE || cached[i].kind == TOMBSTONE) && cached[i].victim != 0 ->
                    j = cached[i].victim - 1;
                    named = (state[j] != FREE && cached[j].kind == VALUE &&
                             cached[j].number == cached[i].victim_number) ||
                            (cached[i].kind == TOMBSTONE && waits)
                :: else
                fi;
                if
                :: named ->
                    append(TOMBSTONE, cached[winner].number, cached[winner].victim, cached[winner].victim_number)
                :: else
                fi
            fi;
#if defined(FAULT_FREED_BEFORE_CHECKPOINT)
            state[winner] = ZEROED; header[winner] = false
#else
            state[winner] = EMPTIED
#endif
        };
        goto work
    :: stops < STOPS -> goto stop
    :: else -> goto out
    fi;

stop:
    // Of whatever differs, either may be left.
    atomic {
        stops++;
        i = 0;
        do
        :: i < EXTENTS && header[i] == stored_header[i] -> i++
        :: i < EXTENTS && header[i] != stored_header[i] -> stored_header[i] = header[i]; i++
        :: i < EXTENTS && header[i] != stored_header[i] -> i++
        :: i == EXTENTS -> break
        od;
        i = 0;
        do
        :: i < ALL && !stored_header[i / PLACES] -> forget(stored[i]); i++
        :: i < ALL && stored_header[i / PLACES] && cached[i].kind != stored[i].kind -> copy(stored[i], cached[i]); i++
        :: i < ALL && stored_header[i / PLACES] -> i++
        :: i == ALL -> break
        od;
        d_step {
            i = 0;
            do
            :: i < ALL -> copy(cached[i], stored[i]); i++
            :: else -> break
            od;
            i = 0;
            do
            :: i < EXTENTS -> header[i] = stored_header[i]; state[i] = (header[i] -> USED : FREE); i++
            :: else -> break
            od;
            extent = NONE; tail = 0; live = 0
        }
    };
    // REC-7
    d_step {
#if !defined(FAULT_INCARNATION_NOT_RAISED)
        incarnation++;
#endif
        next_number = incarnation * NUMBERS;
        // REC-8: the higher number wins, at equal numbers a value over a tombstone, else the one met first.
        winner = 0;
        i = 0;
        do
        :: i < ALL ->
            walk_to(i);
            if
            :: named && (cached[i].kind == VALUE || cached[i].kind == TOMBSTONE) ->
                if
                :: winner == 0 -> winner = i + 1
#if !defined(FAULT_OLDEST_RECORD_WINS)
                :: winner != 0 && (cached[i].number > cached[winner - 1].number ||
                                   (cached[i].number == cached[winner - 1].number && cached[i].kind == VALUE &&
                                    cached[winner - 1].kind == TOMBSTONE)) -> winner = i + 1
#endif
                :: else
                fi
            :: else
            fi;
            i++
        :: else -> break
        od;
        if
        :: winner == 0 -> number_now = 0; absent_now = true
        :: else -> number_now = cached[winner - 1].number; absent_now = cached[winner - 1].kind == TOMBSTONE
        fi;
        // Absent after an acknowledged absence: nothing was lost, whatever says so.
        if
        :: absent_now && acknowledged_absent
        :: else ->
            assert(number_now >= acknowledged);
            assert(number_now == acknowledged || number_now >= first_new);
            assert(absent_now == erased_by[number_now])
        fi
    };
    // REC-8, the end marks. Cut short, it leaves some of them, as far as the medium tells.
    d_step {
        i = 0;
        do
        :: i < ALL ->
            walk_to(i);
            if
            :: header[e] && !named && cached[i].kind != END_MARK ->
                // The first such place of its extent, if what stands before it is reached.
                if
                :: i % PLACES == 0 -> named = true
                :: else -> at = i - 1; walk_to(at)
                fi;
                if
                :: named ->
#if !defined(FAULT_RECOVERY_SEALS_NOTHING)
                    forget(cached[i]);
                    cached[i].kind = END_MARK
#else
                    extent = i / PLACES; tail = i % PLACES
#endif
                :: else
                fi
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    };
    if
    :: stops < STOPS -> goto stop
    :: true
    fi;
#if !defined(FAULT_GUARD_FORGOTTEN)
    // REC-9, a step for each guard.
    at = 0; guarded_place = 0;
guard:
    if
    :: at == ALL -> goto guarded
    :: else
    fi;
    d_step {
        i = at;
        waits = true;
        walk_to(i);
        if
        :: named && cached[at].kind == VALUE && winner != at + 1 ->
            waits = false;  // does nobody name it?
            i = 0;
            do
            :: i < ALL ->
                walk_to(i);
                waits = waits || (named && cached[i].victim == at + 1 && cached[i].victim_number == cached[at].number);
                i++
            :: else -> break
            od
        :: else
        fi;
        i = 0
    };
    if
    :: !waits && ROOM ->
        d_step {
#if defined(FAULT_GUARD_WITH_LOSERS_NUMBER)
            append(TOMBSTONE, cached[guarded_place].number, guarded_place + 1, cached[guarded_place].number);
#else
            append(TOMBSTONE, cached[winner - 1].number, guarded_place + 1, cached[guarded_place].number);
#endif
            at = guarded_place
        };
        if
        :: stops < STOPS -> goto stop
        :: true
        fi
    :: !waits && !ROOM -> goto out  // recovery fails on a full disk, and begins again one day
    :: else
    fi;
    at++;
    guarded_place = at;
    goto guard;
guarded:
    guarded_place = 0;
#endif
    // REC-10, REC-12
    d_step {
        flush();
        live = (absent_now -> 0 : winner);
        acknowledge();
        first_new = next_number
    };
    goto work;
out:
    skip
}
