// SPDX-License-Identifier: BSL-1.0
/* Lookups without a lock (protocol.md 10.1, GET-1 to GET-8; S2 to S5 of 10.2; the argument of 10.3) beside a writer
   that sets and erases the key (SET-7, ERASE-6), moves its entry (MOVE-1), splits its segment or another one
   (SPLIT-1), doubles the directory (DOUBLE-1), and may die behind any instruction of a program, whereupon the next
   holder of the lock carries the program out again (REDO-R).

   One key is looked up. A segment is what that key's lookup sees of it: one slot in the home bucket, one in the
   partner, the mark that leads from the one to the other. An entry's word is the number of the record, which counts
   the key's changes and stands for its value; `absent_at` tells which of them were erasures. A segment that a split
   left is built anew by the next one, word by word, also as a segment of other keys, in which the key is not found.

   Left out: the overflow chain (it is reached through a mark as the partner is, and nothing in it moves), the words
   that do not lead a lookup (log_tail, counts), growth of the file. The order of memory: there is one writer at a time,
   whose stores are releases; a reader's loads acquire; so each run on real processors is a run of this model in which
   some loads are made earlier, back to the first.

   Asserted: what a lookup returns, a record or nothing, was the key's state at some instant between its beginning and
   its end. In particular a key that is there all along is found.

   Faults: FAULT_MOVE_WITHOUT_BUMP      MOVE-1 does not raise `shape`
           FAULT_SPLIT_WITHOUT_BUMP     SPLIT-1 does not
           FAULT_BUMP_BEHIND_CLEARING   MOVE-1 raises it behind its last store (S2)
           FAULT_BUMP_BEFORE_NEW_SLOT   MOVE-1 raises it before its new slot is stored (S2)
           FAULT_MARK_BEHIND_SLOT       a set into the partner bucket stores the mark last (S4)
           FAULT_SHAPE_RESET            a replay stores the shape that was noted when the program was made (S5)
           FAULT_SHAPE_NOT_COMPARED     GET-7 and GET-8 are skipped */
#ifndef PROGRAMS
#define PROGRAMS 4  // that the writer runs
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define SEGMENTS 5
#define NONE 255
#define HOME 0
#define PARTNER 1

typedef segment { byte place[2]; bool mark };

// Shared, in the file. Of the segments, `others` is one of other keys.
segment segments[SEGMENTS];
byte entry[2];  // the key's entry in the first directory and in the one that doubling makes
byte directory;
byte shape;
byte free_segment = NONE;
byte others = NONE;
byte index_tail = 1;

// The armed program.
mtype = { set_slot, move_entry, split_segment, split_others, double_directory };
mtype operation;
byte at_segment, at_place, new_word, new_segment, new_others, new_free, new_tail, noted_shape;

// What the key's state was, and is.
byte current = 1;
bool absent_at[PROGRAMS + 2];

byte programs, deaths;

// Word by word: no lookup should be there.
inline build(target, home_word, partner_word)
{
    segments[target].place[HOME] = home_word;
    segments[target].place[PARTNER] = partner_word;
    segments[target].mark = (partner_word != 0)
}

inline become_visible()
{
    if
    :: new_word > current -> current = new_word
    :: new_word == 0 && !absent_at[current] -> current++; absent_at[current] = true
    :: else
    fi
}

#if defined(FAULT_SHAPE_RESET)
#define BUMP shape = (replaying -> noted_shape : shape + 1)
#else
#define BUMP shape++
#endif
// Behind an instruction: the holder may die, and the next one begins again.
#define STEP if :: deaths < DEATHS -> deaths++; goto replay :: true fi

proctype writer()
{
    byte here, word;
    bool replaying;
next:
    if
    :: programs == PROGRAMS -> goto out
    :: else
    fi;
    d_step {
        programs++;
        replaying = false;
        noted_shape = shape;
        here = entry[directory];
        at_segment = here;
        at_place = (segments[here].place[HOME] != 0 -> HOME : (segments[here].place[PARTNER] != 0 -> PARTNER : NONE));
        word = (at_place == NONE -> 0 : segments[here].place[at_place]);
        new_word = 0; new_segment = 0; new_others = others; new_free = free_segment; new_tail = index_tail
    };
    if
    :: operation = set_slot; new_word = current + 1;
        if
        :: at_place != NONE
        :: at_place == NONE -> at_place = HOME
        :: at_place == NONE -> at_place = PARTNER
        fi
    :: at_place != NONE -> operation = set_slot  // ERASE-6
    :: at_place != NONE -> operation = move_entry; new_word = word
    :: directory == 0 -> operation = double_directory; entry[1] = entry[0]
    :: directory == 1 && index_tail + 1 < SEGMENTS ->
        // One half has the key, in either bucket; the other half is for others. One of them lies in the free segment.
        operation = split_segment;
        if
        :: free_segment != NONE -> new_segment = free_segment; new_others = index_tail; new_tail = index_tail + 1
        :: free_segment != NONE -> new_segment = index_tail; new_others = free_segment; new_tail = index_tail + 1
        :: free_segment == NONE ->
            new_segment = index_tail; new_others = index_tail + 1; new_tail = index_tail + 2
        fi;
        if
        :: build(new_segment, word, 0)
        :: word != 0 -> build(new_segment, 0, word)
        fi;
        build(new_others, 0, 0);
        new_free = at_segment
    :: free_segment != NONE && others != NONE ->
        operation = split_others;
        build(free_segment, 0, 0);
        new_others = free_segment;
        new_free = others
    fi;
    if
    :: deaths < DEATHS -> deaths++; goto next  // not armed: nothing has happened
    :: true
    fi;
execute:
    if
    :: operation == set_slot ->
#if !defined(FAULT_MARK_BEHIND_SLOT)
        if
        :: at_place == PARTNER && new_word != 0 -> segments[at_segment].mark = true; STEP
        :: else
        fi;
#endif
        atomic { segments[at_segment].place[at_place] = new_word; become_visible() };
        STEP
#if defined(FAULT_MARK_BEHIND_SLOT)
        ; segments[at_segment].mark = (at_place == PARTNER || segments[at_segment].mark); STEP
#endif
    :: operation == move_entry ->
        if
        :: at_place == HOME -> segments[at_segment].mark = true; STEP
        :: else
        fi;
#if defined(FAULT_BUMP_BEFORE_NEW_SLOT)
        BUMP; STEP;
#endif
        segments[at_segment].place[1 - at_place] = new_word; STEP;
#if !defined(FAULT_MOVE_WITHOUT_BUMP) && !defined(FAULT_BUMP_BEHIND_CLEARING) && !defined(FAULT_BUMP_BEFORE_NEW_SLOT)
        BUMP; STEP;
#endif
        segments[at_segment].place[at_place] = 0; STEP
#if defined(FAULT_BUMP_BEHIND_CLEARING)
        ; BUMP; STEP
#endif
    :: operation == split_segment ->
        entry[1] = new_segment; STEP;
        others = new_others; index_tail = new_tail; STEP;
        free_segment = new_free; STEP
#if !defined(FAULT_SPLIT_WITHOUT_BUMP)
        ; BUMP; STEP
#endif
    :: operation == split_others ->
        others = new_others; STEP;
        free_segment = new_free; STEP;
        BUMP; STEP
    :: operation == double_directory ->
        directory = 1; STEP
    fi;
    goto next;
replay:
    replaying = true;
    goto execute;
out:
    skip
}

#if defined(FAULT_SHAPE_NOT_COMPARED)
#define UNCHANGED true
#else
#define UNCHANGED (shape == s)
#endif

proctype reader()
{
    byte s, d, where, result, earliest, i;
    bool was_absent;
again:
    atomic { s = shape; earliest = current };             // GET-1
    d = directory;                                        // GET-2
    where = entry[d];                                     // GET-3
    result = segments[where].place[HOME];                 // GET-4
    if
    :: result != 0 -> goto judge
    :: else
    fi;
    if
    :: segments[where].mark -> result = segments[where].place[PARTNER]  // GET-5
    :: else
    fi;
judge:
    atomic {                                              // GET-7, GET-8
        if
        :: UNCHANGED
        :: else -> goto again
        fi;
        if
        :: result != 0 -> assert(earliest <= result && result <= current && !absent_at[result])
        :: else ->
            i = earliest;
            do
            :: i <= current -> was_absent = was_absent || absent_at[i]; i++
            :: else -> break
            od;
            assert(was_absent)
        fi
    }
}

init
{
    atomic {
        segments[0].place[HOME] = 1;
        run writer();
        run reader()
    }
}
