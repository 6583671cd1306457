/* The machine object-lifetime, written by hand in C.
 *
 * Set with -D: FDS iommufds with SLOTS slots each, DEVICES devices, of which those from SECOND on (the
 * first is 0) are on the second iommufd; LOG2 to begin with a table of 1 << LOG2 states.
 *
 * A state is one word: each slot's kind, parent and number of holders, then each device's page table.
 * Slots are numbered from 0; in `parent` and in a device 0 is none and n + 1 is slot n.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FREE, IOAS, S2, NESTED };
enum { ALL = FDS * SLOTS };

#define BITS(max) ((max) < 2 ? 1 : (max) < 4 ? 2 : (max) < 8 ? 3 : (max) < 16 ? 4 : 5)
#define KIND 2
#define LINK BITS(ALL)
#define REFS BITS(SLOTS + DEVICES - 1)
#define SLOT (KIND + LINK + REFS)
#define WIDTH (ALL * SLOT + DEVICES * LINK)

#ifdef WIDE /* more than 63 bits: one is for telling an empty entry of the table */
typedef unsigned __int128 word;
_Static_assert(WIDTH < 128, "too many bits");
#else
typedef uint64_t word;
_Static_assert(WIDTH < 64, "say -DWIDE");
#endif

#define KIND_AT(slot) ((slot) * SLOT)
#define LINK_AT(slot) ((slot) * SLOT + KIND)
#define REFS_AT(slot) ((slot) * SLOT + KIND + LINK)
#define DEVICE_AT(dev) (ALL * SLOT + (dev) * LINK)
#define FIELD(state, at, bits) ((unsigned)((state) >> (at)) & ((1u << (bits)) - 1))
#define PUT(value, at) ((word)(value) << (at))

#ifndef LOG2
#define LOG2 16
#endif
#define MOST (FDS + ALL * (3 + DEVICES) + DEVICES) /* steps of one state */

static void die(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* The states seen: open addressing, a state is stored plus one, so 0 is an empty entry. */

static word *table;
static int log2_size;
static uint64_t stored;

static uint64_t place(word state)
{
    uint64_t mixed = (uint64_t)state * 0x9e3779b97f4a7c15u;
#ifdef WIDE
    mixed ^= (uint64_t)(state >> 64) * 0xc2b2ae3d27d4eb4fu;
#endif
    mixed ^= mixed >> 32;
    return mixed * 0xd6e8feb86659fd93u >> (64 - log2_size);
}

static int insert(word state)
{
    uint64_t last = ((uint64_t)1 << log2_size) - 1, at = place(state);
    for (; table[at]; at = (at + 1) & last)
        if (table[at] == state + 1)
            return 0;
    table[at] = state + 1;
    stored++;
    return 1;
}

static void resize(int bits)
{
    word *old = table;
    uint64_t count = old ? (uint64_t)1 << log2_size : 0;
    log2_size = bits;
    stored = 0;
    table = calloc((uint64_t)1 << bits, sizeof *table);
    if (!table)
        die("no memory for the table");
    for (uint64_t at = 0; at < count; at++)
        if (old[at])
            insert(old[at] - 1);
    free(old);
}

/* A level of the search. */

struct level {
    word *states;
    uint64_t count, room;
};

static void push(struct level *level, word state)
{
    if (level->count == level->room) {
        level->room = level->room ? level->room * 2 : 1024;
        level->states = realloc(level->states, level->room * sizeof *level->states);
        if (!level->states)
            die("no memory for a level");
    }
    level->states[level->count++] = state;
}

/* Each stored count is the number of referrers. */
static void check(const unsigned *link, const unsigned *refs, const unsigned *device)
{
    unsigned number[ALL + 1] = {0};
    for (int slot = 0; slot < ALL; slot++)
        number[link[slot]]++;
    for (int dev = 0; dev < DEVICES; dev++)
        number[device[dev]]++;
    for (int slot = 0; slot < ALL; slot++)
        if (number[slot + 1] != refs[slot])
            die("a count is not the number of referrers");
}

/* All steps of a state; what they lead to is written to `next`. */
static int expand(word s, word *next)
{
    unsigned kind[ALL], link[ALL], refs[ALL], device[DEVICES];
    int steps = 0, lowest[FDS];
    for (int fd = 0; fd < FDS; fd++)
        lowest[fd] = -1;
    for (int slot = ALL - 1; slot >= 0; slot--) {
        kind[slot] = FIELD(s, KIND_AT(slot), KIND);
        link[slot] = FIELD(s, LINK_AT(slot), LINK);
        refs[slot] = FIELD(s, REFS_AT(slot), REFS);
        if (kind[slot] == FREE)
            lowest[slot / SLOTS] = slot;
    }
    for (int dev = 0; dev < DEVICES; dev++)
        device[dev] = FIELD(s, DEVICE_AT(dev), LINK);
    check(link, refs, device);

    for (int fd = 0; fd < FDS; fd++) /* alloc ioas */
        if (lowest[fd] >= 0)
            next[steps++] = s + PUT(IOAS, KIND_AT(lowest[fd]));
    for (int slot = 0; slot < ALL; slot++) {
        int made = lowest[slot / SLOTS];
        if (made >= 0 && (kind[slot] == IOAS || kind[slot] == S2)) /* alloc s2, alloc nested */
            next[steps++] = s + PUT(kind[slot] + 1, KIND_AT(made)) + PUT(slot + 1, LINK_AT(made))
                            + PUT(1, REFS_AT(slot));
        if (kind[slot] >= S2) /* attach */
            for (int dev = 0; dev < DEVICES; dev++)
                if (!device[dev] && slot / SLOTS == (dev >= SECOND))
                    next[steps++] = s + PUT(slot + 1, DEVICE_AT(dev)) + PUT(1, REFS_AT(slot));
        if (kind[slot] != FREE && !refs[slot]) { /* destroy */
            word left = s - PUT(kind[slot], KIND_AT(slot)) - PUT(link[slot], LINK_AT(slot));
            next[steps++] = link[slot] ? left - PUT(1, REFS_AT(link[slot] - 1)) : left;
        }
    }
    for (int dev = 0; dev < DEVICES; dev++) /* detach */
        if (device[dev])
            next[steps++] = s - PUT(device[dev], DEVICE_AT(dev)) - PUT(1, REFS_AT(device[dev] - 1));
    return steps;
}

int main(void)
{
    struct level now = {0}, then = {0};
    uint64_t steps = 0;
    int depth = 0;
    resize(LOG2);
    insert(0);
    push(&now, 0);
    for (;; depth++) {
        for (uint64_t at = 0; at < now.count; at++) {
            word next[MOST];
            int count = expand(now.states[at], next);
            if (stored + MOST > ((uint64_t)1 << log2_size) / 8 * 7)
                resize(log2_size + 1);
            for (int i = 0; i < count; i++)
                __builtin_prefetch(table + place(next[i]));
            for (int i = 0; i < count; i++)
                if (insert(next[i]))
                    push(&then, next[i]);
            steps += (uint64_t)count;
        }
        if (!then.count)
            break;
        struct level spare = now;
        now = then;
        then = spare;
        then.count = 0;
    }
    printf("%llu states, %llu transitions, depth %d\n", (unsigned long long)stored,
           (unsigned long long)steps, depth);
    return 0;
}
