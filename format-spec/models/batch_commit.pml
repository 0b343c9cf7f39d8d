// SPDX-License-Identifier: BSL-1.0
/* Batches over several shards, which version 1 of protocol.md sets aside (section 19: `commit` of a shard, bit 5 of
   `meta`). This is the design as it stands to be built, on the lock words of section 3 (taken as proved: a dead
   holder's lock can be had), redo as in section 9, and lookups as in section 10.

   Two shards with one key each; shard 0 is the lead. A record of a batch carries its id and leads to the version
   before it. A batch writer: locks both shards in rank order; writes the records; commit word := id; tells the other
   member; arms the intent in the lead (old and new slots, absolute); stores the slots; **commit word := 0**, at which
   instant the batch is visible; disarms; takes the telling back; unlocks. A lookup loads the slot, then, for a record
   of a batch, the commit word: while it is the record's id, the version before counts; if it is not, the slot is loaded
   again, and if it changed, so begins the lookup. Whoever locks a member that was told unlocks it, locks all in rank
   order and repairs: the commit word still the id, all slots are restored, the intent disarmed, the word cleared; else
   all slots are stored as the intent says, and it is disarmed. Two batches, a set on the other member, two lookups
   one after the other; DEATHS of the writers are killed, as they write or as they repair.

   What the design's text leaves open, or has otherwise, and this model needs:
   - The lookup loads the slot again. Without that it may load the slot of a batch that is pending, sleep while that
     batch is undone, find the word clear, and return what never was.
   - When a batch is undone, the intent is disarmed before the word is cleared. The other way round, a repairer that
     dies between them leaves an intent that the next one takes for that of a finished batch.
   - The word is the id before the intent is armed, for the same reason.
   - A member is told before the intent is armed, and that is taken back only when it is disarmed; or else a shard is
     changed by somebody who does not know of the batch, and then "repaired".

   Left out: several keys in a shard, tails and counts, sealing, reuse of memory, the stop of the machine.

   Asserted: who sees one member of a batch, or begins when it is acknowledged, sees the other or what came later;
   no key goes back to an older version. So a batch is seen whole, or never, whoever dies where.

   Checked with: -DDEATHS=1
                 -DDEATHS=2

   Faults: FAULT_SLOT_NOT_LOADED_AGAIN          the lookup believes a clear word
           FAULT_WORD_BEFORE_SLOT               the lookup loads the word before the slot
           FAULT_WORD_LEAVES_BEFORE_DISARM [2]  an undone batch's word is cleared first
           FAULT_ARMED_BEFORE_WORD              the intent is armed before the word is the id
           FAULT_MEMBER_TOLD_LATE               the other member is told when the intent is armed
           FAULT_MEMBER_LEFT_EARLY              the telling is taken back before the intent is disarmed
           FAULT_INTENT_NEVER_TESTED            nobody repairs */
#ifndef DEATHS
#define DEATHS 2
#endif
#define WRITERS 3
#define VERSIONS 4

typedef version { byte batch_id; byte before };
typedef history { version at[VERSIONS] };

// Shared, in the file.
history record[2];  // by key: its versions
byte slot[2];       // the version that counts, but for a pending batch
byte next[2] = 1;   // never used twice
byte word;          // commit word, of the lead
byte armed;         // id of the batch in the intent of the lead
byte old[2], new[2];
byte told;          // id of the batch that the other shard is a member of

byte lock[2];       // writer + 1
bool killed[WRITERS];
byte deaths;

// What must be seen by a lookup that begins now.
byte seen[2];
byte member[6];     // versions of batch b: member[2 * b], member[2 * b + 1]

inline see(key, which)
{
    if
    :: seen[key] < which -> seen[key] = which
    :: else
    fi
}

inline take(shard)
{
    atomic { lock[shard] == 0 || killed[lock[shard] - 1] -> lock[shard] = me + 1 }
}

// By a holder of both locks.
inline repair()
{
#if !defined(FAULT_INTENT_NEVER_TESTED)
    if
    :: armed != 0 && word == armed ->
        slot[0] = old[0];
        slot[1] = old[1];
#if defined(FAULT_WORD_LEAVES_BEFORE_DISARM)
        word = 0;
        armed = 0
#else
        armed = 0;
        word = 0
#endif
    :: armed != 0 && word != armed ->
        slot[0] = new[0];
        slot[1] = new[1];
        armed = 0
    :: else
    fi;
    told = 0
#else
    skip
#endif
}

proctype batch(byte me)
{
    byte id = me + 1;
    {
        take(0);
        take(1);
        repair();
        d_step {
            old[0] = slot[0]; old[1] = slot[1];
            new[0] = next[0]; new[1] = next[1];
            next[0]++; next[1]++;
            record[0].at[new[0]].batch_id = id; record[0].at[new[0]].before = old[0];
            record[1].at[new[1]].batch_id = id; record[1].at[new[1]].before = old[1];
            member[2 * id - 2] = new[0]; member[2 * id - 1] = new[1]
        };
#if defined(FAULT_ARMED_BEFORE_WORD)
        told = id; armed = id; word = id;
#elif defined(FAULT_MEMBER_TOLD_LATE)
        word = id; armed = id; told = id;
#else
        word = id; told = id; armed = id;
#endif
        slot[0] = new[0];
        slot[1] = new[1];
        word = 0;
#if defined(FAULT_MEMBER_LEFT_EARLY)
        told = 0; armed = 0;
#else
        armed = 0; told = 0;
#endif
        lock[1] = 0;
        atomic { lock[0] = 0; see(0, member[2 * id - 2]); see(1, member[2 * id - 1]) }
    } unless { killed[me] }
}

proctype set_of_the_other(byte me)
{
    byte mine;
    {
        take(1);
#if !defined(FAULT_INTENT_NEVER_TESTED)
        if
        :: told != 0 ->
            lock[1] = 0;
            take(0);
            take(1);
            repair();
            lock[0] = 0
        :: else
        fi;
#endif
        mine = next[1];
        next[1]++;
        atomic { slot[1] = mine; see(1, mine) };
        lock[1] = 0
    } unless { killed[me] }
}

// Two lookups, one after the other, as of one process or of two: of lookups at the same time nothing is said.
proctype lookups()
{
    byte key, found, id, seen_word, earliest, count;
next_one:
    atomic {
        if
        :: key = 0
        :: key = 1
        fi;
        earliest = seen[key]
    };
again:
#if defined(FAULT_WORD_BEFORE_SLOT)
    seen_word = word;
#endif
    atomic { found = slot[key]; id = record[key].at[found].batch_id };
    if
    :: id != 0 ->
#if !defined(FAULT_WORD_BEFORE_SLOT)
        seen_word = word;
#endif
        if
        :: seen_word == id -> atomic { found = record[key].at[found].before; id = record[key].at[found].batch_id }
#if !defined(FAULT_SLOT_NOT_LOADED_AGAIN)
        :: seen_word != id && slot[key] != found -> goto again
        :: seen_word != id && slot[key] == found
#else
        :: else
#endif
        fi
    :: else
    fi;
    atomic {
        assert(found >= earliest);
        see(key, found);
        if
        :: id != 0 -> see(0, member[2 * id - 2]); see(1, member[2 * id - 1])
        :: else
        fi;
        found = 0; id = 0; seen_word = 0;
        count++;
        if
        :: count < 2 -> goto next_one
        :: else
        fi
    }
}

#define HOLDS(who) (!killed[who] && (lock[0] == who + 1 || lock[1] == who + 1))

proctype killer()
{
end:
    do
    :: atomic { deaths < DEATHS && HOLDS(0) -> deaths++; killed[0] = true }
    :: atomic { deaths < DEATHS && HOLDS(1) -> deaths++; killed[1] = true }
    :: atomic { deaths < DEATHS && HOLDS(2) -> deaths++; killed[2] = true }
    od
}

init
{
    atomic {
        run killer();
        run batch(0); run batch(1); run set_of_the_other(2);
        run lookups()
    }
}
