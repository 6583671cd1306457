/* The set of all states found: full states in the order in which they were found, in chunks that
 * never move, and an index of their numbers, an open-addressing table of 32 bits an entry. What an
 * entry has to spare beside the number of a state is filled with bits of its hash.
 *
 * Threads share both: a number is taken by counting up, the state is written under it, and then its
 * entry is set by comparing and exchanging. Who comes second finds the state there, and keeps the
 * number for the next one.
 */

enum { CHUNKS = 1 << 16, CHUNK_BYTES = 1 << 20, MOST_LEVELS = 1 << 16, MOST_THREADS = 64 };
enum failure { OUT_OF_MEMORY = 1, TOO_MANY_CALLS, SCRATCH_IS_FULL, HALTED, NOT_OWN, CHANGED };

typedef struct space {
    _Atomic(uint8_t *) chunk[CHUNKS];
    uint64_t chunk_bytes;
    int chunk_bits;
    _Atomic uint64_t count;
    _Atomic uint32_t *_Atomic entry;
    _Atomic uint64_t entries;
    int number_bits;
    pthread_rwlock_t lock;          /* whoever makes the index larger has it alone */
    _Atomic int growing;
    uint64_t limit;                 /* bytes; 0: none */
    _Atomic uint64_t used, on_disk;
    int scratch;                    /* a file descriptor, or -1 */
    _Atomic int scratch_is_full;
    _Atomic int halted;             /* the threads are to end at once */
    int levels;
    uint64_t starts[MOST_LEVELS + 1];
    _Atomic uint64_t cursor;        /* the next state of the level to be expanded */
    uint64_t fired[ACTIONS], crashed[ACTIONS], cuts[BOUNDS + 1];
    uint8_t sought[ALL_RULES];      /* the rules that are still looked at */
    _Atomic uint8_t broken[ALL_RULES];
    _Atomic uint8_t seen[WITNESSES + 1];
    uint8_t *cost;
    _Atomic uint8_t *leads_down;
    run *first;                     /* for what one thread does */
    run *working[MOST_THREADS];     /* the runs of all threads, the first among them */
    int threads;
    struct division *division;      /* NULL where it has all states: see partition.c */
} space;

/* Memory, of the process or, beyond its limit, of a file. */
static void *taken(space *s, uint64_t bytes, int may_spill)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS, file = -1;
    off_t offset = 0;
    if (s->limit && s->used + bytes > s->limit) {
        if (s->scratch < 0 || !may_spill)
            return NULL;
        offset = (off_t)atomic_fetch_add(&s->on_disk, bytes);
        if (posix_fallocate(s->scratch, offset, (off_t)bytes)) {
            s->scratch_is_full = 1;
            return NULL;
        }
        flags = MAP_SHARED;
        file = s->scratch;
    } else {
        s->used += bytes;
    }
    void *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, file, offset);
    return found == MAP_FAILED ? NULL : found;
}

static inline uint8_t *stored(const space *s, uint64_t number)
{
    uint64_t mask = (UINT64_C(1) << s->chunk_bits) - 1;
    uint8_t *chunk = atomic_load_explicit(&s->chunk[number >> s->chunk_bits], memory_order_acquire);
    return chunk + (number & mask) * STATE_BYTES;
}

static inline void load_bytes(const uint8_t *stored, packed *into)
{
    into->w[STATE_WORDS - 1] = 0;
    memcpy(into, stored, STATE_BYTES);
}

static inline void load(const space *s, uint64_t number, packed *into)
{
    load_bytes(stored(s, number), into);
}

/* Whether a stored state is this one. */
static inline int is_stored(const uint8_t *stored, const packed *wanted)
{
    packed other;
    load_bytes(stored, &other);
    return equal(&other, wanted);
}

/* The representative of all states that are like this one, as it is kept. */
static void representative(const state *s, packed *into)
{
    state own = *s;
    canonical(&own, ~UINT64_C(0));
    pack(&own, into);
}

/* The same of a state in flat bytes. */
static void representative_of(const uint8_t *cells, packed *into)
{
    state own;
    own.w[FLAT_WORDS - 1] = 0;
    memcpy(&own, cells, FLAT_BYTES);
    canonical(&own, ~UINT64_C(0));
    pack(&own, into);
}

static inline uint64_t home(const space *s, uint64_t hash)
{
    return (uint64_t)((unsigned __int128)hash * s->entries >> 64);
}

static inline uint32_t tag(const space *s, uint64_t hash)
{
    return (uint32_t)((uint64_t)(uint32_t)hash << s->number_bits);
}

static inline uint64_t number_in(const space *s, uint32_t entry)
{
    return (entry & (uint32_t)((UINT64_C(1) << s->number_bits) - 1)) - 1;
}

static inline int same_tag(const space *s, uint32_t entry, uint32_t tag)
{
    return ((uint64_t)(entry ^ tag) >> s->number_bits) == 0;
}

static int bits_for(uint64_t number)
{
    return 64 - __builtin_clzll(number);
}

/* A chunk for a state of this number, if there is none yet; false if there is no memory. */
static int room_for(space *s, uint64_t number)
{
    uint64_t which = number >> s->chunk_bits;
    if (which >= CHUNKS || number >= UINT32_MAX)
        return 0;
    if (s->chunk[which])
        return 1;
    uint8_t *made = taken(s, s->chunk_bytes, 1), *none = NULL;
    if (!made)
        return s->chunk[which] != NULL;
    if (!atomic_compare_exchange_strong(&s->chunk[which], &none, made)) {
        munmap(made, s->chunk_bytes);
        s->used -= s->chunk_bytes;
    }
    return 1;
}

/* The number of a state, or -1. `entry` is where it is, or would be. */
static int64_t look_up(const space *s, const packed *wanted, uint64_t hash, uint64_t *entry)
{
    uint32_t own = tag(s, hash);
    for (uint64_t at = home(s, hash);; at = at + 1 == s->entries ? 0 : at + 1) {
        uint32_t found = atomic_load_explicit(&s->entry[at], memory_order_acquire);
        *entry = at;
        if (!found)
            return -1;
        if (same_tag(s, found, own)) {
            uint64_t number = number_in(s, found);
            if (is_stored(stored(s, number), wanted))
                return (int64_t)number;
        }
    }
}

/* Whether a number was taken by a thread that has not used it yet: there is no state under it. */
static int is_spare(const space *s, uint64_t number)
{
    for (int i = 0; i < s->threads; i++)
        if (s->working[i]->spare == number)
            return 1;
    return 0;
}

/* Enter all states into an empty index. */
static void enter_all(space *s)
{
    enum { AHEAD = 16 };
    packed waiting[AHEAD];
    uint64_t hashes[AHEAD], numbers[AHEAD], count = s->count;
    for (uint64_t next = 0; next < count;) {
        int many = 0;
        for (; many < AHEAD && next < count; next++) {
            if (is_spare(s, next))
                continue;
            load(s, next, &waiting[many]);
            hashes[many] = hash_of(&waiting[many]);
            numbers[many] = next;
            __builtin_prefetch((void *)&s->entry[home(s, hashes[many])], 1);
            many++;
        }
        for (int i = 0; i < many; i++) {
            uint64_t at = home(s, hashes[i]);
            while (s->entry[at])
                at = at + 1 == s->entries ? 0 : at + 1;
            s->entry[at] = tag(s, hashes[i]) | (uint32_t)(numbers[i] + 1);
        }
    }
}

static int new_index(space *s, uint64_t entries)
{
    s->entry = taken(s, entries * sizeof *s->entry, 0);
    s->entries = entries;
    s->number_bits = bits_for(entries) > 32 ? 32 : bits_for(entries);
    return s->entry != NULL;
}

/* An index of so many entries; without memory for that, of as many as it had, and false. */
static int index_of(space *s, uint64_t entries)
{
    uint64_t old = s->entries;
    if (s->entry) {
        munmap((void *)s->entry, old * sizeof *s->entry);
        s->used -= old * sizeof *s->entry;
    }
    int done = new_index(s, entries);
    if (!done && !old)
        return 0;
    if (!done && !new_index(s, old))
        abort();
    enter_all(s);
    return done;
}

static int is_crowded(const space *s)
{
    return s->count + 4096 > s->entries / 4 * 3;
}

/* Make the index larger if it is crowded, while no other thread looks anything up. */
static int grow(space *s)
{
    s->growing = 1;
    pthread_rwlock_wrlock(&s->lock);
    int done = 1;
    if (is_crowded(s))
        done = index_of(s, s->entries < (1u << 20) ? s->entries * 2 : s->entries / 2 * 3);
    s->growing = 0;
    pthread_rwlock_unlock(&s->lock);
    return done;
}

/* Keep a state if it is new: 1; 0 if it is known; -1 without memory. */
static int keep(run *x, const packed *found, uint64_t hash)
{
    space *s = x->space;
    uint32_t own = tag(s, hash);
    uint64_t at;
    if (look_up(s, found, hash, &at) >= 0)
        return 0;
    if (x->spare == UINT64_MAX)
        x->spare = atomic_fetch_add(&s->count, 1);
    if (!room_for(s, x->spare))
        return -1;
    memcpy(stored(s, x->spare), found, STATE_BYTES);
    uint32_t mine = own | (uint32_t)(x->spare + 1);
    for (;; at = at + 1 == s->entries ? 0 : at + 1) {
        uint32_t there = 0;
        if (atomic_compare_exchange_strong_explicit(&s->entry[at], &there, mine,
                memory_order_acq_rel, memory_order_acquire)) {
            x->spare = UINT64_MAX;
            return 1;
        }
        if (same_tag(s, there, own) && is_stored(stored(s, number_in(s, there)), found))
            return 0;
    }
}

/* Give back a number that was not used: the last state takes it. */
static void give_back(space *s, uint64_t number)
{
    uint64_t last = s->count - 1, at;
    if (number != last) {
        packed moved;
        load(s, last, &moved);
        uint64_t hash = hash_of(&moved);
        if (look_up(s, &moved, hash, &at) == (int64_t)last) {
            memcpy(stored(s, number), &moved, STATE_BYTES);
            s->entry[at] = tag(s, hash) | (uint32_t)(number + 1);
        }
    }
    s->count = last;
}
